//! What can be seen of the fairness keys.

use forebay_queue_core::{Capability, Error, KeyStats, NewMessage, PageRequest, State, Weight};

use crate::scheduling::assert_unsupported;
use crate::{Case, Subject, message};

/// A new queue that tells fairness keys apart; nothing where none is declared to, and it is refused by name.
async fn queue(case: &Case) -> Option<Subject> {
    let subject = case.holding_queue().await;
    if case.tells_keys_apart() {
        return Some(subject);
    }
    let answer = subject.management.key_stats(PageRequest::first(1)).await;
    assert_unsupported(&subject, &answer, Capability::Fairness);
    None
}

fn of_key(key: &str) -> NewMessage {
    message::numbered(0).with_fairness_key(message::fairness_key(key))
}

fn names(stats: &[KeyStats]) -> Vec<&str> {
    stats.iter().map(|stats| stats.key.as_str()).collect()
}

/// A key of which nothing is set.
fn counted(key: &str, [scheduled, ready, leased]: [u64; 3]) -> KeyStats {
    KeyStats {
        key: message::fairness_key(key),
        weight: Weight::default(),
        lease_limit: None,
        scheduled,
        ready,
        parked: 0,
        leased,
    }
}

/// Sets whatever rule there can be for a key, or removes it.
async fn set_any_rule(case: &Case, subject: &Subject, key: &str, set: bool) {
    if case.capabilities().fairness {
        subject.set_weight(key, set.then_some(7)).await;
    } else {
        subject.limit_leases(key, if set { 7 } else { 0 }).await;
    }
}

pub(crate) async fn the_messages_of_each_key_are_counted_by_state(case: Case) {
    let Some(subject) = queue(&case).await else {
        return;
    };
    assert_eq!(subject.key_stats(9).await, [], "a new queue has none");
    subject.publish_all(vec![of_key("b"); 5]).await;
    let held = subject.take_many(3).await;
    let later = of_key("a").with_delay(case.timing().limit);
    subject.publish_all(vec![later, of_key("a")]).await;
    subject.publish(message::numbered(0)).await;
    let expected = [
        counted("a", [1, 1, 0]),
        counted("b", [0, 2, 3]),
        counted("default", [0, 1, 0]),
    ];
    assert_eq!(subject.key_stats(9).await, expected);
    subject.ack(&held[0]).await;
    subject.dead_letter(&held[1], "no").await;
    subject.retry(&held[2], case.timing().limit, "no").await;
    subject.purge().await;
    assert_eq!(subject.key_stats(9).await, [], "dead letters do not count");
}

pub(crate) async fn the_end_of_a_lease_is_counted_by_key(case: Case) {
    if queue(&case).await.is_none() {
        return;
    }
    let subject = case.queue().await;
    subject.publish_all(vec![of_key("a"); 3]).await;
    subject.take_many(2).await;
    assert_eq!(subject.key_stats(9).await, [counted("a", [0, 1, 2])]);
    let timing = case.timing();
    case.pass(timing.lease + timing.tolerance()).await;
    assert_eq!(subject.key_stats(9).await, [counted("a", [0, 3, 0])]);
}

pub(crate) async fn keys_are_listed_in_the_order_of_their_text_page_by_page(case: Case) {
    let Some(subject) = queue(&case).await else {
        return;
    };
    let shuffled = ["m", "b", "zz", "a", "Z", "m-2"];
    for key in shuffled {
        subject.publish(of_key(key)).await;
    }
    let mut sorted = shuffled;
    sorted.sort_unstable();
    for limit in [1, 2, 3, 4, 6, 7] {
        let listed = subject.key_stats(limit).await;
        assert_eq!(names(&listed), sorted, "pages of {limit}");
    }
    let page = subject.management.key_stats(PageRequest::first(6)).await;
    let page = page.expect("they are listed");
    assert_eq!(page.next, None, "a page that ends at the end is the last");
}

pub(crate) async fn keys_that_come_and_go_between_pages_hide_no_others(case: Case) {
    let Some(subject) = queue(&case).await else {
        return;
    };
    for key in ["b", "d", "f", "h"] {
        subject.publish(of_key(key)).await;
    }
    let page = subject.management.key_stats(PageRequest::first(2)).await;
    let page = page.expect("they are listed");
    assert_eq!(names(&page.items), ["b", "d"]);
    subject.purge().await;
    for key in ["a", "f", "g", "h"] {
        subject.publish(of_key(key)).await;
    }
    let next = PageRequest::after(9, page.next.expect("there are more"));
    let page = subject.management.key_stats(next).await;
    assert_eq!(
        names(&page.expect("they are listed").items),
        ["f", "g", "h"],
        "a listing goes on behind the last key, which need not be there any more"
    );
}

pub(crate) async fn a_key_with_neither_messages_nor_a_rule_is_not_listed(case: Case) {
    let Some(subject) = queue(&case).await else {
        return;
    };
    subject.publish(of_key("a")).await;
    subject.finish_many(1).await;
    assert_eq!(subject.key_stats(9).await, [], "its message is gone");
    set_any_rule(&case, &subject, "a", true).await;
    let seen = subject.key_stats(9).await;
    assert_eq!(names(&seen), ["a"], "it has a rule");
    let counts = (seen[0].scheduled, seen[0].ready, seen[0].leased);
    assert_eq!(counts, (0, 0, 0));
    set_any_rule(&case, &subject, "a", false).await;
    assert_eq!(subject.key_stats(9).await, [], "its rule is gone");
}

pub(crate) async fn a_page_of_keys_has_bounds_and_a_cursor_of_its_own(case: Case) {
    let Some(subject) = queue(&case).await else {
        return;
    };
    subject.publish_all(vec![of_key("a"), of_key("b")]).await;
    let management = &subject.management;
    for limit in [0, PageRequest::MAX_LIMIT + 1] {
        let answer = management.key_stats(PageRequest::first(limit)).await;
        assert!(
            matches!(answer, Err(Error::Invalid { .. })),
            "a page of {limit}: {answer:?}"
        );
    }
    let messages = management.list(State::Ready, PageRequest::first(1)).await;
    let cursor = messages.expect("they are listed").next;
    let foreign = PageRequest::after(1, cursor.expect("there are two"));
    let answer = management.key_stats(foreign).await;
    assert!(
        matches!(answer, Err(Error::Invalid { .. })),
        "the cursor of another listing: {answer:?}"
    );
    let keys = management.key_stats(PageRequest::first(1)).await;
    let cursor = keys.expect("they are listed").next;
    let foreign = PageRequest::after(1, cursor.expect("there are two"));
    let answer = management.list(State::Ready, foreign).await;
    assert!(
        matches!(answer, Err(Error::Invalid { .. })),
        "the cursor of the keys for another listing: {answer:?}"
    );
}
