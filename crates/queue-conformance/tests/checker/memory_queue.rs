//! A real history: the memory queue, observed, under paused time.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::checker::{Attempts, Cause, Checker, Invariant, Report, Rules};
use forebay_queue_conformance::history::{Fact, History, Mark, ProcessHistory};
use forebay_queue_core::{
    Backend, CancelTarget, Clock, DeadLetterFilter, Delivery, Environment, Event, IdempotencyKey,
    Management, MessageId, Nack, NackAction, NewMessage, Observer, Observers, PageRequest,
    ProcessOutcome, Queue, QueueConfig, SeededRandom, Source, Timestamp, guarded, observed,
};
use forebay_queue_memory::MemoryBackend;
use tokio::time::Instant;

use crate::script::{KIND, QUEUE, ms};

const LEASE: Duration = Duration::from_secs(2);

/// Counts on the runtime's clock from a fixed time.
#[derive(Debug)]
struct FixedStart(Instant);

impl Clock for FixedStart {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(self.0.elapsed())
    }
}

struct Bench {
    history: History,
    process: Arc<ProcessHistory>,
    queue: Arc<dyn Queue>,
    management: Arc<dyn Management>,
}

impl Bench {
    async fn new() -> Self {
        let clock = Arc::new(FixedStart(Instant::now()));
        let environment = Environment::new(clock, Arc::new(SeededRandom::new(7)));
        let history = History::new(&environment);
        let process = history.for_process(1);
        let observers = Observers::none().with(Arc::clone(&process) as Arc<dyn Observer>);
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new(environment));
        let backend = observed(guarded(memory), observers);
        let config = QueueConfig {
            lease: LEASE,
            capacity: 1_000,
            ..QueueConfig::default()
        };
        backend.create(&QUEUE, &config).await.unwrap();
        history.mark(Mark::Lease {
            queue: QUEUE,
            lease: LEASE,
        });
        Self {
            queue: backend.open(&QUEUE, None).await.unwrap(),
            management: backend.manage(&QUEUE).await.unwrap(),
            history,
            process,
        }
    }

    async fn publish(&self, messages: Vec<NewMessage>) {
        self.queue.publish(messages, Duration::ZERO).await.unwrap();
    }

    async fn receive(&self, max: usize) -> Vec<Delivery> {
        self.queue.receive(max, ms(100)).await.unwrap()
    }

    async fn nack(&self, deliveries: &[Delivery], action: NackAction) {
        let nack = |delivery: &Delivery| Nack {
            receipt: delivery.receipt.clone(),
            action,
            cause: Some("canary-cause".into()),
        };
        self.queue
            .nack(deliveries.iter().map(nack).collect())
            .await
            .unwrap();
    }

    /// Handles everything that comes, as a worker would.
    async fn work(&self) {
        let source = Source {
            backend: "memory",
            queue: &QUEUE,
        };
        loop {
            let deliveries = self.receive(16).await;
            if deliveries.is_empty() {
                return;
            }
            for delivery in &deliveries {
                self.process.observe(&Event::Started {
                    source,
                    delivery,
                    dwell: Duration::ZERO,
                });
            }
            let receipts: Vec<_> = deliveries.iter().map(|d| d.receipt.clone()).collect();
            self.queue.ack(&receipts).await.unwrap();
            for delivery in &deliveries {
                self.process.observe(&Event::Processed {
                    source,
                    kind: delivery.message.kind(),
                    id: delivery.message.id(),
                    attempt: delivery.attempt,
                    outcome: ProcessOutcome::Done,
                    elapsed: None,
                });
            }
        }
    }

    async fn rest(&self) {
        let stats = self.management.stats().await.unwrap();
        let all = DeadLetterFilter::all();
        let page = PageRequest::first(1_000);
        let dead = self.management.dead_letters(&all, page).await.unwrap();
        let ids: Vec<MessageId> = dead.items.iter().map(|d| d.message.id()).collect();
        self.history.mark(Mark::Drained);
        self.history.mark(Mark::rest(&QUEUE, &stats, ids));
    }

    fn report(&self) -> Report {
        let rules = Rules {
            max_attempts: Attempts::all(10),
            lateness: Some(ms(50)),
            ..Rules::default()
        };
        Checker::new(rules).check(&self.history.records())
    }
}

fn plain(n: u8) -> NewMessage {
    NewMessage::new(KIND, vec![n; 16])
}

