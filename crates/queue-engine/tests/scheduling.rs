//! Random queues with weights, token buckets and limits of leases: the bounds hold, and nothing waits for nothing.
#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{
    Delivery, FairnessKey, Kind, MessageId, Nack, NackAction, NewMessage, PublishOutcome,
    QueueConfig, Rule, Throttle, ThrottleKey, Timestamp, Weight,
};
use forebay_queue_engine::Engine;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

mod kept;

use kept::Kept;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const KEYS: u8 = 5;
const BUCKETS: u8 = 3;

/// What can happen.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        key: u8,
        buckets: u8,
        count: u8,
    },
    Receive(u8),
    Ack(u8),
    Release(u8),
    Cancel(u8),
    Wait(u32),
    Weight {
        key: u8,
        weight: u16,
    },
    Limit {
        key: u8,
        limit: u8,
    },
    Throttle {
        bucket: u8,
        tokens: u8,
        burst: u8,
    },
    /// The process ends and comes back over what it had kept.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    prop_oneof![
        4 => (key.clone(), 0..1_u8 << BUCKETS, 1..20_u8)
            .prop_map(|(key, buckets, count)| Step::Publish { key, buckets, count }),
        6 => (1..8_u8).prop_map(Step::Receive),
        4 => any::<u8>().prop_map(Step::Ack),
        1 => any::<u8>().prop_map(Step::Release),
        1 => any::<u8>().prop_map(Step::Cancel),
        3 => (1..2_000_u32).prop_map(Step::Wait),
        1 => (key.clone(), 1..20_u16).prop_map(|(key, weight)| Step::Weight { key, weight }),
        1 => (key, 0..4_u8).prop_map(|(key, limit)| Step::Limit { key, limit }),
        1 => (0..BUCKETS, 0..30_u8, 1..10_u8)
            .prop_map(|(bucket, tokens, burst)| Step::Throttle { bucket, tokens, burst }),
        1 => Just(Step::Restart),
    ]
}

fn fair(key: u8) -> FairnessKey {
    FairnessKey::new(format!("tenant-{key}")).unwrap()
}

fn bucket(bucket: u8) -> ThrottleKey {
    ThrottleKey::new(format!("bucket-{bucket}")).unwrap()
}

/// What a bucket may let through, kept the plain way: every delivery since its rule was set.
struct Judge {
    throttle: Throttle,
    since: Timestamp,
    deliveries: Vec<Timestamp>,
}

impl Judge {
    /// In every window that ends now: at most rate × time + burst.
    fn delivered(&mut self, now: Timestamp) {
        self.deliveries.push(now);
        let per = self.throttle.per().as_nanos();
        for (earlier, first) in self.deliveries.iter().enumerate() {
            let count = (self.deliveries.len() - earlier) as u128;
            let refill = now.since(*first).as_nanos() * u128::from(self.throttle.tokens());
            let most = refill + u128::from(self.throttle.burst()) * per;
            assert!(count * per <= most, "{count} in {:?}", now.since(*first));
        }
    }
}

/// A queue with everything that is expected of it.
struct World {
    engine: Engine,
    kept: Kept,
    lives: u64,
    now: Timestamp,
    ids: u128,
    held: Vec<Delivery>,
    limits: HashMap<u8, usize>,
    judges: HashMap<u8, Judge>,
    live: VecDeque<MessageId>,
}

