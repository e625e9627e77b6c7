use forebay_queue_core::{
    Backend, DeadLetterFilter, FairnessKey, IdempotencyKey, Nack, NackAction, QueueConfig, Rule,
    Weight,
};
use forebay_queue_embedded::storage::{Family, Storage, StorageError};
use forebay_queue_embedded::{Database, Sync, compact};

use crate::{NOW, World, message};

crate::on_each_store!(
    what_is_over_leaves_no_row,
    space_is_given_back,
    a_purge_of_very_many_goes_through,
);

fn storage(world: &World, database: Database) -> Result<Box<dyn Storage>, StorageError> {
    Ok(match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite => Box::new(forebay_queue_embedded::storage::SqliteStorage::open(
            &world.path(),
        )?),
        #[cfg(feature = "rocksdb")]
        Database::RocksDb => Box::new(forebay_queue_embedded::storage::RocksDbStorage::open(
            &world.path(),
        )?),
        _ => panic!("a database that this test does not know"),
    })
}

/// Which families still have rows, besides the store's books and its queues.
async fn families_with_rows(world: World, database: Database) -> Vec<&'static str> {
    world.backend.close().await.unwrap();
    let storage = storage(&world, database).unwrap();
    let last = [u8::MAX; 600];
    let has_rows = |family: &Family| {
        !storage
            .scan(*family, &[][..]..&last[..], 1)
            .unwrap()
            .is_empty()
    };
    let families = Family::ALL.into_iter().filter(has_rows);
    families
        .map(Family::name)
        .filter(|name| *name != "default")
        .collect()
}

async fn what_is_over_leaves_no_row(database: Database) {
    let world = World::new(database).await;
    let tenant = FairnessKey::new("tenant").unwrap();
    let weight = Rule::Weight(tenant.clone(), Weight::new(3).ok());
    world.management.set_rule(&weight).await.unwrap();
    world.management.pause().await.unwrap();
    world.management.resume().await.unwrap();
    for number in 0..20 {
        world
            .publish(message(number.to_string()).with_fairness_key(tenant.clone()))
            .await;
    }
    let held = world.queue.receive(8, NOW).await.unwrap();
    let nack = |place: usize, action| Nack {
        receipt: held[place].receipt.clone(),
        action,
        cause: None,
    };
    let nacks = vec![
        nack(0, NackAction::DeadLetter),
        nack(1, NackAction::Retry { after: NOW }),
        nack(2, NackAction::Release { after: NOW }),
        nack(3, NackAction::DeadLetter),
    ];
    world.queue.nack(nacks).await.unwrap();
    let rest: Vec<_> = held[4..].iter().map(|d| d.receipt.clone()).collect();
    world.queue.extend(&rest).await.unwrap();
    world.queue.ack(&rest).await.unwrap();
    let all = DeadLetterFilter::all();
    assert_eq!(world.management.redrive(&all, 1).await.unwrap().redriven, 1);
    assert_eq!(
        world.management.delete_dead_letters(&all, 9).await.unwrap(),
        1
    );
    world
        .management
        .set_rule(&Rule::Weight(tenant, None))
        .await
        .unwrap();
    world.drain().await;
    assert_eq!(world.management.stats().await.unwrap().live(), 0);
    let world = world.reopened().await;
    assert_eq!(families_with_rows(world, database).await, ["queues"]);
    // A queue that is deleted leaves nothing, whatever was in it.
    let world = World::new(database).await;
    for number in 0..20 {
        let key = IdempotencyKey::new(format!("key-{number}")).unwrap();
        world.publish(message("x").with_idempotency_key(key)).await;
    }
    world.queue.receive(8, NOW).await.unwrap();
    world.management.set_rule(&weight).await.unwrap();
    world.management.pause().await.unwrap();
    world.backend.delete(&crate::name()).await.unwrap();
    assert_eq!(families_with_rows(world, database).await, [""; 0]);
}

async fn space_is_given_back(database: Database) {
    let world = World::with(database, Sync::Never, &QueueConfig::default()).await;
    for _ in 0..40 {
        let batch = (0..50).map(|_| message(vec![7; 10_000])).collect();
        world.queue.publish(batch, NOW).await.unwrap();
    }
    let locked = compact(&world.path()).unwrap_err();
    assert!(matches!(locked, StorageError::Locked { .. }), "{locked}");
    assert_eq!(world.drain().await, 2_000);
    world.publish(message("kept")).await;
    world.backend.close().await.unwrap();
    let compacted = compact(&world.path()).unwrap();
    assert!(compacted.after < 1 << 20, "{compacted:?}");
    assert!(compacted.before >= compacted.after, "{compacted:?}");
    let none = compact(world.directory.path()).unwrap_err().to_string();
    assert!(none.contains("there is no store"), "{none}");
    let world = world.reopened().await;
    assert_eq!(world.drain().await, 1);
}

async fn a_purge_of_very_many_goes_through(database: Database) {
    const COUNT: usize = 100_000;
    let config = QueueConfig {
        capacity: COUNT,
        ..QueueConfig::default()
    };
    let world = World::with(database, Sync::Never, &config).await;
    for _ in 0..COUNT / 250 {
        let batch = (0..250).map(|_| message("x")).collect();
        world.queue.publish(batch, NOW).await.unwrap();
    }
    assert_eq!(world.management.purge().await.unwrap(), COUNT as u64);
    let world = world.reopened().await;
    assert_eq!(world.management.stats().await.unwrap().live(), 0);
}
