//! A queue can be looked at without being touched.

use std::time::Duration;

use forebay_queue_core::{
    CancelTarget, Capability, Cursor, DeadLetterFilter, Error, MessageId, PageRequest, QueueConfig,
    State, StoredMessage,
};

use crate::{Case, Subject, message};

fn ids(messages: &[StoredMessage]) -> Vec<MessageId> {
    messages.iter().map(|stored| stored.message.id()).collect()
}

pub(crate) async fn get_shows_a_message_wherever_it_is(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    let new = message::numbered(7).with_delay(delay);
    let id = subject.publish(new).await;

    let seen = subject.get(id).await.expect("it is scheduled");
    assert_eq!((seen.state, seen.attempt), (State::Scheduled, 0));
    assert_eq!(seen.message.payload(), "7");
    let due = seen.message.published_at().after(delay);
    assert_eq!(seen.due_at, Some(due), "it shows when it is due");
    assert_eq!((seen.leased_until, seen.ended_at), (None, None));

    case.pass(delay + case.timing().tolerance()).await;
    let seen = subject.get(id).await.expect("it is ready");
    assert_eq!((seen.state, seen.attempt), (State::Ready, 0));
    assert_eq!((seen.due_at, seen.leased_until), (None, None));

    let held = subject.take().await;
    let seen = subject.get(id).await.expect("it is leased");
    assert_eq!((seen.state, seen.attempt), (State::Leased, 1));
    assert!(
        seen.leased_until > Some(held.delivered_at),
        "it shows when its lease ends"
    );
    assert!(seen.errors.is_empty());

    subject.retry(&held, case.timing().limit, "no").await;
    let seen = subject
        .get(id)
        .await
        .expect("it waits for its next attempt");
    assert_eq!((seen.state, seen.attempt), (State::Scheduled, 1));
    assert_eq!(seen.errors.len(), 1);
    assert_eq!(&*seen.errors[0].error, "no");
}

pub(crate) async fn get_of_what_is_unknown_or_gone_shows_nothing(case: Case) {
    let subject = case.queue().await;
    let unknown = MessageId::from_bytes([9; 16]);
    assert!(subject.get(unknown).await.is_none());
    let acked = subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    subject.ack(&held).await;
    assert!(
        subject.get(acked).await.is_none(),
        "an acked message is gone"
    );
    let ready = subject.publish(message::numbered(1)).await;
    subject.purge().await;
    assert!(
        subject.get(ready).await.is_none(),
        "a purged message is gone"
    );
}

pub(crate) async fn peek_shows_what_comes_next_without_leasing_it(case: Case) {
    let subject = case.queue().await;
    let expected = subject.publish_all(message::many(5)).await;
    subject
        .publish(message::numbered(5).with_delay(case.timing().limit))
        .await;
    let held = subject.take().await;
    for _ in 0..2 {
        let seen = subject.management.peek(3).await.expect("peek is answered");
        assert_eq!(ids(&seen), expected[1..4], "the next ones, in their order");
        assert!(
            seen.iter()
                .all(|m| m.state == State::Ready && m.attempt == 0)
        );
    }
    let all = subject.management.peek(PageRequest::MAX_LIMIT).await;
    let all = all.expect("peek is answered");
    assert_eq!(
        ids(&all),
        expected[1..],
        "neither leased nor scheduled ones"
    );
    let next = subject.take_many(4).await;
    assert_eq!(message::numbers(&next), [1, 2, 3, 4]);
    assert!(next.iter().all(|d| d.attempt == 1), "looking is no attempt");
    subject.ack(&held).await;
}

/// Ten messages, and how to bring them into a state; answers their ids in order of acceptance.
async fn ten_in(case: &Case, subject: &Subject, state: State) -> Vec<MessageId> {
    let mut batch = message::many(10);
    if state == State::Scheduled {
        // Due in another order than accepted.
        let limit = case.timing().limit;
        let delays = (0..10).map(|n| limit + Duration::from_secs(10 - n));
        let delayed = batch.into_iter().zip(delays);
        batch = delayed.map(|(m, delay)| m.with_delay(delay)).collect();
    }
    let ids = subject.publish_all(batch).await;
    if matches!(state, State::Leased | State::Dead) {
        for delivery in subject.take_many(10).await {
            if state == State::Dead {
                subject.dead_letter(&delivery, "no").await;
            }
        }
    }
    ids
}

