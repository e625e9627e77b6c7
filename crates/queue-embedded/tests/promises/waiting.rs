use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use forebay_queue_core::QueueConfig;
use forebay_queue_embedded::{Database, Sync};
use tokio::time::timeout;

use crate::{LIMIT, NOW, World, message};

crate::on_each_store!(
    a_receive_that_is_dropped_gives_back_at_once,
    an_answer_that_nobody_takes_gives_back_at_once,
    who_waits_is_woken,
);

async fn a_receive_that_is_dropped_gives_back_at_once(database: Database) {
    let world = World::new(database).await;
    for round in 0..50_u64 {
        world.publish(message("x")).await;
        // Dropped at some time between being asked and being answered.
        let receive = world.queue.receive(1, LIMIT);
        let cut = timeout(Duration::from_micros(round * 10), receive).await;
        if let Ok(received) = cut {
            let held = received.unwrap();
            world.queue.ack(&[held[0].receipt.clone()]).await.unwrap();
            continue;
        }
        let again = timeout(LIMIT, world.queue.receive(1, LIMIT)).await;
        let held = again.expect("far sooner than its lease ends").unwrap();
        assert_eq!(held[0].attempt, 1, "its attempt was given back");
        world.queue.ack(&[held[0].receipt.clone()]).await.unwrap();
    }
}

async fn an_answer_that_nobody_takes_gives_back_at_once(database: Database) {
    let world = World::new(database).await;
    // Asked, and not looked at again. Now and then the answer is there before the first look is over: then once more.
    let receive = loop {
        world.publish(message("x")).await;
        let mut receive = world.queue.receive(1, LIMIT);
        match poll_fn(|context| Poll::Ready(receive.as_mut().poll(context))).await {
            Poll::Pending => break receive,
            Poll::Ready(held) => {
                let receipt = held.unwrap().remove(0).receipt;
                world.queue.ack(&[receipt]).await.unwrap();
            }
        }
    };
    let leased = async |count| {
        let look = async { while world.management.stats().await.unwrap().leased != count {} };
        timeout(LIMIT, look).await.expect("far sooner");
    };
    leased(1).await;
    drop(receive);
    // Far sooner than its lease ends.
    leased(0).await;
    let held = world.queue.receive(1, NOW).await.unwrap();
    assert_eq!(held[0].attempt, 1, "its attempt was given back");
}

async fn who_waits_is_woken(database: Database) {
    let config = QueueConfig {
        capacity: 1,
        ..QueueConfig::default()
    };
    let world = World::with(database, Sync::Never, &config).await;
    world.publish(message("0")).await;
    let queue = Arc::clone(&world.queue);
    let publisher = tokio::spawn(async move {
        for number in 1..200 {
            queue
                .publish(vec![message(number.to_string())], LIMIT)
                .await
                .unwrap();
        }
    });
    for number in 0..200 {
        let held = timeout(LIMIT, world.queue.receive(9, LIMIT))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(held[0].message.payload(), number.to_string().as_bytes());
        world.queue.ack(&[held[0].receipt.clone()]).await.unwrap();
    }
    publisher.await.unwrap();
    assert!(world.queue.receive(9, NOW).await.unwrap().is_empty());
}
