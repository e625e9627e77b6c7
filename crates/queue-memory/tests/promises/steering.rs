use std::sync::atomic::Ordering;

use crate::house::{MINUTE, SECOND, config, counting, plain};

#[tokio::test(start_paused = true)]
async fn a_paused_queue_is_not_looked_at_without_end() {
    let (house, looks) = counting(config(10)).await;
    house.desk.pause().await.unwrap();
    house.publish(plain("a")).await;
    house.publish(plain("b").with_delay(SECOND)).await;
    let waiting = house.receiving(1, 10 * MINUTE).await;
    assert!(waiting.await.unwrap().0.unwrap().is_empty());
    assert!(looks.load(Ordering::Relaxed) < 50);
}
