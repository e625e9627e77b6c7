//! Token buckets are set, changed and removed while the queue runs, and can be looked at.

use forebay_queue_core::{Error, NewMessage, PageRequest, State, Throttle, ThrottleStats};

use crate::scheduling::{assert_rate, rate, slow};
use crate::{Case, Timing, message};

fn throttled(key: &str) -> NewMessage {
    message::numbered(0).with_throttle_key(message::throttle_key(key))
}

fn many(count: usize) -> Vec<NewMessage> {
    vec![throttled("mail"); count]
}

pub(crate) async fn a_bucket_holds_those_that_wait_already(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.publish_all(many(5)).await;
    subject.throttle("mail", Some(slow(2))).await;
    assert_eq!(subject.take_all_now().await.len(), 2);
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_bucket_that_is_removed_lets_go(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(1))).await;
    subject.publish_all(many(5)).await;
    subject.take().await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    assert!(!waiting.is_over(), "there is no token");
    subject.throttle("mail", None).await;
    let first = waiting.answer().await.expect("the session is open");
    assert_eq!(first.len(), 1, "who waits is woken");
    assert_eq!(subject.take_all_now().await.len(), 3);
    assert_eq!(subject.throttle_stats(9).await, []);
    subject.throttle("mail", None).await;
}

pub(crate) async fn a_bucket_that_is_removed_leaves_others_to_be_waited_for(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(1))).await;
    subject.throttle("tenant", Some(slow(1))).await;
    let both = throttled("mail").with_throttle_key(message::throttle_key("tenant"));
    subject.publish_all(vec![both; 3]).await;
    subject.take().await;
    subject.assert_nothing_now().await;
    subject.throttle("mail", None).await;
    subject.assert_nothing_now().await;
    subject.throttle("tenant", None).await;
    assert_eq!(subject.take_all_now().await.len(), 2);
}

pub(crate) async fn a_faster_rate_holds_at_once(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    subject.throttle("mail", Some(slow(1))).await;
    subject.publish_all(many(4)).await;
    let first = subject.take().await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    let faster = rate(2, delay).with_burst(1).expect("it is a burst");
    subject.throttle("mail", Some(faster)).await;
    let mut deliveries = waiting.answer().await.expect("the session is open");
    deliveries.extend(subject.take_many(2).await);
    let gap = deliveries[1].delivered_at.since(deliveries[0].delivered_at);
    let most = delay / 2 + case.timing().tolerance();
    assert!(gap <= most, "the next token took {gap:?}, not {most:?}");
    deliveries.push(first);
    assert_rate(&deliveries, faster);
}

pub(crate) async fn a_slower_rate_holds_at_once(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    subject.throttle("mail", Some(rate(10, delay))).await;
    subject.publish_all(many(30)).await;
    subject.take_many(10).await;
    subject.throttle("mail", Some(slow(1))).await;
    let left = subject.take_all_now().await;
    assert!(
        left.len() <= 1,
        "what had been gained is kept, to the burst"
    );
    subject.assert_nothing_for(delay).await;
}

pub(crate) async fn a_smaller_burst_holds_for_tokens_that_nobody_has_used(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let timing = case.timing();
    for removed in [false, true] {
        subject.throttle("mail", Some(rate(3, timing.delay))).await;
        subject.publish_all(many(8)).await;
        subject.take_many(3).await;
        subject.assert_nothing_now().await;
        case.pass(timing.delay + timing.tolerance()).await;
        // By now three tokens may be meant for three of them.
        assert_eq!(subject.stats().await.ready, 5);
        if removed {
            subject.throttle("mail", None).await;
        }
        subject.throttle("mail", Some(slow(1))).await;
        let left = subject.take_all_now().await.len();
        assert!(left <= 1, "{left} came, where the burst is 1");
        subject.purge().await;
        subject.throttle("mail", None).await;
    }
}

