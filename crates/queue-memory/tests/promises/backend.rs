use forebay_queue_core::{Capabilities, Durability, Health};
use forebay_queue_memory::MemoryBackend;

use crate::house::{House, NAME, config, plain};

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
