//! What becomes of the queue when its store fails: a real store, whose next writes fail where a test says so.
#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod faulty;

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, Delivery, Environment, Error, FairnessKey, Health, IdempotencyKey, Kind, Management,
    Nack, NackAction, NewMessage, PublishOutcome, Queue, QueueConfig, QueueName, SettleOutcome,
    State, Weight,
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use self::faulty::{Fault, FaultyStorage, Plan};
use crate::storage::Store;
use crate::{Database, EmbeddedBackend, EmbeddedOptions};

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(10);

struct World {
    backend: EmbeddedBackend,
    queue: Arc<dyn Queue>,
    management: Arc<dyn Management>,
    plan: Arc<Plan>,
    directory: TempDir,
}

fn message(number: usize) -> NewMessage {
    NewMessage::new(Kind::from_static("job"), number.to_string())
}

fn name() -> QueueName {
    QueueName::from_static("jobs")
}

async fn open(directory: &TempDir, plan: &Arc<Plan>) -> EmbeddedBackend {
    let options = EmbeddedOptions::new(Database::Sqlite, directory.path().join("queue"));
    let (path, plan) = (options.path.clone(), Arc::clone(plan));
    let opener = move || {
        let storage = FaultyStorage::open(&path, Arc::clone(&plan))?;
        Ok(Store::new(Arc::new(storage)))
    };
    let environment = Environment::system();
    let backend = EmbeddedBackend::open_with(options, Box::new(opener), environment).await;
    backend.unwrap()
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plan = Arc::new(Plan::default());
        let backend = open(&directory, &plan).await;
        let config = QueueConfig::default();
        backend.create(&name(), &config).await.unwrap();
        Self::on(backend, plan, directory).await
    }

    /// The same store in its next life.
    async fn reopened(self) -> Self {
        self.backend.close().await.unwrap();
        let backend = open(&self.directory, &self.plan).await;
        Self::on(backend, self.plan, self.directory).await
    }

    async fn on(backend: EmbeddedBackend, plan: Arc<Plan>, directory: TempDir) -> Self {
        Self {
            queue: backend.open(&name(), None).await.unwrap(),
            management: backend.manage(&name()).await.unwrap(),
            backend,
            plan,
            directory,
        }
    }

    async fn publish(&self, number: usize) -> Result<Vec<PublishOutcome>, Error> {
        self.queue.publish(vec![message(number)], NOW).await
    }

    async fn take(&self) -> Delivery {
        self.queue.receive(1, SOON).await.unwrap().remove(0)
    }

    async fn ack(&self, delivery: &Delivery) -> Result<Vec<SettleOutcome>, Error> {
        self.queue
            .ack(std::slice::from_ref(&delivery.receipt))
            .await
    }

    /// Everything that is ready, acked.
    async fn drain(&self) -> Vec<String> {
        let deliveries = self.queue.receive(100, NOW).await.unwrap();
        let mut payloads = Vec::new();
        for delivery in deliveries {
            assert_eq!(self.ack(&delivery).await.unwrap(), [SettleOutcome::Done]);
            payloads.push(String::from_utf8_lossy(delivery.message.payload()).into_owned());
        }
        payloads
    }

    async fn until_up(&self) {
        let up = async {
            while !self.backend.health().await.is_up() {
                // tidy: sleep — polls with a limit
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, up).await.expect("it is up again");
    }
}

