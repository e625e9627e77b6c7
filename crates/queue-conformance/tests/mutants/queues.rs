use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_core::{Backend, Error, Queue, QueueConfig, QueueName};

use crate::mutation::{Mutation, assert_caught};

/// Making a queue that exists changes it.
struct CreateOverwrites;

#[async_trait]
impl Mutation for CreateOverwrites {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        match inner.create(name, config).await {
            Err(Error::QueueAlreadyExists { .. }) => inner.update(name, config).await,
            answer => answer,
        }
    }
}

#[test]
fn a_create_that_overwrites() {
    assert_caught("queues", "a_queue_is_made_once", || CreateOverwrites);
}

/// One field of the configuration is not kept.
struct ForgottenField;

#[async_trait]
impl Mutation for ForgottenField {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let config = QueueConfig {
            retain_done_limit: QueueConfig::default().retain_done_limit,
            ..config.clone()
        };
        inner.create(name, &config).await
    }
}

#[test]
fn a_field_that_is_not_kept() {
    assert_caught("queues", "the_configuration_is_kept_whole", || {
        ForgottenField
    });
}

/// What an opener asks for is not looked at.
struct AnyConfig;

#[async_trait]
impl Mutation for AnyConfig {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        _expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        inner.open(name, None).await
    }
}

#[test]
fn an_expectation_that_is_ignored() {
    let case = "an_opener_who_asks_for_another_configuration_is_told_which_field";
    assert_caught("queues", case, || AnyConfig);
}

/// An unknown queue is made by opening it.
struct OpenMakes;

#[async_trait]
impl Mutation for OpenMakes {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        // It exists, or it is made here: both are fine to this mutant.
        let _ = inner.create(name, &QueueConfig::default()).await;
        inner.open(name, expected).await
    }
}

#[test]
fn an_open_that_makes_queues() {
    assert_caught("queues", "an_unknown_queue_is_not_found", || OpenMakes);
}

/// Queues are listed in another order.
struct Unsorted;

#[async_trait]
impl Mutation for Unsorted {
    async fn list_queues(&self, inner: &dyn Backend) -> Result<Vec<QueueName>, Error> {
        let mut names = inner.list().await?;
        names.reverse();
        Ok(names)
    }
}

#[test]
fn names_out_of_order() {
    assert_caught("queues", "queues_are_listed_by_name_in_order", || Unsorted);
}

/// A deleted queue is emptied and keeps everything else.
struct DeleteIsPurge;

#[async_trait]
impl Mutation for DeleteIsPurge {
    async fn delete(&self, inner: &dyn Backend, name: &QueueName) -> Result<(), Error> {
        let management = inner.manage(name).await?;
        management.purge().await.map(drop)
    }
}

#[test]
fn a_delete_that_only_empties() {
    let case = "a_deleted_queue_takes_everything_with_it";
    assert_caught("queues", case, || DeleteIsPurge);
}
