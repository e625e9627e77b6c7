use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use async_channel::{Receiver, Sender};
use forebay_bench::{Job, Load, Publisher};
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;

use crate::peer::{Peer, Place, count_all};

/// The bare client: one stream, one group, callers gathered into pipelines, fenced acks. No attempts, no retries, no delays, no
/// limit, no reclaim, no graceful stop.
pub(crate) struct Bare {
    place: Place,
    /// One for each gatherer.
    publications: Vec<mpsc::Sender<Publication>>,
    /// Callers so far.
    callers: AtomicUsize,
    /// They end with the peer.
    _gatherers: JoinSet<()>,
}

impl Peer for Bare {
    type Publisher = Gathered;

    async fn open(place: &Place, load: &'static Load) -> Result<Self> {
        let mut connection = place.connect().await?;
        let mut group = redis::cmd("XGROUP");
        group
            .arg("CREATE")
            .arg(STREAM)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM");
        group.query_async::<()>(&mut connection).await?;
        let mut gatherers = JoinSet::new();
        let mut publications = Vec::new();
        for _ in 0..GATHERERS {
            let (sender, gathered) = mpsc::channel(load.concurrency);
            gatherers.spawn(gather(place.connect().await?, gathered));
            publications.push(sender);
        }
        Ok(Self {
            place: place.clone(),
            publications,
            callers: AtomicUsize::new(0),
            _gatherers: gatherers,
        })
    }

    fn publisher(&self) -> Gathered {
        let caller = self.callers.fetch_add(1, Ordering::Relaxed);
        Gathered(self.publications[caller % GATHERERS].clone())
    }

    async fn work(&self, load: &'static Load) -> Result<Infallible> {
        let (sender, receiver) = async_channel::bounded(2 * BATCH);
        let mut tasks = JoinSet::new();
        for index in 0..self.place.readers {
            let consumer = format!("reader-{index}");
            let (acks, handled) = mpsc::unbounded_channel();
            let connection = self.place.connect().await?;
            tasks.spawn(ack(connection, consumer.clone(), handled));
            let connection = self.place.connect().await?;
            tasks.spawn(read(connection, consumer, sender.clone(), acks));
        }
        for _ in 0..load.concurrency {
            tasks.spawn(handle(receiver.clone(), load));
        }
        tasks.join_next().await.context("there are tasks")???;
        bail!("a reader or a handler ended");
    }

    async fn count(&self, load: &'static Load) -> Result<()> {
        let mut connection = self.place.connect().await?;
        let mut range = redis::cmd("XRANGE");
        range.arg(STREAM).arg("-").arg("+");
        let entries: Entries = range.query_async(&mut connection).await?;
        count_all(load, entries.into_iter().map(|(_, (_, payload))| payload))
    }
}

/// A caller: hands its message to the gatherer and waits for the answer.
pub(crate) struct Gathered(mpsc::Sender<Publication>);

impl Publisher for Gathered {
    async fn publish(&mut self, job: Job) -> Result<()> {
        let (accepted, answer) = oneshot::channel();
        let payload = serde_json::to_vec(&job)?;
        let publication = Publication { payload, accepted };
        let sent = self.0.send(publication).await;
        sent.map_err(|_| anyhow!("the gatherer ended"))?;
        answer.await.context("the pipeline failed")
    }
}

/// A message that waits for its pipeline.
struct Publication {
    payload: Vec<u8>,
    /// Dropped where the pipeline failed.
    accepted: oneshot::Sender<()>,
}

/// What one read brought; acked at once when its last message has been handled.
struct Batch {
    ids: Vec<String>,
    open: AtomicUsize,
    acks: mpsc::UnboundedSender<Arc<Batch>>,
}

struct Delivery {
    payload: Vec<u8>,
    batch: Arc<Batch>,
}

/// Of each entry its id and its only field.
type Entries = Vec<(String, (String, Vec<u8>))>;
/// Streams and what they have.
type Reply = Option<Vec<(String, Entries)>>;

/// Everything that waits goes into one pipeline; while that is under way, the next gathers.
async fn gather(mut connection: MultiplexedConnection, mut gathered: mpsc::Receiver<Publication>) {
    let mut batch = Vec::with_capacity(BATCH);
    while gathered.recv_many(&mut batch, BATCH).await > 0 {
        let mut pipeline = redis::pipe();
        for publication in &batch {
            let command = pipeline.cmd("XADD").arg(STREAM).arg("*").arg(FIELD);
            command.arg(&publication.payload).ignore();
        }
        let answer = pipeline.query_async::<()>(&mut connection).await;
        for publication in batch.drain(..) {
            if answer.is_ok() {
                // A caller that has gone needs no answer.
                let _ = publication.accepted.send(());
            }
        }
    }
}

async fn read(
    mut connection: MultiplexedConnection,
    consumer: String,
    sender: Sender<Delivery>,
    acks: mpsc::UnboundedSender<Arc<Batch>>,
) -> Result<()> {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(GROUP).arg(consumer);
    command.arg("COUNT").arg(BATCH).arg("BLOCK").arg(1_000);
    command.arg("STREAMS").arg(STREAM).arg(">");
    loop {
        let reply: Reply = command.query_async(&mut connection).await?;
        let Some((_, entries)) = reply.into_iter().flatten().next() else {
            continue;
        };
        let (ids, payloads): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let batch = Arc::new(Batch {
            open: AtomicUsize::new(ids.len()),
            ids,
            acks: acks.clone(),
        });
        for (_, payload) in payloads {
            let batch = Arc::clone(&batch);
            sender.send(Delivery { payload, batch }).await?;
        }
    }
}

async fn handle(receiver: Receiver<Delivery>, load: &'static Load) -> Result<()> {
    while let Ok(Delivery { payload, batch }) = receiver.recv().await {
        let job: Job = serde_json::from_slice(&payload)?;
        load.handle(&job);
        if batch.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            let acks = batch.acks.clone();
            acks.send(batch).map_err(|_| anyhow!("nobody acks"))?;
        }
        // As a worker does: who never waits must not keep the publishers of this thread from running.
        consume_budget().await;
    }
    Ok(())
}

/// Acks batch by batch, while the reader is already reading on.
async fn ack(
    mut connection: MultiplexedConnection,
    consumer: String,
    mut handled: mpsc::UnboundedReceiver<Arc<Batch>>,
) -> Result<()> {
    let script = Script::new(FENCED_ACK);
    while let Some(batch) = handled.recv().await {
        let mut call = script.key(STREAM);
        call.arg(GROUP).arg(&consumer).arg(&batch.ids);
        let acked: usize = call.invoke_async(&mut connection).await?;
        ensure!(acked == batch.ids.len(), "a lease was lost before its ack");
    }
    Ok(())
}

const STREAM: &str = "jobs";
const GROUP: &str = "workers";
const FIELD: &str = "p";
/// So that one gathers while the other's pipeline is under way.
const GATHERERS: usize = 2;
/// Messages of a read, and at most of a pipeline.
const BATCH: usize = 128;
/// Removes what still belongs to this consumer as it was first delivered, and answers how many those were.
const FENCED_ACK: &str = include_str!("fenced_ack.lua");
