//! One consumer session.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::failpoints::{self, pass};
use forebay_queue_core::{
    Capabilities, Delivery, Error, Nack, NewMessage, PublishOutcome, Queue, QueueName, Receipt,
    SettleOutcome,
};
use parking_lot::Mutex;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::NAME;
use crate::backend::CAPABILITIES;
use crate::call::Call;
use crate::entry::NewEntry;
use crate::failure::{Advice, Failure};
use crate::home::{Home, Shared};
use crate::publisher::Publishing;
use crate::reader::{LONGEST_BLOCK, Reader};
use crate::receipt::{Consumer, StreamId};
use crate::script;
use crate::settler::Settling;
use crate::watch::Watch;

/// The most connections that read for one session at once. Further callers wait their turn.
const MOST_READERS: usize = 64;
/// After a read that failed, before the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether a session is open.
pub(crate) struct Life(watch::Sender<bool>);

impl Life {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.0.borrow()
    }

    async fn until_closed(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|closed| *closed).await;
    }
}

/// One consumer session with a queue on Redis. Each receive that is under way has a connection of its own; what it
/// reads it hands out.
pub(crate) struct RedisQueue {
    shared: Arc<Shared>,
    life: Arc<Life>,
    /// Connections that wait for the next receive.
    idle: Mutex<Vec<Reader>>,
    turns: Semaphore,
    runtime: Runtime,
}

impl RedisQueue {
    /// A session with a queue that is there. Needs a runtime.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            life: Arc::new(Life::new()),
            idle: Mutex::default(),
            turns: Semaphore::new(MOST_READERS),
            runtime: Runtime::current(),
        }
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.shared.home
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.life.is_closed() || self.home().is_ended() {
            return Err(self.home().closed());
        }
        Ok(())
    }

    /// Returns when nothing may be received any more.
    async fn until_over(&self) {
        tokio::select! {
            () = self.life.until_closed() => {}
            () = self.home().until_ended() => {}
        }
    }

    async fn settle(&self, settling: Settling) -> Result<Vec<SettleOutcome>, Error> {
        answered(self.shared.settler.send(settling).await)
    }

    async fn receive_until(&self, max: usize, deadline: Instant) -> Result<Vec<Delivery>, Error> {
        let Ok(turn) = timeout_at(deadline, self.turns.acquire()).await else {
            return Ok(Vec::new());
        };
        let _turn = turn.map_err(|_| self.home().closed())?;
        Watch::start(self.home());
        loop {
            let mut turn = Turn::new(self);
            let was_idle = turn.reader.is_some();
            match turn.read(max, deadline).await {
                Ok(deliveries) => {
                    turn.end();
                    return Ok(deliveries);
                }
                Err(failure) if Reader::is_broken_by(&failure) => {
                    drop(turn);
                    self.let_go_idle();
                    // The server may have been restarted while nobody read.
                    if !was_idle {
                        self.after(failure, deadline).await?;
                    }
                }
                Err(failure) => {
                    turn.end();
                    self.after(failure, deadline).await?;
                }
            }
        }
    }

    /// What is to be done about a read that failed: an error, or another try.
    async fn after(&self, failure: Failure, deadline: Instant) -> Result<(), Error> {
        if self.home().repaired(&failure).await {
            return Ok(());
        }
        self.check_open()?;
        let may_pass = failure.advice() == Advice::Retry;
        if may_pass && Instant::now() + PAUSE < deadline {
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        }
        Err(unavailable(failure))
    }
}

/// A receive never tells that something may have happened: what was under way comes back by itself.
fn unavailable(failure: Failure) -> Error {
    Error::Unavailable {
        backend: NAME,
        source: Some(failure.into()),
    }
}

/// What a task has answered. Where it gave none the runtime has ended, and nobody knows.
fn answered<T>(answer: Result<Result<T, Error>, oneshot::error::RecvError>) -> Result<T, Error> {
    answer.unwrap_or_else(|_| {
        Err(Error::Interrupted {
            backend: NAME,
            source: None,
        })
    })
}

/// One receive with its connection. Dropped before its end, the connection is closed and what it was given for nobody
/// is put back.
struct Turn<'a> {
    session: &'a RedisQueue,
    reader: Option<Reader>,
}

impl<'a> Turn<'a> {
    fn new(session: &'a RedisQueue) -> Self {
        Self {
            session,
            reader: session.idle.lock().pop(),
        }
    }

    async fn read(&mut self, max: usize, deadline: Instant) -> Result<Vec<Delivery>, Failure> {
        let session = self.session;
        let home = session.home();
        if self.reader.is_none() {
            self.reader = Some(Reader::connect(home).await?);
        }
        // Set just above.
        let Some(reader) = &mut self.reader else {
            return Ok(Vec::new());
        };
        let mut was_rung = false;
        loop {
            let mut batch = reader.take(home, max).await?;
            loop {
                if was_rung && batch.deliveries.len() == max {
                    // There may be more, and the others heard nothing.
                    session.runtime.spawn(ring(Arc::clone(home)));
                }
                let left = deadline.saturating_duration_since(Instant::now());
                if !batch.deliveries.is_empty() || left.is_zero() {
                    reader.last = batch.last().unwrap_or(reader.last);
                    return Ok(batch.deliveries);
                }
                batch = reader.wait(home, max, left.min(LONGEST_BLOCK)).await?;
                was_rung = reader.has_heard();
                if was_rung && batch.deliveries.is_empty() {
                    break;
                }
                if was_rung {
                    // One read can bring a bell and messages; what it rang for, a new due time, has to be heard of.
                    session.runtime.spawn(listen(Arc::clone(home)));
                }
            }
        }
    }

