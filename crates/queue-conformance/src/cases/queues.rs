//! Queues are made, opened, listed and deleted by name.

use std::time::Duration;

use forebay_queue_core::{
    CancelTarget, DeadLetterFilter, Error, MessageId, PageRequest, QueueConfig, QueueName,
};

use crate::{Case, Subject, message};

const HOUR: Duration = Duration::from_hours(1);

/// What makes another configuration of one.
type Change = fn(&mut QueueConfig);

/// A configuration in which no field is as it is by default.
fn unusual(case: &Case) -> QueueConfig {
    QueueConfig {
        lease: Duration::from_secs(77),
        capacity: 123,
        idempotency_window: 5 * HOUR,
        idempotency_limit: 456,
        dead_letter_retention: 7 * HOUR,
        dead_letter_limit: 89,
        retain_done: if case.capabilities().retain_done {
            3 * HOUR
        } else {
            Duration::ZERO
        },
        retain_done_limit: 67,
        dead_letter_queue: None,
    }
}

pub(crate) async fn a_queue_is_made_once(case: Case) {
    let name = case.fresh_name();
    let backend = case.backend();
    let first = unusual(&case);
    let made = backend.create(&name, &first).await;
    assert!(made.is_ok(), "a fresh name can be used: {made:?}");
    for config in [&first, &case.config()] {
        let again = backend.create(&name, config).await;
        assert!(
            matches!(&again, Err(Error::QueueAlreadyExists { queue }) if *queue == name),
            "a queue that exists is not made again: {again:?}"
        );
    }
    let kept = backend.config(&name).await.expect("the queue exists");
    assert_eq!(kept, first, "a refused create changes nothing");
}

pub(crate) async fn an_unknown_queue_is_not_found(case: Case) {
    let name = case.fresh_name();
    let backend = case.backend();
    let answers = [
        ("open", backend.open(&name, None).await.map(drop)),
        ("manage", backend.manage(&name).await.map(drop)),
        ("config", backend.config(&name).await.map(drop)),
        ("update", backend.update(&name, &case.config()).await),
        ("delete", backend.delete(&name).await),
    ];
    for (verb, answer) in answers {
        assert!(
            matches!(&answer, Err(Error::QueueNotFound { queue }) if *queue == name),
            "{verb} of an unknown queue says that there is none, and makes none: {answer:?}"
        );
    }
    let listed = backend.list().await.expect("the queues are listed");
    assert!(!listed.contains(&name), "asking for a queue makes none");
}

pub(crate) async fn the_configuration_is_kept_whole(case: Case) {
    let name = case.fresh_name();
    let config = unusual(&case);
    let made = case.backend().create(&name, &config).await;
    made.expect("the configuration is valid");
    let kept = case.another_process().await.backend().config(&name).await;
    assert_eq!(kept.expect("the queue exists"), config);
    let opened = case.backend().open(&name, Some(&config)).await;
    let session = opened.expect("who asks for what is there gets it");
    assert_eq!(session.lease(), config.lease, "a session knows the lease");
}

/// Each field in turn, changed.
fn changed_fields(base: &QueueConfig) -> Vec<(&'static str, QueueConfig)> {
    let with = |change: Change| {
        let mut asked = base.clone();
        change(&mut asked);
        asked
    };
    vec![
        ("lease", with(|c| c.lease += HOUR)),
        ("capacity", with(|c| c.capacity += 1)),
        ("idempotency_window", with(|c| c.idempotency_window += HOUR)),
        ("idempotency_limit", with(|c| c.idempotency_limit += 1)),
        (
            "dead_letter_retention",
            with(|c| c.dead_letter_retention += HOUR),
        ),
        ("dead_letter_limit", with(|c| c.dead_letter_limit += 1)),
        ("retain_done", with(|c| c.retain_done += HOUR)),
        ("retain_done_limit", with(|c| c.retain_done_limit += 1)),
        (
            "dead_letter_queue",
            with(|c| c.dead_letter_queue = Some(QueueName::from_static("another"))),
        ),
    ]
}

pub(crate) async fn an_opener_who_asks_for_another_configuration_is_told_which_field(case: Case) {
    let subject = case.queue_with(unusual(&case)).await;
    for (expected, asked) in changed_fields(&unusual(&case)) {
        let answer = case.backend().open(&subject.name, Some(&asked)).await;
        let answer = answer.map(drop);
        assert!(
            matches!(
                &answer,
                Err(Error::ConfigMismatch { queue, field }) if *queue == subject.name && *field == expected
            ),
            "another {expected} is refused by name: {answer:?}"
        );
    }
}