/// The source of a refusal that certainly changed nothing.
fn refusal(error: Error) -> String {
    match error {
        Error::Unavailable {
            source: Some(source),
            ..
        } => source.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_publish_that_finds_the_disk_full_never_was() {
    let world = World::new().await;
    world.publish(1).await.unwrap();
    let key = FairnessKey::new("tenant").unwrap();
    let keyed = |number| {
        message(number)
            .with_idempotency_key(IdempotencyKey::new("key").unwrap())
            .with_fairness_key(key.clone())
            .with_weight(Weight::new(7).unwrap())
    };
    world.plan.next(&[Fault::Full]);
    let error = world.queue.publish(vec![keyed(2), message(3)], NOW).await;
    assert!(refusal(error.unwrap_err()).contains("the disk is full"));
    assert_eq!(world.management.stats().await.unwrap().ready, 1);
    // As long as there is no room it is not ready.
    world.plan.next(&[Fault::Full]);
    assert!(
        matches!(world.backend.health().await, Health::Down(reason) if reason.contains("full"))
    );
    assert_eq!(
        world.backend.health().await,
        Health::Up,
        "there is room again"
    );
    let again = world.queue.publish(vec![keyed(2)], NOW).await.unwrap();
    assert!(!again[0].is_duplicate(), "the key was never used");
    assert_eq!(world.drain().await, ["1", "2"]);
}

#[tokio::test]
async fn what_settles_in_the_same_group_goes_through() {
    let world = World::new().await;
    world.publish(1).await.unwrap();
    let held = world.take().await;
    // The group is refused as a whole, and then what settles is written alone.
    world.plan.next(&[Fault::Full]);
    let blocked = world.plan.block();
    let waiting = world.queue.publish(vec![message(2)], NOW);
    let acked = world.ack(&held);
    let unblock = async {
        // tidy: sleep — lets both calls reach the writer; whichever comes first, the outcome is the same
        sleep(Duration::from_millis(20)).await;
        drop(blocked);
    };
    let (published, acked, ()) = tokio::join!(waiting, acked, unblock);
    assert_eq!(acked.unwrap(), [SettleOutcome::Done]);
    if let Err(error) = published {
        assert!(refusal(error).contains("full"));
    }
    assert_eq!(world.management.stats().await.unwrap().leased, 0);
}

#[tokio::test]
async fn a_hand_out_that_cannot_be_written_does_not_happen() {
    let world = World::new().await;
    world.publish(1).await.unwrap();
    world.plan.next(&[Fault::Full, Fault::Full]);
    let error = world.queue.receive(1, NOW).await.unwrap_err();
    assert!(refusal(error).contains("full"));
    let error = world.publish(2).await.unwrap_err();
    assert!(refusal(error).contains("full"), "what is owed goes first");
    world.until_up().await;
    let delivery = world.take().await;
    assert_eq!(delivery.attempt, 1, "the attempt was given back");
    world.ack(&delivery).await.unwrap();
    assert_eq!(world.management.stats().await.unwrap().live(), 0);
}

#[tokio::test]
async fn a_settlement_that_cannot_be_written_is_written_later() {
    let world = World::new().await;
    for number in 1..=2 {
        world.publish(number).await.unwrap();
    }
    let held = world.take().await;
    world.plan.next(&[Fault::Full, Fault::Full]);
    let error = world.ack(&held).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    let error = world.publish(3).await.unwrap_err();
    assert!(refusal(error).contains("full"));
    world.until_up().await;
    assert_eq!(world.drain().await, ["2"]);
    let world = world.reopened().await;
    assert_eq!(world.drain().await, [""; 0]);
}

#[tokio::test]
async fn a_disk_that_fails_is_looked_at_anew_and_nothing_answered_is_lost() {
    for fault in [Fault::FailsBefore, Fault::FailsAfter] {
        let world = World::new().await;
        for number in 1..=3 {
            world.publish(number).await.unwrap();
        }
        let held = world.take().await;
        world.plan.next(&[fault]);
        let error = world.publish(4).await.unwrap_err();
        assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
        world.until_up().await;
        assert_eq!(
            world.ack(&held).await.unwrap(),
            [SettleOutcome::Done],
            "the lease is known again"
        );
        let expected: &[&str] = match fault {
            Fault::FailsAfter => &["2", "3", "4"],
            _ => &["2", "3"],
        };
        assert_eq!(world.drain().await, expected);
    }
}

#[tokio::test]
async fn who_waits_goes_on_waiting_while_the_disk_fails() {
    let world = World::new().await;
    let queue = Arc::clone(&world.queue);
    let waiting = tokio::spawn(async move { queue.receive(1, SOON).await });
    world.plan.next(&[Fault::FailsAfter]);
    world.publish(1).await.unwrap_err();
    let deliveries = waiting.await.unwrap().unwrap();
    assert_eq!(deliveries.len(), 1, "what was written is there");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_again_is_tried_until_it_can() {
    let world = World::new().await;
    world.publish(1).await.unwrap();
    world.plan.refuse_to_open(true);
    world.plan.next(&[Fault::FailsBefore]);
    world.publish(2).await.unwrap_err();
    assert!(matches!(world.backend.health().await, Health::Down(_)));
    assert!(refusal(world.publish(3).await.unwrap_err()).contains("disk failed"));
    refusal(world.queue.receive(1, NOW).await.unwrap_err());
    refusal(world.management.stats().await.unwrap_err());
    world.plan.refuse_to_open(false);
    world.until_up().await;
    assert_eq!(world.drain().await, ["1"]);
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_is_a_dead_letter() {
    let world = World::new().await;
    let world = {
        world.publish(1).await.unwrap();
        world.publish(2).await.unwrap();
        // What is in memory would be handed out.
        world.reopened().await
    };
    world.plan.damage_payloads(1);
    assert_eq!(world.drain().await, ["2"]);
    let page = forebay_queue_core::PageRequest::first(10);
    let dead = world
        .management
        .list(State::Dead, page)
        .await
        .unwrap()
        .items;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        &*dead[0].errors[0].error,
        "its stored payload cannot be read"
    );
}

#[tokio::test]
async fn a_nack_is_as_durable_as_an_ack() {
    let world = World::new().await;
    world.publish(1).await.unwrap();
    let held = world.take().await;
    world.plan.next(&[Fault::FailsBefore]);
    let nack = Nack {
        receipt: held.receipt.clone(),
        action: NackAction::DeadLetter,
        cause: None,
    };
    let error = world.queue.nack(vec![nack.clone()]).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }));
    world.until_up().await;
    assert_eq!(
        world.queue.nack(vec![nack]).await.unwrap(),
        [SettleOutcome::Done],
        "it had not been written"
    );
    assert_eq!(world.management.stats().await.unwrap().dead, 1);
}
