//! Random operations on the engine, compared with the naive model after each step: outcomes, every message, counts.

mod kept;
mod model;

use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Fingerprint, IdempotencyKey, Kind, MessageId,
    Nack, NackAction, NewMessage, PageRequest, PublishOutcome, QueueConfig, Receipt, SettleOutcome,
    State, Timestamp,
};
use forebay_queue_engine::{Engine, Refusal};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use kept::Kept;
use model::{
    CAPACITY, DEAD_LIMIT, DEAD_RETENTION, KEY_LIMIT, LEASE, Model, New, Place, Published, Refused,
    Time, Verb, WINDOW,
};

#[derive(Clone, Debug)]
enum Operation {
    Publish(Vec<New>),
    Receive(usize),
    /// The delivery so many before the last one made, and what is done with it.
    Settle(usize, Verb),
    /// Two receipts at once.
    Ack(usize, usize),
    /// With a receipt of another queue.
    Foreign(Verb),
    Cancel(usize),
    CancelKey(u8),
    Purge,
    Redrive(usize),
    DeleteDead(usize),
    Pause,
    Resume,
    Wait(Time),
    Back(Time),
    /// The process ends and comes back over what it had kept.
    Restart,
    /// A publish that the store could not keep.
    Undone(Vec<New>),
}

fn new_message() -> impl Strategy<Value = New> {
    let key = proptest::option::weighted(0.5, 0..6_u8);
    let print = proptest::option::weighted(0.3, 0..2_u8);
    let delay = proptest::option::weighted(0.3, 0..9_u64);
    let live_for = proptest::option::weighted(0.3, 0..15_u64);
    (key, print, delay, live_for).prop_map(|(key, print, delay, live_for)| New {
        key,
        print: key.and(print),
        delay,
        live_for,
    })
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        2 => Just(Verb::Ack),
        2 => Just(Verb::Extend),
        2 => (0..4_u64).prop_map(Verb::Retry),
        2 => (0..4_u64).prop_map(Verb::Release),
        3 => Just(Verb::Dead),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => proptest::collection::vec(new_message(), 1..4).prop_map(Operation::Publish),
        1 => proptest::collection::vec(new_message(), 4..9).prop_map(Operation::Publish),
        10 => (0..4_usize).prop_map(Operation::Receive),
        14 => (0..6_usize, verb()).prop_map(|(n, verb)| Operation::Settle(n, verb)),
        2 => (0..4_usize, 0..4_usize).prop_map(|(a, b)| Operation::Ack(a, b)),
        1 => verb().prop_map(Operation::Foreign),
        3 => (0..8_usize).prop_map(Operation::Cancel),
        2 => (0..6_u8).prop_map(Operation::CancelKey),
        1 => Just(Operation::Purge),
        2 => (1..4_usize).prop_map(Operation::Redrive),
        1 => (1..3_usize).prop_map(Operation::DeleteDead),
        1 => Just(Operation::Pause),
        2 => Just(Operation::Resume),
        10 => (1..5_u64).prop_map(Operation::Wait),
        2 => (5..30_u64).prop_map(Operation::Wait),
        2 => (1..10_u64).prop_map(Operation::Back),
        2 => Just(Operation::Restart),
        2 => proptest::collection::vec(new_message(), 1..4).prop_map(Operation::Undone),
    ]
}

/// The engine and the model, side by side.
struct Pair {
    engine: Engine,
    kept: Kept,
    lives: u64,
    model: Model,
    /// What the clock shows; it may step back.
    clock: Time,
    ids: u64,
    receipts: Vec<Receipt>,
    foreign: Receipt,
}

fn time(seconds: Time) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1_000)
}

fn span(seconds: Time) -> Duration {
    Duration::from_secs(seconds)
}

fn id(number: u64) -> MessageId {
    MessageId::from_bytes(u128::from(number).to_be_bytes())
}

fn key(number: u8) -> IdempotencyKey {
    IdempotencyKey::new(format!("key-{number}")).expect("valid")
}

fn message(new: &New) -> NewMessage {
    let mut message = NewMessage::new(Kind::from_static("job"), "payload");
    if let Some(number) = new.key {
        message = message.with_idempotency_key(key(number));
    }
    if let Some(print) = new.print {
        message = message.with_fingerprint(Fingerprint([print; 32]));
    }
    if let Some(delay) = new.delay {
        message = message.with_delay(span(delay));
    }
    match new.live_for {
        Some(live_for) => message.with_time_to_live(span(live_for)),
        None => message,
    }
}

fn nack(receipt: &Receipt, verb: Verb) -> Nack {
    let action = match verb {
        Verb::Retry(after) => NackAction::Retry { after: span(after) },
        Verb::Release(after) => NackAction::Release { after: span(after) },
        _ => NackAction::DeadLetter,
    };
    let receipt = receipt.clone();
    let cause = Some("it failed".into());
    Nack {
        receipt,
        action,
        cause,
    }
}

