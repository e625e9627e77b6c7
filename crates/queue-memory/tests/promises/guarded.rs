//! The guarding decorator over this backend. That it refuses what it must is the suite's affair.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Environment, guarded};
use forebay_queue_memory::MemoryBackend;

use crate::house::{AT_ONCE, House, NAME, config, plain};

async fn house() -> House {
    let backend = guarded(Arc::new(MemoryBackend::new(Environment::seeded(1))));
    House::around(backend, config(1_000)).await
}

#[tokio::test(start_paused = true)]
async fn a_receive_for_more_than_a_batch_gives_a_batch() {
    let house = house().await;
    for _ in 0..300 {
        house.publish(plain("x")).await;
    }
    assert_eq!(
        house.queue.receive(10_000, AT_ONCE).await.unwrap().len(),
        256
    );
}

#[tokio::test(start_paused = true)]
async fn it_passes_everything_else_through() {
    let house = house().await;
    assert_eq!(house.queue.name(), &NAME);
    assert_eq!(house.queue.lease(), Duration::from_secs(30));
    house.publish(plain("a")).await;
    house.desk.pause().await.unwrap();
    house.assert_nothing_to_receive().await;
    house.desk.resume().await.unwrap();
    assert_eq!(house.drain().await, ["a"]);
    assert!(house.backend.health().await.is_up());
    house.queue.close().await.unwrap();
    assert!(house.queue.receive(1, AT_ONCE).await.is_err());
    house.backend.delete(&NAME).await.unwrap();
    assert!(house.backend.open(&NAME, None).await.is_err());
}
