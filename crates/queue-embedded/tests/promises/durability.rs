use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_queue_core::{Backend, Durability, QueueConfig};
use forebay_queue_embedded::{Database, Sync};
use tokio::time::sleep;

use crate::{LIMIT, NOW, World, fsyncs, message};

crate::on_each_store!(
    those_who_publish_at_once_share_an_fsync,
    an_answer_means_an_fsync,
    without_sync_there_is_none,
    in_time_there_is_one,
);

async fn those_who_publish_at_once_share_an_fsync(database: Database) {
    const CALLERS: usize = 64;
    const EACH: usize = 20;
    let world = World::new(database).await;
    let before = fsyncs(&world.path());
    let publish = |_| {
        let queue = Arc::clone(&world.queue);
        tokio::spawn(async move {
            for _ in 0..EACH {
                queue.publish(vec![message("x")], NOW).await.unwrap();
            }
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(publish).collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let used = fsyncs(&world.path()) - before;
    let publishes = (CALLERS * EACH) as u64;
    assert!(used * 4 <= publishes, "{used} for {publishes}");
}

async fn an_answer_means_an_fsync(database: Database) {
    let world = World::new(database).await;
    let probed = world.backend.probe().await.unwrap();
    assert!(probed.meet(Durability::Fsynced));
    for _ in 0..3 {
        let before = fsyncs(&world.path());
        world.publish(message("x")).await;
        let published = fsyncs(&world.path());
        assert!(published > before);
        let held = world.queue.receive(1, NOW).await.unwrap();
        assert_eq!(
            fsyncs(&world.path()),
            published,
            "a hand-out waits for none"
        );
        world
            .queue
            .extend(&[held[0].receipt.clone()])
            .await
            .unwrap();
        assert_eq!(fsyncs(&world.path()), published, "nor does an extension");
        world.queue.ack(&[held[0].receipt.clone()]).await.unwrap();
        assert!(fsyncs(&world.path()) > published);
    }
}

async fn without_sync_there_is_none(database: Database) {
    let world = World::with(database, Sync::Never, &QueueConfig::default()).await;
    let probed = world.backend.probe().await.unwrap();
    assert!(probed.meet(Durability::Buffered) && !probed.meet(Durability::Fsynced));
    let before = fsyncs(&world.path());
    for _ in 0..20 {
        world.publish(message("x")).await;
    }
    assert_eq!(fsyncs(&world.path()), before);
}

async fn in_time_there_is_one(database: Database) {
    let every = Duration::from_millis(50);
    let world = World::with(database, Sync::Every(every), &QueueConfig::default()).await;
    let before = fsyncs(&world.path());
    let start = Instant::now();
    world.publish(message("x")).await;
    while fsyncs(&world.path()) == before {
        assert!(start.elapsed() < LIMIT, "it never came");
        // tidy: sleep — polls with a limit
        sleep(Duration::from_millis(5)).await;
    }
    // One, and not one after the other while nothing is written.
    let once = fsyncs(&world.path());
    // tidy: sleep — the time in which another would come
    sleep(every * 4).await;
    assert_eq!(fsyncs(&world.path()), once);
}
