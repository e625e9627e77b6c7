use forebay_queue_core::SettleOutcome;

use crate::house::{AT_ONCE, House, NAME, config, plain};

#[tokio::test(start_paused = true)]
async fn two_sessions_share_one_queue_and_settle_for_each_other() {
    let house = House::new(config(10)).await;
    let other = house.backend.open(&NAME, None).await.unwrap();
    house.publish(plain("a")).await;
    let delivery = other.receive(1, AT_ONCE).await.unwrap().remove(0);
    house.assert_nothing_to_receive().await;
    let outcome = delivery.ack(&*house.queue).await.unwrap();
    assert_eq!(outcome, SettleOutcome::Done);
}
