//! What measuring costs per message: `cargo run --release -p forebay-telemetry --example observer_cost`.
//!
//! It feeds one observer by hand, in batches of 256 and one by one, from one thread and from two.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use forebay_queue_core::{
    CallId, Delivery, Event, Kind, Message, MessageId, NewMessage, Observer, Operation,
    ProcessOutcome, PublishOutcome, QueueName, Receipt, Response, Source, Timestamp,
};
use forebay_telemetry::PrometheusObserver;

const BATCH: usize = 256;
const ROUNDS: usize = 20_000;

fn main() {
    for threads in [1, 2] {
        let observer = PrometheusObserver::new();
        report("publish, batches of 256", threads, BATCH, || {
            publish(&observer)
        });
        report("receive, batches of 256", threads, BATCH, || {
            receive(&observer)
        });
        report("publish of one", threads, 1, || publish_one(&observer));
        report("started and processed", threads, 1, || process(&observer));
        let start = Instant::now();
        let size = observer.encode().len();
        println!("encode: {size} bytes in {:?}", start.elapsed());
    }
}

/// Runs `work` in each thread and prints the time of one message, as a thread sees it.
fn report<W: FnMut()>(what: &str, threads: usize, messages: usize, make: impl Fn() -> W + Sync) {
    let rounds = ROUNDS * if messages == 1 { 50 } else { 1 };
    let slowest = thread::scope(|scope| {
        let run = || {
            let mut work = make();
            let start = Instant::now();
            for _ in 0..rounds {
                work();
            }
            start.elapsed()
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let times = running.into_iter().map(|t| t.join().expect("no panic"));
        times.max().unwrap_or_default()
    });
    let count = u32::try_from(rounds * messages).expect("a few million");
    let each = slowest.as_secs_f64() * 1e9 / f64::from(count);
    println!("{what}, {threads} thread(s): {each:.1} ns per message");
}

fn publish(observer: &PrometheusObserver) -> impl FnMut() {
    let outcomes = vec![PublishOutcome::Accepted(ID); BATCH];
    publish_batch(observer, outcomes)
}

fn publish_one(observer: &PrometheusObserver) -> impl FnMut() {
    publish_batch(observer, vec![PublishOutcome::Accepted(ID)])
}

fn publish_batch(observer: &PrometheusObserver, outcomes: Vec<PublishOutcome>) -> impl FnMut() {
    let kinds = vec![KIND.clone(); outcomes.len()];
    move || {
        observer.observe(black_box(&Event::Returned {
            call: CallId(1),
            source: SOURCE,
            operation: Operation::Publish,
            elapsed: Duration::from_micros(120),
            response: Response::Published(&outcomes, &kinds),
        }));
    }
}

fn receive(observer: &PrometheusObserver) -> impl FnMut() {
    let deliveries = vec![delivery(); BATCH];
    move || {
        observer.observe(black_box(&Event::Returned {
            call: CallId(1),
            source: SOURCE,
            operation: Operation::Receive,
            elapsed: Duration::from_micros(120),
            response: Response::Delivered(&deliveries),
        }));
    }
}

fn process(observer: &PrometheusObserver) -> impl FnMut() {
    let delivery = delivery();
    move || {
        observer.observe(black_box(&Event::Started {
            source: SOURCE,
            delivery: &delivery,
            dwell: Duration::from_millis(3),
        }));
        observer.observe(black_box(&Event::Processed {
            source: SOURCE,
            kind: &KIND,
            id: ID,
            attempt: 1,
            outcome: ProcessOutcome::Done,
            elapsed: Some(Duration::from_millis(2)),
        }));
    }
}

const ID: MessageId = MessageId::from_bytes([7; 16]);
static KIND: Kind = Kind::from_static("send-email");
static QUEUE: QueueName = QueueName::from_static("emails");
static SOURCE: Source<'static> = Source {
    backend: "memory",
    queue: &QUEUE,
};

fn delivery() -> Delivery {
    let new = NewMessage::new(KIND.clone(), "{}");
    Delivery {
        message: Arc::new(Message::accept(new, ID, Timestamp::ZERO)),
        attempt: 1,
        receipt: Receipt::from_bytes(b"r"),
        lease: Duration::from_secs(30),
        age_from: Timestamp::ZERO,
        delivered_at: Timestamp::ZERO,
        errors: Vec::new(),
    }
}
