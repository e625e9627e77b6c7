//! A dead letter gets another life: at attempt 1, with its history.

use std::time::Duration;

use forebay_queue_core::{
    DeadLetterFilter, MessageId, QueueConfig, Redriven, SettleOutcome, State,
};

use crate::{Case, Subject, message};

async fn kill(subject: &Subject, count: usize) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(subject.publish_dead(message::numbered(number), "no").await);
    }
    ids
}

pub(crate) async fn a_redriven_message_starts_anew_and_dies_with_its_whole_history(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(0)).await;
    let first = subject.take().await;
    subject.retry(&first, Duration::ZERO, "first").await;
    let second = subject.take().await;
    subject.dead_letter(&second, "second").await;
    case.pass(case.timing().moment()).await;
    let answer = subject.redrive(&DeadLetterFilter::all(), 10).await;
    let expected = Redriven {
        redriven: 1,
        full: false,
    };
    assert_eq!(answer, expected);
    let waiting = subject.get(id).await.expect("it is ready again");
    assert_eq!((waiting.state, waiting.attempt), (State::Ready, 0));

    let again = subject.take().await;
    assert_eq!(again.message.id(), id);
    assert_eq!(again.attempt, 1, "a redriven message starts anew");
    let causes: Vec<&str> = again.errors.iter().map(|e| &*e.error).collect();
    assert_eq!(causes, ["first", "second"]);
    assert!(
        again.age_from > first.age_from,
        "its age counts from the redrive"
    );
    subject.dead_letter(&again, "third").await;
    let dead = subject.get(id).await.expect("it died again");
    assert_eq!(dead.attempt, 1);
    let causes: Vec<(u32, &str)> = dead.errors.iter().map(|e| (e.attempt, &*e.error)).collect();
    assert_eq!(causes, [(1, "first"), (2, "second"), (1, "third")]);
}

pub(crate) async fn a_redrive_is_in_exactly_one_place(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish_dead(message::numbered(0), "no").await;
    subject.redrive(&DeadLetterFilter::all(), 10).await;
    let stats = subject.stats().await;
    assert_eq!((stats.ready, stats.live(), stats.dead), (1, 1, 0));
    assert!(
        subject
            .dead_letters(&DeadLetterFilter::all())
            .await
            .is_empty()
    );
    let again = subject.redrive(&DeadLetterFilter::all(), 10).await;
    assert_eq!(again.redriven, 0, "what is alive is not redriven");
    let held = subject.take().await;
    assert_eq!(held.message.id(), id);
    subject.assert_nothing_now().await;
    subject.ack(&held).await;
    assert_eq!(subject.state_of(id).await, None);
}

pub(crate) async fn a_redrive_takes_the_oldest_up_to_its_limit_and_keeps_their_order(case: Case) {
    let subject = case.queue().await;
    let ids = kill(&subject, 5).await;
    let answer = subject.redrive(&DeadLetterFilter::all(), 3).await;
    assert_eq!(answer.redriven, 3);
    assert!(
        !answer.full,
        "it stopped at its limit, not for want of room"
    );
    assert_eq!(
        subject.dead_letters(&DeadLetterFilter::all()).await,
        ids[3..]
    );
    assert_eq!(subject.drain().await, [0, 1, 2]);
}

