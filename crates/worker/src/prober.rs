use std::sync::Arc;

use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::buffer::Buffer;
use crate::lane::Lane;

/// Ends the pauses of one queue: when one is over, a job may try whether what was down works again.
pub(crate) struct Prober {
    pub(crate) lane: Arc<Lane>,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) stop: CancellationToken,
}

impl Prober {
    pub(crate) async fn run(self) {
        tokio::select! {
            // In this order, not a random one, so that the same seed gives the same run.
            biased;
            () = self.stop.cancelled() => {}
            () = self.probe() => {}
        }
    }

    async fn probe(&self) {
        loop {
            self.lane.paused.notified().await;
            while let Some(until) = self.buffer.paused_until(self.lane.index) {
                sleep_until(until).await;
                self.buffer.let_probe(self.lane.index);
                self.lane.room.notify_one();
            }
        }
    }
}
