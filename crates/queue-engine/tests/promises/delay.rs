use std::time::Duration;

use forebay_queue_core::{State, Timestamp};

use crate::trial::{MINUTE, NANO, SECOND, Trial, payload, plain};

#[test]
fn a_delayed_message_is_never_early() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_delay(MINUTE));
    assert_eq!(trial.state(id), Some(State::Scheduled));
    assert_eq!(trial.get(id).unwrap().due_at, Some(trial.now.after(MINUTE)));
    trial.wait(MINUTE - NANO);
    trial.assert_nothing_to_receive();
    trial.wait(NANO);
    assert_eq!(trial.take().message.id(), id);
}

#[test]
fn an_absolute_time_is_kept() {
    let mut trial = Trial::new();
    let due = trial.now.after(MINUTE);
    trial.publish(plain("a").with_deliver_at(due));
    assert_eq!(trial.engine.next_event(), Some(due));
    trial.wait(MINUTE - NANO);
    trial.assert_nothing_to_receive();
    trial.wait(NANO);
    trial.take();
}

#[test]
fn no_delay_and_a_time_that_has_passed_mean_now() {
    let mut trial = Trial::new();
    trial.publish(plain("a").with_delay(Duration::ZERO));
    trial.publish(plain("b").with_deliver_at(Timestamp::ZERO));
    let now = trial.now;
    trial.publish(plain("c").with_deliver_at(now));
    assert_eq!(trial.stats().scheduled, 0);
    assert_eq!(trial.receive(9).len(), 3);
}

#[test]
fn scheduled_messages_come_in_the_order_in_which_they_are_due() {
    let mut trial = Trial::new();
    for seconds in [5, 1, 4, 2, 3] {
        let message = plain(&seconds.to_string());
        trial.publish(message.with_delay(seconds * SECOND));
    }
    trial.wait(MINUTE);
    let order: Vec<String> = trial.receive(9).iter().map(payload).collect();
    assert_eq!(order, ["1", "2", "3", "4", "5"]);
}

#[test]
fn those_due_together_come_in_the_order_of_acceptance() {
    let mut trial = Trial::new();
    let due = trial.now.after(SECOND);
    for n in 0..9 {
        trial.publish(plain(&n.to_string()).with_deliver_at(due));
    }
    trial.wait(SECOND);
    let order: Vec<String> = trial.receive(9).iter().map(payload).collect();
    assert_eq!(order.concat(), "012345678");
}

#[test]
fn a_retry_and_a_release_after_a_while_are_not_early() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let delivery = trial.take();
    trial.retry(&delivery, MINUTE);
    trial.wait(MINUTE - NANO);
    trial.assert_nothing_to_receive();
    trial.wait(NANO);
    let delivery = trial.take();
    trial.release(&delivery, MINUTE);
    trial.wait(MINUTE - NANO);
    trial.assert_nothing_to_receive();
    trial.wait(NANO);
    trial.take();
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut trial = Trial::new();
    trial.publish(plain("a").with_delay(10 * SECOND));
    trial.wait(10 * SECOND);
    let delivery = trial.take();
    trial.back(5 * SECOND);
    trial.publish(plain("b").with_delay(SECOND));
    // The engine's own time stands at the latest it has seen.
    trial.wait(5 * SECOND);
    trial.assert_nothing_to_receive();
    trial.wait(SECOND);
    assert_eq!(payload(&trial.take()), "b");
    trial.wait(19 * SECOND - NANO);
    assert_eq!(
        trial.extend(&delivery),
        forebay_queue_core::SettleOutcome::Done
    );
}

#[test]
fn what_is_due_and_what_lost_its_lease_come_back_in_the_order_of_their_times() {
    let mut trial = Trial::new();
    trial.publish(plain("leased"));
    trial.take();
    trial.publish(plain("before").with_delay(29 * SECOND));
    trial.publish(plain("after").with_delay(31 * SECOND));
    trial.wait(MINUTE);
    let order: Vec<String> = trial.receive(9).iter().map(payload).collect();
    assert_eq!(order, ["before", "leased", "after"]);
}

#[test]
fn a_delay_without_end_is_never_due() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_delay(Duration::MAX));
    trial.wait(1_000_000 * MINUTE);
    trial.assert_nothing_to_receive();
    assert_eq!(trial.state(id), Some(State::Scheduled));
}
