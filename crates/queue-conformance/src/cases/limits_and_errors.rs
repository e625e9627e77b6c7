//! What is too much is refused by name and number, before anything has happened.

use std::time::Duration;

use forebay_queue_core::{
    Certainty, DeadLetterFilter, Error, FairnessKey, Fingerprint, Headers, IdempotencyKey, Kind,
    MessageId, Nack, NackAction, NewMessage, QueueName, Receipt, SettleOutcome, ThrottleKey,
};

use crate::{Case, Subject, message};

async fn counts(subject: &Subject) -> (u64, u64, u64) {
    let stats = subject.stats().await;
    (stats.live(), stats.dead, stats.idempotency_keys)
}

/// Publishes a good message with a bad one, and nothing of it may be there.
async fn refused(subject: &Subject, bad: NewMessage) -> Error {
    let before = counts(subject).await;
    let batch = vec![message::numbered(0), bad];
    let answer = subject.publish_outcome(batch).await;
    assert_eq!(
        counts(subject).await,
        before,
        "a refused publish leaves nothing behind"
    );
    let error = answer.expect_err("it is refused");
    assert_eq!(error.certainty(), Certainty::NotDone);
    assert!(!error.is_retryable(), "it is refused for good: {error}");
    error
}

fn assert_too_large(error: &Error, expected_size: usize, expected_limit: usize) {
    let Error::TooLarge { what, size, limit } = error else {
        panic!("too large was expected: {error:?}");
    };
    assert_eq!((*size, *limit), (expected_size, expected_limit));
    let text = error.to_string();
    for part in [(*what).to_owned(), size.to_string(), limit.to_string()] {
        assert!(text.contains(&part), "{part:?} is said in {text:?}");
    }
}

pub(crate) async fn a_payload_of_the_limit_passes_and_a_byte_more_does_not(case: Case) {
    let subject = case.queue().await;
    let limit = case.capabilities().limits.payload;
    let error = refused(&subject, NewMessage::new(message::KIND, vec![7; limit + 1])).await;
    assert_too_large(&error, limit + 1, limit);
    let largest = NewMessage::new(message::KIND, vec![7; limit]);
    subject.publish(largest).await;
    let delivery = subject.take().await;
    assert_eq!(delivery.message.payload().len(), limit);
    assert!(delivery.message.payload().iter().all(|byte| *byte == 7));
}

pub(crate) async fn headers_of_the_limit_pass_and_more_do_not(case: Case) {
    let subject = case.queue().await;
    let mut many = Headers::new();
    for number in 0..Headers::MAX_COUNT {
        let inserted = many.insert(format!("h{number}"), "v");
        inserted.expect("there is room");
    }
    let before = many.clone();
    let error = many.insert("one-more", "v");
    let error = error.expect_err("there are too many");
    assert_too_large(&error, Headers::MAX_COUNT + 1, Headers::MAX_COUNT);
    assert_eq!(many, before, "a refused header changes nothing");

    let mut large = Headers::new();
    let value = "v".repeat(Headers::MAX_BYTES - 1);
    large
        .insert("h", &value)
        .expect("it is exactly as much as fits");
    let error = large.insert("i", "").expect_err("it is a byte too much");
    assert_too_large(&error, Headers::MAX_BYTES + 1, Headers::MAX_BYTES);

    for headers in [many, large] {
        let new = message::numbered(0).with_headers(headers.clone());
        subject.publish(new).await;
        let delivery = subject.take().await;
        assert_eq!(*delivery.message.headers(), headers);
        subject.ack(&delivery).await;
    }
}

pub(crate) async fn names_and_keys_of_the_limit_pass_and_longer_ones_do_not(case: Case) {
    let long = "n".repeat(101);
    for bad in ["", "UPPER", "-a", "a b", "ä", long.as_str()] {
        let answers = [
            QueueName::new(bad).map(drop),
            Kind::new(bad).map(drop),
            Headers::new().insert(bad, "v"),
        ];
        for answer in answers {
            assert!(
                matches!(answer, Err(Error::Invalid { .. })),
                "{bad:?} is no name: {answer:?}"
            );
        }
    }
    let long = "k".repeat(257);
    for bad in ["", "a\0b", "a\nb", long.as_str()] {
        let answers = [
            IdempotencyKey::new(bad).map(drop),
            FairnessKey::new(bad).map(drop),
            ThrottleKey::new(bad).map(drop),
        ];
        for answer in answers {
            let error = answer.expect_err("it is no key");
            assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        }
    }
    let subject = case.queue().await;
    let kind = Kind::new("n".repeat(100)).expect("a name has up to 100 letters");
    let key = "ä".repeat(128);
    let new = NewMessage::new(kind.clone(), "")
        .with_idempotency_key(message::idempotency_key(&key))
        .with_fairness_key(message::fairness_key(&key));
    subject.publish(new).await;
    let delivery = subject.take().await;
    assert_eq!(*delivery.message.kind(), kind);
    let expected = message::idempotency_key(&key);
    assert_eq!(delivery.message.idempotency_key(), Some(&expected));
    assert_eq!(
        *delivery.message.fairness_key(),
        message::fairness_key(&key)
    );
}

pub(crate) async fn a_batch_of_the_limit_passes_and_one_more_does_not(case: Case) {
    let subject = case.queue().await;
    let limit = case.capabilities().limits.batch;
    let answer = subject.publish_outcome(message::many(limit + 1)).await;
    let error = answer.expect_err("there are too many");
    assert_too_large(&error, limit + 1, limit);
    assert_eq!(subject.stats().await.live(), 0, "nothing was published");
    let ids = subject.publish_all(message::many(limit)).await;
    assert!(ids.is_sorted(), "ids made in one place grow");
    assert_eq!(subject.stats().await.ready, limit as u64);
}