pub(crate) async fn a_listing_is_in_order_of_acceptance_page_by_page(case: Case) {
    let states = [State::Scheduled, State::Ready, State::Leased, State::Dead];
    for state in states {
        let subject = case.queue_with(case.holding()).await;
        let expected = ten_in(&case, &subject, state).await;
        for limit in [1, 3, 5, 10, 11, PageRequest::MAX_LIMIT] {
            let listed = subject.list(state, limit).await;
            assert!(listed.iter().all(|item| item.state == state));
            assert_eq!(ids(&listed), expected, "{state} in pages of {limit}");
        }
        for other in states {
            if other != state {
                let listed = subject.list(other, 10).await;
                assert!(listed.is_empty(), "none of them is {other}");
            }
        }
    }
}

pub(crate) async fn a_page_that_ends_exactly_at_the_end_is_the_last(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(4)).await;
    let page = |limit| {
        let management = subject.management.clone();
        async move {
            let page = management.list(State::Ready, PageRequest::first(limit));
            page.await.expect("the listing is answered")
        }
    };
    let whole = page(4).await;
    assert_eq!((whole.items.len(), whole.next.is_none()), (4, true));
    let part = page(3).await;
    assert_eq!((part.items.len(), part.next.is_some()), (3, true));
    let empty = subject
        .management
        .list(State::Leased, PageRequest::first(1));
    let empty = empty.await.expect("the listing is answered");
    assert!(empty.items.is_empty() && empty.next.is_none());
}

pub(crate) async fn what_comes_and_goes_between_pages_neither_repeats_nor_hides_others(case: Case) {
    let subject = case.queue().await;
    let first = subject.publish_all(message::many(30)).await;
    let mut seen = Vec::new();
    let mut request = PageRequest::first(4);
    let mut step = 0;
    loop {
        let page = subject.management.list(State::Ready, request).await;
        let page = page.expect("the listing is answered");
        seen.extend(ids(&page.items));
        let Some(cursor) = page.next else { break };
        request = PageRequest::after(4, cursor);
        // One that was shown goes, one far ahead goes, and one comes.
        subject.cancel(CancelTarget::Id(first[step])).await;
        subject.cancel(CancelTarget::Id(first[29 - step])).await;
        if step < 5 {
            subject.publish(message::numbered(99)).await;
        }
        step += 1;
    }
    let mut unique = seen.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), seen.len(), "a message was shown twice");
    for (number, id) in first.iter().enumerate().take(30 - step) {
        assert!(seen.contains(id), "message {number} was hidden");
    }
}

pub(crate) async fn dead_letters_that_go_between_pages_hide_no_others(case: Case) {
    let subject = case.queue().await;
    let mut expected = Vec::new();
    for number in 0..9 {
        expected.push(subject.publish_dead(message::numbered(number), "no").await);
    }
    let mut seen = Vec::new();
    let mut request = PageRequest::first(2);
    loop {
        let all = DeadLetterFilter::all();
        let page = subject.management.dead_letters(&all, request).await;
        let page = page.expect("the dead letters are listed");
        seen.extend(ids(&page.items));
        let Some(cursor) = page.next else { break };
        request = PageRequest::after(2, cursor);
        // All that was shown goes.
        let shown = DeadLetterFilter {
            ids: Some(ids(&page.items)),
            ..DeadLetterFilter::default()
        };
        let deleted = subject.management.delete_dead_letters(&shown, 9).await;
        assert_eq!(deleted.expect("they are deleted"), 2);
    }
    assert_eq!(seen, expected);
}

pub(crate) async fn a_cursor_of_another_listing_or_of_nobody_is_refused(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(3)).await;
    let page = subject.management.list(State::Ready, PageRequest::first(1));
    let page = page.await.expect("the listing is answered");
    let cursor = page.next.expect("there is more");
    let other = PageRequest::after(1, cursor.clone());
    let answer = subject.management.list(State::Leased, other.clone()).await;
    assert!(
        matches!(answer, Err(Error::Invalid { .. })),
        "a cursor belongs to its listing"
    );
    let all = DeadLetterFilter::all();
    let answer = subject.management.dead_letters(&all, other.clone()).await;
    assert!(matches!(answer, Err(Error::Invalid { .. })));
    let cut = &cursor.as_bytes()[..cursor.as_bytes().len() - 1];
    for bytes in [&b""[..], b"\xff", cut, &[0xff; 64]] {
        let request = PageRequest::after(1, Cursor::from_bytes(bytes));
        let answer = subject.management.list(State::Ready, request.clone()).await;
        assert!(
            matches!(answer, Err(Error::Invalid { .. })),
            "what no page gave is no cursor"
        );
        let answer = subject.management.dead_letters(&all, request).await;
        assert!(matches!(answer, Err(Error::Invalid { .. })));
    }
    let page = subject.management.list(State::Ready, other).await;
    let page = page.expect("its own listing goes on");
    assert_eq!(page.items.len(), 1);
}

