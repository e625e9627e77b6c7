//! Not early, hardly late: what is delayed is delivered when it is due, by the store's own clock.

use std::time::Duration;

use forebay_queue_core::{Delivery, Error, NackAction, SettleOutcome, State, Timestamp};
use tokio::time::Instant;

use crate::{Case, Timing, message};

const AT_ONCE: Duration = Duration::ZERO;

/// When a message was due, as it tells itself.
fn due(delivery: &Delivery) -> Timestamp {
    let due = delivery.message.deliver_at();
    due.expect("a delayed message tells when it was due")
}

fn assert_due_in_time(case: &Case, delivery: &Delivery) {
    case.assert_in_time("a delayed message", due(delivery), delivery.delivered_at);
}

pub(crate) async fn a_delayed_message_is_never_early(case: Case) {
    let delay = case.timing().delay;
    let subject = case.holding_queue().await;
    let before = Instant::now();
    let message = message::numbered(1).with_delay(delay);
    subject.publish(message).await;
    let delivery = subject.take().await;
    let took = before.elapsed();
    assert!(
        took + Timing::GRAIN >= delay,
        "a message with a delay of {delay:?} came after {took:?}"
    );
    assert!(
        delivery.delivered_at >= due(&delivery),
        "it was delivered at {}, due at {}",
        delivery.delivered_at,
        due(&delivery)
    );
    let asked = delivery.message.published_at().after(delay);
    case.assert_in_time("a delayed message", asked, delivery.delivered_at);
}

pub(crate) async fn a_delayed_message_is_hardly_late_for_a_waiting_receiver(case: Case) {
    let delay = case.timing().delay;
    let subject = case.holding_queue().await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    subject
        .publish(message::numbered(1).with_delay(delay))
        .await;
    let published = Instant::now();
    let deliveries = waiting.answer().await.expect("the session is open");
    let took = published.elapsed();
    assert_eq!(
        deliveries.len(),
        1,
        "the receiver waits for what becomes due"
    );
    assert_due_in_time(&case, &deliveries[0]);
    assert!(
        took <= delay + case.timing().tolerance(),
        "a message with a delay of {delay:?} came after {took:?}"
    );
}

pub(crate) async fn a_delayed_message_is_hardly_late_for_another_process(case: Case) {
    let subject = case.holding_queue().await;
    let there = case.another_process().await;
    let elsewhere = there.open(&subject.name).await;
    let waiting = elsewhere.receiving(1, case.timing().limit).await;
    let message = message::numbered(1).with_delay(case.timing().delay);
    subject.publish(message).await;
    let deliveries = waiting.answer().await.expect("the session is open");
    assert_eq!(
        deliveries.len(),
        1,
        "the receiver waits for what becomes due"
    );
    assert_due_in_time(&case, &deliveries[0]);
}

pub(crate) async fn an_absolute_time_is_kept(case: Case) {
    let subject = case.holding_queue().await;
    let due = subject.store_time().await.after(case.timing().delay);
    // Whole milliseconds: a store need not keep more.
    let due = Timestamp::from_millis(due.as_millis() + 1);
    subject
        .publish(message::numbered(1).with_deliver_at(due))
        .await;
    let delivery = subject.take().await;
    case.assert_in_time("a message with a time", due, delivery.delivered_at);
}

pub(crate) async fn no_delay_and_a_time_that_has_passed_mean_now(case: Case) {
    let subject = case.holding_queue().await;
    let now = subject.store_time().await;
    let messages = vec![
        message::numbered(0).with_delay(AT_ONCE),
        message::numbered(1).with_deliver_at(Timestamp::from_millis(1)),
        message::numbered(2).with_deliver_at(now),
    ];
    let ids = subject.publish_all(messages).await;
    for id in ids {
        subject.await_state(id, Some(State::Ready)).await;
    }
    assert_eq!(subject.stats().await.scheduled, 0);
    assert_eq!(subject.take_many(3).await.len(), 3);
}

