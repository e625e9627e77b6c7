use std::collections::HashMap;

use forebay_queue_core::{PageRequest, QueueConfig, Rule};

use crate::trial::{Trial, config, fair, of, plain, weight};

fn wide() -> Trial {
    Trial::with(QueueConfig {
        capacity: 2_000_000,
        ..config()
    })
}

#[test]
fn keys_of_one_weight_take_turns_whatever_their_backlogs() {
    let mut trial = Trial::new();
    trial.publish_all((0..100).map(|_| of("loud"))).unwrap();
    trial.publish_all((0..3).map(|_| of("quiet"))).unwrap();
    let turns = trial.turns(8);
    assert_eq!(turns.iter().filter(|key| *key == "quiet").count(), 3);
    assert_eq!(turns[..2].iter().filter(|key| *key == "quiet").count(), 1);
}

#[test]
fn one_message_of_a_quiet_key_leaves_within_one_round() {
    let mut trial = wide();
    for key in 0..1_000 {
        let key = format!("tenant-{key}");
        trial.publish_all((0..1_000).map(|_| of(&key))).unwrap();
    }
    trial.receive(5_003);
    trial.publish(of("quiet"));
    let place = trial.turns(1_001).iter().position(|key| key == "quiet");
    assert!(place.is_some(), "it waited longer than a round");
}

#[test]
fn deliveries_follow_the_weights() {
    let mut trial = wide();
    for share in 1..=5_u16 {
        let key = share.to_string();
        let message = |_| of(&key).with_weight(weight(share));
        trial.publish_all((0..10_000).map(message)).unwrap();
    }
    let mut counts: HashMap<String, u32> = HashMap::new();
    for key in trial.turns(15_000) {
        *counts.entry(key).or_default() += 1;
    }
    for share in 1..=5_u32 {
        let (got, due) = (counts[&share.to_string()], share * 1_000);
        assert!(got.abs_diff(due) * 50 <= due, "{share}: {got} of {due}");
    }
}

#[test]
fn a_key_that_comes_back_at_once_gains_nothing() {
    let mut trial = Trial::new();
    trial.publish_all((0..100).map(|_| of("loud"))).unwrap();
    let mut quiet = 0;
    trial.publish(of("quiet"));
    for _ in 0..20 {
        if trial.turns(1) == ["quiet"] {
            quiet += 1;
            trial.publish(of("quiet"));
        }
    }
    assert_eq!(quiet, 10);
}

#[test]
fn the_latest_weight_says_by_publish_or_by_rule() {
    let shares = |trial: &mut Trial| {
        let turns = trial.turns(40);
        turns.iter().filter(|key| *key == "a").count()
    };
    let mut trial = Trial::new();
    trial.publish_all((0..200).map(|_| of("a"))).unwrap();
    trial.publish_all((0..200).map(|_| of("b"))).unwrap();
    assert_eq!(shares(&mut trial), 20);
    trial.publish(of("a").with_weight(weight(3)));
    assert!((29..=31).contains(&shares(&mut trial)));
    trial.set(&Rule::Weight(fair("b"), Some(weight(9))));
    assert!((9..=11).contains(&shares(&mut trial)));
    trial.publish(of("b").with_weight(weight(1)));
    trial.set(&Rule::Weight(fair("a"), None));
    assert!((19..=21).contains(&shares(&mut trial)));
}

#[test]
fn a_weight_outlives_the_messages_of_its_key() {
    let mut trial = Trial::new();
    trial.publish(of("a").with_weight(weight(4)));
    let delivery = trial.take();
    trial.ack(&delivery);
    trial.publish_all((0..40).map(|_| of("a"))).unwrap();
    trial.publish_all((0..40).map(|_| of("b"))).unwrap();
    let turns = trial.turns(25);
    assert!(turns.iter().filter(|key| *key == "a").count() >= 19);
}

#[test]
fn within_a_key_the_order_is_that_of_acceptance() {
    let mut trial = Trial::new();
    for n in 0..60_u32 {
        let key = format!("tenant-{}", n % 3);
        trial.publish(plain(&n.to_string()).with_fairness_key(fair(&key)));
    }
    let mut last: HashMap<String, u32> = HashMap::new();
    for delivery in trial.receive(60) {
        let key = delivery.message.fairness_key().as_str().to_owned();
        let number: u32 = crate::trial::payload(&delivery).parse().unwrap();
        let before = last.insert(key, number);
        assert!(before.is_none_or(|before| before < number));
    }
}

#[test]
fn peek_shows_the_order_of_the_turns() {
    let mut trial = Trial::new();
    trial.publish_all((0..6).map(|_| of("a"))).unwrap();
    trial
        .publish_all((0..6).map(|_| of("b").with_weight(weight(2))))
        .unwrap();
    let seen = trial.engine.peek(trial.now, 12);
    let seen: Vec<_> = seen.iter().map(|m| m.message.id()).collect();
    let got: Vec<_> = trial.receive(12).iter().map(|d| d.message.id()).collect();
    assert_eq!(seen, got);
}

#[test]
fn what_is_known_of_a_key_can_be_looked_at() {
    let mut trial = Trial::new();
    trial
        .publish_all((0..4).map(|_| of("b").with_weight(weight(7))))
        .unwrap();
    trial.publish(of("a").with_delay(crate::trial::SECOND));
    trial.limit("c", 5);
    trial.receive(1);
    let page = |after| PageRequest { limit: 2, after };
    let first = trial.engine.key_stats(trial.now, &page(None)).unwrap();
    let rest = trial.engine.key_stats(trial.now, &page(first.next.clone()));
    let all = [first.items, rest.unwrap().items].concat();
    let shown: Vec<_> = all
        .iter()
        .map(|k| {
            (
                k.key.as_str(),
                k.weight.get(),
                k.scheduled,
                k.ready,
                k.leased,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [("a", 1, 1, 0, 0), ("b", 7, 0, 3, 1), ("c", 1, 0, 0, 0)]
    );
    assert_eq!(all[2].lease_limit.map(std::num::NonZeroU32::get), Some(5));
}

#[test]
fn a_key_of_which_nothing_is_left_is_forgotten() {
    let mut trial = Trial::new();
    for n in 0..100 {
        trial.publish(of(&n.to_string()));
        let delivery = trial.take();
        trial.ack(&delivery);
    }
    trial.publish(of("last"));
    let request = PageRequest {
        limit: 10,
        after: None,
    };
    let keys = trial.engine.key_stats(trial.now, &request).unwrap();
    assert_eq!(keys.items.len(), 1);
}