pub(crate) async fn a_bucket_keeps_its_tokens_when_it_is_changed(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(5))).await;
    subject.publish_all(many(9)).await;
    subject.take_many(2).await;
    subject.throttle("mail", Some(slow(2))).await;
    assert_eq!(
        subject.take_all_now().await.len(),
        2,
        "three tokens were left, and the new bucket holds two"
    );
    for throttle in [slow(7), rate(7, Throttle::MAX_PERIOD), slow(7)] {
        subject.throttle("mail", Some(throttle)).await;
        subject.assert_nothing_now().await;
    }
}

fn seen(key: &str, throttle: Throttle, tokens: u32, parked: u64) -> ThrottleStats {
    ThrottleStats {
        key: message::throttle_key(key),
        throttle,
        tokens,
        parked,
    }
}

pub(crate) async fn the_tokens_and_the_parked_of_each_bucket_are_told(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    assert_eq!(subject.throttle_stats(9).await, [], "a new queue has none");
    subject.throttle("mail", Some(slow(2))).await;
    subject.throttle("a", Some(slow(3))).await;
    subject.publish_all(many(6)).await;
    subject.publish(throttled("a")).await;
    subject.publish(throttled("unknown")).await;
    subject.take_many(4).await;
    subject.assert_nothing_now().await;
    let expected = [seen("a", slow(3), 2, 0), seen("mail", slow(2), 0, 4)];
    assert_eq!(subject.throttle_stats(9).await, expected);
    if case.tells_keys_apart() {
        let stats = subject.stats_of("default").await.expect("it has messages");
        assert_eq!((stats.ready, stats.parked, stats.leased), (4, 4, 4));
    }
    subject.purge().await;
    let expected = [seen("a", slow(3), 2, 0), seen("mail", slow(2), 0, 0)];
    assert_eq!(subject.throttle_stats(9).await, expected);
}

pub(crate) async fn tokens_that_come_are_told(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    let throttle = rate(1, delay).with_burst(3).expect("it is a burst");
    subject.throttle("mail", Some(throttle)).await;
    subject.publish_all(many(3)).await;
    let delivered = subject.take_many(3).await;
    case.pass(delay + Timing::GRAIN).await;
    let tokens = async || subject.throttle_stats(9).await[0].tokens;
    assert!(tokens().await >= 1, "one has come");
    if case.timing().paused {
        assert_eq!(tokens().await, 1);
    }
    case.pass(5 * delay).await;
    assert_eq!(tokens().await, 3, "no more than the burst");
    subject.ack_all(&delivered).await;
}

pub(crate) async fn buckets_are_listed_in_the_order_of_their_text_page_by_page(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let shuffled = ["m", "b", "zz", "a", "Z", "m-2"];
    for key in shuffled {
        subject.throttle(key, Some(slow(1))).await;
    }
    let mut sorted = shuffled;
    sorted.sort_unstable();
    for limit in [1, 2, 3, 4, 6, 7] {
        let listed = subject.throttle_stats(limit).await;
        let names: Vec<&str> = listed.iter().map(|stats| stats.key.as_str()).collect();
        assert_eq!(names, sorted, "pages of {limit}");
    }
    let management = &subject.management;
    for limit in [0, PageRequest::MAX_LIMIT + 1] {
        let answer = management.throttle_stats(PageRequest::first(limit)).await;
        assert!(
            matches!(answer, Err(Error::Invalid { .. })),
            "a page of {limit}: {answer:?}"
        );
    }
    subject.publish_all(many(2)).await;
    let messages = management.list(State::Ready, PageRequest::first(1)).await;
    let cursor = messages.expect("they are listed").next;
    let foreign = PageRequest::after(1, cursor.expect("there are two"));
    let answer = management.throttle_stats(foreign).await;
    assert!(
        matches!(answer, Err(Error::Invalid { .. })),
        "the cursor of another listing: {answer:?}"
    );
}