/// A day in the life of a queue: every verb, every outcome.
async fn day() -> Bench {
    let bench = Bench::new().await;
    let key = |text: &str| IdempotencyKey::new(text).unwrap();
    bench.publish((0..40).map(plain).collect()).await;
    bench
        .publish(vec![
            plain(50).with_delay(ms(500)),
            plain(51).with_time_to_live(ms(10)),
            plain(52).with_idempotency_key(key("canary-key")),
        ])
        .await;
    let again = plain(53).with_idempotency_key(key("canary-key"));
    bench.publish(vec![again]).await;
    let id = bench.management.peek(1).await.unwrap()[0].message.id();
    bench.management.cancel(CancelTarget::Id(id)).await.unwrap();
    let by_key = CancelTarget::Key(key("canary-key"));
    bench.management.cancel(by_key).await.unwrap();

    let retry = bench.receive(3).await;
    bench
        .nack(&retry, NackAction::Retry { after: ms(70) })
        .await;
    let release = bench.receive(3).await;
    let after = Duration::ZERO;
    bench.nack(&release, NackAction::Release { after }).await;
    let dead = bench.receive(4).await;
    bench.nack(&dead, NackAction::DeadLetter).await;

    // Two are held: one by extensions, one lets its lease run out.
    let held = bench.receive(2).await;
    for _ in 0..4 {
        tokio::time::sleep(LEASE / 2).await;
        let receipt = held[0].receipt.clone();
        bench.queue.extend(&[receipt]).await.unwrap();
    }
    let receipts: Vec<_> = held.iter().map(|d| d.receipt.clone()).collect();
    bench.queue.ack(&receipts).await.unwrap();

    let all = DeadLetterFilter::all();
    bench.management.redrive(&all, 2).await.unwrap();
    bench.management.delete_dead_letters(&all, 1).await.unwrap();
    bench.work().await;
    bench.publish(vec![plain(60), plain(61)]).await;
    bench.management.purge().await.unwrap();

    // A receiver waits; the message comes to it.
    let (publish, work) = (bench.publish(vec![plain(70)]), bench.work());
    tokio::join!(work, publish);
    bench.queue.close().await.unwrap();
    bench.rest().await;
    bench
}

#[tokio::test(start_paused = true)]
async fn the_memory_queue_keeps_every_promise() {
    let bench = day().await;
    let report = bench.report();
    report.assert_clean();
    let counts = &report.counts;
    assert_eq!((counts.published, counts.accepted), (47, 46), "{report}");
    assert_eq!((counts.cancelled, counts.purged), (2, 2));
    assert_eq!((counts.dead_lettered, counts.leases_lost), (4, 1));
    assert_eq!(counts.redelivered[&Cause::Retry], 3);
    assert_eq!(counts.redelivered[&Cause::Release], 3);
    assert_eq!(counts.redelivered[&Cause::Redrive], 2);
    assert_eq!(counts.redelivered[&Cause::LeaseExpiry], 1);
    for invariant in [
        Invariant::Kept,
        Invariant::Unaltered,
        Invariant::Explained,
        Invariant::Fenced,
        Invariant::Over,
        Invariant::Attempts,
        Invariant::NotEarly,
        Invariant::OnePerKey,
        Invariant::AddsUp,
    ] {
        assert_ne!(report.judged(invariant), 0, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_runs_of_one_seed_are_the_same_byte_for_byte() {
    let one = day().await.history.text();
    let other = day().await.history.text();
    assert!(one == other, "the texts differ");
    let records = History::read(one.as_bytes()).unwrap();
    assert_eq!(records.len(), one.lines().count());
}

#[tokio::test(start_paused = true)]
async fn payloads_keys_and_causes_are_not_in_the_text() {
    let bench = Bench::new().await;
    let message = NewMessage::new(KIND, "canary-payload")
        .with_idempotency_key(IdempotencyKey::new("canary-key").unwrap());
    bench.publish(vec![message]).await;
    let deliveries = bench.receive(1).await;
    bench.nack(&deliveries, NackAction::DeadLetter).await;
    let text = bench.history.text();
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("dead_letter"));
}

#[tokio::test(start_paused = true)]
async fn a_line_taken_away_is_noticed() {
    // What the checker says of the day depends on every ack in it.
    let bench = day().await;
    let records = bench.history.records();
    let acks: Vec<usize> = (0..records.len())
        .filter(|at| {
            matches!(&records[*at].fact, Fact::Invoke { asked, .. }
                if matches!(asked, forebay_queue_conformance::history::Asked::Ack(_)))
        })
        .collect();
    assert!(acks.len() > 2);
    for ack in acks {
        let mut records = records.clone();
        records.remove(ack);
        let report = Checker::new(Rules::default()).check(&records);
        assert!(report.broken().contains(&Invariant::Kept), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_recorded_as_unknown() {
    let bench = Bench::new().await;
    let wait = Duration::from_secs(10);
    let receive = bench.queue.receive(1, wait);
    tokio::time::timeout(ms(10), receive).await.unwrap_err();
    let records = bench.history.take();
    let last = &records.last().unwrap().fact;
    assert!(
        matches!(last, Fact::Unknown { call: 1, error } if error == "dropped"),
        "{last:?}"
    );
    assert!(bench.history.is_empty());
    let failed = bench.queue.close().await;
    failed.unwrap();
    bench.queue.receive(1, wait).await.unwrap_err();
    let records = bench.history.take();
    let last = &records.last().unwrap().fact;
    assert!(
        matches!(last, Fact::Fail { error, .. } if error == "closed"),
        "{last:?}"
    );
}
