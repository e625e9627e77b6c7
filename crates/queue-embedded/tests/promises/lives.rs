use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{
    Backend, FairnessKey, PageRequest, QueueConfig, QueueName, Rule, SettleOutcome, Throttle,
    ThrottleKey, Weight,
};
use forebay_queue_embedded::Database;
use tokio::time::{Instant, sleep};

use crate::{LIMIT, NOW, World, message, name, open};

crate::on_each_store!(
    a_receipt_stays_good,
    rules_tokens_and_pauses_are_kept,
    queues_of_one_directory_are_apart,
    a_directory_is_free_when_nobody_holds_it,
    a_second_handle_is_refused,
);

async fn a_receipt_stays_good(database: Database) {
    let world = World::new(database).await;
    for number in 0..3 {
        world.publish(message(number.to_string())).await;
    }
    let held = world.queue.receive(3, NOW).await.unwrap();
    world.queue.ack(&[held[1].receipt.clone()]).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(world.management.stats().await.unwrap().leased, 2);
    let receipts: Vec<_> = held.iter().map(|d| d.receipt.clone()).collect();
    let extended = world.queue.extend(&receipts).await.unwrap();
    let (done, lost) = (SettleOutcome::Done, SettleOutcome::LeaseLost);
    assert_eq!(extended, [done, lost, done]);
    assert_eq!(world.queue.ack(&receipts).await.unwrap(), extended);
    assert_eq!(world.queue.ack(&receipts).await.unwrap(), [lost; 3]);
}

async fn rules_tokens_and_pauses_are_kept(database: Database) {
    let world = World::new(database).await;
    let fair = FairnessKey::new("tenant").unwrap();
    let mail = ThrottleKey::new("mail").unwrap();
    let limit = NonZeroU32::new(9).unwrap();
    let throttle = Throttle::new(2, Duration::from_hours(10)).unwrap();
    for rule in [
        Rule::Weight(fair.clone(), Weight::new(5).ok()),
        Rule::LeaseLimit(fair.clone(), Some(limit)),
        Rule::Throttle(mail.clone(), Some(throttle)),
    ] {
        world.management.set_rule(&rule).await.unwrap();
    }
    for _ in 0..3 {
        let throttled = message("x").with_throttle_key(mail.clone());
        world.publish(throttled).await;
    }
    assert_eq!(world.queue.receive(1, NOW).await.unwrap().len(), 1);
    world.management.pause().await.unwrap();
    let world = world.reopened().await;
    assert!(world.management.stats().await.unwrap().paused);
    world.management.resume().await.unwrap();
    let page = PageRequest::first(10);
    let shares = world
        .management
        .key_stats(page.clone())
        .await
        .unwrap()
        .items;
    let share = shares.iter().find(|stats| stats.key == fair).unwrap();
    assert_eq!((share.weight.get(), share.lease_limit), (5, Some(limit)));
    let buckets = world
        .management
        .throttle_stats(page.clone())
        .await
        .unwrap()
        .items;
    assert_eq!((buckets[0].throttle, buckets[0].tokens), (throttle, 1));
    assert_eq!(
        world.queue.receive(9, NOW).await.unwrap().len(),
        1,
        "one token was left"
    );
    for rule in [
        Rule::Weight(fair.clone(), None),
        Rule::LeaseLimit(fair, None),
        Rule::Throttle(mail, None),
    ] {
        world.management.set_rule(&rule).await.unwrap();
    }
    let world = world.reopened().await;
    assert!(!world.management.stats().await.unwrap().paused);
    assert_eq!(
        world.management.throttle_stats(page).await.unwrap().items,
        []
    );
    assert_eq!(
        world.queue.receive(9, NOW).await.unwrap().len(),
        1,
        "nothing holds it"
    );
}

async fn queues_of_one_directory_are_apart(database: Database) {
    let world = World::new(database).await;
    let other = QueueName::from_static("job");
    world
        .backend
        .create(&other, &QueueConfig::default())
        .await
        .unwrap();
    let second = world.backend.open(&other, None).await.unwrap();
    second.publish(vec![message("other")], NOW).await.unwrap();
    world.publish(message("mine")).await;
    let world = world.reopened().await;
    assert_eq!(world.backend.list().await.unwrap(), [other.clone(), name()]);
    world.backend.delete(&other).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(world.backend.list().await.unwrap(), [name()]);
    let got = world.queue.receive(9, NOW).await.unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].message.payload(), "mine");
    world
        .backend
        .create(&other, &QueueConfig::default())
        .await
        .unwrap();
    let second = world.backend.open(&other, None).await.unwrap();
    assert!(
        second.receive(9, NOW).await.unwrap().is_empty(),
        "nothing of it was left"
    );
}

async fn a_directory_is_free_when_nobody_holds_it(database: Database) {
    let world = World::new(database).await;
    world.publish(message("kept")).await;
    let World {
        backend,
        queue,
        management,
        options,
        directory,
    } = world;
    drop((backend, queue, management));
    let start = Instant::now();
    loop {
        let environment = forebay_queue_core::Environment::system();
        let opened = forebay_queue_embedded::EmbeddedBackend::open(options.clone(), environment);
        if opened.await.is_ok() {
            break;
        }
        assert!(start.elapsed() < LIMIT, "it is still held");
        // tidy: sleep — polls with a limit
        sleep(Duration::from_millis(5)).await;
    }
    drop(directory);
}

async fn a_second_handle_is_refused(database: Database) {
    let world = World::new(database).await;
    let environment = forebay_queue_core::Environment::system();
    let second = forebay_queue_embedded::EmbeddedBackend::open(world.options.clone(), environment);
    let error = second.await.err().unwrap();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("in use by another process"), "{source}");
    world.publish(message("the first goes on")).await;
    assert_eq!(world.drain().await, 1);
    world.backend.close().await.unwrap();
    open(&world.options).await;
}
