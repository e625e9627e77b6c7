use std::time::Duration;

use forebay_queue_core::{
    DeadLetterFilter, FairnessKey, Kind, MessageId, NewMessage, PageRequest, QueueConfig, Redriven,
    State,
};

use crate::trial::{MINUTE, NANO, SECOND, Trial, config, plain};

impl Trial {
    fn found(&mut self, filter: &DeadLetterFilter) -> Vec<MessageId> {
        let page = PageRequest::first(100);
        let page = self.engine.dead_letters(self.now, filter, &page);
        let items = page.expect("no cursor was given").items;
        items.iter().map(|item| item.message.id()).collect()
    }
}

#[test]
fn a_dead_letter_keeps_message_errors_attempts_and_time() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let delivery = trial.take();
    trial.retry(&delivery, Duration::ZERO);
    trial.wait(SECOND);
    let delivery = trial.take();
    trial.dead_letter(&delivery, "for good");
    let dead = trial.get(delivery.message.id()).unwrap();
    assert_eq!(dead.state, State::Dead);
    assert_eq!(dead.message.payload(), "a");
    assert_eq!(dead.attempt, 2);
    assert_eq!(dead.ended_at, Some(trial.now));
    let causes: Vec<&str> = dead.errors.iter().map(|e| &*e.error).collect();
    assert_eq!(causes, ["it failed", "for good"]);
}

#[test]
fn it_is_in_exactly_one_place() {
    let mut trial = Trial::new();
    trial.kill(plain("a"), "no");
    let stats = trial.stats();
    assert_eq!((stats.live(), stats.dead, stats.done), (0, 1, 0));
    trial.wait(MINUTE);
    trial.assert_nothing_to_receive();
    trial.redrive_all();
    let stats = trial.stats();
    assert_eq!((stats.live(), stats.dead), (1, 0));
}

#[test]
fn it_is_kept_for_the_retention_and_no_longer() {
    let mut trial = Trial::with(QueueConfig {
        dead_letter_retention: MINUTE,
        ..config()
    });
    let id = trial.kill(plain("a"), "no");
    trial.wait(MINUTE - NANO);
    assert_eq!(trial.state(id), Some(State::Dead));
    trial.wait(NANO);
    assert_eq!(trial.state(id), None);
    let stats = trial.stats();
    assert_eq!((stats.dead, stats.dead_dropped), (0, 0));
}

#[test]
fn over_the_limit_the_oldest_go_and_are_counted() {
    let mut trial = Trial::with(QueueConfig {
        dead_letter_limit: 3,
        ..config()
    });
    let ids: Vec<MessageId> = (0..5).map(|_| trial.kill(plain("a"), "no")).collect();
    assert_eq!(trial.found(&DeadLetterFilter::all()), ids[2..]);
    assert_eq!(trial.stats().dead_dropped, 2);
    assert_eq!(trial.engine.dead_letters_dropped(), 2);
    assert_eq!(trial.state(ids[0]), None);
}

#[test]
fn an_update_to_a_smaller_limit_drops_the_oldest_and_counts_them() {
    let mut trial = Trial::new();
    let ids: Vec<MessageId> = (0..5).map(|_| trial.kill(plain("a"), "no")).collect();
    trial.engine.update(QueueConfig {
        dead_letter_limit: 2,
        ..config()
    });
    assert_eq!(trial.found(&DeadLetterFilter::all()), ids[3..]);
    assert_eq!(trial.stats().dead_dropped, 3);
}

#[test]
fn filter_by_id() {
    let mut trial = Trial::new();
    let ids: Vec<MessageId> = (0..4).map(|_| trial.kill(plain("a"), "no")).collect();
    assert_eq!(trial.found(&DeadLetterFilter::id(ids[2])), [ids[2]]);
    let several = DeadLetterFilter {
        ids: Some(vec![ids[3], ids[1], ids[3], MessageId::from_bytes([9; 16])]),
        ..DeadLetterFilter::default()
    };
    assert_eq!(trial.found(&several), [ids[1], ids[3]]);
    let none = DeadLetterFilter {
        ids: Some(vec![]),
        ..DeadLetterFilter::default()
    };
    assert!(trial.found(&none).is_empty());
}

#[test]
fn filter_by_kind() {
    let mut trial = Trial::new();
    trial.kill(plain("a"), "no");
    let other = NewMessage::new(Kind::from_static("other"), "b");
    let id = trial.kill(other, "no");
    let filter = DeadLetterFilter {
        kind: Some(Kind::from_static("other")),
        ..DeadLetterFilter::default()
    };
    assert_eq!(trial.found(&filter), [id]);
}

#[test]
fn filter_by_error_text_looks_at_the_last_error() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let delivery = trial.take();
    trial.retry(&delivery, Duration::ZERO);
    let delivery = trial.take();
    trial.dead_letter(&delivery, "the Host is down");
    let id = delivery.message.id();
    let mut count = |text: &str| {
        let filter = DeadLetterFilter {
            error_contains: Some(text.to_owned()),
            ..DeadLetterFilter::default()
        };
        trial.found(&filter)
    };
    assert_eq!(count("Host is"), [id]);
    assert!(count("host is").is_empty());
    assert!(count("it failed").is_empty());
}