    /// The connection is whole: it waits for the next receive, unless there will be none.
    fn end(&mut self) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        if self.session.check_open().is_ok() {
            self.session.idle.lock().push(reader);
        } else {
            self.session.let_go(reader);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.session.let_go(reader);
        }
    }
}

impl RedisQueue {
    fn let_go_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        for reader in idle {
            self.let_go(reader);
        }
    }

    /// Closes a connection, and puts back what it was given and nobody was handed.
    fn let_go(&self, reader: Reader) {
        let home = Arc::clone(self.home());
        let (consumer, last) = (reader.consumer, reader.last);
        drop(reader);
        self.runtime.spawn(release(home, consumer, last));
    }
}

/// Learns what a bell rang for. Where this fails the readers look by themselves, later.
async fn listen(home: Arc<Home>) {
    let _ = home.pass_time().await;
}

/// Wakes one waiting reader, here or elsewhere. Where this fails it wakes by itself, later.
async fn ring(home: Arc<Home>) {
    let mut bell = redis::cmd("XADD");
    bell.arg(home.handle.keys.bell());
    bell.arg("MAXLEN").arg(16).arg("*").arg("b").arg(1);
    let _ = home.link().one(Call::command(bell)).await;
}

/// Puts back what a consumer holds beyond an entry. While the server is away it tries again: what is not put back within
/// its lease comes back by itself, and counts as an attempt.
pub(crate) async fn release(home: Arc<Home>, consumer: Consumer, last: StreamId) {
    let over = Instant::now() + home.lease();
    // The server may not have seen yet that the connection is closed, and still give it something.
    for pause in [0, 20, 200] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // Whoever left may have been the one who was woken, or watched the time.
        let rings = u8::from(pause == 0);
        let arguments = [consumer.to_string(), last.to_string(), rings.to_string()];
        loop {
            match home.call(&script::RELEASE, &arguments).await {
                Ok(redis::Value::Array(items)) if items.last() == Some(&redis::Value::Int(1)) => {}
                Err(failure) if may_pass(&failure) && Instant::now() < over && !home.is_ended() => {
                    tokio::time::sleep(PAUSE).await;
                }
                _ => break,
            }
        }
    }
}

/// Whether the same call may succeed later.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.advice(), Advice::Retry | Advice::Reconnect)
}

impl Drop for RedisQueue {
    fn drop(&mut self) {
        self.let_go_idle();
    }
}

/// Far enough away to be never, near enough to be a time.
fn deadline(wait: Duration) -> Instant {
    const NEVER: Duration = Duration::from_hours(24 * 365 * 30);
    Instant::now() + wait.min(NEVER)
}

#[async_trait]
impl Queue for RedisQueue {
    fn name(&self) -> &QueueName {
        &self.home().handle.name
    }

    fn backend(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    fn lease(&self) -> Duration {
        self.home().lease()
    }

    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        self.check_open()?;
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        pass(failpoints::BEFORE_PUBLISH, NAME)?;
        let environment = &self.home().handle.environment;
        let entry = |message: &NewMessage| {
            let id = message.id().unwrap_or_else(|| environment.next_id());
            NewEntry::new(message, id)
        };
        let (answer, receiver) = oneshot::channel();
        self.shared.publisher.send(Publishing {
            entries: messages.iter().map(entry).collect(),
            deadline: (!patience.is_zero()).then(|| deadline(patience)),
            life: Arc::clone(&self.life),
            answer,
        });
        let outcomes = answered(receiver.await)?;
        pass(failpoints::AFTER_PUBLISH, NAME)?;
        Ok(outcomes)
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        self.check_open()?;
        if max == 0 {
            return Ok(Vec::new());
        }
        let deliveries = tokio::select! {
            biased;
            () = self.until_over() => return Err(self.home().closed()),
            deliveries = self.receive_until(max, deadline(wait)) => deliveries?,
        };
        if !deliveries.is_empty() {
            pass(failpoints::AFTER_LEASE, NAME)?;
        }
        Ok(deliveries)
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.check_open()?;
        pass(failpoints::BEFORE_ACK, NAME)?;
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = self.settle(Settling::ack(receipts)).await?;
        pass(failpoints::AFTER_ACK, NAME)?;
        Ok(outcomes)
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        self.check_open()?;
        pass(failpoints::BEFORE_NACK, NAME)?;
        if nacks.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = self.settle(Settling::nack(nacks)).await?;
        pass(failpoints::AFTER_NACK, NAME)?;
        Ok(outcomes)
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.check_open()?;
        pass(failpoints::BEFORE_EXTEND, NAME)?;
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        self.settle(Settling::extend(receipts)).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.life.0.send_replace(true);
        self.home().room.notify_one();
        self.let_go_idle();
        Ok(())
    }
}
