//! What cannot be done is kept, with everything that was said about it, and is found again.

use std::time::Duration;

use forebay_queue_core::{
    Capability, DeadLetterFilter, Error, ErrorRecord, FairnessKey, Headers, Kind, MessageId,
    NackAction, NewMessage, PageRequest, QueueConfig, SettleOutcome, State,
};

use crate::{Case, Subject, message};

fn filter(change: impl FnOnce(&mut DeadLetterFilter)) -> DeadLetterFilter {
    let mut filter = DeadLetterFilter::all();
    change(&mut filter);
    filter
}

/// Publishes and kills so many; answers their ids.
async fn kill(subject: &Subject, count: usize) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(subject.publish_dead(message::numbered(number), "no").await);
    }
    ids
}

pub(crate) async fn a_dead_letter_keeps_message_errors_attempts_and_times(case: Case) {
    let subject = case.queue().await;
    let mut headers = Headers::new();
    let inserted = headers.insert("traceparent", "00-1-2-01");
    inserted.expect("the header is valid");
    let new = NewMessage::new(Kind::from_static("mail"), "the payload")
        .with_headers(headers.clone())
        .with_fairness_key(message::fairness_key("tenant"))
        .with_idempotency_key(message::idempotency_key("k"));
    let id = subject.publish(new).await;
    let first = subject.take().await;
    subject.retry(&first, Duration::ZERO, "first cause").await;
    let second = subject.take().await;
    subject.dead_letter(&second, "second cause").await;

    let dead = subject.get(id).await.expect("a dead letter is kept");
    assert_eq!(dead.state, State::Dead);
    assert_eq!(dead.attempt, 2);
    assert_eq!(dead.message.payload(), "the payload");
    assert_eq!(dead.message.kind().as_str(), "mail");
    assert_eq!(*dead.message.headers(), headers);
    assert_eq!(dead.message.fairness_key().as_str(), "tenant");
    assert_eq!(
        dead.message.published_at(),
        first.message.published_at(),
        "its time of acceptance is kept"
    );
    let ended = dead.ended_at.expect("it has a time of death");
    assert!(
        ended >= second.delivered_at,
        "it died after its last delivery"
    );
    assert_eq!((dead.due_at, dead.leased_until), (None, None));
    let causes: Vec<(u32, &str)> = dead.errors.iter().map(|e| (e.attempt, &*e.error)).collect();
    assert_eq!(causes, [(1, "first cause"), (2, "second cause")]);
    assert!(dead.errors[0].at >= first.delivered_at);
    assert!(dead.errors[1].at >= dead.errors[0].at);
    let (all, page) = (DeadLetterFilter::all(), PageRequest::first(10));
    let listed = subject.management.dead_letters(&all, page);
    let listed = listed.await.expect("they are listed");
    assert_eq!(listed.items.len(), 1);
    assert_eq!(
        listed.items[0].errors, dead.errors,
        "the list says the same"
    );
    assert_eq!(listed.items[0].message, dead.message);
}

pub(crate) async fn a_dead_letter_is_in_exactly_one_place_and_not_delivered(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    subject.dead_letter(&held, "no").await;
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.dead, stats.done), (0, 1, 0));
    for state in [State::Scheduled, State::Ready, State::Leased] {
        assert!(subject.list(state, 10).await.is_empty(), "{state}");
    }
    assert_eq!(subject.list(State::Dead, 10).await.len(), 1);
    assert_eq!(subject.state_of(id).await, Some(State::Dead));
    for action in [
        NackAction::DeadLetter,
        NackAction::Retry {
            after: Duration::ZERO,
        },
    ] {
        let late = subject.nack_outcome(&held, action).await;
        assert_eq!(late, SettleOutcome::LeaseLost);
    }
    assert_eq!(subject.ack_outcome(&held).await, SettleOutcome::LeaseLost);
    subject
        .assert_nothing_for(case.timing().lease + case.timing().tolerance())
        .await;
}

pub(crate) async fn the_history_is_bounded_and_keeps_the_latest(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(0)).await;
    let count = ErrorRecord::MAX_COUNT + 3;
    for number in 1..count {
        let held = subject.take().await;
        let error = format!("cause {number}");
        subject.retry(&held, Duration::ZERO, &error).await;
    }
    // Two bytes each: a cut in the middle of one would not be text.
    let long = "ä".repeat(ErrorRecord::MAX_TEXT);
    let held = subject.take().await;
    subject.dead_letter(&held, &long).await;
    let dead = subject.get(id).await.expect("a dead letter is kept");
    assert_eq!(dead.errors.len(), ErrorRecord::MAX_COUNT);
    assert_eq!(&*dead.errors[0].error, "cause 4", "the oldest went");
    let last = &dead.errors[ErrorRecord::MAX_COUNT - 1];
    assert_eq!(last.error.len(), ErrorRecord::MAX_TEXT, "long ones are cut");
    assert!(long.starts_with(&*last.error));
}

