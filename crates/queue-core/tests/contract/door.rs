//! What a backend lacks, and what breaks its limits, is refused before the backend hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::{
    Backend, Capability, Error, FairnessKey, Kind, Moment, Nack, NackAction, NewMessage, Queue,
    QueueConfig, QueueName, Receipt, ThrottleKey, Weight, guarded,
};

use crate::bare::{Bare, LARGEST_DELAY};

const NAME: QueueName = QueueName::from_static("jobs");
const NOW: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

struct Door {
    backend: Arc<dyn Backend>,
    queue: Arc<dyn Queue>,
    reached: Arc<AtomicUsize>,
}

impl Door {
    async fn new() -> Self {
        let (bare, reached) = Bare::new();
        let backend = guarded(bare);
        let queue = backend.open(&NAME, None).await.unwrap();
        Self {
            backend,
            queue,
            reached,
        }
    }

    fn assert_not_reached(&self) {
        assert_eq!(self.reached.load(Ordering::Relaxed), 0);
    }

    async fn publish(&self, message: NewMessage) -> Result<(), Error> {
        self.queue.publish(vec![message], NOW).await.map(drop)
    }
}

fn plain() -> NewMessage {
    NewMessage::new(Kind::from_static("k"), "x")
}

fn nack(action: NackAction) -> Nack {
    Nack {
        receipt: Receipt::from_bytes(&[1]),
        action,
        cause: None,
    }
}

fn lacks<T>(answer: &Result<T, Error>, expected: Capability) -> bool {
    matches!(answer, Err(Error::Unsupported { backend: "bare", capability }) if *capability == expected)
}

#[tokio::test]
async fn what_it_can_do_passes() {
    let door = Door::new().await;
    door.publish(plain()).await.unwrap();
    let key = FairnessKey::new("tenant").unwrap();
    door.publish(plain().with_fairness_key(key)).await.unwrap();
    door.publish(plain().with_delay(LARGEST_DELAY))
        .await
        .unwrap();
    let back = NackAction::Retry {
        after: LARGEST_DELAY,
    };
    door.queue.nack(vec![nack(back)]).await.unwrap();
    assert_eq!(door.reached.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_delay_longer_than_it_can() {
    let door = Door::new().await;
    let over = LARGEST_DELAY + SECOND;
    let answer = door.publish(plain().with_delay(over)).await;
    assert!(lacks(&answer, Capability::Delay));
    for action in [
        NackAction::Retry { after: over },
        NackAction::Release { after: over },
    ] {
        let batch = vec![nack(NackAction::DeadLetter), nack(action)];
        assert!(lacks(&door.queue.nack(batch).await, Capability::Delay));
    }
    door.assert_not_reached();
}

#[tokio::test]
async fn weights_and_throttle_keys_it_does_not_know() {
    let door = Door::new().await;
    let weighty = plain().with_weight(Weight::new(2).unwrap());
    assert!(lacks(&door.publish(weighty).await, Capability::Fairness));
    let throttled = plain().with_throttle_key(ThrottleKey::new("t").unwrap());
    assert!(lacks(
        &door.publish(throttled).await,
        Capability::Throttling
    ));
    door.assert_not_reached();
}

#[tokio::test]
async fn a_configuration_it_cannot_keep() {
    let door = Door::new().await;
    let keeping = QueueConfig {
        retain_done: SECOND,
        ..QueueConfig::default()
    };
    let elsewhere = QueueConfig {
        dead_letter_queue: Some(NAME),
        ..QueueConfig::default()
    };
    let invalid = QueueConfig {
        capacity: 0,
        ..QueueConfig::default()
    };
    for (config, capability) in [
        (keeping, Capability::RetainDone),
        (elsewhere, Capability::DeadLetterQueue),
    ] {
        assert!(lacks(
            &door.backend.create(&NAME, &config).await,
            capability
        ));
        assert!(lacks(
            &door.backend.update(&NAME, &config).await,
            capability
        ));
    }
    for answer in [
        door.backend.create(&NAME, &invalid).await,
        door.backend.update(&NAME, &invalid).await,
    ] {
        assert!(matches!(
            answer,
            Err(Error::InvalidConfig {
                field: "capacity",
                ..
            })
        ));
    }
    door.assert_not_reached();
}

#[tokio::test]
async fn more_than_its_own_limits() {
    let door = Door::new().await;
    let sized = |bytes: usize| NewMessage::new(Kind::from_static("k"), vec![0; bytes]);
    let too_large = |answer: Result<(), Error>, expected: usize| match answer {
        Err(Error::TooLarge { limit, .. }) => assert_eq!(limit, expected),
        other => panic!("{other:?}"),
    };
    too_large(door.publish(sized(11)).await, 10);
    let three = vec![sized(1), sized(1), sized(1)];
    too_large(door.queue.publish(three, NOW).await.map(drop), 2);
    let mut heavy = sized(10);
    heavy.headers_mut().insert("name", "x".repeat(20)).unwrap();
    too_large(door.publish(heavy).await, 30);
    let receipts = vec![Receipt::from_bytes(&[1]); 3];
    too_large(door.queue.ack(&receipts).await.map(drop), 2);
    too_large(door.queue.extend(&receipts).await.map(drop), 2);
    let nacks = vec![nack(NackAction::DeadLetter); 3];
    too_large(door.queue.nack(nacks).await.map(drop), 2);
    door.assert_not_reached();
}

#[tokio::test]
async fn a_receive_of_nothing() {
    let door = Door::new().await;
    let answer = door.queue.receive(0, NOW).await;
    assert!(matches!(answer, Err(Error::Invalid { .. })));
    door.assert_not_reached();
}

#[test]
fn no_delay_is_no_demand() {
    assert_eq!(plain().with_delay(NOW).deliver(), None);
    let delayed = plain().with_delay(SECOND).deliver();
    assert_eq!(delayed, Some(Moment::After(SECOND)));
}
