//! Dropping any call, at whatever point, loses no message, doubles none and leaves nothing stuck.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use forebay_queue_core::{
    CancelTarget, DeadLetterFilter, Delivery, Error, Nack, NackAction, QueueConfig, Receipt, Rule,
    SettleOutcome, State,
};

use crate::{Case, Subject, message};

/// Each call is dropped after so many polls, from none at all on. Over a network one takes several.
const POLLS: std::ops::RangeInclusive<usize> = 0..=9;

/// Polls a call at most so many times and drops it; answers what it answered if it came to its end.
async fn polled<T>(case: &Case, polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    let limited = poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    let moment = case.timing().moment();
    tokio::time::timeout(moment, limited).await.ok().flatten()
}

/// What was sent off before a call was dropped may still arrive; this is enough for it.
async fn let_it_land(case: &Case) {
    case.pass(case.timing().moment()).await;
}

/// How long it may take until what a dropped call held is back.
fn a_lease(case: &Case) -> Duration {
    case.timing().lease + case.timing().tolerance()
}

/// Takes and acks so many; they must come before a lease has run out, whoever held them.
async fn collect(case: &Case, subject: &Subject, count: usize) -> Vec<usize> {
    let numbers = tokio::time::timeout(a_lease(case), subject.finish_many(count)).await;
    numbers.expect("nothing is away for longer than a lease")
}

fn assert_each_once(mut numbers: Vec<usize>, count: usize) {
    numbers.sort_unstable();
    let expected: Vec<usize> = (0..count).collect();
    assert_eq!(numbers, expected, "each message comes exactly once");
}

pub(crate) async fn a_dropped_receive_loses_nothing(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(30)).await;
    let mut numbers = Vec::new();
    for polls in POLLS {
        let receive = subject.queue.receive(2, Duration::ZERO);
        if let Some(answer) = polled(&case, polls, receive).await {
            let deliveries = answer.expect("the session is open");
            subject.ack_all(&deliveries).await;
            numbers.extend(message::numbers(&deliveries));
        }
    }
    let rest = 30 - numbers.len();
    numbers.extend(collect(&case, &subject, rest).await);
    assert_each_once(numbers, 30);
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn a_receive_dropped_while_it_waits_passes_its_message_on(case: Case) {
    let subject = case.queue().await;
    let other = case.open(&subject.name).await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        waiting.push(subject.receiving(1, case.timing().limit).await);
    }
    subject.publish_all(message::many(6)).await;
    // Woken, perhaps, and dropped before or after they have looked.
    for waiting in waiting {
        waiting.drop_it().await;
    }
    assert_each_once(collect(&case, &other, 6).await, 6);
}

pub(crate) async fn a_receiver_is_not_kept_from_its_message_by_dropped_ones(case: Case) {
    let subject = case.queue().await;
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(subject.receiving(1, case.timing().limit).await);
    }
    let stays = subject.receiving(1, case.timing().limit).await;
    for polls in POLLS {
        let receive = subject.queue.receive(1, case.timing().limit);
        let answer = polled(&case, polls, receive).await;
        assert!(answer.is_none(), "there is nothing to receive yet");
    }
    for waiting in gone {
        waiting.drop_it().await;
    }
    let delay = case.timing().delay;
    let later = message::numbered(1).with_delay(delay);
    subject.publish(later).await;
    let (answer, _) = tokio::time::timeout(delay + a_lease(&case), stays.timed())
        .await
        .expect("the one who still waits gets it");
    assert_eq!(message::numbers(&answer.expect("it is open")), [1]);
}

pub(crate) async fn a_dropped_publish_is_there_whole_or_not_at_all(case: Case) {
    let subject = case.queue().await;
    let mut answered = Vec::new();
    for polls in POLLS {
        let batch = vec![message::numbered(polls); 3];
        let publish = subject.queue.publish(batch, Duration::ZERO);
        if let Some(outcomes) = polled(&case, polls, publish).await {
            assert_eq!(outcomes.expect("there is room").len(), 3);
            answered.push(polls);
        }
    }
    let_it_land(&case).await;
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for number in subject.drain().await {
        *counts.entry(number).or_default() += 1;
    }
    for (polls, count) in &counts {
        assert_eq!(*count, 3, "the batch dropped after {polls} polls is whole");
    }
    for polls in answered {
        assert!(counts.contains_key(&polls), "what was accepted is there");
    }
    assert!(
        !counts.contains_key(&0),
        "what was never polled did nothing"
    );
}

