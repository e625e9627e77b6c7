use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::buffer::{Appetite, Buffer};
use crate::lane::{Lane, NO_ANSWER};

/// How long one receive waits for a message.
const WAIT: Duration = Duration::from_secs(20);
/// How often a drain looks again while its last messages are running.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Fetches from one queue: reserves room first, then receives as many as fit, and adds them to the buffer at once.
///
/// Nothing that the store answers ends it.
pub(crate) struct Fetcher {
    pub(crate) lane: Arc<Lane>,
    pub(crate) buffer: Arc<Buffer>,
    /// Fetch nothing more.
    pub(crate) stop: CancellationToken,
    /// Fetch until the queue is empty, then end.
    pub(crate) drain: CancellationToken,
    pub(crate) batch: usize,
}

impl Fetcher {
    pub(crate) async fn run(self) {
        let mut outage = Outage::default();
        let fetch = async {
            tokio::select! {
                biased;
                () = self.drain.cancelled() => {}
                () = self.fetch(&mut outage) => {}
            }
            self.drain(&mut Outage::default()).await;
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = fetch => {}
        }
    }

    async fn fetch(&self, outage: &mut Outage) {
        loop {
            match self.room() {
                Some(room) => {
                    self.receive(room, WAIT, outage).await;
                }
                None => self.lane.room.notified().await,
            }
            // A backend that always answers at once must not keep the others from running.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Fetches what is ready, and what becomes ready by what still runs, until there is nothing of both.
    async fn drain(&self, outage: &mut Outage) {
        loop {
            // Looked at before the receive: what is released in between is seen by the next one.
            let idle = self.lane.ledger.len() == 0;
            if let Some(room) = self.room() {
                match self.receive(room, Duration::ZERO, outage).await {
                    Some(0) if idle => return,
                    Some(0) | None => {}
                    Some(_) => continue,
                }
            }
            tokio::select! {
                // In this order, not a random one, so that the same seed gives the same run.
                biased;
                () = self.lane.room.notified() => {}
                () = sleep(DRAIN_POLL) => {}
            }
        }
    }

    /// How many messages fit now; `None` when none do, or enough are waiting.
    fn room(&self) -> Option<usize> {
        let free = self.lane.capacity.saturating_sub(self.lane.ledger.len());
        let most = match self.buffer.appetite(self.lane.index) {
            Appetite::Any => free.min(self.batch),
            Appetite::One => free.min(1),
            Appetite::None => 0,
        };
        (most > 0).then_some(most)
    }

    /// Receives once, and says how many messages came; after a failure it waits, and says `None`.
    async fn receive(&self, room: usize, wait: Duration, outage: &mut Outage) -> Option<usize> {
        let session = self.lane.session();
        let limit = wait + NO_ANSWER;
        match self.lane.call(limit, session.receive(room, wait)).await {
            Ok(deliveries) => {
                outage.is_over(&self.lane);
                let count = deliveries.len();
                if count > 0 {
                    let fetched = self.lane.ledger.insert(deliveries, Instant::now());
                    self.buffer.push(self.lane.index, fetched);
                }
                Some(count)
            }
            Err(error) => {
                let closed = error.is_closed();
                outage.goes_on(&self.lane, &error);
                if closed {
                    match self.lane.reopen(&session).await {
                        Ok(()) if outage.failures == 1 => return None,
                        Ok(()) => {}
                        Err(error) => outage.goes_on(&self.lane, &error),
                    }
                }
                sleep(self.lane.outage_delay(outage.failures)).await;
                None
            }
        }
    }
}

/// A run of failures: told once when it begins and once when it ends.
#[derive(Default)]
struct Outage {
    failures: u32,
}

impl Outage {
    fn goes_on(&mut self, lane: &Lane, error: &Error) {
        self.failures += 1;
        if self.failures == 1 {
            tracing::warn!(
                queue = %lane.connection.name(), error = error as &dyn std::error::Error,
                "fetching failed; it is tried again until it works"
            );
        }
    }

    fn is_over(&mut self, lane: &Lane) {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!(queue = %lane.connection.name(), "fetching works again");
        }
    }
}
