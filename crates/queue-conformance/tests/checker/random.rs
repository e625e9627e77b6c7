//! Random runs of the memory queue are clean, and stay clean with any of their answers taken away: whatever an answer
//! that was lost can explain, the checker must not call a violation.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use forebay_queue_conformance::checker::{Cause, Checker, Counts, Report, Rules};
use forebay_queue_conformance::history::{Answered, Asked, Fact, History, Mark, Record, Tag};
use forebay_queue_core::{
    Backend, CancelTarget, Clock, DeadLetterFilter, Delivery, Environment, IdempotencyKey,
    Management, Nack, NackAction, NewMessage, Observer, Observers, PageRequest, Queue, QueueConfig,
    SeededRandom, Timestamp, observed,
};
use forebay_queue_memory::MemoryBackend;
use tokio::time::{Instant, sleep, timeout};

use crate::script::{KIND, QUEUE, ms};

const LEASE: Duration = Duration::from_millis(200);
const WINDOW: Duration = Duration::from_secs(1);
const SEEDS: u64 = 60;

#[derive(Debug)]
struct FixedStart(Instant);

impl Clock for FixedStart {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(self.0.elapsed())
    }
}

fn rules() -> Rules {
    Rules {
        window: WINDOW,
        lease: LEASE,
        lateness: Some(ms(50)),
        ..Rules::default()
    }
}

/// One process: does this and that, and forgets some of what it holds.
struct Actor {
    rng: Rng,
    queue: Arc<dyn Queue>,
    management: Arc<dyn Management>,
    held: Vec<Delivery>,
    environment: Environment,
}

impl Actor {
    async fn run(mut self) {
        for _ in 0..60 {
            sleep(Duration::from_millis(self.rng.u64(0..30))).await;
            match self.rng.u32(0..20) {
                0..=5 => self.publish().await,
                6..=10 => self.receive().await,
                11..=13 => self.ack().await,
                14..=16 => self.nack().await,
                17 => self.extend().await,
                18 => self.manage().await,
                _ => self.held.clear(),
            }
        }
    }

    async fn publish(&mut self) {
        let mut messages = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let payload: Vec<u8> = (0..8).map(|_| self.rng.u8(..)).collect();
            let mut message = NewMessage::new(KIND, payload);
            if self.rng.bool() {
                message = message.with_id(self.environment.next_id());
            }
            if self.rng.u8(0..3) == 0 {
                let key = IdempotencyKey::new(self.rng.u8(0..6).to_string()).unwrap();
                message = message.with_idempotency_key(key);
            }
            message = match self.rng.u8(0..5) {
                0 => message.with_delay(Duration::from_millis(self.rng.u64(1..300))),
                1 => message.with_time_to_live(Duration::from_millis(self.rng.u64(1..300))),
                _ => message,
            };
            messages.push(message);
        }
        self.queue.publish(messages, ms(0)).await.unwrap();
    }

    async fn receive(&mut self) {
        let (max, wait) = (self.rng.usize(1..5), self.rng.u64(0..60));
        let receive = self.queue.receive(max, Duration::from_millis(wait));
        // Some give up before the answer.
        if let Ok(deliveries) = timeout(ms(40), receive).await {
            self.held.extend(deliveries.unwrap());
        }
    }

    fn some(&mut self) -> Vec<Delivery> {
        let many = self.rng.usize(0..=self.held.len());
        self.held.split_off(self.held.len() - many)
    }

    async fn ack(&mut self) {
        let receipts: Vec<_> = self.some().into_iter().map(|d| d.receipt).collect();
        self.queue.ack(&receipts).await.unwrap();
        if self.rng.u8(0..4) == 0 {
            self.queue.ack(&receipts).await.unwrap();
        }
    }

    async fn nack(&mut self) {
        let mut nacks = Vec::new();
        for delivery in self.some() {
            let after = Duration::from_millis(self.rng.u64(0..50));
            let action = match self.rng.u8(0..5) {
                0 | 1 => NackAction::Retry { after },
                2 | 3 => NackAction::Release { after },
                _ => NackAction::DeadLetter,
            };
            nacks.push(Nack {
                receipt: delivery.receipt,
                action,
                cause: None,
            });
        }
        self.queue.nack(nacks).await.unwrap();
    }

    async fn extend(&mut self) {
        let receipts: Vec<_> = self.held.iter().map(|d| d.receipt.clone()).collect();
        self.queue.extend(&receipts).await.unwrap();
    }

    async fn manage(&mut self) {
        let all = DeadLetterFilter::all();
        match self.rng.u8(0..12) {
            0 => drop(self.management.purge().await.unwrap()),
            1 => drop(self.management.delete_dead_letters(&all, 1).await.unwrap()),
            2..=5 => drop(self.management.redrive(&all, 2).await.unwrap()),
            6..=8 => {
                let key = IdempotencyKey::new(self.rng.u8(0..6).to_string()).unwrap();
                self.management
                    .cancel(CancelTarget::Key(key))
                    .await
                    .unwrap();
            }
            _ => {
                for next in self.management.peek(2).await.unwrap() {
                    let target = CancelTarget::Id(next.message.id());
                    self.management.cancel(target).await.unwrap();
                }
            }
        }
    }
}

