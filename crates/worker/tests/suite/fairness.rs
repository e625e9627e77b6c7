//! One tenant's flood does not make another one wait: handlers on their slots, tenants by fairness key.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{NewMessage, QueueConfig};
use forebay_worker::State;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, Number, Started, until};

const SLOTS: usize = 16;
const WORK: Duration = Duration::from_millis(10);
/// Messages of the quiet tenant; the others have a hundred times as many, and not all of them are worked off meanwhile.
const QUIET: u32 = 100;
const FLOOD: u32 = 100 * QUIET;
const BATCH: usize = 250;

/// When the messages of the quiet tenant were begun, in their order.
type Begun = Arc<Mutex<Vec<Instant>>>;

async fn work(task: Number, State(begun): State<Begun>) {
    if task.number < QUIET {
        begun.lock().push(Instant::now());
    }
    sleep(WORK).await;
}

async fn flood(fixture: &Fixture, tenants: u32) {
    let producer = fixture.connection.producer();
    let message = |number: u32| -> NewMessage {
        let publish = producer.publish(Number {
            number: QUIET + number,
        });
        let tenant = format!("tenant-{}", number % tenants);
        publish.fairness_key(tenant).prepare().unwrap()
    };
    let all: Vec<NewMessage> = (0..FLOOD).map(message).collect();
    for batch in all.chunks(BATCH) {
        producer.publish_all(batch.to_vec()).await.unwrap();
    }
}

/// How long 95 of 100 messages of the quiet tenant wait at most from publish to the start of their handler.
async fn p95(tenants: u32, round: u32, prefetch: usize) -> Duration {
    let fixture = Fixture::with(QueueConfig {
        capacity: 2 * FLOOD as usize,
        ..QueueConfig::default()
    })
    .await;
    if tenants > 0 {
        flood(&fixture, tenants).await;
    }
    let begun = Begun::default();
    let worker = fixture.worker().concurrency(SLOTS).prefetch(prefetch);
    let worker = Started::new(worker.state(Arc::clone(&begun)).handle(work));
    let producer = fixture.connection.producer();
    let mut published = Vec::new();
    for number in 0..QUIET {
        // Less often than once in a round: more than its share would wait for itself. And at every phase of the others' handlers.
        sleep(WORK * (round + 1) + Duration::from_millis((7 * u64::from(number)) % 10)).await;
        published.push(Instant::now());
        let publish = producer.publish(Number { number });
        publish.fairness_key("quiet").await.unwrap();
    }
    until("the quiet tenant's are done", || {
        begun.lock().len() == QUIET as usize
    })
    .await;
    let left = fixture.stats().await.ready;
    assert_eq!(left > 0, tenants > 0, "the flood goes on to the end");
    worker.kill().await;
    let begun = begun.lock();
    let waits = begun.iter().zip(&published);
    let mut waits: Vec<Duration> = waits.map(|(begun, at)| *begun - *at).collect();
    waits.sort_unstable();
    waits[(waits.len() - 1) * 95 / 100]
}

/// A round is one turn of each tenant, sixteen at a time. Whatever has been fetched ahead is not given back for somebody who
/// comes later: it is one more turn of every slot.
#[tokio::test(start_paused = true)]
async fn a_flood_of_others_makes_a_quiet_tenant_wait_for_a_round_at_most() {
    for (prefetch, ahead) in [(0, 0), (SLOTS, 1)] {
        let solo = p95(0, 0, prefetch).await;
        for tenants in [1, 5, 15, 16, 40, 60] {
            let round = (tenants + 1_u32).div_ceil(16);
            let most = solo + WORK * (round + ahead);
            let p95 = p95(tenants, round, prefetch).await;
            println!("{tenants} others, {prefetch} ahead: {p95:?} of {most:?}, alone {solo:?}");
            assert!(
                p95 <= most,
                "{tenants} other tenants, {prefetch} fetched ahead: {p95:?}, not {most:?}"
            );
        }
    }
}