pub(crate) async fn a_batch_has_a_limit_of_bytes_too(case: Case) {
    let subject = case.queue().await;
    let limits = case.capabilities().limits;
    let kind = message::KIND.as_str().len();
    let most = limits.payload.min(limits.batch_bytes - kind);
    let mut batch = Vec::new();
    let mut left = limits.batch_bytes;
    while left > kind && batch.len() < limits.batch {
        let size = most.min(left - kind);
        left -= size + kind;
        batch.push(NewMessage::new(message::KIND, vec![0; size]));
    }
    let fits = batch.iter().map(NewMessage::size).sum::<usize>();
    if batch.len() < limits.batch {
        let mut more = batch.clone();
        more.push(NewMessage::new(message::KIND, vec![0; kind]));
        let size = more.iter().map(NewMessage::size).sum();
        let error = subject.publish_outcome(more).await;
        let error = error.expect_err("there are too many bytes");
        assert_too_large(&error, size, limits.batch_bytes);
        assert_eq!(subject.stats().await.live(), 0, "nothing was published");
    }
    assert!(fits <= limits.batch_bytes);
    let count = batch.len();
    subject.publish_all(batch).await;
    let taken = subject.take_many(count).await;
    let received = taken.iter().map(|d| d.message.payload().len() + kind);
    assert_eq!(received.sum::<usize>(), fits);
}

pub(crate) async fn too_many_receipts_in_one_call_settle_none(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let limit = case.capabilities().limits.batch;
    subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    let receipts: Vec<Receipt> = vec![held.receipt.clone(); limit + 1];
    let nack = |receipt: &Receipt| Nack {
        receipt: receipt.clone(),
        action: NackAction::DeadLetter,
        cause: None,
    };
    let nacks: Vec<Nack> = receipts.iter().map(nack).collect();
    let answers = [
        subject.queue.ack(&receipts).await,
        subject.queue.extend(&receipts).await,
        subject.queue.nack(nacks).await,
    ];
    for answer in answers {
        let error = answer.expect_err("there are too many");
        assert_too_large(&error, limit + 1, limit);
    }
    assert_eq!(subject.stats().await.leased, 1);
    subject.ack(&held).await;
}

pub(crate) async fn a_receive_gives_a_batch_at_most_and_asks_for_one_at_least(case: Case) {
    let subject = case.queue().await;
    let limit = case.capabilities().limits.batch;
    subject.publish_all(message::many(limit)).await;
    subject.publish_all(message::many(limit)).await;
    let none = subject.queue.receive(0, Duration::ZERO).await;
    assert!(matches!(none, Err(Error::Invalid { .. })), "{none:?}");
    let many = subject.queue.receive(usize::MAX, Duration::ZERO).await;
    let many = many.expect("it is open").len();
    assert!((1..=limit).contains(&many), "{many} came at once");
    let all = DeadLetterFilter::all();
    let none = subject.management.redrive(&all, 0).await;
    assert!(matches!(none, Err(Error::Invalid { .. })), "{none:?}");
    let none = subject.management.delete_dead_letters(&all, 0).await;
    assert!(matches!(none, Err(Error::Invalid { .. })), "{none:?}");
}

pub(crate) async fn an_id_in_use_is_refused(case: Case) {
    let subject = case.queue().await;
    let id = |n: u8| MessageId::from_bytes([n; 16]);
    let live = message::numbered(1).with_id(id(1));
    assert_eq!(
        subject.publish(live.clone()).await,
        id(1),
        "its own id is kept"
    );
    let error = refused(&subject, live.clone()).await;
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    let held = subject.take().await;
    let error = refused(&subject, live.clone()).await;
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    subject.dead_letter(&held, "no").await;
    let error = refused(&subject, live).await;
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    let twice = vec![message::numbered(2).with_id(id(2)); 2];
    let answer = subject.publish_outcome(twice).await;
    assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn a_fingerprint_needs_a_key_and_eight_throttle_keys_are_the_most(case: Case) {
    let subject = case.queue().await;
    let bare = message::numbered(1).with_fingerprint(Fingerprint([1; 32]));
    let error = refused(&subject, bare).await;
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    let mut crowded = message::numbered(1);
    for number in 0..9 {
        let key = ThrottleKey::new(format!("t{number}")).expect("it is a key");
        crowded = crowded.with_throttle_key(key);
    }
    let error = refused(&subject, crowded).await;
    assert_too_large(&error, 9, 8);
}

pub(crate) async fn a_receipt_that_nobody_gave_settles_nothing(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    let good = held.receipt.as_bytes();
    let mut forged: Vec<Vec<u8>> = vec![Vec::new(), vec![0], vec![0xff; 200]];
    forged.push(good[..good.len() - 1].to_vec());
    forged.push([good, &[0]].concat());
    let last = good.len() - 1;
    let mut flipped = good.to_vec();
    flipped[last] ^= 1;
    forged.push(flipped);
    for bytes in forged {
        let receipts = [Receipt::from_bytes(&bytes)];
        let nacks = vec![Nack {
            receipt: receipts[0].clone(),
            action: NackAction::DeadLetter,
            cause: None,
        }];
        let answers = [
            subject.queue.ack(&receipts).await,
            subject.queue.extend(&receipts).await,
            subject.queue.nack(nacks).await,
        ];
        for answer in answers {
            let outcomes = answer.expect("it is answered like a late one");
            assert_eq!(outcomes, [SettleOutcome::LeaseLost], "{bytes:?}");
        }
    }
    subject.ack(&held).await;
}
