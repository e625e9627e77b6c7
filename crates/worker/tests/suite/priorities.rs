use std::sync::Arc;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::{Meta, State, Worker};
use parking_lot::Mutex;

use crate::fixture::{Fixture, Number, Started};

type Order = Arc<Mutex<Vec<String>>>;

async fn note(_: Number, meta: Meta, State(order): State<Order>) {
    order.lock().push(meta.queue().as_str().to_owned());
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn higher_priorities_go_first() {
    let fixture = Fixture::new().await;
    let (low, high) = (fixture.another("low").await, fixture.another("high").await);
    for number in 0..20 {
        for queue in [&low, &fixture.connection, &high] {
            queue.producer().publish(Number { number }).await.unwrap();
        }
    }
    let order = Order::default();
    let worker = Worker::new(low)
        .queue(high, 10)
        .queue(fixture.connection.clone(), 5)
        .concurrency(2)
        .prefetch(30)
        .state(Arc::clone(&order))
        .handle(note);
    let worker = Started::new(worker);
    crate::fixture::until("all ran", || {
        fixture.recorder.count(ProcessOutcome::Done) == 60
    })
    .await;
    worker.stop().await;
    let order = order.lock();
    // The fetchers start together, so the first job of each slot may be of any queue.
    let late = |name: &str| order.iter().skip(2).rposition(|q| q == name).unwrap();
    assert!(late("high") < 22, "{order:?}");
    assert!(late("numbers") < 42, "{order:?}");
    assert_eq!(order.last().unwrap(), "low");
}

#[tokio::test(start_paused = true)]
async fn an_urgent_message_overtakes_a_backlog() {
    let fixture = Fixture::new().await;
    let high = fixture.another("high").await;
    fixture.publish_many(100).await;
    let order = Order::default();
    let worker = fixture
        .worker()
        .concurrency(1)
        .queue(high.clone(), 1)
        .state(Arc::clone(&order))
        .handle(note);
    let worker = Started::new(worker);
    crate::fixture::until("some ran", || order.lock().len() == 10).await;
    high.producer().publish(Number { number: 0 }).await.unwrap();
    fixture.until_empty().await;
    worker.stop().await;
    let place = order.lock().iter().position(|q| q == "high").unwrap();
    assert!((10..=12).contains(&place), "{place}");
}
