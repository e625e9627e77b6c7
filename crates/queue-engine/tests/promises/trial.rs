use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, CancelTarget, Cursor, Delivery, FairnessKey, IdempotencyKey, Kind, MessageId,
    Nack, NackAction, NewMessage, PageRequest, PublishOutcome, Receipt, Rule, SettleOutcome, State,
    Stats, StoredMessage, Throttle, ThrottleKey, Timestamp, Weight,
};
use forebay_queue_core::{DeadLetterFilter, QueueConfig, Redriven};
use forebay_queue_engine::{Engine, Refusal};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const NANO: Duration = Duration::from_nanos(1);

/// A little before noon of some day, so that a test can go back.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// An engine with a clock that a test moves by hand.
pub(crate) struct Trial {
    pub(crate) engine: Engine,
    pub(crate) now: Timestamp,
    ids: u128,
}

pub(crate) fn plain(payload: &str) -> NewMessage {
    NewMessage::new(Kind::from_static("job"), payload.to_owned())
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).expect("a test's key is valid")
}

pub(crate) fn keyed(text: &str) -> NewMessage {
    plain("keyed").with_idempotency_key(key(text))
}

pub(crate) fn fair(text: &str) -> FairnessKey {
    FairnessKey::new(text).expect("a test's key is valid")
}

pub(crate) fn bucket(text: &str) -> ThrottleKey {
    ThrottleKey::new(text).expect("a test's key is valid")
}

/// A message of a fairness key.
pub(crate) fn of(key: &str) -> NewMessage {
    plain(key).with_fairness_key(fair(key))
}

pub(crate) fn weight(weight: u16) -> Weight {
    Weight::new(weight).expect("a test's weight is valid")
}

pub(crate) fn payload(delivery: &Delivery) -> String {
    String::from_utf8_lossy(delivery.message.payload()).into_owned()
}

/// A lease of 30 seconds and room for a thousand.
pub(crate) fn config() -> QueueConfig {
    QueueConfig {
        lease: 30 * SECOND,
        capacity: 1_000,
        ..QueueConfig::default()
    }
}