pub(crate) async fn a_redrive_takes_only_what_matches(case: Case) {
    let subject = case.queue().await;
    let mail = message::numbered(0).with_fairness_key(message::fairness_key("tenant"));
    subject.publish_dead(mail, "one").await;
    let kept = subject.publish_dead(message::numbered(1), "two").await;
    subject.publish_dead(message::numbered(2), "three").await;
    let tenant = DeadLetterFilter {
        fairness_key: Some(message::fairness_key("tenant")),
        ..DeadLetterFilter::default()
    };
    assert_eq!(subject.redrive(&tenant, 10).await.redriven, 1);
    assert_eq!(subject.drain().await, [0]);
    let text = DeadLetterFilter {
        error_contains: Some("hre".into()),
        ..DeadLetterFilter::default()
    };
    assert_eq!(subject.redrive(&text, 10).await.redriven, 1);
    assert_eq!(subject.drain().await, [2]);
    let unknown = DeadLetterFilter::id(MessageId::from_bytes([9; 16]));
    assert_eq!(subject.redrive(&unknown, 10).await.redriven, 0);
    assert_eq!(subject.dead_letters(&DeadLetterFilter::all()).await, [kept]);
    assert_eq!(
        subject
            .redrive(&DeadLetterFilter::id(kept), 1)
            .await
            .redriven,
        1
    );
    assert_eq!(subject.drain().await, [1]);
}

pub(crate) async fn a_redriven_message_no_longer_expires(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    let short = message::numbered(0).with_time_to_live(delay);
    let id = subject.publish_dead(short, "no").await;
    case.pass(delay + case.timing().tolerance()).await;
    assert_eq!(subject.state_of(id).await, Some(State::Dead));
    subject.redrive(&DeadLetterFilter::all(), 1).await;
    let held = subject.take().await;
    subject.retry(&held, Duration::ZERO, "no").await;
    let again = subject.take().await;
    assert_eq!((again.message.id(), again.attempt), (id, 2));
}

pub(crate) async fn a_redrive_stops_when_the_queue_is_full_and_says_so(case: Case) {
    let config = QueueConfig {
        capacity: 3,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    let ids = kill(&subject, 4).await;
    subject.publish(message::numbered(9)).await;
    let answer = subject.redrive(&DeadLetterFilter::all(), 10).await;
    let expected = Redriven {
        redriven: 2,
        full: true,
    };
    assert_eq!(answer, expected);
    let stats = subject.stats().await;
    assert_eq!((stats.ready, stats.dead), (3, 2), "the rest are still dead");
    assert_eq!(
        subject.dead_letters(&DeadLetterFilter::all()).await,
        ids[2..]
    );
    assert_eq!(subject.drain().await, [9, 0, 1]);
    let rest = subject.redrive(&DeadLetterFilter::all(), 10).await;
    let expected = Redriven {
        redriven: 2,
        full: false,
    };
    assert_eq!(rest, expected);
}

pub(crate) async fn a_redrive_of_nothing_is_not_full(case: Case) {
    let config = QueueConfig {
        capacity: 1,
        ..case.config()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::numbered(0)).await;
    let answer = subject.redrive(&DeadLetterFilter::all(), 10).await;
    let expected = Redriven {
        redriven: 0,
        full: false,
    };
    assert_eq!(answer, expected);
}

pub(crate) async fn a_redrive_wakes_a_waiting_receiver(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish_dead(message::numbered(0), "no").await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    assert!(!waiting.is_over(), "a dead letter is not delivered");
    subject.redrive(&DeadLetterFilter::all(), 1).await;
    let answer = tokio::time::timeout(case.timing().tolerance(), waiting.answer()).await;
    let answer = answer.expect("it is handed out at once");
    assert_eq!(answer.expect("the session is open")[0].message.id(), id);
}

pub(crate) async fn a_receipt_from_before_the_redrive_settles_nothing(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish(message::numbered(0)).await;
    let old = subject.take().await;
    subject.dead_letter(&old, "no").await;
    subject.redrive(&DeadLetterFilter::all(), 1).await;
    assert_eq!(subject.ack_outcome(&old).await, SettleOutcome::LeaseLost);
    let held = subject.take().await;
    assert_eq!(held.attempt, old.attempt, "the attempts are the same");
    assert_ne!(held.receipt, old.receipt, "the receipts are not");
    assert_eq!(subject.ack_outcome(&old).await, SettleOutcome::LeaseLost);
    assert_eq!(subject.extend_outcome(&old).await, SettleOutcome::LeaseLost);
    subject.ack(&held).await;
}
