use std::time::Duration;

use forebay_queue_core::{NewMessage, PageRequest, Rule, Throttle};

use crate::trial::{MINUTE, NANO, SECOND, Trial, bucket, fair, of, payload, plain};

fn through(key: &str) -> NewMessage {
    plain(key).with_throttle_key(bucket(key))
}

#[test]
fn no_more_leave_than_the_bucket_has_tokens() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 10, 3);
    trial.publish_all((0..20).map(|_| through("smtp"))).unwrap();
    assert_eq!(trial.receive(20).len(), 3);
    let refill = trial.now.after(SECOND / 10);
    assert_eq!(trial.engine.next_event(), Some(refill));
    assert!(!trial.engine.has_ready());
    trial.wait(SECOND / 10 - NANO);
    trial.assert_nothing_to_receive();
    trial.wait(NANO);
    assert_eq!(trial.receive(20).len(), 1);
    trial.wait(10 * SECOND);
    assert_eq!(trial.receive(20).len(), 3, "never more than the burst");
}

#[test]
fn a_parked_message_holds_nobody_up() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    trial.publish_all((0..5).map(|_| through("smtp"))).unwrap();
    trial.publish(plain("free"));
    let got: Vec<String> = trial.receive(10).iter().map(payload).collect();
    assert_eq!(got, ["smtp", "free"]);
}

#[test]
fn names_without_a_bucket_are_unlimited() {
    let mut trial = Trial::new();
    trial.throttle("other", 1, 1);
    trial.publish_all((0..20).map(|_| through("smtp"))).unwrap();
    assert_eq!(trial.receive(20).len(), 20);
}

#[test]
fn a_message_needs_a_token_of_each_of_its_buckets() {
    let mut trial = Trial::new();
    trial.throttle("a", 1, 2);
    trial.throttle("b", 1, 1);
    let both = || through("a").with_throttle_key(bucket("b"));
    trial.publish_all([both(), both(), through("a")]).unwrap();
    assert_eq!(
        trial.receive(9).len(),
        2,
        "one of both, and the one that needs less"
    );
    trial.wait(SECOND - NANO);
    trial.assert_nothing_to_receive();
    trial.wait(NANO);
    assert_eq!(trial.receive(9).len(), 1);
}

#[test]
fn a_repeated_delivery_costs_a_token_too() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    trial.publish(through("smtp"));
    let delivery = trial.take();
    trial.release(&delivery, Duration::ZERO);
    trial.assert_nothing_to_receive();
    trial.wait(SECOND);
    trial.take();
}

#[test]
fn keys_share_a_bucket_by_their_weights() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    let of = |key: &str| of(key).with_throttle_key(bucket("smtp"));
    trial.publish_all((0..100).map(|_| of("loud"))).unwrap();
    trial.publish_all((0..3).map(|_| of("quiet"))).unwrap();
    let mut turns = Vec::new();
    for _ in 0..8 {
        turns.extend(trial.turns(2));
        trial.wait(SECOND);
    }
    assert_eq!(turns.len(), 8);
    assert_eq!(turns.iter().filter(|key| *key == "quiet").count(), 3);
}

#[test]
fn another_rule_keeps_the_tokens_and_none_lets_everybody_go() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 4);
    trial.publish_all((0..50).map(|_| through("smtp"))).unwrap();
    assert_eq!(trial.receive(2).len(), 2);
    trial.throttle("smtp", 100, 8);
    assert_eq!(trial.receive(50).len(), 2);
    trial.wait(SECOND / 10);
    assert_eq!(trial.receive(50).len(), 8);
    trial.throttle("smtp", 1, 1);
    trial.wait(20 * SECOND);
    assert_eq!(trial.receive(50).len(), 1);
    trial.set(&Rule::Throttle(bucket("smtp"), None));
    assert_eq!(trial.receive(50).len(), 37);
}

#[test]
fn what_is_reserved_and_not_handed_out_goes_back() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    let ids: Vec<_> = (0..3).map(|_| trial.publish(through("smtp"))).collect();
    trial.take();
    trial.engine.pause();
    trial.wait(SECOND);
    trial.assert_nothing_to_receive();
    // The token is the second one's by now.
    trial.cancel(ids[1]);
    trial.engine.resume();
    assert_eq!(trial.take().message.id(), ids[2]);
    trial.wait(MINUTE);
    trial.publish_all((0..3).map(|_| through("smtp"))).unwrap();
    assert_eq!(trial.receive(3).len(), 1, "never more than the burst");
}

#[test]
fn an_expired_message_takes_no_token() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    trial.publish(through("smtp").with_time_to_live(SECOND));
    trial.publish(through("smtp"));
    trial.wait(2 * SECOND);
    assert_eq!(trial.receive(9).len(), 1);
}

#[test]
fn buckets_can_be_looked_at() {
    let mut trial = Trial::new();
    trial.throttle("a", 5, 5);
    trial.throttle("b", 1, 3);
    trial.publish_all((0..7).map(|_| through("a"))).unwrap();
    trial.receive(7);
    trial.wait(SECOND / 5);
    let request = PageRequest {
        limit: 10,
        after: None,
    };
    let page = trial.engine.throttle_stats(trial.now, &request).unwrap();
    let shown: Vec<_> = page
        .items
        .iter()
        .map(|b| (b.key.as_str(), b.throttle.burst(), b.tokens, b.parked))
        .collect();
    assert_eq!(shown, [("a", 5, 0, 1), ("b", 3, 3, 0)]);
}

#[test]
fn the_time_until_a_refill_costs_nothing() {
    let mut trial = Trial::with(forebay_queue_core::QueueConfig {
        capacity: 200_000,
        ..crate::trial::config()
    });
    let throttle = Throttle::new(1, MINUTE).unwrap();
    trial.set(&Rule::Throttle(bucket("smtp"), Some(throttle)));
    for _ in 0..100 {
        trial
            .publish_all((0..1_000).map(|_| through("smtp")))
            .unwrap();
    }
    trial.receive(1);
    trial.receive(1);
    let began = std::time::Instant::now();
    for n in 0..10_000 {
        trial.wait(NANO);
        trial.publish(plain("free").with_fairness_key(fair(&(n % 7).to_string())));
        let delivery = trial.take();
        trial.ack(&delivery);
    }
    // A look at each parked message each time would be a thousand million looks.
    assert!(began.elapsed() < 5 * SECOND);
}

#[test]
fn tokens_that_were_reserved_by_another_rule_are_given_anew() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 4, 3);
    let message = |_| through("smtp").with_throttle_key(bucket("other"));
    trial.publish_all((0..10).map(message)).unwrap();
    assert_eq!(trial.receive(4).len(), 3);
    trial.wait(750 * SECOND / 1_000);
    // Three have tokens by now.
    trial.set(&Rule::Throttle(bucket("other"), None));
    trial.throttle("smtp", 1, 1);
    assert_eq!(trial.receive(10).len(), 1);
    trial.assert_nothing_to_receive();
    trial.wait(SECOND);
    assert_eq!(trial.receive(10).len(), 1);
}

#[test]
fn a_token_that_was_reserved_for_a_while_is_followed_by_no_other_too_soon() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    trial.publish_all((0..3).map(|_| through("smtp"))).unwrap();
    trial.receive(3);
    trial.wait(SECOND);
    // Lets time pass, and hands nothing out.
    trial.stats();
    trial.wait(SECOND / 2);
    trial.take();
    trial.wait(SECOND - NANO);
    trial.assert_nothing_to_receive();
    trial.wait(NANO);
    trial.take();
}