pub(crate) async fn a_configuration_out_of_bounds_makes_and_changes_nothing(case: Case) {
    let subject = case.queue().await;
    let name = case.fresh_name();
    let bad: [(&str, Change); 9] = [
        ("lease", |c| c.lease = Duration::from_millis(9)),
        ("lease", |c| c.lease = 13 * HOUR),
        ("capacity", |c| c.capacity = 0),
        ("capacity", |c| c.capacity = (1 << 31) + 1),
        ("idempotency_window", |c| {
            c.idempotency_window = 9_000 * HOUR;
        }),
        ("idempotency_limit", |c| c.idempotency_limit = 0),
        ("dead_letter_retention", |c| {
            c.dead_letter_retention = 90_000 * HOUR;
        }),
        ("dead_letter_limit", |c| c.dead_letter_limit = 0),
        ("retain_done_limit", |c| c.retain_done_limit = 0),
    ];
    for (expected, change) in bad {
        let mut asked = case.config();
        change(&mut asked);
        for answer in [
            case.backend().create(&name, &asked).await,
            case.backend().update(&subject.name, &asked).await,
        ] {
            assert!(
                matches!(&answer, Err(Error::InvalidConfig { field, .. }) if *field == expected),
                "a bad {expected} is refused by name: {answer:?}"
            );
        }
    }
    let listed = case.backend().list().await.expect("the queues are listed");
    assert!(!listed.contains(&name), "a refused create makes no queue");
    let kept = case.backend().config(&subject.name).await;
    assert_eq!(kept.expect("the queue exists"), case.config());
}

pub(crate) async fn queues_are_listed_by_name_in_order(case: Case) {
    let prefix = case.fresh_name();
    let name = |end: &str| QueueName::new(format!("{prefix}.{end}")).expect("it is a name");
    for end in ["c", "a", "d", "b"] {
        let made = case.backend().create(&name(end), &case.config()).await;
        made.expect("a queue of a fresh name is made");
    }
    let deleted = case.backend().delete(&name("b")).await;
    deleted.expect("a queue that exists is deleted");
    // A server may hold the queues of others.
    let listed = case.backend().list().await.expect("the queues are listed");
    assert!(listed.is_sorted(), "the names are in order: {listed:?}");
    let ours: Vec<&QueueName> = listed
        .iter()
        .filter(|listed| listed.as_str().starts_with(&format!("{prefix}.")))
        .collect();
    assert_eq!(ours, [&name("a"), &name("c"), &name("d")]);
}

pub(crate) async fn queues_do_not_see_each_other(case: Case) {
    let one = case.queue().await;
    let other = case.queue().await;
    let id = one.publish(message::keyed("same")).await;
    other.assert_nothing_now().await;
    assert_eq!(other.state_of(id).await, None);
    assert_eq!(other.stats().await.live(), 0);
    assert_eq!(other.purge().await, 0, "a purge touches its own queue only");
    // A key means one thing in one queue, and another in another.
    other.publish(message::keyed("same")).await;
    other.pause().await;
    let delivery = one.take().await;
    assert_eq!(delivery.message.id(), id);
    one.dead_letter(&delivery, "no").await;
    let there = other.dead_letters(&DeadLetterFilter::all()).await;
    assert!(there.is_empty(), "dead letters stay with their queue");
}

pub(crate) async fn a_handle_says_what_it_is(case: Case) {
    let subject = case.queue().await;
    let name = case.backend().name();
    assert!(!name.is_empty(), "a backend has a name");
    assert_eq!(subject.queue.name(), &subject.name);
    assert_eq!(subject.management.name(), &subject.name);
    assert_eq!(subject.queue.backend(), name);
    assert_eq!(subject.management.backend(), name);
    assert_eq!(subject.queue.capabilities(), case.capabilities());
    assert_eq!(subject.queue.lease(), case.config().lease);
    let health = tokio::time::timeout(Duration::from_secs(1), case.backend().health()).await;
    let health = health.expect("health is answered within a second");
    assert!(health.is_up(), "a backend that works says so: {health:?}");
}

