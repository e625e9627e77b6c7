use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::SettleOutcome;
use forebay_worker::State;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::fixture::{Fixture, Number, Started};

const LEASE: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn dropping_a_running_worker_loses_nothing() {
    async fn note(task: Number, State(seen): State<Arc<Mutex<Vec<u32>>>>) {
        sleep(Duration::from_millis(30)).await;
        seen.lock().push(task.number);
    }
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish_many(200).await;
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let build = || fixture.worker().state(Arc::clone(&seen)).handle(note);
    for round in 0..20 {
        let run = build().run_until(std::future::pending::<()>());
        let life = Duration::from_millis(7 * round + 1);
        assert!(
            timeout(life, run).await.is_err(),
            "it was dropped while it ran"
        );
    }
    let dropped = Instant::now();
    let worker = Started::new(build());
    fixture.until_empty().await;
    assert!(dropped.elapsed() < LEASE + Duration::from_secs(4));
    worker.stop().await;
    let mut numbers = seen.lock().clone();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    assert!(fixture.dead_letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn dropping_a_publish_publishes_it_or_not() {
    let fixture = Fixture::new().await;
    let producer = fixture.connection.producer();
    drop(producer.publish(Number { number: 1 }));
    assert_eq!(
        fixture.stats().await.live(),
        0,
        "nothing happens before the await"
    );
    let publish = producer.publish(Number { number: 2 });
    let id = publish.message_id().unwrap();
    let mut future = Box::pin(publish.into_future());
    let polled = timeout(Duration::ZERO, &mut future).await;
    drop(future);
    let there = fixture.get(id).await.is_some();
    assert_eq!(there, polled.is_ok(), "all of it or nothing");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_settled_by_hand_is_not_touched_by_the_worker() {
    let fixture = Fixture::new().await;
    let id = fixture.publish(1).await;
    let session = fixture.connection.session().await.unwrap();
    let delivery = session.receive(1, Duration::ZERO).await.unwrap().remove(0);
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    sleep(Duration::from_secs(1)).await;
    assert!(
        fixture.get(id).await.is_some(),
        "the worker leaves alone what others hold"
    );
    assert_eq!(delivery.ack(&*session).await.unwrap(), SettleOutcome::Done);
    worker.stop().await;
}
