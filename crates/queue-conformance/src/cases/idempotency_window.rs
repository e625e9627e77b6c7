//! The window of an idempotency key: where it begins, where it begins anew, and that it ends.

use std::time::Duration;

use forebay_queue_core::{MessageId, NewMessage, QueueConfig};

use crate::{Case, Subject, message};

const AT_ONCE: Duration = Duration::ZERO;

/// Long enough for a case to stay well inside of a quarter of it.
fn window(case: &Case) -> Duration {
    case.timing().delay * 4
}

async fn queue(case: &Case) -> Subject {
    let config = QueueConfig {
        idempotency_window: window(case),
        ..case.holding()
    };
    case.queue_with(config).await
}

fn keyed() -> NewMessage {
    message::keyed("k")
}

/// Lets so many quarters of the window pass.
async fn quarters(case: &Case, count: u32) {
    case.pass(window(case) / 4 * count).await;
}

/// The window began just now: three quarters on the key is known, after a whole one it is not.
async fn assert_a_whole_window(case: &Case, subject: &Subject, first: MessageId) {
    quarters(case, 3).await;
    subject.assert_duplicate(keyed(), first).await;
    quarters(case, 1).await;
    case.pass(case.timing().tolerance()).await;
    let second = subject.publish_again(keyed()).await;
    assert!(!second.is_duplicate(), "the window does not end");
    assert_ne!(second.id(), first);
}

pub(crate) async fn the_window_begins_at_acceptance_and_ends(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish(keyed()).await;
    assert_a_whole_window(&case, &subject, first).await;
}

pub(crate) async fn a_key_that_comes_again_after_its_window_has_one_of_its_own(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish(keyed()).await;
    quarters(&case, 4).await;
    case.pass(case.timing().tolerance()).await;
    let second = subject.publish(keyed()).await;
    assert_ne!(first, second);
    quarters(&case, 2).await;
    subject.assert_duplicate(keyed(), second).await;
}

pub(crate) async fn a_duplicate_does_not_begin_the_window_anew(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish(keyed()).await;
    quarters(&case, 2).await;
    subject.assert_duplicate(keyed(), first).await;
    quarters(&case, 2).await;
    case.pass(case.timing().tolerance()).await;
    let again = subject.publish_again(keyed()).await;
    assert!(
        !again.is_duplicate(),
        "the window counts from acceptance, not from a repetition"
    );
}

pub(crate) async fn the_window_of_a_delayed_message_begins_when_it_is_due(case: Case) {
    let subject = queue(&case).await;
    let delay = window(&case) / 2;
    let first = subject.publish(keyed().with_delay(delay)).await;
    case.pass(delay).await;
    // Five quarters after acceptance and three after the message was due.
    assert_a_whole_window(&case, &subject, first).await;
}

pub(crate) async fn a_retry_begins_the_window_anew(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    quarters(&case, 2).await;
    subject.retry(&delivery, AT_ONCE, "no").await;
    assert_a_whole_window(&case, &subject, first).await;
}

pub(crate) async fn a_dead_letter_begins_the_window_anew(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    quarters(&case, 2).await;
    subject.dead_letter(&delivery, "no").await;
    assert_a_whole_window(&case, &subject, first).await;
}

pub(crate) async fn a_redrive_begins_the_window_anew(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish_dead(keyed(), "no").await;
    quarters(&case, 2).await;
    assert_eq!(subject.redrive_all().await, 1);
    assert_a_whole_window(&case, &subject, first).await;
}

pub(crate) async fn a_redrive_begins_a_window_that_had_ended(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish_dead(keyed(), "no").await;
    quarters(&case, 4).await;
    case.pass(case.timing().tolerance()).await;
    assert_eq!(subject.redrive_all().await, 1);
    quarters(&case, 2).await;
    subject.assert_duplicate(keyed(), first).await;
}

pub(crate) async fn a_release_leaves_the_window_as_it_was(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    quarters(&case, 2).await;
    subject.release(&delivery, AT_ONCE).await;
    subject.assert_duplicate(keyed(), first).await;
    quarters(&case, 2).await;
    case.pass(case.timing().tolerance()).await;
    let again = subject.publish_again(keyed()).await;
    assert!(!again.is_duplicate(), "a release begins no window");
}

pub(crate) async fn a_lease_that_ran_out_leaves_the_window_as_it_was(case: Case) {
    let config = QueueConfig {
        lease: window(&case) / 2,
        idempotency_window: window(&case),
        ..QueueConfig::default()
    };
    let subject = case.queue_with(config).await;
    let first = subject.publish(keyed()).await;
    subject.take().await;
    // Comes back after half of the window.
    let again = subject.take().await;
    subject.assert_duplicate(keyed(), first).await;
    quarters(&case, 2).await;
    case.pass(case.timing().tolerance()).await;
    let again_published = subject.publish_again(keyed()).await;
    assert_eq!(again.attempt, 2);
    assert!(
        !again_published.is_duplicate(),
        "a lease that ran out begins no window"
    );
}

pub(crate) async fn a_later_message_keeps_the_key_when_the_earlier_one_is_redriven(case: Case) {
    let subject = queue(&case).await;
    let first = subject.publish_dead(keyed(), "no").await;
    quarters(&case, 4).await;
    case.pass(case.timing().tolerance()).await;
    let second = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    assert_eq!(delivery.message.id(), second);
    subject.ack(&delivery).await;
    assert_eq!(subject.redrive_all().await, 1);
    subject.assert_duplicate(keyed(), second).await;
    let old = subject.take().await;
    assert_eq!(old.message.id(), first);
    subject.retry(&old, AT_ONCE, "no").await;
    subject.assert_duplicate(keyed(), second).await;
}

pub(crate) async fn a_window_of_nothing_remembers_nothing(case: Case) {
    let config = QueueConfig {
        idempotency_window: Duration::ZERO,
        idempotency_limit: 1,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    let batch = vec![keyed(), keyed(), message::keyed("l")];
    subject.publish_all(batch).await;
    subject.publish(keyed()).await;
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.idempotency_keys), (4, 0));
}
