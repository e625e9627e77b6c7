use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Receipt, SettleOutcome};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::lane::{Lane, NO_ANSWER};
use crate::ledger::{Due, Key};

/// Keeps every lease of one queue alive: extends it after a third of its time, and gives it up, handler and all, when
/// it is lost or its end has come without an answer.
pub(crate) struct Keeper {
    lane: Arc<Lane>,
    batch: usize,
    stop: CancellationToken,
}

impl Keeper {
    pub(crate) fn new(lane: Arc<Lane>, stop: CancellationToken) -> Self {
        let batch = lane.connection.backend().capabilities().limits.batch.max(1);
        Self { lane, batch, stop }
    }

    /// Runs until it is stopped. Its halves do not wait for each other: a store that does not answer an extension
    /// must not keep a handler from being cancelled in time.
    pub(crate) async fn run(self) {
        tokio::select! {
            // In this order, not a random one, so that the same seed gives the same run.
            biased;
            () = self.stop.cancelled() => {}
            () = self.extend() => {}
            () = self.expire() => {}
        }
    }

    async fn extend(&self) {
        let mut failures = 0;
        loop {
            let lease = self.lane.session().lease();
            match self.lane.ledger.due(Instant::now(), lease) {
                Due::Now(due) => {
                    for chunk in due.chunks(self.batch) {
                        self.extend_some(chunk, &mut failures).await;
                    }
                }
                Due::At(next) => tokio::select! {
                    biased;
                    () = sleep_until(next) => {}
                    () = self.lane.ledger.extend_earlier.notified() => {}
                },
                Due::Never => self.lane.ledger.extend_earlier.notified().await,
            }
        }
    }

    async fn extend_some(&self, chunk: &[(Key, Receipt)], failures: &mut u32) {
        let session = self.lane.session();
        let receipts: Vec<_> = chunk.iter().map(|(_, receipt)| receipt.clone()).collect();
        let sent = Instant::now();
        let lease = session.lease();
        let limit = (lease / 3).min(NO_ANSWER);
        match self.lane.call(limit, session.extend(&receipts)).await {
            Ok(outcomes) => {
                if std::mem::take(failures) > 0 {
                    tracing::info!(queue = %self.lane.connection.name(), "extending works again");
                }
                self.answered(chunk, &outcomes, sent, lease);
            }
            Err(error) => {
                *failures += 1;
                if *failures == 1 {
                    tracing::warn!(
                        queue = %self.lane.connection.name(), count = chunk.len(),
                        error = &error as &dyn std::error::Error, "extending failed; it is tried again"
                    );
                }
                if error.is_closed() {
                    // The fetcher says why this fails, if it does.
                    let _ = self.lane.reopen(&session).await;
                }
                let pause = self.lane.outage_delay(*failures).min(lease / 12);
                let pause = pause.max(Duration::from_millis(1));
                self.lane.ledger.postpone(chunk, Instant::now() + pause);
            }
        }
    }

    fn answered(
        &self,
        chunk: &[(Key, Receipt)],
        outcomes: &[SettleOutcome],
        sent: Instant,
        lease: Duration,
    ) {
        if outcomes.len() < chunk.len() {
            // Asked again at once, a backend that leaves out answers would be asked for ever.
            let at = Instant::now() + lease / 12;
            self.lane.ledger.postpone(&chunk[outcomes.len()..], at);
        }
        let lost = self.lane.ledger.extended(chunk, outcomes, sent, lease);
        if lost > 0 {
            tracing::warn!(
                queue = %self.lane.connection.name(), count = lost,
                "leases were lost; their handlers are cancelled"
            );
        }
    }

    async fn expire(&self) {
        loop {
            let (expired, next) = self.lane.ledger.expire(Instant::now());
            if expired > 0 {
                tracing::warn!(
                    queue = %self.lane.connection.name(), count = expired,
                    "leases could not be extended in time; their handlers are cancelled"
                );
            }
            let earlier = self.lane.ledger.expire_earlier.notified();
            match next {
                Some(next) => tokio::select! {
                    biased;
                    () = sleep_until(next) => {}
                    () = earlier => {}
                },
                None => earlier.await,
            }
        }
    }
}