impl Pair {
    fn new(retain: Time) -> Self {
        let config = QueueConfig {
            lease: span(LEASE),
            capacity: CAPACITY,
            idempotency_window: span(WINDOW),
            idempotency_limit: KEY_LIMIT,
            dead_letter_retention: span(DEAD_RETENTION),
            dead_letter_limit: DEAD_LIMIT,
            retain_done: span(retain),
            ..QueueConfig::default()
        };
        let mut other = Engine::new(config.clone(), 1 << 40);
        let mut batch = vec![NewMessage::new(Kind::from_static("job"), "foreign")];
        other
            .publish(time(0), &mut batch, || id(u64::MAX))
            .expect("it is empty");
        let foreign = other.receive(time(0), 1).remove(0).receipt;
        let mut engine = Engine::new(config, 7);
        engine.record_changes();
        Self {
            engine,
            kept: Kept::default(),
            lives: 1,
            model: Model::keeping(retain),
            clock: 0,
            ids: 0,
            receipts: Vec::new(),
            foreign,
        }
    }

    fn publish(&mut self, batch: &[New]) {
        let start = self.ids;
        let mut ids = self.ids;
        let expected = self.model.publish(batch, || {
            ids += 1;
            ids
        });
        let mut messages: Vec<NewMessage> = batch.iter().map(message).collect();
        let count = messages.len();
        let mut made = start;
        let answer = self.engine.publish(time(self.clock), &mut messages, || {
            made += 1;
            id(made)
        });
        self.ids = made;
        let answer = answer.map_err(|refusal| {
            assert_eq!(messages.len(), count, "a refused batch is given back");
            match refusal {
                Refusal::Full { .. } => Refused::Full,
                Refusal::KeysFull { .. } => Refused::KeysFull,
                Refusal::TooLarge { .. } => Refused::TooLarge,
                Refusal::IdInUse(id) => panic!("{id} is new"),
            }
        });
        let expected = expected.map(|all| {
            let outcome = |published: Published| match published {
                Published::Accepted(n) => PublishOutcome::Accepted(id(n)),
                Published::Duplicate(n, same_fingerprint) => PublishOutcome::Duplicate {
                    id: id(n),
                    same_fingerprint,
                },
            };
            all.into_iter().map(outcome).collect::<Vec<_>>()
        });
        assert_eq!(answer, expected);
    }

    fn undone(&mut self, batch: &[New]) {
        let now = time(self.clock);
        while !self.engine.tick(now) {}
        self.kept.apply(self.engine.take_changes());
        let mut messages: Vec<NewMessage> = batch.iter().map(message).collect();
        let ids = &mut self.ids;
        let answer = self.engine.publish(now, &mut messages, || {
            *ids += 1;
            id(*ids)
        });
        let changes = self.engine.take_changes();
        assert!(answer.is_ok() || changes.is_empty(), "refused, and changed");
        let left = self.engine.undo_publish(changes);
        self.kept.apply(left);
    }

    fn receive(&mut self, max: usize) {
        let expected = self.model.receive(max);
        let deliveries = self.engine.receive(time(self.clock), max);
        assert_eq!(deliveries.len(), expected.len());
        for (delivery, item) in deliveries.into_iter().zip(expected) {
            assert_eq!(delivery.message.id(), id(item.id));
            assert_eq!(delivery.attempt, item.attempt);
            assert_eq!(delivery.errors.len(), item.errors);
            assert_eq!(delivery.age_from, time(item.age_from));
            assert!(!self.receipts.contains(&delivery.receipt), "used twice");
            self.receipts.push(delivery.receipt);
        }
    }

    fn settle_with(&mut self, receipt: &Receipt, verb: Verb) -> SettleOutcome {
        let now = time(self.clock);
        let receipts = std::slice::from_ref(receipt);
        match verb {
            Verb::Ack => self.engine.ack(now, receipts)[0],
            Verb::Extend => self.engine.extend(now, receipts)[0],
            _ => self.engine.nack(now, &[nack(receipt, verb)])[0],
        }
    }

    /// The number of the delivery so many before the last.
    fn recent(&self, back: usize) -> Option<usize> {
        self.receipts.len().checked_sub(back + 1)
    }

    fn settle(&mut self, back: usize, verb: Verb) {
        if let Some(delivery) = self.recent(back) {
            let receipt = self.receipts[delivery].clone();
            let expected = self.model.settle(delivery, verb);
            assert_eq!(self.settle_with(&receipt, verb), expected);
        }
    }

    fn ack_two(&mut self, a: usize, b: usize) {
        if let (Some(a), Some(b)) = (self.recent(a), self.recent(b)) {
            let receipts = [self.receipts[a].clone(), self.receipts[b].clone()];
            let expected = [a, b].map(|delivery| self.model.settle(delivery, Verb::Ack));
            let outcomes = self.engine.ack(time(self.clock), &receipts);
            assert_eq!(outcomes, expected);
        }
    }

    fn cancel(&mut self, target: &CancelTarget, expected: CancelOutcome) {
        assert_eq!(self.engine.cancel(time(self.clock), target), expected);
    }