impl World {
    fn new() -> Self {
        let config = QueueConfig {
            lease: Duration::from_hours(1),
            ..QueueConfig::default()
        };
        let mut engine = Engine::new(config, 7);
        engine.record_changes();
        Self {
            engine,
            kept: Kept::default(),
            lives: 1,
            now: START,
            ids: 0,
            held: Vec::new(),
            limits: HashMap::new(),
            judges: HashMap::new(),
            live: VecDeque::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        self.kept.apply(self.engine.take_changes());
        match *step {
            Step::Restart => {
                self.lives += 1;
                let config = self.engine.config().clone();
                self.engine = self.kept.restore(config, self.lives << 32, self.now);
            }
            Step::Publish {
                key,
                buckets,
                count,
            } => self.publish(key, buckets, count),
            Step::Receive(max) => {
                self.receive(max.into());
            }
            Step::Ack(place) => {
                if let Some(delivery) = self.pick(place) {
                    self.engine.ack(self.now, &[delivery.receipt]);
                }
            }
            Step::Release(place) => {
                if let Some(delivery) = self.pick(place) {
                    let nack = Nack {
                        receipt: delivery.receipt,
                        action: NackAction::Release {
                            after: Duration::ZERO,
                        },
                        cause: None,
                    };
                    self.engine.nack(self.now, &[nack]);
                }
            }
            Step::Cancel(place) => {
                if let Some(id) = self.live.get(usize::from(place) % self.live.len().max(1)) {
                    let target = forebay_queue_core::CancelTarget::Id(*id);
                    self.engine.cancel(self.now, &target);
                }
            }
            Step::Wait(ms) => self.now = self.now.after(Duration::from_millis(ms.into())),
            Step::Weight { key, weight } => {
                self.set(&Rule::Weight(fair(key), Weight::new(weight).ok()));
            }
            Step::Limit { key, limit } => {
                self.set(&Rule::LeaseLimit(fair(key), NonZeroU32::new(limit.into())));
                self.limits.insert(key, limit.into());
            }
            Step::Throttle {
                bucket: number,
                tokens,
                burst,
            } => {
                let throttle = Throttle::new(tokens.into(), Duration::from_secs(1))
                    .and_then(|throttle| throttle.with_burst(burst.into()))
                    .ok();
                self.set(&Rule::Throttle(bucket(number), throttle));
                let judge = throttle.map(|throttle| Judge {
                    throttle,
                    since: self.now,
                    deliveries: Vec::new(),
                });
                self.judges.remove(&number);
                self.judges.extend(judge.map(|judge| (number, judge)));
            }
        }
    }

    fn set(&mut self, rule: &Rule) {
        self.engine.set_rule(self.now, rule).unwrap();
    }

    fn publish(&mut self, key: u8, buckets: u8, count: u8) {
        let message = |_| {
            let mut message =
                NewMessage::new(Kind::from_static("job"), "x").with_fairness_key(fair(key));
            for number in (0..BUCKETS).filter(|number| buckets & (1 << number) != 0) {
                message = message.with_throttle_key(bucket(number));
            }
            message
        };
        let mut messages = (0..count).map(message).collect();
        let ids = &mut self.ids;
        let outcomes = self.engine.publish(self.now, &mut messages, || {
            *ids += 1;
            MessageId::from_bytes(ids.to_be_bytes())
        });
        self.live
            .extend(outcomes.unwrap().iter().map(PublishOutcome::id));
    }

    fn pick(&mut self, place: u8) -> Option<Delivery> {
        let count = self.held.len();
        (count > 0).then(|| self.held.swap_remove(usize::from(place) % count))
    }

    fn receive(&mut self, max: usize) -> usize {
        let deliveries = self.engine.receive(self.now, max);
        for delivery in &deliveries {
            for key in delivery.message.throttle_keys() {
                let number = key.as_str().trim_start_matches("bucket-").parse().unwrap();
                if let Some(judge) = self.judges.get_mut(&number) {
                    assert!(judge.since <= self.now);
                    judge.delivered(self.now);
                }
            }
        }
        let (count, before) = (deliveries.len(), self.held.len());
        self.held.extend(deliveries);
        for (key, limit) in &self.limits {
            let name = fair(*key);
            let got = self.held[before..]
                .iter()
                .any(|d| *d.message.fairness_key() == name);
            let held = self
                .held
                .iter()
                .filter(|d| *d.message.fairness_key() == name)
                .count();
            // A limit that was lowered takes nothing away, but gives nothing more.
            assert!(*limit == 0 || !got || held <= *limit, "{held} of {limit}");
        }
        count
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/proptest-regressions/scheduling.txt"
        )))),
        ..ProptestConfig::default()
    })]

    /// Whatever happened, with time and acks everything is handed out: nobody sleeps through a token, room or a rule.
    #[test]
    fn the_bounds_hold_and_everything_leaves(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        let mut idle = 0;
        while world.engine.live() > 0 {
            let got = world.receive(3);
            for delivery in std::mem::take(&mut world.held) {
                world.engine.ack(world.now, &[delivery.receipt]);
            }
            if got == 0 {
                idle += 1;
                // It may have to wait for one bucket after the other.
                prop_assert!(idle < 50, "it waits for nothing");
                if !world.engine.has_ready() && world.engine.live() > 0 {
                    let next = world.engine.next_event();
                    prop_assert!(next.is_some(), "nothing would ever wake it");
                    world.now = world.now.max(next.unwrap());
                }
            } else {
                idle = 0;
            }
        }
    }

    /// A key that has just become active waits for at most one round: the sum of the other active keys' weights.
    #[test]
    fn a_new_key_waits_for_at_most_one_round(
        weights in prop::collection::vec(1..50_u16, 1..8),
        before in 0..200_usize,
        own in 1..50_u16,
    ) {
        let mut world = World::new();
        for (key, weight) in (0_u8..).zip(&weights) {
            world.set(&Rule::Weight(fair(key), Weight::new(*weight).ok()));
            for _ in 0..4 {
                world.publish(key, 0, 250);
            }
        }
        world.engine.receive(world.now, before);
        world.set(&Rule::Weight(fair(100), Weight::new(own).ok()));
        world.publish(100, 0, 1);
        let round: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
        let next = world.engine.receive(world.now, round + 1);
        prop_assert!(next.iter().any(|d| *d.message.fairness_key() == fair(100)));
    }

    /// Over any stretch in which all keys are active, what any two get for their weights differs by at most a turn of each: the
    /// theorem of start-time fair queueing.
    #[test]
    fn shares_follow_the_weights(
        weights in prop::collection::vec(1..10_u16, 2..6),
        before in 0..100_usize,
        turns in 1..400_usize,
    ) {
        let mut world = World::new();
        for (key, weight) in (0_u8..).zip(&weights) {
            world.set(&Rule::Weight(fair(key), Weight::new(*weight).ok()));
            for _ in 0..5 {
                world.publish(key, 0, 200);
            }
        }
        world.engine.receive(world.now, before);
        let got = world.engine.receive(world.now, turns);
        let shares: Vec<(f64, f64)> = (0_u8..)
            .zip(&weights)
            .map(|(key, weight)| {
                let count = got.iter().filter(|d| *d.message.fairness_key() == fair(key)).count();
                (f64::from(u32::try_from(count).unwrap()), f64::from(*weight))
            })
            .collect();
        for (one, w) in &shares {
            for (other, v) in &shares {
                let apart = (one / w - other / v).abs();
                prop_assert!(apart <= 1.0 / w + 1.0 / v + 0.001, "{shares:?}");
            }
        }
    }
}
