//! Attempts: counted before the hand-out, given back by a release, told by the history.

use std::time::Duration;

use forebay_queue_core::ErrorRecord;

use crate::{Case, message};

const AT_ONCE: Duration = Duration::ZERO;

pub(crate) async fn the_attempt_is_counted_before_the_hand_out(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish(message::numbered(1)).await;
    let attempt = async || subject.get(id).await.map(|stored| stored.attempt);
    assert_eq!(attempt().await, Some(0), "before the first delivery");
    let delivery = subject.take().await;
    assert_eq!(delivery.attempt, 1);
    assert_eq!(attempt().await, Some(1), "while it is handed out");
}

pub(crate) async fn a_retry_is_one_attempt_older(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    for attempt in 1..=5 {
        let delivery = subject.take().await;
        assert_eq!(delivery.attempt, attempt, "a retry is a failure");
        subject.retry(&delivery, AT_ONCE, "no").await;
    }
}

pub(crate) async fn a_release_gives_the_attempt_back(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish(message::numbered(1)).await;
    for attempt in 1..=3 {
        for _ in 0..3 {
            let delivery = subject.take().await;
            assert_eq!(delivery.attempt, attempt, "a release is not a failure");
            subject.release(&delivery, AT_ONCE).await;
            let stored = subject.get(id).await.expect("it was given back");
            assert_eq!(stored.attempt, attempt - 1, "attempts begun so far");
        }
        let delivery = subject.take().await;
        assert_eq!(delivery.attempt, attempt);
        subject.retry(&delivery, AT_ONCE, "no").await;
    }
}

pub(crate) async fn a_release_for_a_while_gives_the_attempt_back(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    subject.release(&delivery, case.timing().delay).await;
    assert_eq!(subject.take().await.attempt, 1);
}

pub(crate) async fn a_release_leaves_no_record(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    let action = forebay_queue_core::NackAction::Release { after: AT_ONCE };
    subject
        .nack_because(&delivery, action, Some("not a failure"))
        .await;
    let again = subject.take().await;
    assert!(again.errors.is_empty(), "a release is not a failure");
}

pub(crate) async fn a_lease_that_ran_out_counts(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(1)).await;
    for attempt in 1..=3 {
        let delivery = subject.take().await;
        assert_eq!(delivery.attempt, attempt, "a crash is a failed attempt");
    }
}

pub(crate) async fn a_lease_that_ran_out_stands_in_the_history(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(1)).await;
    let first = subject.take().await;
    let second = subject.take().await;
    let failed: Vec<u32> = second.errors.iter().map(|error| error.attempt).collect();
    assert_eq!(failed, [1], "the crash is told");
    let end = first.delivered_at.after(case.timing().lease);
    case.assert_in_time("the record of the crash", end, second.errors[0].at);
}

pub(crate) async fn the_death_of_a_session_counts_for_what_it_was_handed(case: Case) {
    let subject = case.queue().await;
    let dying = case.open(&subject.name).await;
    subject.publish(message::numbered(1)).await;
    let delivery = dying.take().await;
    assert_eq!(delivery.attempt, 1);
    drop(dying);
    let again = subject.take().await;
    assert_eq!(again.attempt, 2, "what was handed out has started");
    let due = delivery.delivered_at.after(case.timing().lease);
    case.assert_in_time("the message", due, again.delivered_at);
}

pub(crate) async fn a_redrive_starts_at_attempt_1_and_keeps_the_history(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    subject.retry(&delivery, AT_ONCE, "first").await;
    let delivery = subject.take().await;
    subject.dead_letter(&delivery, "second").await;
    let dead = subject.get(id).await.expect("it is a dead letter");
    assert_eq!(dead.attempt, 2, "a dead letter tells its attempts");
    assert_eq!(subject.redrive_all().await, 1);
    let delivery = subject.take().await;
    assert_eq!(delivery.attempt, 1, "a redriven message starts again");
    assert_eq!(texts(&delivery.errors), ["first", "second"]);
    subject.retry(&delivery, AT_ONCE, "third").await;
    let delivery = subject.take().await;
    assert_eq!(delivery.attempt, 2);
    assert_eq!(texts(&delivery.errors), ["first", "second", "third"]);
}