    fn apply(&mut self, operation: &Operation) {
        if let Operation::Wait(seconds) = operation {
            self.clock += seconds;
        } else if let Operation::Back(seconds) = operation {
            self.clock = self.clock.saturating_sub(*seconds);
        }
        self.model.tick(self.clock);
        self.kept.apply(self.engine.take_changes());
        let now = time(self.clock);
        let all = DeadLetterFilter::all();
        match operation {
            Operation::Publish(batch) => self.publish(batch),
            Operation::Receive(max) => self.receive(*max),
            Operation::Settle(back, verb) => self.settle(*back, *verb),
            Operation::Ack(a, b) => self.ack_two(*a, *b),
            Operation::Foreign(verb) => {
                let receipt = self.foreign.clone();
                let outcome = self.settle_with(&receipt, *verb);
                assert_eq!(outcome, SettleOutcome::LeaseLost);
            }
            Operation::Cancel(back) => {
                let number = self.ids.saturating_sub(*back as u64);
                let expected = self.model.cancel(number);
                self.cancel(&CancelTarget::Id(id(number)), expected);
            }
            Operation::CancelKey(number) => {
                let expected = self.model.cancel_key(*number);
                self.cancel(&CancelTarget::Key(key(*number)), expected);
            }
            Operation::Purge => assert_eq!(self.engine.purge(now), self.model.purge()),
            Operation::Redrive(limit) => {
                let answer = self.engine.redrive(now, &all, *limit);
                let expected = self.model.redrive(*limit);
                assert_eq!((answer.redriven, answer.full), expected);
            }
            Operation::DeleteDead(limit) => {
                let answer = self.engine.delete_dead_letters(now, &all, *limit);
                assert_eq!(answer, self.model.delete_dead(*limit));
            }
            Operation::Pause => {
                self.engine.pause();
                self.model.paused = true;
            }
            Operation::Resume => {
                self.engine.resume();
                self.model.paused = false;
            }
            Operation::Wait(_) | Operation::Back(_) => {
                self.engine.tick(now);
            }
            Operation::Restart => self.restart(),
            Operation::Undone(batch) => self.undone(batch),
        }
    }

    fn restart(&mut self) {
        self.lives += 1;
        self.model.restart();
        self.kept.apply(self.engine.take_changes());
        let config = self.engine.config().clone();
        // A clock that runs on: one that was set back would let time stand still for longer than it did before.
        let now = time(self.clock.max(self.model.now));
        self.engine = self.kept.restore(config, self.lives << 32, now);
    }

    /// Every message, every list and every count.
    fn compare(&mut self) {
        let now = time(self.clock);
        assert_eq!(self.engine.next_event(), self.model.next_event().map(time));
        assert_eq!(self.engine.stats(now), self.model.stats());
        let ready = self.model.stats().ready > 0 && !self.model.paused;
        assert_eq!(self.engine.has_ready(), ready);
        for item in &self.model.items {
            let seen = self.engine.get(now, id(item.id));
            let state = seen.as_ref().map(|m| m.state);
            assert_eq!(state, item.state(), "message {}", item.id);
            let Some(seen) = seen else { continue };
            assert_eq!(seen.attempt, item.attempt, "message {}", item.id);
            assert_eq!(seen.errors.len(), item.errors, "message {}", item.id);
            let (due, until) = match item.place {
                Place::Scheduled { due } => (Some(time(due)), None),
                Place::Leased { until, .. } => (None, Some(time(until))),
                _ => (None, None),
            };
            assert_eq!((seen.due_at, seen.leased_until), (due, until));
        }
        for state in [State::Scheduled, State::Ready, State::Leased] {
            self.compare_list(state);
        }
        let dead = self.model.dead();
        let expected: Vec<MessageId> = dead.iter().map(|i| id(self.model.items[*i].id)).collect();
        assert_eq!(self.listed(State::Dead), expected);
    }

    fn compare_list(&mut self, state: State) {
        let of_state = self.model.items.iter().filter(|i| i.state() == Some(state));
        let mut expected: Vec<(u64, u64)> = of_state.map(|i| (i.accepted, i.id)).collect();
        expected.sort_unstable();
        let expected: Vec<MessageId> = expected.into_iter().map(|(_, n)| id(n)).collect();
        assert_eq!(self.listed(state), expected);
    }

    fn listed(&mut self, state: State) -> Vec<MessageId> {
        let page = self
            .engine
            .list(time(self.clock), state, &PageRequest::first(100));
        let items = page.expect("there is no cursor").items;
        items.iter().map(|item| item.message.id()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/proptest-regressions/random_operations.txt"
        )))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_does_what_the_naive_model_does(
        retain in prop_oneof![Just(0), Just(8)],
        operations in proptest::collection::vec(operation(), 40..80),
    ) {
        let mut pair = Pair::new(retain);
        for operation in &operations {
            pair.apply(operation);
            pair.compare();
        }
    }
}