#[test]
fn filter_by_age() {
    let mut trial = Trial::new();
    let old = trial.kill(plain("a"), "no");
    trial.wait(MINUTE);
    let young = trial.kill(plain("b"), "no");
    trial.wait(SECOND);
    let older = |span| DeadLetterFilter {
        older_than: Some(span),
        ..DeadLetterFilter::default()
    };
    let newer = |span| DeadLetterFilter {
        newer_than: Some(span),
        ..DeadLetterFilter::default()
    };
    assert_eq!(trial.found(&older(SECOND)), [old, young]);
    assert_eq!(trial.found(&older(SECOND + NANO)), [old]);
    assert!(trial.found(&newer(SECOND)).is_empty());
    assert_eq!(trial.found(&newer(SECOND + NANO)), [young]);
    assert_eq!(trial.found(&newer(2 * MINUTE)), [old, young]);
}

#[test]
fn filter_by_fairness_key() {
    let mut trial = Trial::new();
    let key = FairnessKey::new("tenant").unwrap();
    let default = trial.kill(plain("a"), "no");
    let tenant = trial.kill(plain("b").with_fairness_key(key.clone()), "no");
    let of = |key| DeadLetterFilter {
        fairness_key: Some(key),
        ..DeadLetterFilter::default()
    };
    assert_eq!(trial.found(&of(key)), [tenant]);
    assert_eq!(trial.found(&of(FairnessKey::DEFAULT)), [default]);
}

#[test]
fn everything_that_is_set_must_hold() {
    let mut trial = Trial::new();
    let id = trial.kill(plain("a"), "no");
    let filter = DeadLetterFilter {
        ids: Some(vec![id]),
        kind: Some(Kind::from_static("other")),
        ..DeadLetterFilter::default()
    };
    assert!(trial.found(&filter).is_empty());
}

#[test]
fn a_redrive_starts_at_attempt_1_and_keeps_the_history() {
    let mut trial = Trial::new();
    let id = trial.kill(plain("a"), "first death");
    trial.redrive_all();
    assert_eq!(trial.get(id).unwrap().attempt, 0);
    let delivery = trial.take();
    assert_eq!(delivery.attempt, 1);
    assert_eq!(delivery.message.id(), id);
    assert_eq!(&*delivery.errors[0].error, "first death");
    trial.dead_letter(&delivery, "second death");
    let dead = trial.get(id).unwrap();
    let causes: Vec<&str> = dead.errors.iter().map(|e| &*e.error).collect();
    assert_eq!(causes, ["first death", "second death"]);
}

#[test]
fn a_redrive_takes_the_oldest_up_to_its_limit() {
    let mut trial = Trial::new();
    let ids: Vec<MessageId> = (0..5).map(|_| trial.kill(plain("a"), "no")).collect();
    let now = trial.now;
    let answer = trial.engine.redrive(now, &DeadLetterFilter::all(), 2);
    let expected = Redriven {
        redriven: 2,
        full: false,
    };
    assert_eq!(answer, expected);
    let received: Vec<MessageId> = trial.receive(9).iter().map(|d| d.message.id()).collect();
    assert_eq!(received, ids[..2]);
}

#[test]
fn a_redrive_stops_when_the_queue_is_full_and_says_so() {
    let mut trial = Trial::with(QueueConfig {
        capacity: 3,
        ..config()
    });
    for _ in 0..4 {
        trial.kill(plain("a"), "no");
    }
    trial.publish(plain("here"));
    let expected = Redriven {
        redriven: 2,
        full: true,
    };
    assert_eq!(trial.redrive_all(), expected);
    let stats = trial.stats();
    assert_eq!((stats.ready, stats.dead), (3, 2));
    for delivery in trial.receive(9) {
        trial.ack(&delivery);
    }
    let rest = Redriven {
        redriven: 2,
        full: false,
    };
    assert_eq!(trial.redrive_all(), rest);
}

#[test]
fn a_redrive_of_nothing_is_not_full() {
    let mut trial = Trial::with(QueueConfig {
        capacity: 1,
        ..config()
    });
    trial.fill(1);
    let expected = Redriven {
        redriven: 0,
        full: false,
    };
    assert_eq!(trial.redrive_all(), expected);
}

#[test]
fn deleting_removes_what_matches_oldest_first() {
    let mut trial = Trial::new();
    let ids: Vec<MessageId> = (0..4).map(|_| trial.kill(plain("a"), "no")).collect();
    let now = trial.now;
    let all = DeadLetterFilter::all();
    assert_eq!(trial.engine.delete_dead_letters(now, &all, 2), 2);
    assert_eq!(trial.found(&all), ids[2..]);
    let one = DeadLetterFilter::id(ids[3]);
    assert_eq!(trial.engine.delete_dead_letters(now, &one, 9), 1);
    assert_eq!(trial.engine.delete_dead_letters(now, &one, 9), 0);
    assert_eq!(trial.found(&all), [ids[2]]);
    assert_eq!(trial.stats().dead_dropped, 0, "deleted is not dropped");
}

#[test]
fn pages_of_a_filter_have_neither_holes_nor_repeats() {
    let mut trial = Trial::new();
    let mut odd = Vec::new();
    for n in 0..20 {
        let id = trial.kill(plain("a"), if n % 2 == 1 { "odd" } else { "even" });
        if n % 2 == 1 {
            odd.push(id);
        }
    }
    let filter = DeadLetterFilter {
        error_contains: Some("odd".into()),
        ..DeadLetterFilter::default()
    };
    let mut found = Vec::new();
    let mut request = PageRequest::first(3);
    loop {
        let page = trial.engine.dead_letters(trial.now, &filter, &request);
        let page = page.unwrap();
        found.extend(page.items.iter().map(|item| item.message.id()));
        match page.next {
            Some(cursor) => request = PageRequest::after(3, cursor),
            None => break,
        }
    }
    assert_eq!(found, odd);
}