pub(crate) async fn a_dropped_publisher_leaves_no_trace_in_the_line(case: Case) {
    let config = QueueConfig {
        capacity: 1,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    for polls in POLLS {
        let batch = vec![message::numbered(8)];
        let publish = subject.queue.publish(batch, case.timing().limit);
        let answer = polled(&case, polls, publish).await;
        assert!(answer.is_none(), "a full queue makes a publisher wait");
    }
    let_it_land(&case).await;
    subject.ack(&held).await;
    let_it_land(&case).await;
    subject.publish(message::numbered(9)).await;
    assert_eq!(
        subject.drain().await,
        [9],
        "who was dropped has not published"
    );
}

pub(crate) async fn a_dropped_ack_is_done_or_not(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish_all(message::many(20)).await;
    let held = subject.take_many(20).await;
    let mut settled = Vec::new();
    for polls in POLLS {
        let pair = [
            held[2 * polls].receipt.clone(),
            held[2 * polls + 1].receipt.clone(),
        ];
        settled.push(polled(&case, polls, subject.queue.ack(&pair)).await);
    }
    let_it_land(&case).await;
    assert!(settled[0].is_none(), "what was never polled has not begun");
    for (polls, pair) in held.chunks(2).enumerate() {
        for delivery in pair {
            let again = subject.ack_outcome(delivery).await;
            if settled[polls].is_some() || polls == 0 {
                let expected = match polls {
                    0 => SettleOutcome::Done,
                    _ => SettleOutcome::LeaseLost,
                };
                assert_eq!(again, expected, "after {polls} polls");
            }
        }
    }
    assert_eq!(
        subject.stats().await.live(),
        0,
        "acked once or twice, it is gone"
    );
}

/// How many messages are in each place; each must be in one.
async fn places(subject: &Subject) -> BTreeMap<usize, usize> {
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for state in [State::Scheduled, State::Ready, State::Leased, State::Dead] {
        for stored in subject.list(state, 100).await {
            let text = String::from_utf8_lossy(stored.message.payload()).into_owned();
            let number = text.parse().expect("the payload is a number");
            *places.entry(number).or_default() += 1;
        }
    }
    places
}

fn nack(delivery: &Delivery, action: NackAction) -> Nack {
    Nack {
        receipt: delivery.receipt.clone(),
        action,
        cause: Some("no".into()),
    }
}

pub(crate) async fn a_dropped_nack_leaves_each_message_in_one_place(case: Case) {
    let subject = case.queue().await;
    let after = case.timing().delay;
    let actions = [
        NackAction::Retry { after },
        NackAction::Release {
            after: Duration::ZERO,
        },
        NackAction::DeadLetter,
    ];
    subject.publish_all(message::many(30)).await;
    let held = subject.take_many(30).await;
    for polls in POLLS {
        let three = held[3 * polls..].iter().zip(actions);
        let nacks = three.map(|(delivery, action)| nack(delivery, action));
        polled(&case, polls, subject.queue.nack(nacks.collect())).await;
    }
    let_it_land(&case).await;
    let places = places(&subject).await;
    assert_eq!(places.len(), 30, "none is lost");
    assert!(
        places.values().all(|count| *count == 1),
        "none is in two places"
    );
    let dead = subject.dead_letters(&DeadLetterFilter::all()).await.len();
    let span = a_lease(&case).max(after + case.timing().tolerance());
    case.pass(span).await;
    subject.finish_many(30 - dead).await;
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn a_dropped_extend_leaves_the_holder_its_message(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish_all(message::many(10)).await;
    let held = subject.take_many(10).await;
    let receipts: Vec<Receipt> = held.iter().map(|d| d.receipt.clone()).collect();
    for polls in POLLS {
        polled(&case, polls, subject.queue.extend(&receipts)).await;
    }
    let_it_land(&case).await;
    assert_eq!(subject.stats().await.leased, 10);
    subject.ack_all(&held).await;
}

pub(crate) async fn a_dropped_redrive_leaves_each_message_in_one_place(case: Case) {
    let subject = case.queue().await;
    for number in 0..12 {
        subject.publish_dead(message::numbered(number), "no").await;
    }
    let all = DeadLetterFilter::all();
    for polls in POLLS {
        polled(&case, polls, subject.management.redrive(&all, 1)).await;
        let_it_land(&case).await;
        let places = places(&subject).await;
        assert_eq!(places.len(), 12, "none is lost");
        assert!(
            places.values().all(|count| *count == 1),
            "none is in two places"
        );
    }
    subject.redrive(&all, 12).await;
    assert_each_once(subject.drain().await, 12);
}

pub(crate) async fn a_dropped_cancel_purge_or_deletion_is_done_or_not(case: Case) {
    let subject = case.queue().await;
    let all = DeadLetterFilter::all();
    for polls in POLLS {
        let id = subject.publish(message::numbered(0)).await;
        let cancel = subject.management.cancel(CancelTarget::Id(id));
        polled(&case, polls, cancel).await;
        let_it_land(&case).await;
        let stats = subject.stats().await;
        let known = u64::from(subject.state_of(id).await == Some(State::Ready));
        assert_eq!(stats.live(), known, "it is there, or it is not");

        subject.publish_all(message::many(3)).await;
        polled(&case, polls, subject.management.purge()).await;
        let_it_land(&case).await;
        subject.purge().await;
        assert_eq!(subject.stats().await.live(), 0, "repeating it is safe");

        subject.publish_dead(message::numbered(1), "no").await;
        let delete = subject.management.delete_dead_letters(&all, 1);
        polled(&case, polls, delete).await;
        let_it_land(&case).await;
        let left = subject.dead_letters(&all).await.len() as u64;
        assert_eq!(subject.stats().await.dead, left);
        let deleted = subject.management.delete_dead_letters(&all, 9).await;
        assert_eq!(deleted.expect("repeating it is safe"), left);
    }
}

pub(crate) async fn a_dropped_pause_or_resume_is_done_or_not(case: Case) {
    let subject = case.queue().await;
    for polls in POLLS {
        polled(&case, polls, subject.management.pause()).await;
        polled(&case, polls, subject.management.resume()).await;
        let_it_land(&case).await;
    }
    subject.publish(message::numbered(0)).await;
    subject.pause().await;
    subject.assert_nothing_now().await;
    subject.resume().await;
    subject.take().await;
}

pub(crate) async fn a_dropped_rule_is_set_or_not(case: Case) {
    let Some(subject) = case.limiting_queue().await else {
        return;
    };
    let new = message::numbered(0).with_fairness_key(message::fairness_key("a"));
    subject.publish(new).await;
    let limit = |limit| Rule::LeaseLimit(message::fairness_key("a"), NonZeroU32::new(limit));
    subject.set_rule(limit(50)).await;
    let mut before = Some(50);
    for (polls, number) in POLLS.zip(1..) {
        let rule = limit(number);
        polled(&case, polls, subject.management.set_rule(&rule)).await;
        let_it_land(&case).await;
        let stats = subject.stats_of("a").await.expect("it has a message");
        let found = stats.lease_limit.map(u32::from);
        assert!(
            found == before || found == Some(number),
            "as it was or as it was to be: {found:?}"
        );
        before = found;
    }
    subject.set_rule(limit(77)).await;
    let stats = subject.stats_of("a").await.expect("it has a message");
    assert_eq!(stats.lease_limit.map(u32::from), Some(77));
    subject.take().await;
}

pub(crate) async fn a_dropped_create_update_or_delete_is_done_or_not(case: Case) {
    for polls in POLLS {
        let name = case.fresh_name();
        let backend = case.backend();
        let config = case.config();
        polled(&case, polls, backend.create(&name, &config)).await;
        let_it_land(&case).await;
        if let Err(error) = backend.create(&name, &config).await {
            let exists = matches!(error, Error::QueueAlreadyExists { .. });
            assert!(exists, "it was made, or it was not: {error:?}");
        }
        assert_eq!(
            backend.config(&name).await.expect("it is there now"),
            config
        );
        let changed = QueueConfig {
            capacity: 7,
            dead_letter_limit: 8,
            ..config.clone()
        };
        polled(&case, polls, backend.update(&name, &changed)).await;
        let_it_land(&case).await;
        let found = backend.config(&name).await.expect("it is there");
        assert!(found == config || found == changed, "never half: {found:?}");
        let subject = case.open(&name).await;
        subject.publish(message::numbered(polls)).await;
        polled(&case, polls, backend.delete(&name)).await;
        let_it_land(&case).await;
        if backend.config(&name).await.is_ok() {
            assert_eq!(subject.drain().await, [polls], "it is there whole");
            let deleted = backend.delete(&name).await;
            deleted.expect("repeating it is safe");
        }
    }
}

pub(crate) async fn a_dropped_open_or_close_holds_nothing(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(10)).await;
    for polls in POLLS {
        let backend = case.backend();
        polled(&case, polls, backend.open(&subject.name, None)).await;
        polled(&case, polls, backend.manage(&subject.name)).await;
        let session = case.open(&subject.name).await;
        polled(&case, polls, session.queue.close()).await;
    }
    assert_each_once(collect(&case, &subject, 10).await, 10);
}

pub(crate) async fn receives_dropped_at_random_moments_lose_nothing(case: Case) {
    const COUNT: usize = 100;
    let subject = case.queue().await;
    let mut random = fastrand::Rng::with_seed(11);
    let mut numbers = Vec::new();
    for number in 0..COUNT {
        let delay = Duration::from_millis(random.u64(0..20));
        subject
            .publish(message::numbered(number).with_delay(delay))
            .await;
        let patience = Duration::from_millis(random.u64(0..10));
        let receive = subject
            .queue
            .receive(random.usize(1..4), case.timing().limit);
        if let Ok(deliveries) = tokio::time::timeout(patience, receive).await {
            let deliveries = deliveries.expect("the session is open");
            subject.ack_all(&deliveries).await;
            numbers.extend(message::numbers(&deliveries));
        }
    }
    let rest = COUNT - numbers.len();
    numbers.extend(collect(&case, &subject, rest).await);
    assert_each_once(numbers, COUNT);
}