async fn run(seed: u64) -> Vec<Record> {
    let clock = Arc::new(FixedStart(Instant::now()));
    let environment = Environment::new(clock, Arc::new(SeededRandom::new(seed)));
    let history = History::new(&environment);
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new(environment.clone()));
    let config = QueueConfig {
        lease: LEASE,
        idempotency_window: WINDOW,
        ..QueueConfig::default()
    };
    memory.create(&QUEUE, &config).await.unwrap();
    let mut actors = Vec::new();
    for process in 1..=3 {
        let observer: Arc<dyn Observer> = history.for_process(process);
        let backend = observed(Arc::clone(&memory), Observers::none().with(observer));
        let actor = Actor {
            rng: Rng::with_seed(seed * 10 + u64::from(process)),
            queue: backend.open(&QUEUE, None).await.unwrap(),
            management: backend.manage(&QUEUE).await.unwrap(),
            held: Vec::new(),
            environment: environment.clone(),
        };
        actors.push(actor.run());
    }
    futures_util::future::join_all(actors).await;
    history.mark(Mark::Healed);
    let observers = Observers::none().with(history.for_process(4));
    drain(observed(memory, observers), &history).await;
    history.take()
}

async fn drain(backend: Arc<dyn Backend>, history: &History) {
    let queue = backend.open(&QUEUE, None).await.unwrap();
    let management = backend.manage(&QUEUE).await.unwrap();
    while management.stats().await.unwrap().live() > 0 {
        let deliveries = queue.receive(16, ms(100)).await.unwrap();
        let receipts: Vec<_> = deliveries.into_iter().map(|d| d.receipt).collect();
        queue.ack(&receipts).await.unwrap();
    }
    history.mark(Mark::Drained);
    let page = PageRequest::first(1_000);
    let dead = management
        .dead_letters(&DeadLetterFilter::all(), page)
        .await;
    let ids = dead.unwrap().items.iter().map(|d| d.message.id()).collect();
    let stats = management.stats().await.unwrap();
    history.mark(Mark::rest(&QUEUE, &stats, ids));
}