impl Trial {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: QueueConfig) -> Self {
        Self::seeded(config, 1_000_000)
    }

    pub(crate) fn seeded(config: QueueConfig, seed: u64) -> Self {
        config.validate().expect("a test's configuration is valid");
        Self {
            engine: Engine::new(config, seed),
            now: START,
            ids: 0,
        }
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    pub(crate) fn back(&mut self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).expect("a short span");
        self.now = Timestamp::from_nanos(self.now.as_nanos() - nanos);
    }

    pub(crate) fn try_publish(
        &mut self,
        messages: &mut Vec<NewMessage>,
    ) -> Result<Vec<PublishOutcome>, Refusal> {
        let ids = &mut self.ids;
        self.engine.publish(self.now, messages, || {
            *ids += 1;
            MessageId::from_bytes(ids.to_be_bytes())
        })
    }

    pub(crate) fn publish_all(
        &mut self,
        messages: impl IntoIterator<Item = NewMessage>,
    ) -> Result<Vec<PublishOutcome>, Refusal> {
        self.try_publish(&mut messages.into_iter().collect())
    }

    pub(crate) fn publish_one(&mut self, message: NewMessage) -> PublishOutcome {
        let outcomes = self.publish_all([message]).expect("there is room");
        assert_eq!(outcomes.len(), 1);
        outcomes[0]
    }

    /// Publishes one message that must be accepted.
    pub(crate) fn publish(&mut self, message: NewMessage) -> MessageId {
        match self.publish_one(message) {
            PublishOutcome::Accepted(id) => id,
            PublishOutcome::Duplicate { .. } => panic!("not accepted, but a duplicate"),
        }
    }

    /// Publishes so many plain messages with their number as payload.
    pub(crate) fn fill(&mut self, count: usize) -> Vec<MessageId> {
        let messages = (0..count).map(|n| plain(&n.to_string()));
        let outcomes = self.publish_all(messages).expect("there is room");
        outcomes.iter().map(PublishOutcome::id).collect()
    }

    pub(crate) fn receive(&mut self, max: usize) -> Vec<Delivery> {
        self.engine.receive(self.now, max)
    }

    /// Receives the one message that there is.
    pub(crate) fn take(&mut self) -> Delivery {
        let mut deliveries = self.receive(10);
        assert_eq!(deliveries.len(), 1, "one message was to be received");
        deliveries.remove(0)
    }

    pub(crate) fn assert_nothing_to_receive(&mut self) {
        assert!(self.receive(1).is_empty());
    }

    /// Receives so many one after the other; answers their fairness keys.
    pub(crate) fn turns(&mut self, count: usize) -> Vec<String> {
        let key = |delivery: &Delivery| delivery.message.fairness_key().as_str().to_owned();
        let mut turns = Vec::new();
        for _ in 0..count {
            turns.extend(self.receive(1).iter().map(key));
        }
        turns
    }

    pub(crate) fn set(&mut self, rule: &Rule) {
        self.engine
            .set_rule(self.now, rule)
            .expect("there are few rules");
    }

    /// So many tokens a second, and as many in a burst as said.
    pub(crate) fn throttle(&mut self, key: &str, tokens: u32, burst: u32) {
        let throttle = Throttle::new(tokens, SECOND).and_then(|t| t.with_burst(burst));
        let throttle = throttle.expect("a test's throttle is valid");
        self.set(&Rule::Throttle(bucket(key), Some(throttle)));
    }

    pub(crate) fn limit(&mut self, key: &str, limit: u32) {
        self.set(&Rule::LeaseLimit(fair(key), NonZeroU32::new(limit)));
    }

    pub(crate) fn ack(&mut self, delivery: &Delivery) -> SettleOutcome {
        let receipts = std::slice::from_ref(&delivery.receipt);
        self.engine.ack(self.now, receipts)[0]
    }

    pub(crate) fn extend(&mut self, delivery: &Delivery) -> SettleOutcome {
        let receipts = std::slice::from_ref(&delivery.receipt);
        self.engine.extend(self.now, receipts)[0]
    }

    pub(crate) fn nack(
        &mut self,
        receipt: &Receipt,
        action: NackAction,
        cause: Option<&str>,
    ) -> SettleOutcome {
        let nack = Nack {
            receipt: receipt.clone(),
            action,
            cause: cause.map(Into::into),
        };
        self.engine.nack(self.now, &[nack])[0]
    }

    pub(crate) fn retry(&mut self, delivery: &Delivery, after: Duration) -> SettleOutcome {
        let action = NackAction::Retry { after };
        self.nack(&delivery.receipt, action, Some("it failed"))
    }

    pub(crate) fn release(&mut self, delivery: &Delivery, after: Duration) -> SettleOutcome {
        self.nack(&delivery.receipt, NackAction::Release { after }, None)
    }

    pub(crate) fn dead_letter(&mut self, delivery: &Delivery, cause: &str) -> SettleOutcome {
        self.nack(&delivery.receipt, NackAction::DeadLetter, Some(cause))
    }

    /// Publishes a message, receives it and sends it to the dead letters.
    pub(crate) fn kill(&mut self, message: NewMessage, cause: &str) -> MessageId {
        let id = self.publish(message);
        let delivery = self.take();
        assert_eq!(delivery.message.id(), id);
        assert_eq!(self.dead_letter(&delivery, cause), SettleOutcome::Done);
        id
    }

    pub(crate) fn redrive_all(&mut self) -> Redriven {
        let all = DeadLetterFilter::all();
        self.engine.redrive(self.now, &all, usize::MAX)
    }

    pub(crate) fn cancel(&mut self, id: MessageId) -> CancelOutcome {
        self.engine.cancel(self.now, &CancelTarget::Id(id))
    }

    pub(crate) fn cancel_key(&mut self, text: &str) -> CancelOutcome {
        self.engine.cancel(self.now, &CancelTarget::Key(key(text)))
    }

    pub(crate) fn get(&mut self, id: MessageId) -> Option<StoredMessage> {
        self.engine.get(self.now, id)
    }

    pub(crate) fn state(&mut self, id: MessageId) -> Option<State> {
        self.get(id).map(|message| message.state)
    }

    pub(crate) fn stats(&mut self) -> Stats {
        self.engine.stats(self.now)
    }

    /// Walks through a whole listing in pages of `limit`; `between` happens after each page.
    pub(crate) fn walk(
        &mut self,
        state: State,
        limit: usize,
        mut between: impl FnMut(&mut Self),
    ) -> Vec<MessageId> {
        let mut ids = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let request = PageRequest { limit, after };
            let page = self.engine.list(self.now, state, &request);
            let page = page.expect("the cursor is the listing's own");
            assert!(page.items.len() <= limit);
            assert!(page.items.iter().all(|item| item.state == state));
            ids.extend(page.items.iter().map(|item| item.message.id()));
            after = page.next;
            if after.is_none() {
                return ids;
            }
            between(self);
        }
    }
}