pub(crate) async fn dead_letters_are_listed_in_order_of_death_page_by_page(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(7)).await;
    let mut held = subject.take_many(7).await;
    // They die in another order than they came in.
    held.swap(0, 5);
    held.swap(2, 6);
    for delivery in &held {
        subject.dead_letter(delivery, "no").await;
    }
    let expected: Vec<MessageId> = held.iter().map(|d| d.message.id()).collect();
    assert_eq!(
        subject.dead_letters(&DeadLetterFilter::all()).await,
        expected
    );
    for limit in [1, 3, 7, 8] {
        let listed = subject.list(State::Dead, limit).await;
        let ids: Vec<MessageId> = listed.iter().map(|item| item.message.id()).collect();
        assert_eq!(ids, expected, "in pages of {limit}");
    }
}

pub(crate) async fn pages_of_a_filter_have_neither_holes_nor_repeats(case: Case) {
    let subject = case.queue().await;
    let mut odd = Vec::new();
    for number in 0..14 {
        let error = if number % 2 == 1 { "odd" } else { "even" };
        let id = subject.publish_dead(message::numbered(number), error).await;
        if number % 2 == 1 {
            odd.push(id);
        }
    }
    let filter = filter(|f| f.error_contains = Some("odd".into()));
    let mut found = Vec::new();
    let mut request = PageRequest::first(2);
    loop {
        let page = subject.management.dead_letters(&filter, request).await;
        let page = page.expect("they are listed");
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().map(|item| item.message.id()));
        match page.next {
            Some(cursor) => request = PageRequest::after(2, cursor),
            None => break,
        }
    }
    assert_eq!(found, odd);
}

pub(crate) async fn they_are_found_by_id(case: Case) {
    let subject = case.queue().await;
    let ids = kill(&subject, 4).await;
    let found = subject.dead_letters(&DeadLetterFilter::id(ids[2])).await;
    assert_eq!(found, [ids[2]]);
    let unknown = MessageId::from_bytes([9; 16]);
    let several = filter(|f| f.ids = Some(vec![ids[3], ids[1], ids[3], unknown]));
    assert_eq!(
        subject.dead_letters(&several).await,
        [ids[1], ids[3]],
        "each once, in order of death"
    );
    let none = filter(|f| f.ids = Some(Vec::new()));
    assert!(
        subject.dead_letters(&none).await.is_empty(),
        "no ids are not all ids"
    );
}

pub(crate) async fn they_are_found_by_kind_and_by_fairness_key(case: Case) {
    let subject = case.queue().await;
    let plain = subject.publish_dead(message::numbered(0), "no").await;
    let other = NewMessage::new(Kind::from_static("other"), "1");
    let other = subject.publish_dead(other, "no").await;
    let tenant = message::numbered(2).with_fairness_key(message::fairness_key("tenant"));
    let tenant = subject.publish_dead(tenant, "no").await;
    let kind = |kind| filter(|f| f.kind = Some(kind));
    let found = subject
        .dead_letters(&kind(Kind::from_static("other")))
        .await;
    assert_eq!(found, [other]);
    let found = subject.dead_letters(&kind(message::KIND)).await;
    assert_eq!(found, [plain, tenant]);
    let key = |key| filter(|f| f.fairness_key = Some(key));
    let found = subject
        .dead_letters(&key(message::fairness_key("tenant")))
        .await;
    assert_eq!(found, [tenant]);
    let found = subject.dead_letters(&key(FairnessKey::DEFAULT)).await;
    assert_eq!(
        found,
        [plain, other],
        "who names no key has the default one"
    );
}

pub(crate) async fn they_are_found_by_the_text_of_the_last_error(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(0)).await;
    let first = subject.take().await;
    subject
        .retry(&first, Duration::ZERO, "an earlier one")
        .await;
    let second = subject.take().await;
    subject.dead_letter(&second, "the Host 100% is_down").await;
    let id = second.message.id();
    subject.publish_dead(message::numbered(1), "another").await;
    let with = |text: &str| filter(|f| f.error_contains = Some(text.to_owned()));
    for text in ["Host", "the Host 100% is_down", "0% is_d"] {
        assert_eq!(subject.dead_letters(&with(text)).await, [id], "{text}");
    }
    // Upper and lower case are told apart, and nothing is a pattern.
    for text in ["host", "an earlier one", "H%t", "is.down", "Host_100"] {
        let found = subject.dead_letters(&with(text)).await;
        assert!(found.is_empty(), "{text:?} is not in its last error");
    }
}

pub(crate) async fn they_are_found_by_age(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    let old = subject.publish_dead(message::numbered(0), "no").await;
    case.pass(2 * delay).await;
    let young = subject.publish_dead(message::numbered(1), "no").await;
    let older = |span| filter(|f| f.older_than = Some(span));
    let newer = |span| filter(|f| f.newer_than = Some(span));
    assert_eq!(subject.dead_letters(&older(2 * delay)).await, [old]);
    assert_eq!(subject.dead_letters(&newer(2 * delay)).await, [young]);
    let long = case.timing().limit;
    assert!(subject.dead_letters(&older(long)).await.is_empty());
    assert_eq!(subject.dead_letters(&newer(long)).await, [old, young]);
    case.pass(delay).await;
    assert_eq!(subject.dead_letters(&older(delay)).await, [old, young]);
    let both = filter(|f| {
        f.older_than = Some(delay);
        f.newer_than = Some(3 * delay);
    });
    assert_eq!(subject.dead_letters(&both).await, [young]);
}