pub(crate) async fn a_delayed_message_is_scheduled_and_then_ready(case: Case) {
    let delay = case.timing().delay;
    let subject = case.holding_queue().await;
    let id = subject
        .publish(message::numbered(1).with_delay(delay))
        .await;
    let stored = subject.get(id).await.expect("it was accepted");
    assert_eq!(stored.state, State::Scheduled);
    assert_eq!(stored.due_at, stored.message.deliver_at());
    assert_eq!(subject.stats().await.scheduled, 1);
    case.pass(delay).await;
    // Without anybody who receives.
    subject.await_state(id, Some(State::Ready)).await;
    let stats = subject.stats().await;
    assert_eq!((stats.scheduled, stats.ready), (0, 1));
}

pub(crate) async fn what_is_due_first_comes_first(case: Case) {
    let delay = case.timing().delay;
    let subject = case.holding_queue().await;
    for number in [3, 1, 2] {
        let after = delay * u32::try_from(number).expect("it is small");
        subject
            .publish(message::numbered(number).with_delay(after))
            .await;
    }
    for number in 1..=3 {
        let delivery = subject.take().await;
        assert_eq!(message::number(&delivery), number);
        assert_due_in_time(&case, &delivery);
    }
}

pub(crate) async fn a_delayed_message_keeps_nobody_waiting(case: Case) {
    let subject = case.holding_queue().await;
    let parked = message::numbered(1).with_delay(case.timing().limit);
    subject.publish(parked).await;
    subject.publish(message::numbered(2)).await;
    let delivery = subject.take_within(case.timing().tolerance()).await;
    assert_eq!(message::number(&delivery), 2);
}

pub(crate) async fn a_sooner_message_reaches_one_who_waits_for_a_later(case: Case) {
    let delay = case.timing().delay;
    let subject = case.holding_queue().await;
    subject
        .publish(message::numbered(1).with_delay(delay * 4))
        .await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    subject
        .publish(message::numbered(2).with_delay(delay))
        .await;
    let deliveries = waiting.answer().await.expect("the session is open");
    assert_eq!(message::numbers(&deliveries), [2]);
    assert_due_in_time(&case, &deliveries[0]);
}

pub(crate) async fn many_that_are_due_together_come_in_time(case: Case) {
    let count = case.capabilities().limits.batch.min(200);
    let delay = case.timing().delay;
    let subject = case.holding_queue().await;
    let delayed = |number| message::numbered(number).with_delay(delay);
    subject.publish_all((0..count).map(delayed).collect()).await;
    for delivery in subject.take_many(count).await {
        assert_due_in_time(&case, &delivery);
    }
}

pub(crate) async fn each_delay_of_a_batch_is_its_own(case: Case) {
    let delay = case.timing().delay;
    let subject = case.holding_queue().await;
    let batch = vec![
        message::numbered(0).with_delay(delay * 2),
        message::numbered(1),
        message::numbered(2).with_delay(delay),
    ];
    subject.publish_all(batch).await;
    let order = message::numbers(&subject.take_many(3).await);
    assert_eq!(order, [1, 2, 0]);
}

pub(crate) async fn a_delay_of_hours_is_kept(case: Case) {
    let timing = case.timing();
    let hours = Duration::from_hours(5);
    let most = case.capabilities().largest_delay;
    let delay = most.map_or(hours, |most| most.min(hours));
    let subject = case.holding_queue().await;
    let id = subject
        .publish(message::numbered(1).with_delay(delay))
        .await;
    let stored = subject.get(id).await.expect("it was accepted");
    let due = stored.due_at.expect("it is scheduled");
    let told = due.since(stored.message.published_at());
    assert!(
        told.abs_diff(delay) <= Timing::GRAIN,
        "due after {told:?}, where {delay:?} was asked for"
    );
    subject.assert_nothing_for(timing.delay).await;
    if !timing.paused {
        // Nobody waits for hours; what is told has to do.
        assert_eq!(subject.state_of(id).await, Some(State::Scheduled));
        return;
    }
    case.pass(delay.saturating_sub(timing.delay * 2)).await;
    subject.assert_nothing_now().await;
    let delivery = subject.take_within(timing.delay * 2).await;
    assert_due_in_time(&case, &delivery);
}