fn texts(errors: &[ErrorRecord]) -> Vec<&str> {
    errors.iter().map(|error| &*error.error).collect()
}

pub(crate) async fn the_history_tells_attempt_time_and_cause(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    for attempt in 1..=3 {
        let delivery = subject.take().await;
        case.pass(case.timing().moment()).await;
        subject
            .retry(&delivery, AT_ONCE, &format!("failure {attempt}"))
            .await;
        let again = subject.take().await;
        let record = again.errors.last().expect("the failure is told");
        assert_eq!(record.attempt, attempt);
        assert_eq!(&*record.error, format!("failure {attempt}"));
        assert!(
            (delivery.delivered_at..=again.delivered_at).contains(&record.at),
            "it failed between the two deliveries, not at {}",
            record.at
        );
        // The one taken to look is given back as it was.
        subject.release(&again, AT_ONCE).await;
    }
}

pub(crate) async fn the_history_keeps_the_latest_records(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let count = ErrorRecord::MAX_COUNT + 3;
    for number in 1..=count {
        let delivery = subject.take().await;
        let text = format!("failure {number}");
        subject.retry(&delivery, AT_ONCE, &text).await;
    }
    let delivery = subject.take().await;
    let expected: Vec<String> = (4..=count).map(|n| format!("failure {n}")).collect();
    assert_eq!(
        texts(&delivery.errors),
        expected,
        "the latest, oldest first"
    );
    let attempts = usize::try_from(delivery.attempt);
    assert_eq!(attempts, Ok(count + 1), "the attempts go on");
}

pub(crate) async fn a_long_cause_is_cut_between_characters(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    let text = format!("x{}", "ä".repeat(ErrorRecord::MAX_TEXT));
    subject.retry(&delivery, AT_ONCE, &text).await;
    let again = subject.take().await;
    let kept = &*again.errors[0].error;
    assert_eq!(kept.len(), ErrorRecord::MAX_TEXT - 1);
    assert!(text.starts_with(kept), "it is the beginning of the cause");
}

pub(crate) async fn attempts_belong_to_one_message(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    for _ in 0..3 {
        let delivery = subject.take().await;
        subject.retry(&delivery, AT_ONCE, "no").await;
    }
    let failed = subject.take().await;
    assert_eq!(failed.attempt, 4);
    subject.publish(message::numbered(2)).await;
    let fresh = subject.take().await;
    assert_eq!(fresh.attempt, 1);
    assert!(fresh.errors.is_empty(), "nothing of it has failed");
}

pub(crate) async fn a_retry_makes_nothing_younger(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let first = subject.take().await;
    assert_eq!(
        first.age_from,
        first.message.published_at(),
        "age counts from the publish"
    );
    subject.retry(&first, case.timing().moment(), "no").await;
    let second = subject.take().await;
    assert_eq!(second.age_from, first.age_from, "and goes on over retries");
}

pub(crate) async fn the_age_of_a_delayed_message_counts_from_when_it_was_due(case: Case) {
    let subject = case.holding_queue().await;
    let message = message::numbered(1).with_delay(case.timing().delay);
    subject.publish(message).await;
    let delivery = subject.take().await;
    let due = delivery.message.deliver_at();
    assert_eq!(Some(delivery.age_from), due, "not from the publish");
}

pub(crate) async fn the_age_of_a_redriven_message_counts_from_the_redrive(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let first = subject.take().await;
    subject.dead_letter(&first, "no").await;
    case.pass(case.timing().moment()).await;
    assert_eq!(subject.redrive_all().await, 1);
    let second = subject.take().await;
    assert!(
        second.age_from >= first.delivered_at.after(case.timing().moment())
            && second.age_from <= second.delivered_at,
        "its age counts from the redrive, not from {}",
        second.age_from
    );
}