pub(crate) async fn everything_that_is_asked_for_must_hold(case: Case) {
    let subject = case.queue().await;
    let ids = kill(&subject, 2).await;
    let fits = filter(|f| {
        f.ids = Some(ids.clone());
        f.kind = Some(message::KIND);
        f.error_contains = Some("no".into());
        f.older_than = Some(Duration::ZERO);
        f.newer_than = Some(case.timing().limit);
        f.fairness_key = Some(FairnessKey::DEFAULT);
    });
    assert_eq!(subject.dead_letters(&fits).await, ids);
    let changes: [fn(&mut DeadLetterFilter); 4] = [
        |f| f.kind = Some(Kind::from_static("other")),
        |f| f.error_contains = Some("yes".into()),
        |f| f.older_than = Some(Duration::from_hours(9_000)),
        |f| f.fairness_key = Some(message::fairness_key("other")),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut asked = fits.clone();
        change(&mut asked);
        let found = subject.dead_letters(&asked).await;
        assert!(found.is_empty(), "condition {number} does not hold");
    }
}

pub(crate) async fn they_are_kept_for_the_retention_and_no_longer(case: Case) {
    let (delay, tolerance) = (case.timing().delay, case.timing().tolerance());
    let retention = 2 * delay + tolerance;
    let subject = case
        .queue_with(QueueConfig {
            dead_letter_retention: retention,
            ..case.config()
        })
        .await;
    let id = subject.publish_dead(message::numbered(0), "no").await;
    case.pass(delay).await;
    assert_eq!(subject.state_of(id).await, Some(State::Dead));
    case.pass(delay + 2 * tolerance).await;
    assert_eq!(subject.state_of(id).await, None, "its time is over");
    let stats = subject.stats().await;
    assert_eq!(stats.dead, 0);
    assert_eq!(
        stats.dead_dropped, 0,
        "what ended by its time was not dropped"
    );
}

pub(crate) async fn over_their_limit_the_oldest_go_and_are_counted(case: Case) {
    let subject = case
        .queue_with(QueueConfig {
            dead_letter_limit: 3,
            ..case.config()
        })
        .await;
    let ids = kill(&subject, 5).await;
    assert_eq!(
        subject.dead_letters(&DeadLetterFilter::all()).await,
        ids[2..]
    );
    let stats = subject.stats().await;
    assert_eq!((stats.dead, stats.dead_dropped), (3, 2));
    assert_eq!(subject.state_of(ids[0]).await, None);
}

pub(crate) async fn they_are_deleted_by_filter_oldest_first(case: Case) {
    let subject = case.queue().await;
    let ids = kill(&subject, 4).await;
    let all = DeadLetterFilter::all();
    let delete = |filter: DeadLetterFilter, limit| {
        let management = subject.management.clone();
        async move {
            let deleted = management.delete_dead_letters(&filter, limit).await;
            deleted.expect("the deletion is answered")
        }
    };
    assert_eq!(delete(all.clone(), 2).await, 2);
    assert_eq!(subject.dead_letters(&all).await, ids[2..]);
    assert_eq!(delete(DeadLetterFilter::id(ids[3]), 9).await, 1);
    assert_eq!(delete(DeadLetterFilter::id(ids[3]), 9).await, 0);
    assert_eq!(subject.dead_letters(&all).await, [ids[2]]);
    let stats = subject.stats().await;
    assert_eq!((stats.dead, stats.live()), (1, 0));
    assert_eq!(stats.dead_dropped, 0, "deleted is not dropped");
}

pub(crate) async fn another_queue_takes_them_where_the_backend_can_and_else_is_refused(case: Case) {
    let graveyard = case.queue().await;
    let config = QueueConfig {
        dead_letter_queue: Some(graveyard.name.clone()),
        ..case.config()
    };
    if !case.capabilities().dead_letter_queue {
        let (name, subject) = (case.fresh_name(), case.queue().await);
        for answer in [
            case.backend().create(&name, &config).await,
            case.backend().update(&subject.name, &config).await,
        ] {
            let expected = Capability::DeadLetterQueue;
            assert!(
                matches!(&answer, Err(Error::Unsupported { capability, .. }) if *capability == expected),
                "it is not declared, so it is refused by name: {answer:?}"
            );
        }
        let opened = case.backend().open(&name, None).await.map(drop);
        assert!(
            matches!(opened, Err(Error::QueueNotFound { .. })),
            "{opened:?}"
        );
        return;
    }
    let subject = case.queue_with(config).await;
    let id = subject.publish_dead(message::numbered(7), "no").await;
    let moved = graveyard.get(id).await.expect("the other queue has it");
    assert_eq!(moved.message.payload(), "7");
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.dead), (0, 0), "and its own has not");
}
