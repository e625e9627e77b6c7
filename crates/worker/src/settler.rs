use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Certainty, Error, Nack, NackAction, ProcessOutcome, Receipt, SettleOutcome, failpoints,
};

use crate::lane::{Lane, NO_ANSWER};
use crate::settlement::{Answer, Settlement};
use crate::turn::pass_turn;

/// Settles what the slots of one queue have finished: everything that waits, in as few calls as the limits allow.
///
/// One call is in flight at a time, and the next batch gathers meanwhile: under load the batches grow, without it
/// a finished message waits for nothing. No timer.
pub(crate) struct Settler {
    lane: Arc<Lane>,
    batch: usize,
    largest_delay: Option<Duration>,
}

/// Some settlements that travel in one call, and what has become of them.
struct Call<'a> {
    lane: &'a Lane,
    settlements: Vec<Settlement>,
    kind: CallKind,
    /// An earlier try may have taken effect.
    unknown: bool,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallKind {
    Ack,
    Nack,
}

impl Settler {
    pub(crate) fn new(lane: Arc<Lane>) -> Self {
        let can = lane.connection.backend().capabilities();
        Self {
            batch: can.limits.batch.max(1),
            largest_delay: can.largest_delay,
            lane,
        }
    }

    /// Runs until the outbox is closed and empty.
    pub(crate) async fn run(self) {
        let mut taken = Vec::new();
        while self.lane.outbox.ready().await {
            // What finishes in the same tick travels in the same call.
            pass_turn().await;
            self.lane.outbox.take(&mut taken);
            self.settle_all(&mut taken).await;
        }
    }

    async fn settle_all(&self, taken: &mut Vec<Settlement>) {
        let mut acks = std::mem::take(taken);
        let (mut nacks, mut dropped) = (Vec::new(), Vec::new());
        for settlement in acks.extract_if(.., |s| !matches!(s.answer, Answer::Ack)) {
            match settlement.answer {
                Answer::Drop => dropped.push(settlement),
                _ => nacks.push(settlement),
            }
        }
        self.finish(&dropped);
        let mut calls = Vec::new();
        for (mut rest, kind) in [(acks, CallKind::Ack), (nacks, CallKind::Nack)] {
            while !rest.is_empty() {
                let later = rest.split_off(rest.len().min(self.batch));
                calls.push(Call {
                    lane: &self.lane,
                    settlements: std::mem::replace(&mut rest, later),
                    kind,
                    unknown: false,
                    tries: 0,
                });
            }
        }
        for call in calls {
            self.settle(call).await;
        }
    }

    /// Repeats one call until it is answered, or until its leases are lost.
    async fn settle(&self, mut call: Call<'_>) {
        while !call.settlements.is_empty() {
            let session = self.lane.session();
            let receipts = self.receipts(&mut call);
            if receipts.is_empty() {
                return;
            }
            let sent = self.send(&*session, &call, receipts);
            match self.lane.call(NO_ANSWER, sent).await {
                Ok(outcomes) => {
                    if call.tries > 0 {
                        tracing::info!(queue = %self.lane.connection.name(), "settling works again");
                    }
                    return self.answered(call, &outcomes);
                }
                Err(error) if error.is_closed() => {
                    self.failed(&mut call, &error);
                    // If that fails too, the next try says so.
                    let _ = self.lane.reopen(&session).await;
                }
                Err(error) if error.is_retryable() => self.failed(&mut call, &error),
                Err(error) => {
                    tracing::error!(
                        queue = %self.lane.connection.name(), error = &error as &dyn std::error::Error,
                        count = call.settlements.len(),
                        "settling was refused; the messages come back when their leases end"
                    );
                    let settlements = std::mem::take(&mut call.settlements);
                    return self.lost(settlements, call.unknown);
                }
            }
            tokio::time::sleep(self.lane.outage_delay(call.tries)).await;
        }
    }