/// The same run, had some of its answers been lost. Deliveries that somebody settled were not.
fn forgetful(records: &[Record], rng: &mut Rng, killed: bool) -> Vec<Record> {
    let used: std::collections::HashSet<Tag> = records
        .iter()
        .flat_map(|record| match &record.fact {
            Fact::Invoke { asked, .. } => match asked {
                Asked::Ack(tags) | Asked::Extend(tags) => tags.clone(),
                Asked::Nack(nacks) => nacks.iter().map(|n| n.receipt).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        })
        .collect();
    let mut kept = Vec::new();
    for record in records {
        let Fact::Ok { call, answered } = &record.fact else {
            kept.push(record.clone());
            continue;
        };
        let needed = match answered {
            Answered::Delivered(handed) => handed.iter().any(|h| used.contains(&h.receipt)),
            _ => false,
        };
        if needed || rng.u8(0..4) > 0 {
            kept.push(record.clone());
        } else if !killed {
            let error = "interrupted".into();
            let fact = Fact::Unknown { call: *call, error };
            kept.push(Record {
                fact,
                ..record.clone()
            });
        }
    }
    kept
}

fn check(records: &[Record], what: &str, seed: u64) -> Report {
    let report = Checker::new(rules()).check(records);
    assert!(report.is_clean(), "seed {seed}, {what}:\n{report}");
    report
}

#[tokio::test(start_paused = true)]
async fn random_runs_are_clean_with_and_without_their_answers() {
    let mut all = Counts::default();
    for seed in 0..SEEDS {
        let records = run(seed).await;
        let counts = check(&records, "whole", seed).counts;
        for (cause, count) in counts.redelivered {
            *all.redelivered.entry(cause).or_default() += count;
        }
        all.cancelled += counts.cancelled;
        all.purged += counts.purged;
        all.leases_lost += counts.leases_lost;
        all.refused_duplicates += counts.refused_duplicates;
        let mut rng = Rng::with_seed(seed);
        for _ in 0..4 {
            check(&forgetful(&records, &mut rng, false), "answers lost", seed);
            check(
                &forgetful(&records, &mut rng, true),
                "answers missing",
                seed,
            );
        }
    }
    // A random run that never does a thing proves nothing about it.
    for cause in [
        Cause::Retry,
        Cause::Release,
        Cause::Redrive,
        Cause::LeaseExpiry,
    ] {
        assert!(all.redelivered[&cause] > 50, "{all}");
    }
    let rare = [
        all.cancelled,
        all.purged,
        all.leases_lost,
        all.refused_duplicates,
    ];
    assert!(rare.iter().all(|count| *count > 50), "{all}");
}

/// Takes one step out of a run that did take place: the history is then that of a broken queue.
#[tokio::test(start_paused = true)]
async fn a_step_that_is_taken_out_is_noticed() {
    for seed in 0..SEEDS / 3 {
        let records = run(seed).await;
        let done = |record: &&Record| {
            matches!(
                &record.fact,
                Fact::Ok {
                    answered: Answered::Published(_),
                    ..
                }
            )
        };
        let published: Vec<&Record> = records.iter().filter(done).collect();
        let at = published[Rng::with_seed(seed).usize(..published.len())];
        let Fact::Ok { call, .. } = &at.fact else {
            continue;
        };
        // As if it had been refused: whatever became of its messages is then wrong.
        let refused: Vec<Record> = records
            .iter()
            .map(|record| match &record.fact {
                Fact::Ok { call: this, .. } if this == call => Record {
                    fact: Fact::Fail {
                        call: *call,
                        error: "full".into(),
                    },
                    ..record.clone()
                },
                _ => record.clone(),
            })
            .collect();
        let Fact::Ok {
            answered: Answered::Published(answers),
            ..
        } = &at.fact
        else {
            continue;
        };
        let seen = answers.iter().any(|answer| {
            let forebay_queue_conformance::history::Published::Accepted(id) = answer else {
                return false;
            };
            records.iter().any(|record| {
                matches!(&record.fact, Fact::Ok { answered: Answered::Delivered(handed), .. }
                if handed.iter().any(|h| h.id == *id))
            })
        });
        let report = Checker::new(rules()).check(&refused);
        assert!(!seen || !report.is_clean(), "seed {seed}:\n{report}");
    }
}
