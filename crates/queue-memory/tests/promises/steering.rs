use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Error, PageRequest, QueueConfig, State,
};
use tokio::time::advance;

use crate::house::{AT_ONCE, House, MINUTE, NAME, SECOND, config, keyed, plain, settle};

#[tokio::test(start_paused = true)]
async fn pause_stops_hand_outs_on_every_handle_and_resume_wakes_the_waiting() {
    let house = House::new(config(10)).await;
    let mut other = house.clone();
    other.queue = house.backend.open(&NAME, None).await.unwrap();
    let one = house.receiving(1, MINUTE).await;
    let two = other.receiving(1, MINUTE).await;
    house.desk.pause().await.unwrap();
    house.desk.pause().await.unwrap();
    house.publish(plain("a")).await;
    house.publish(plain("b")).await;
    settle().await;
    assert!(!one.is_finished() && !two.is_finished());
    other.assert_nothing_to_receive().await;
    assert!(house.desk.stats().await.unwrap().paused);
    advance(SECOND).await;
    house.desk.resume().await.unwrap();
    for task in [one, two] {
        let (deliveries, waited) = task.await.unwrap();
        assert_eq!(deliveries.unwrap().len(), 1);
        assert_eq!(waited, SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn running_work_goes_on_while_paused() {
    let house = House::new(config(10)).await;
    house.publish(plain("a")).await;
    let held = house.take().await;
    house.desk.pause().await.unwrap();
    let done = forebay_queue_core::SettleOutcome::Done;
    assert_eq!(held.extend(&*house.queue).await.unwrap(), done);
    assert_eq!(held.ack(&*house.queue).await.unwrap(), done);
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_is_not_looked_at_without_end() {
    let (house, looks) = crate::house::counting(config(10)).await;
    house.desk.pause().await.unwrap();
    house.publish(plain("a")).await;
    house.publish(plain("b").with_delay(SECOND)).await;
    let waiting = house.receiving(1, 10 * MINUTE).await;
    assert!(waiting.await.unwrap().0.unwrap().is_empty());
    assert!(looks.load(std::sync::atomic::Ordering::Relaxed) < 50);
}

#[tokio::test(start_paused = true)]
async fn stats_get_peek_and_list_tell_the_same() {
    let house = House::new(QueueConfig {
        retain_done: MINUTE,
        ..config(100)
    })
    .await;
    let done = house.publish(plain("done")).await;
    house.drain().await;
    let leased = house.publish(plain("leased")).await;
    house.take().await;
    let ready = house.publish(plain("ready")).await;
    let scheduled = house.publish(plain("later").with_delay(SECOND)).await;
    let cases = [
        (done, State::Done),
        (leased, State::Leased),
        (ready, State::Ready),
        (scheduled, State::Scheduled),
    ];
    for (id, state) in cases {
        let seen = house.desk.get(id).await.unwrap().unwrap();
        assert_eq!((seen.message.id(), seen.state), (id, state));
        let page = house.desk.list(state, PageRequest::first(10)).await;
        let items = page.unwrap().items;
        assert_eq!(items.len(), 1, "{state}");
        assert_eq!(items[0].message.id(), id);
    }
    let peeked = house.desk.peek(10).await.unwrap();
    assert_eq!(peeked.len(), 1);
    assert_eq!(peeked[0].message.id(), ready);
    let stats = house.desk.stats().await.unwrap();
    assert_eq!((stats.scheduled, stats.ready, stats.leased), (1, 1, 1));
    assert_eq!((stats.done, stats.dead, stats.capacity), (1, 0, 100));
}

#[tokio::test(start_paused = true)]
async fn cancel_has_four_answers() {
    let house = House::new(config(10)).await;
    let by_key =
        |key: &str| CancelTarget::Key(forebay_queue_core::IdempotencyKey::new(key).unwrap());
    let cancel = |target| house.desk.cancel(target);
    house.publish(keyed("waits").with_delay(SECOND)).await;
    house.publish(keyed("runs")).await;
    house.take().await;
    let answers = [
        cancel(by_key("waits")).await.unwrap(),
        cancel(by_key("waits")).await.unwrap(),
        cancel(by_key("runs")).await.unwrap(),
        cancel(by_key("unknown")).await.unwrap(),
    ];
    let expected = [
        CancelOutcome::Cancelled,
        CancelOutcome::AlreadyOver,
        CancelOutcome::AlreadyRunning,
        CancelOutcome::NotFound,
    ];
    assert_eq!(answers, expected);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_listed_redriven_and_deleted() {
    let house = House::new(config(10)).await;
    for cause in ["one", "two", "three"] {
        house.publish(plain(cause)).await;
        let delivery = house.take().await;
        delivery.dead_letter(&*house.queue, cause).await.unwrap();
    }
    let with = |text: &str| DeadLetterFilter {
        error_contains: Some(text.to_owned()),
        ..DeadLetterFilter::default()
    };
    let page = house
        .desk
        .dead_letters(&with("t"), PageRequest::first(9))
        .await;
    assert_eq!(page.unwrap().items.len(), 2);
    assert_eq!(
        house.desk.redrive(&with("two"), 9).await.unwrap().redriven,
        1
    );
    assert_eq!(
        house
            .desk
            .delete_dead_letters(&with("one"), 9)
            .await
            .unwrap(),
        1
    );
    let stats = house.desk.stats().await.unwrap();
    assert_eq!((stats.ready, stats.dead), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_over_their_limit_are_counted() {
    let house = House::new(QueueConfig {
        dead_letter_limit: 2,
        ..config(10)
    })
    .await;
    for _ in 0..5 {
        house.publish(plain("a")).await;
        let delivery = house.take().await;
        delivery.dead_letter(&*house.queue, "no").await.unwrap();
    }
    let stats = house.desk.stats().await.unwrap();
    assert_eq!((stats.dead, stats.dead_dropped), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_queue_is_not_found() {
    let house = House::new(config(10)).await;
    house.backend.delete(&NAME).await.unwrap();
    let all = DeadLetterFilter::all();
    let gone = |error: Error| matches!(error, Error::QueueNotFound { .. });
    assert!(gone(house.desk.stats().await.unwrap_err()));
    assert!(gone(house.desk.pause().await.unwrap_err()));
    assert!(gone(house.desk.purge().await.unwrap_err()));
    assert!(gone(house.desk.peek(1).await.unwrap_err()));
    assert!(gone(house.desk.redrive(&all, 1).await.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn the_next_update_of_the_lease_is_seen_by_open_sessions() {
    let house = House::new(config(10)).await;
    assert_eq!(house.queue.lease(), 30 * SECOND);
    let shorter = QueueConfig {
        lease: SECOND,
        ..config(10)
    };
    house.backend.update(&NAME, &shorter).await.unwrap();
    assert_eq!(house.queue.lease(), SECOND);
    house.publish(plain("a")).await;
    house.take().await;
    advance(Duration::from_millis(999)).await;
    house.assert_nothing_to_receive().await;
    advance(Duration::from_millis(1)).await;
    assert_eq!(house.queue.receive(1, AT_ONCE).await.unwrap().len(), 1);
}
