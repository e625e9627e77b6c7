use std::time::Duration;

use forebay_queue_core::{
    Backend, Capabilities, Durability, Environment, Error, Health, QueueConfig, QueueName,
};
use forebay_queue_memory::MemoryBackend;

use crate::house::{AT_ONCE, House, NAME, config, plain};

fn backend() -> MemoryBackend {
    MemoryBackend::new(Environment::seeded(1))
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_made_once() {
    let backend = backend();
    backend.create(&NAME, &config(1)).await.unwrap();
    let again = backend.create(&NAME, &config(1)).await;
    assert!(matches!(again, Err(Error::QueueAlreadyExists { queue }) if queue == NAME));
    assert_eq!(backend.config(&NAME).await.unwrap(), config(1));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_queue_is_not_found() {
    let backend = backend();
    let missing = |error: Error| matches!(error, Error::QueueNotFound { queue } if queue == NAME);
    assert!(missing(
        backend.open(&NAME, None).await.map(drop).unwrap_err()
    ));
    assert!(missing(backend.manage(&NAME).await.map(drop).unwrap_err()));
    assert!(missing(backend.config(&NAME).await.unwrap_err()));
    assert!(missing(
        backend.update(&NAME, &config(1)).await.unwrap_err()
    ));
    assert!(missing(backend.delete(&NAME).await.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn an_opener_who_asks_for_another_configuration_is_told_which_field() {
    let backend = backend();
    backend.create(&NAME, &config(10)).await.unwrap();
    backend
        .open(&NAME, Some(&config(10)))
        .await
        .map(drop)
        .unwrap();
    let day = Duration::from_hours(24);
    let base = config(10);
    let other = |change: fn(&mut QueueConfig, Duration)| {
        let mut asked = base.clone();
        change(&mut asked, day * 3);
        asked
    };
    let cases = [
        ("lease", other(|c, d| c.lease = d)),
        ("capacity", other(|c, _| c.capacity = 11)),
        ("idempotency_window", other(|c, d| c.idempotency_window = d)),
        ("idempotency_limit", other(|c, _| c.idempotency_limit = 1)),
        (
            "dead_letter_retention",
            other(|c, d| c.dead_letter_retention = d),
        ),
        ("dead_letter_limit", other(|c, _| c.dead_letter_limit = 1)),
        ("retain_done", other(|c, d| c.retain_done = d)),
        ("retain_done_limit", other(|c, _| c.retain_done_limit = 1)),
        (
            "dead_letter_queue",
            other(|c, _| c.dead_letter_queue = Some(NAME)),
        ),
    ];
    for (expected, asked) in cases {
        let answer = backend.open(&NAME, Some(&asked)).await.map(drop);
        let Err(Error::ConfigMismatch { field, .. }) = answer else {
            panic!("{expected} was not noticed");
        };
        assert_eq!(field, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_is_kept() {
    let backend = backend();
    backend.create(&NAME, &config(10)).await.unwrap();
    backend.update(&NAME, &config(20)).await.unwrap();
    assert_eq!(backend.config(&NAME).await.unwrap().capacity, 20);
    backend
        .open(&NAME, Some(&config(20)))
        .await
        .map(drop)
        .unwrap();
    assert!(backend.open(&NAME, Some(&config(10))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn queues_are_listed_by_name_in_order() {
    let backend = backend();
    assert!(backend.list().await.unwrap().is_empty());
    let names = ["c", "a", "b"].map(|name| QueueName::new(name).unwrap());
    for name in &names {
        backend.create(name, &config(1)).await.unwrap();
    }
    backend.delete(&names[2]).await.unwrap();
    let listed = backend.list().await.unwrap();
    let listed: Vec<&str> = listed.iter().map(QueueName::as_str).collect();
    assert_eq!(listed, ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn deleting_removes_all_of_it() {
    let house = House::new(config(10)).await;
    house.publish(crate::house::keyed("k")).await;
    house.backend.delete(&NAME).await.unwrap();
    let house = House::around(house.backend, config(10)).await;
    house.assert_nothing_to_receive().await;
    house.publish(crate::house::keyed("k")).await;
}

#[tokio::test(start_paused = true)]
async fn queues_do_not_see_each_other() {
    let house = House::new(config(10)).await;
    let other = QueueName::from_static("other");
    house.backend.create(&other, &config(10)).await.unwrap();
    let other = house.backend.open(&other, None).await.unwrap();
    house.publish(plain("a")).await;
    assert!(other.receive(1, AT_ONCE).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_says_what_it_is() {
    let house = House::new(config(10)).await;
    assert_eq!(house.backend.name(), "memory");
    assert_eq!(house.queue.backend(), "memory");
    assert_eq!(house.desk.backend(), "memory");
    assert_eq!(house.queue.name(), &NAME);
    assert_eq!(house.desk.name(), &NAME);
    assert_eq!(house.backend.health().await, Health::Up);
    let can: &Capabilities = house.backend.capabilities();
    assert_eq!(can, MemoryBackend::describe());
    assert_eq!(can, house.queue.capabilities());
    let probed = house.backend.probe().await.unwrap();
    assert_eq!(probed.durability, Durability::Memory);
    assert!(probed.enforce("memory", Durability::Buffered).is_err());
}

#[tokio::test(start_paused = true)]
async fn ids_made_here_grow() {
    let house = House::new(config(1_000)).await;
    let mut last = None;
    for _ in 0..500 {
        let id = house.publish(plain("a")).await;
        assert!(Some(id) > last, "ids grow");
        assert_eq!(id.as_uuid().get_version_num(), 7);
        last = Some(id);
    }
}
