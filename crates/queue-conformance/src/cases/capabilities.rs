//! What a backend declares it does, and what it does not declare it refuses by name.

use std::time::Duration;

use forebay_queue_core::{
    Capability, Durability, Error, Nack, NackAction, NewMessage, SettleOutcome, ThrottleKey, Weight,
};

use crate::{Case, Subject, message};

/// Publishes a good message with one that asks for what is not declared.
async fn assert_unsupported(subject: &Subject, asks: NewMessage, expected: Capability) {
    let answer = subject
        .publish_outcome(vec![message::numbered(0), asks])
        .await;
    assert!(
        matches!(&answer, Err(Error::Unsupported { capability, backend })
            if *capability == expected && *backend == subject.queue.backend()),
        "it is not declared, so it is refused by name: {answer:?}"
    );
    assert_eq!(subject.stats().await.live(), 0, "nothing was published");
    let error = answer.expect_err("it is refused");
    assert!(error.to_string().contains(&expected.to_string()), "{error}");
}

pub(crate) async fn weights_are_taken_or_refused(case: Case) {
    let subject = case.queue().await;
    let weight = Weight::new(5).expect("it is a weight");
    let heavy = message::numbered(7).with_weight(weight);
    if !case.capabilities().fairness {
        assert_unsupported(&subject, heavy, Capability::Fairness).await;
        return;
    }
    subject.publish(heavy).await;
    assert_eq!(subject.take().await.message.weight(), Some(weight));
}

pub(crate) async fn a_fairness_key_is_carried_by_every_backend(case: Case) {
    let subject = case.queue().await;
    let key = message::fairness_key("tenant");
    let new = message::numbered(7).with_fairness_key(key.clone());
    subject.publish_all(vec![new, message::numbered(8)]).await;
    let mut deliveries = subject.take_many(2).await;
    deliveries.sort_by_key(message::number);
    assert_eq!(*deliveries[0].message.fairness_key(), key);
    assert_eq!(deliveries[1].message.fairness_key().as_str(), "default");
}

pub(crate) async fn throttle_keys_are_taken_or_refused(case: Case) {
    let subject = case.queue().await;
    let key = ThrottleKey::new("mail").expect("it is a key");
    let throttled = message::numbered(7).with_throttle_key(key.clone());
    if !case.capabilities().throttling {
        assert_unsupported(&subject, throttled, Capability::Throttling).await;
        return;
    }
    subject.publish(throttled).await;
    assert_eq!(subject.take().await.message.throttle_keys(), [key]);
}

pub(crate) async fn the_largest_delay_passes_and_a_longer_one_is_refused(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let Some(most) = case.capabilities().largest_delay else {
        let years = Duration::from_hours(24 * 365 * 20);
        let id = subject
            .publish(message::numbered(7).with_delay(years))
            .await;
        let seen = subject.get(id).await.expect("it is scheduled");
        let due = seen.message.published_at().after(years);
        assert_eq!(seen.due_at, Some(due), "there is no bound");
        return;
    };
    let longer = most + Duration::from_millis(1);
    let asks = message::numbered(7).with_delay(longer);
    assert_unsupported(&subject, asks, Capability::Delay).await;
    let far = subject
        .store_time()
        .await
        .after(2 * most + case.timing().limit);
    let asks = message::numbered(7).with_deliver_at(far);
    assert_unsupported(&subject, asks, Capability::Delay).await;

    subject.publish(message::numbered(8)).await;
    let held = subject.take().await;
    for action in [
        NackAction::Retry { after: longer },
        NackAction::Release { after: longer },
    ] {
        let nack = Nack {
            receipt: held.receipt.clone(),
            action,
            cause: None,
        };
        let answer = subject.queue.nack(vec![nack]).await;
        assert!(
            matches!(
                answer,
                Err(Error::Unsupported {
                    capability: Capability::Delay,
                    ..
                })
            ),
            "{answer:?}"
        );
    }
    let action = NackAction::Retry { after: most };
    let outcome = subject.nack_outcome(&held, action).await;
    assert_eq!(
        outcome,
        SettleOutcome::Done,
        "a refused nack settles nothing"
    );
    subject.publish(message::numbered(9).with_delay(most)).await;
}

pub(crate) async fn a_durability_that_is_not_there_is_refused(case: Case) {
    let backend = case.backend();
    let found = backend.probe().await.expect("the store is probed");
    assert!(!found.detail.is_empty(), "it says how that was found");
    let demands = [
        Durability::Memory,
        Durability::Buffered,
        Durability::Fsynced,
        Durability::Replicated(1),
        Durability::Replicated(9),
    ];
    for demand in demands {
        let answer = found.enforce(backend.name(), demand);
        assert_eq!(answer.is_ok(), found.meet(demand), "{demand}");
        if let Err(error) = answer {
            let text = error.to_string();
            assert!(
                matches!(error, Error::DurabilityNotMet { .. })
                    && text.contains(&demand.to_string()),
                "a demand that is not met stops the start and is named: {text}"
            );
        }
    }
    if case.capabilities().durability == Durability::Memory {
        assert!(
            !found.meet(Durability::Fsynced),
            "no probe finds more than the backend was built for"
        );
    }
}