/// One message in each state, a key, a dead letter, and a pause.
async fn fill(case: &Case, subject: &Subject) -> Vec<MessageId> {
    let dead = subject.publish_dead(message::numbered(1), "no").await;
    let leased = subject.publish(message::keyed("leased")).await;
    subject.take().await;
    let ready = subject.publish(message::numbered(2)).await;
    let later = message::numbered(3).with_delay(case.timing().delay);
    let scheduled = subject.publish(later).await;
    let paused = subject.management.pause().await;
    paused.expect("the queue is paused");
    vec![dead, leased, ready, scheduled]
}

pub(crate) async fn a_deleted_queue_takes_everything_with_it(case: Case) {
    let subject = case.queue().await;
    let ids = fill(&case, &subject).await;
    let deleted = case.backend().delete(&subject.name).await;
    deleted.expect("a queue that exists is deleted");
    let listed = case.backend().list().await.expect("the queues are listed");
    assert!(!listed.contains(&subject.name), "it is no longer listed");
    let again = case.backend().delete(&subject.name).await;
    assert!(matches!(again, Err(Error::QueueNotFound { .. })));

    let made = case.backend().create(&subject.name, &case.config()).await;
    made.expect("its name is free again");
    let next = case.open(&subject.name).await;
    let stats = next.stats().await;
    assert_eq!((stats.live(), stats.dead, stats.done), (0, 0, 0));
    assert_eq!(stats.idempotency_keys, 0, "keys go with their queue");
    assert!(!stats.paused, "a pause goes with its queue");
    for id in ids {
        assert_eq!(next.state_of(id).await, None);
    }
    next.assert_nothing_for(case.timing().delay + case.timing().tolerance())
        .await;
    next.publish(message::keyed("leased")).await;
}

pub(crate) async fn deleting_a_queue_ends_its_sessions_at_once(case: Case) {
    let subject = case
        .queue_with(QueueConfig {
            capacity: 1,
            ..case.holding()
        })
        .await;
    let other = case.open(&subject.name).await;
    subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    let limit = case.timing().limit;
    let receiving = other.receiving(1, limit).await;
    let publishing = [
        subject.publishing(message::many(1), limit).await,
        other.publishing(message::many(1), limit).await,
    ];
    let deleted = case.backend().delete(&subject.name).await;
    deleted.expect("a queue that exists is deleted");
    let at_once = case.timing().tolerance();
    let answer = tokio::time::timeout(at_once, receiving.answer()).await;
    let answer = answer.expect("a waiting receive is answered at once");
    assert!(matches!(answer, Err(Error::Closed { .. })), "{answer:?}");
    for waiting in publishing {
        let answer = tokio::time::timeout(at_once, waiting.answer()).await;
        let answer = answer.expect("a waiting publish is answered at once");
        assert!(matches!(answer, Err(Error::Closed { .. })), "{answer:?}");
    }
    let ack = subject.queue.ack(&[held.receipt]).await;
    assert!(matches!(ack, Err(Error::Closed { .. })), "{ack:?}");
    let publish = subject.publish_outcome(message::many(1)).await;
    assert!(matches!(publish, Err(Error::Closed { .. })), "{publish:?}");
    assert_no_queue_to_manage(&subject).await;
    subject.queue.close().await.expect("closing is always fine");
}

async fn assert_no_queue_to_manage(subject: &Subject) {
    let management = &subject.management;
    let all = DeadLetterFilter::all();
    let page = PageRequest::first(1);
    let target = CancelTarget::Key(message::idempotency_key("k"));
    let answers = [
        ("stats", management.stats().await.map(drop)),
        ("peek", management.peek(1).await.map(drop)),
        ("cancel", management.cancel(target).await.map(drop)),
        ("pause", management.pause().await),
        ("resume", management.resume().await),
        ("purge", management.purge().await.map(drop)),
        (
            "dead letters",
            management.dead_letters(&all, page).await.map(drop),
        ),
        ("redrive", management.redrive(&all, 1).await.map(drop)),
        (
            "deletion",
            management.delete_dead_letters(&all, 1).await.map(drop),
        ),
    ];
    for (verb, answer) in answers {
        assert!(
            matches!(answer, Err(Error::QueueNotFound { .. })),
            "{verb} of a deleted queue finds none: {answer:?}"
        );
    }
}
