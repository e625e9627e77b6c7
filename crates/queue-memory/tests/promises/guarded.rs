//! The guarding decorator over this backend: what it lacks is refused before anything has happened.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Capability, Environment, Error, Nack, NackAction, NewMessage, PageRequest, QueueConfig,
    QueueName, Receipt, SettleOutcome, State, ThrottleKey, Weight, guarded,
};
use forebay_queue_memory::MemoryBackend;

use crate::house::{AT_ONCE, House, MINUTE, NAME, config, plain};

async fn house() -> House {
    let backend = guarded(Arc::new(MemoryBackend::new(Environment::seeded(1))));
    House::around(backend, config(1_000)).await
}

/// Publishes a batch with one bad message in it, and nothing of it may be there.
async fn refused(house: &House, bad: NewMessage) -> Error {
    let batch = vec![plain("good"), bad];
    let answer = house.queue.publish(batch, MINUTE).await;
    let stats = house.desk.stats().await.unwrap();
    assert_eq!(stats.live(), 0, "a refused publish left something behind");
    answer.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn throttle_keys_are_refused() {
    let house = house().await;
    let message = plain("x").with_throttle_key(ThrottleKey::new("mail").unwrap());
    let error = refused(&house, message).await;
    let expected = Capability::Throttling;
    assert!(matches!(error, Error::Unsupported { capability, .. } if capability == expected));
}

#[tokio::test(start_paused = true)]
async fn weights_are_refused() {
    let house = house().await;
    let error = refused(&house, plain("x").with_weight(Weight::new(5).unwrap())).await;
    let expected = Capability::Fairness;
    assert!(matches!(error, Error::Unsupported { capability, .. } if capability == expected));
}

#[tokio::test(start_paused = true)]
async fn a_fairness_key_is_carried_all_the_same() {
    let house = house().await;
    let key = forebay_queue_core::FairnessKey::new("tenant").unwrap();
    house
        .publish(plain("x").with_fairness_key(key.clone()))
        .await;
    assert_eq!(house.take().await.message.fairness_key(), &key);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_of_another_name_is_refused_at_create_and_update() {
    let house = house().await;
    let asked = QueueConfig {
        dead_letter_queue: Some(QueueName::from_static("graveyard")),
        ..config(10)
    };
    let other = QueueName::from_static("other");
    for answer in [
        house.backend.create(&other, &asked).await,
        house.backend.update(&NAME, &asked).await,
    ] {
        let expected = Capability::DeadLetterQueue;
        assert!(
            matches!(answer, Err(Error::Unsupported { capability, .. }) if capability == expected)
        );
    }
    assert_eq!(house.backend.list().await.unwrap(), [NAME]);
    assert_eq!(house.backend.config(&NAME).await.unwrap(), config(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_out_of_bounds_is_refused_at_create_and_update() {
    let house = house().await;
    let other = QueueName::from_static("other");
    let base = config(10);
    let bad: [fn(&mut QueueConfig); 9] = [
        |c| c.lease = Duration::from_millis(9),
        |c| c.lease = Duration::from_hours(13),
        |c| c.capacity = 0,
        |c| c.capacity = (1 << 31) + 1,
        |c| c.idempotency_window = Duration::from_hours(24 * 366),
        |c| c.idempotency_limit = 0,
        |c| c.dead_letter_retention = Duration::from_hours(24 * 3_651),
        |c| c.dead_letter_limit = 0,
        |c| c.retain_done_limit = 0,
    ];
    for (n, change) in bad.into_iter().enumerate() {
        let mut asked = base.clone();
        change(&mut asked);
        let created = house.backend.create(&other, &asked).await;
        assert!(matches!(created, Err(Error::InvalidConfig { .. })), "{n}");
        let updated = house.backend.update(&NAME, &asked).await;
        assert!(matches!(updated, Err(Error::InvalidConfig { .. })), "{n}");
    }
    assert_eq!(house.backend.list().await.unwrap(), [NAME]);
}

#[tokio::test(start_paused = true)]
async fn limits_of_pages_and_counts_are_held() {
    let house = house().await;
    house.publish(plain("x")).await;
    let all = forebay_queue_core::DeadLetterFilter::all();
    for limit in [0, PageRequest::MAX_LIMIT + 1] {
        let page = PageRequest::first(limit);
        let answers = [
            house.desk.peek(limit).await.map(drop),
            house.desk.list(State::Ready, page.clone()).await.map(drop),
            house.desk.dead_letters(&all, page).await.map(drop),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(Error::Invalid { .. })), "{limit}");
        }
    }
    let answers = [
        house.queue.receive(0, AT_ONCE).await.map(drop),
        house.desk.redrive(&all, 0).await.map(drop),
        house.desk.delete_dead_letters(&all, 0).await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(Error::Invalid { .. })));
    }
    assert_eq!(house.desk.stats().await.unwrap().ready, 1);
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
async fn too_many_receipts_in_one_call_settle_none() {
    let house = house().await;
    house.publish(plain("x")).await;
    let delivery = house.take().await;
    let receipts: Vec<Receipt> = vec![delivery.receipt.clone(); 257];
    let nack = |receipt: &Receipt| Nack {
        receipt: receipt.clone(),
        action: NackAction::DeadLetter,
        cause: None,
    };
    let nacks: Vec<Nack> = receipts.iter().map(nack).collect();
    let answers = [
        house.queue.ack(&receipts).await,
        house.queue.extend(&receipts).await,
        house.queue.nack(nacks).await,
    ];
    for answer in answers {
        assert!(matches!(answer, Err(Error::TooLarge { limit: 256, .. })));
    }
    let outcome = delivery.ack(&*house.queue).await.unwrap();
    assert_eq!(outcome, SettleOutcome::Done);
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