pub(crate) async fn a_page_has_bounds(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(0)).await;
    let all = DeadLetterFilter::all();
    for limit in [0, PageRequest::MAX_LIMIT + 1] {
        let page = PageRequest::first(limit);
        let answers = [
            subject.management.peek(limit).await.map(drop),
            subject
                .management
                .list(State::Ready, page.clone())
                .await
                .map(drop),
            subject.management.dead_letters(&all, page).await.map(drop),
        ];
        for answer in answers {
            assert!(
                matches!(&answer, Err(Error::Invalid { problem, .. }) if problem.contains(&limit.to_string())),
                "a page of {limit} is refused, and it says why: {answer:?}"
            );
        }
    }
    let most = subject.management.peek(PageRequest::MAX_LIMIT).await;
    assert_eq!(most.expect("peek is answered").len(), 1);
}

pub(crate) async fn looking_changes_nothing(case: Case) {
    let subject = case.queue().await;
    let expected = subject.publish_all(message::many(6)).await;
    let held = subject.take().await;
    for _ in 0..3 {
        for state in State::ALL {
            subject.list(state, 2).await;
        }
        for id in &expected {
            subject.get(*id).await;
        }
        subject.management.peek(10).await.expect("peek is answered");
        subject.stats().await;
    }
    subject.ack(&held).await;
    let rest = subject.take_many(5).await;
    assert_eq!(message::numbers(&rest), [1, 2, 3, 4, 5], "the order stands");
    assert!(rest.iter().all(|d| d.attempt == 1 && d.errors.is_empty()));
    assert!(rest.iter().all(|d| d.receipt != held.receipt));
}

/// A queue that keeps what has ended for a while; or nothing where that was refused as it must be.
async fn keeping(case: &Case, retain: Duration, limit: usize) -> Option<Subject> {
    let config = QueueConfig {
        retain_done: retain,
        retain_done_limit: limit,
        ..case.config()
    };
    if case.capabilities().retain_done {
        return Some(case.queue_with(config).await);
    }
    let name = case.fresh_name();
    let answer = case.backend().create(&name, &config).await;
    assert!(
        matches!(
            answer,
            Err(Error::Unsupported {
                capability: Capability::RetainDone,
                ..
            })
        ),
        "it is not declared, so it is refused by name: {answer:?}"
    );
    let opened = case.backend().open(&name, None).await.map(drop);
    assert!(
        matches!(opened, Err(Error::QueueNotFound { .. })),
        "{opened:?}"
    );
    None
}

pub(crate) async fn ended_messages_are_kept_for_a_while_or_that_is_refused(case: Case) {
    let (delay, tolerance) = (case.timing().delay, case.timing().tolerance());
    // All three have ended before the retention of the first is over.
    let retain = 3 * (delay + tolerance);
    let Some(subject) = keeping(&case, retain, 10).await else {
        return;
    };
    let done = subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    subject.ack(&held).await;
    let cancelled = subject.publish(message::numbered(1)).await;
    subject.cancel(CancelTarget::Id(cancelled)).await;
    let short = message::numbered(2).with_time_to_live(delay);
    let expired = subject.publish(short).await;
    case.pass(delay + tolerance).await;
    let expected = [
        (done, State::Done, 1),
        (cancelled, State::Cancelled, 0),
        (expired, State::Expired, 0),
    ];
    for (id, state, attempt) in expected {
        let seen = subject.get(id).await.expect("it has ended and is kept");
        assert_eq!((seen.state, seen.attempt), (state, attempt));
        assert!(seen.ended_at >= Some(seen.message.published_at()));
        assert_eq!(ids(&subject.list(state, 10).await), [id], "{state}");
    }
    let stats = subject.stats().await;
    assert_eq!((stats.done, stats.live()), (3, 0), "they take no room");
    subject.assert_nothing_now().await;
    case.pass(retain).await;
    for (id, state, _) in expected {
        assert!(subject.get(id).await.is_none(), "{state} is kept no longer");
    }
    assert_eq!(subject.stats().await.done, 0);
}

pub(crate) async fn of_too_many_ended_messages_the_oldest_go(case: Case) {
    let Some(subject) = keeping(&case, case.timing().limit, 3).await else {
        return;
    };
    let expected = subject.publish_all(message::many(5)).await;
    for delivery in subject.take_many(5).await {
        subject.ack(&delivery).await;
    }
    assert_eq!(ids(&subject.list(State::Done, 2).await), expected[2..]);
    assert_eq!(subject.stats().await.done, 3);
}