    /// The receipts of a call; what has lost its lease meanwhile leaves it.
    fn receipts(&self, call: &mut Call<'_>) -> Vec<Receipt> {
        let ledger = &self.lane.ledger;
        if let Some(receipts) = ledger.receipts(call.settlements.iter().map(|s| s.key)) {
            return receipts;
        }
        let mut receipts = Vec::with_capacity(call.settlements.len());
        let mut lost = Vec::new();
        for settlement in std::mem::take(&mut call.settlements) {
            match ledger.receipt(settlement.key) {
                Some(receipt) => {
                    receipts.push(receipt);
                    call.settlements.push(settlement);
                }
                None => lost.push(settlement),
            }
        }
        self.lost(lost, call.unknown);
        receipts
    }

    async fn send(
        &self,
        session: &dyn forebay_queue_core::Queue,
        call: &Call<'_>,
        receipts: Vec<Receipt>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        failpoints::pass(failpoints::BEFORE_SETTLE, session.backend())?;
        match call.kind {
            CallKind::Ack => session.ack(&receipts).await,
            CallKind::Nack => {
                let answers = call.settlements.iter().map(|s| &s.answer);
                let nack = |(receipt, answer)| self.nack(receipt, answer);
                session
                    .nack(receipts.into_iter().zip(answers).map(nack).collect())
                    .await
            }
        }
    }

    fn nack(&self, receipt: Receipt, answer: &Answer) -> Nack {
        // Coming back earlier than asked for is better than a call that is refused.
        let fit = |after: Duration| self.largest_delay.map_or(after, |most| after.min(most));
        let (action, cause) = match answer {
            Answer::Nack { action, cause } => (*action, cause.clone()),
            Answer::Ack | Answer::Drop => {
                let after = Duration::ZERO;
                (NackAction::Release { after }, None)
            }
        };
        let action = match action {
            NackAction::Retry { after } => NackAction::Retry { after: fit(after) },
            NackAction::Release { after } => NackAction::Release { after: fit(after) },
            NackAction::DeadLetter => NackAction::DeadLetter,
        };
        Nack {
            receipt,
            action,
            cause,
        }
    }

    fn answered(&self, mut call: Call<'_>, outcomes: &[SettleOutcome]) {
        for (index, settlement) in call.settlements.iter_mut().enumerate() {
            let lost = outcomes.get(index) != Some(&SettleOutcome::Done);
            // After a try without an answer, "lost" most likely means that that one took effect.
            if lost && !call.unknown {
                settlement.note.outcome = ProcessOutcome::LeaseLost;
                tracing::warn!(
                    queue = %self.lane.connection.name(), id = %settlement.note.id,
                    "the lease had ended before the message was settled; it is delivered again"
                );
            }
        }
        self.finish(&std::mem::take(&mut call.settlements));
    }

    fn lost(&self, mut settlements: Vec<Settlement>, unknown: bool) {
        if !unknown {
            for settlement in &mut settlements {
                settlement.note.outcome = ProcessOutcome::LeaseLost;
            }
        }
        self.finish(&settlements);
    }

    fn failed(&self, call: &mut Call<'_>, error: &Error) {
        call.tries += 1;
        call.unknown |= error.certainty() == Certainty::Unknown;
        if call.tries == 1 {
            tracing::warn!(
                queue = %self.lane.connection.name(), error = error as &dyn std::error::Error,
                count = call.settlements.len(), "settling failed; the leases are kept and it is tried again"
            );
        }
    }

    fn finish(&self, settlements: &[Settlement]) {
        if settlements.is_empty() {
            return;
        }
        self.lane.ledger.remove(settlements.iter().map(|s| s.key));
        self.lane.room.notify_one();
        self.lane.ended(settlements.iter().map(|s| &s.note));
    }
}

impl Drop for Call<'_> {
    /// Dropped before it was answered: the shutdown limit has passed.
    fn drop(&mut self) {
        for settlement in &self.settlements {
            self.lane.abandoned(&settlement.note);
        }
    }
}