pub(crate) async fn the_longest_delay_keeps_nobody_waiting(case: Case) {
    let subject = case.holding_queue().await;
    let most = case.capabilities().largest_delay;
    let parked = message::numbered(1).with_delay(most.unwrap_or(Duration::MAX));
    let id = subject.publish(parked).await;
    if most.is_none() {
        let never = message::numbered(2).with_deliver_at(Timestamp::MAX);
        subject.publish(never).await;
    }
    assert_eq!(
        subject.state_of(id).await,
        Some(State::Scheduled),
        "a time without end is a time like others"
    );
    subject.assert_nothing_for(case.timing().delay / 2).await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    subject.publish(message::numbered(3)).await;
    let deliveries = waiting.answer().await.expect("the session is open");
    assert_eq!(message::numbers(&deliveries), [3]);
}

pub(crate) async fn a_retry_after_a_while_is_not_early_and_hardly_late(case: Case) {
    let after = case.timing().delay;
    given_back_for_a_while(case, NackAction::Retry { after }).await;
}

pub(crate) async fn a_release_after_a_while_is_not_early_and_hardly_late(case: Case) {
    let after = case.timing().delay;
    given_back_for_a_while(case, NackAction::Release { after }).await;
}

async fn given_back_for_a_while(case: Case, action: NackAction) {
    let after = case.timing().delay;
    let subject = case.holding_queue().await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    let before = Instant::now();
    let outcome = subject.nack_outcome(&delivery, action).await;
    let done = Instant::now();
    assert_eq!(outcome, SettleOutcome::Done);
    let stored = subject.get(id).await.expect("it was given back");
    assert_eq!(
        stored.state,
        State::Scheduled,
        "what is given back for a while waits for its time"
    );
    let due = stored.due_at.expect("it is scheduled");
    let again = subject.take().await;
    let arrived = Instant::now();
    case.assert_in_time("what was given back", due, again.delivered_at);
    let (least, most) = (arrived - done, arrived - before);
    assert!(
        most + Timing::GRAIN >= after,
        "it came after {most:?}, where {after:?} was asked for"
    );
    let allowed = after + case.timing().tolerance();
    assert!(
        least <= allowed,
        "it came after {least:?}, where {after:?} was asked for"
    );
}

pub(crate) async fn what_is_given_back_at_once_reaches_a_waiting_receiver(case: Case) {
    let subject = case.holding_queue().await;
    let other = case.open(&subject.name).await;
    subject.publish(message::numbered(1)).await;
    let mut delivery = subject.take().await;
    for action in [
        NackAction::Release { after: AT_ONCE },
        NackAction::Retry { after: AT_ONCE },
    ] {
        let waiting = other.receiving(1, case.timing().limit).await;
        let given_back = Instant::now();
        let outcome = subject.nack_outcome(&delivery, action).await;
        assert_eq!(outcome, SettleOutcome::Done);
        let answer = waiting.answer().await;
        delivery = assert_came_at_once(&case, answer, given_back.elapsed());
    }
    let waiting = other.receiving(1, case.timing().limit).await;
    subject.dead_letter(&delivery, "no").await;
    let given_back = Instant::now();
    assert_eq!(subject.redrive_all().await, 1);
    let answer = waiting.answer().await;
    assert_came_at_once(&case, answer, given_back.elapsed());
}

fn assert_came_at_once(
    case: &Case,
    answer: Result<Vec<Delivery>, Error>,
    took: Duration,
) -> Delivery {
    let mut deliveries = answer.expect("the session is open");
    let delivery = deliveries.pop().expect("what was given back comes");
    assert!(
        took <= case.timing().tolerance(),
        "what was given back came after {took:?}"
    );
    delivery
}
