use std::time::Duration;

use forebay_queue_core::{Cursor, DeadLetterFilter, Error, MessageId, PageRequest, State};

use crate::trial::{MINUTE, SECOND, Trial, plain};

#[test]
fn get_finds_a_message_in_every_live_state() {
    let mut trial = Trial::new();
    let scheduled = trial.publish(plain("s").with_delay(SECOND));
    let leased = trial.publish(plain("l"));
    trial.take();
    let ready = trial.publish(plain("r"));
    assert_eq!(trial.state(scheduled), Some(State::Scheduled));
    assert_eq!(trial.state(leased), Some(State::Leased));
    assert_eq!(trial.state(ready), Some(State::Ready));
    assert_eq!(trial.state(MessageId::from_bytes([9; 16])), None);
}

#[test]
fn peek_shows_who_is_next_and_leases_nothing() {
    let mut trial = Trial::new();
    let ids = trial.fill(5);
    for _ in 0..2 {
        let now = trial.now;
        let seen = trial.engine.peek(now, 3);
        let seen: Vec<MessageId> = seen.iter().map(|m| m.message.id()).collect();
        assert_eq!(seen, ids[..3]);
    }
    let next = trial.receive(3);
    let next: Vec<MessageId> = next.iter().map(|d| d.message.id()).collect();
    assert_eq!(next, ids[..3]);
    assert_eq!(trial.engine.peek(trial.now, 100).len(), 2);
}

#[test]
fn peek_does_not_show_what_is_not_ready() {
    let mut trial = Trial::new();
    trial.publish(plain("s").with_delay(SECOND));
    trial.publish(plain("l"));
    trial.take();
    trial.publish(plain("e").with_time_to_live(SECOND));
    let now = trial.now.after(SECOND);
    let seen = trial.engine.peek(now, 10);
    assert_eq!(seen.len(), 1, "the one that has come due");
}

#[test]
fn a_listing_is_in_order_of_acceptance_page_by_page() {
    let mut trial = Trial::new();
    let ids = trial.fill(10);
    for limit in [1, 3, 5, 10, 11] {
        assert_eq!(trial.walk(State::Ready, limit, |_| {}), ids);
    }
    trial.receive(10);
    assert!(trial.walk(State::Ready, 3, |_| {}).is_empty());
    assert_eq!(trial.walk(State::Leased, 3, |_| {}), ids);
}

#[test]
fn what_comes_and_goes_between_pages_neither_repeats_nor_hides_others() {
    let mut trial = Trial::new();
    let ids = trial.fill(100);
    let mut step = 0;
    let seen = trial.walk(State::Ready, 7, |trial| {
        // One of those already shown goes, one far ahead goes, and one comes.
        trial.cancel(ids[step]);
        trial.cancel(ids[99 - step]);
        trial.publish(plain("new"));
        step += 1;
    });
    let mut unique = seen.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), seen.len(), "a message was shown twice");
    for (n, id) in ids.iter().enumerate().take(100 - step) {
        assert!(seen.contains(id), "message {n} was hidden");
    }
}

#[test]
fn dead_letters_that_come_and_go_between_pages_neither_repeat_nor_hide_others() {
    let mut trial = Trial::new();
    let ids: Vec<MessageId> = (0..30).map(|_| trial.kill(plain("a"), "no")).collect();
    let mut step = 0;
    let seen = trial.walk(State::Dead, 4, |trial| {
        let gone = DeadLetterFilter::id(ids[step]);
        trial.engine.delete_dead_letters(trial.now, &gone, 1);
        trial.kill(plain("new"), "no");
        step += 1;
    });
    assert!(seen.starts_with(&ids), "{} of 30", seen.len());
}

#[test]
fn a_page_that_ends_exactly_at_the_end_has_no_next() {
    let mut trial = Trial::new();
    trial.fill(4);
    let now = trial.now;
    let page = trial.engine.list(now, State::Ready, &PageRequest::first(4));
    assert!(page.unwrap().next.is_none());
    let page = trial.engine.list(now, State::Ready, &PageRequest::first(3));
    assert!(page.unwrap().next.is_some());
}

#[test]
fn a_cursor_of_another_listing_or_garbage_is_refused() {
    let mut trial = Trial::new();
    trial.fill(4);
    let now = trial.now;
    let page = trial.engine.list(now, State::Ready, &PageRequest::first(1));
    let cursor = page.unwrap().next.unwrap();
    let good = cursor.as_bytes().to_vec();
    let mut bad = vec![
        vec![],
        vec![0],
        vec![0xff; 9],
        [good.as_slice(), &[0]].concat(),
    ];
    bad.push(good[..8].to_vec());
    for bytes in bad {
        let request = PageRequest::after(1, Cursor::from_bytes(bytes));
        let answer = trial.engine.list(now, State::Ready, &request);
        assert!(matches!(answer, Err(Error::Invalid { .. })));
        let filter = DeadLetterFilter::all();
        let answer = trial.engine.dead_letters(now, &filter, &request);
        assert!(matches!(answer, Err(Error::Invalid { .. })));
    }
    let request = PageRequest::after(1, cursor);
    let answer = trial.engine.list(now, State::Leased, &request);
    assert!(matches!(answer, Err(Error::Invalid { .. })));
    trial.engine.list(now, State::Ready, &request).unwrap();
}

#[test]
fn a_page_without_bound_does_not_panic() {
    let mut trial = Trial::new();
    trial.fill(3);
    trial.kill_first();
    let now = trial.now;
    let request = PageRequest::first(usize::MAX);
    for state in State::ALL {
        trial.engine.list(now, state, &request).unwrap();
    }
    let all = DeadLetterFilter::all();
    let page = trial.engine.dead_letters(now, &all, &request).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(trial.engine.peek(now, usize::MAX).len(), 2);
}

impl Trial {
    fn kill_first(&mut self) {
        let delivery = self.receive(1).remove(0);
        self.dead_letter(&delivery, "no");
    }
}

#[test]
fn looking_shows_due_time_lease_and_attempt() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_delay(MINUTE));
    let seen = trial.get(id).unwrap();
    assert_eq!(seen.due_at, Some(trial.now.after(MINUTE)));
    assert_eq!((seen.attempt, seen.leased_until), (0, None));
    trial.wait(MINUTE);
    let delivery = trial.take();
    let seen = trial.get(id).unwrap();
    assert_eq!(seen.leased_until, Some(trial.now.after(30 * SECOND)));
    assert_eq!((seen.attempt, seen.due_at), (1, None));
    trial.retry(&delivery, Duration::ZERO);
    let seen = trial.get(id).unwrap();
    assert_eq!((seen.leased_until, seen.due_at), (None, None));
}
