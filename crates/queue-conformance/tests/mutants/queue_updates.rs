use async_trait::async_trait;
use forebay_queue_core::{Backend, Error, QueueConfig, QueueName};

use crate::mutation::{Mutation, assert_caught};

/// An update is kept for show: the lease stays what it was.
struct OldLease;

#[async_trait]
impl Mutation for OldLease {
    async fn update(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let lease = inner.config(name).await?.lease;
        let config = QueueConfig {
            lease,
            ..config.clone()
        };
        inner.update(name, &config).await
    }
}

#[test]
fn a_lease_that_stays() {
    let case = "another_lease_holds_from_the_next_delivery_on";
    assert_caught("queue_updates", case, || OldLease);
}

/// A smaller capacity makes room by dropping what is there.
struct UpdateDrops;

#[async_trait]
impl Mutation for UpdateDrops {
    async fn update(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        inner.update(name, config).await?;
        let management = inner.manage(name).await?;
        let stats = management.stats().await?;
        if stats.live() > stats.capacity {
            management.purge().await?;
        }
        Ok(())
    }
}

#[test]
fn an_update_that_drops_messages() {
    let case = "a_smaller_capacity_drops_nothing_and_takes_nothing_until_there_is_room";
    assert_caught("queue_updates", case, || UpdateDrops);
}
