//! I7: never early; hardly late where the rules say so.

use forebay_queue_conformance::checker::{Invariant, Rules};
use forebay_queue_conformance::history::{Action, Answered, Asked, Mark, Party, Posted, When};

use crate::script::{Script, message, ms};

#[test]
fn a_delayed_message_is_not_delivered_before_it_is_due() {
    for (wait, clean) in [(ms(50), false), (ms(150), true)] {
        for absolute in [true, false] {
            let mut script = Script::new();
            let when = if absolute {
                When::At(script.now().after(ms(100)))
            } else {
                When::After(ms(100))
            };
            let posted = Posted {
                deliver: Some(when),
                ..message(1)
            };
            script.publish(std::slice::from_ref(&posted));
            script.wait(wait);
            script.deliver(&posted, 1);
            if clean {
                script.is_clean();
            } else {
                let report = script.breaks(Invariant::NotEarly);
                assert_eq!(report.counts.early, 1);
            }
        }
    }
}

#[test]
fn the_stores_own_word_counts_too() {
    for (early, clean) in [(ms(0), true), (ms(1), false)] {
        let mut script = Script::new();
        script.publish(&[message(1)]);
        let mut handed = script.handed(&message(1), 1);
        handed.deliver_at = Some(handed.delivered_at.after(early));
        script.deliver_this(handed);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::NotEarly);
        }
    }
}

#[test]
fn a_retry_and_a_release_wait() {
    let actions = [(Action::Retry(ms(100)), 2), (Action::Release(ms(100)), 1)];
    for (action, attempt) in actions {
        for (wait, clean) in [(ms(90), false), (ms(100), true)] {
            let mut script = Script::new();
            script.publish(&[message(1)]);
            let receipt = script.deliver(&message(1), 1);
            script.nack(receipt, action);
            script.wait(wait);
            script.deliver(&message(1), attempt);
            if clean {
                script.is_clean();
            } else {
                script.breaks(Invariant::NotEarly);
            }
        }
    }
}

/// A receiver waits; the message is handed to it so long after its publish.
fn waited(late: u64) -> Script {
    let mut script = Script::with(Rules {
        lateness: Some(ms(50)),
        ..Rules::default()
    });
    let receive = script.receive();
    script.publish(&[message(1)]);
    let mut handed = script.handed(&message(1), 1);
    handed.published_at = script.now();
    handed.delivered_at = script.now().after(ms(late));
    script.wait(ms(late));
    script.ok(receive, Answered::Delivered(vec![handed]));
    script
}

#[test]
fn a_waiting_receiver_gets_it_at_once() {
    waited(50).is_clean();
    let report = waited(60).breaks(Invariant::NotEarly);
    assert_eq!(report.counts.late, 1);
    let mut unjudged = waited(60);
    unjudged.rules.lateness = None;
    unjudged.is_clean();
}

#[test]
fn a_receiver_that_came_later_proves_nothing() {
    let mut script = Script::with(Rules {
        lateness: Some(ms(50)),
        ..Rules::default()
    });
    script.publish(&[message(1)]);
    let published = script.now();
    script.wait(ms(500));
    let mut handed = script.handed(&message(1), 1);
    handed.published_at = published;
    script.deliver_this(handed);
    script.is_clean();
}

#[test]
fn a_paused_queue_or_a_store_that_is_down_is_not_late() {
    let mut paused = waited(60);
    let mut stopped = paused.clone();
    let mut pause = Script::new();
    let call = pause.ask(Asked::Pause);
    pause.ok(call, Answered::Done(0));
    for record in &mut pause.records {
        // Numbers that the other script does not use.
        record.process = 9;
    }
    paused.records.splice(0..0, pause.records);
    paused.is_clean();

    let stop = stopped.records.len() - 1;
    let mut end = Script::new();
    end.mark(Mark::Stopped {
        party: Party::Store,
    });
    let mut record = end.records.remove(0);
    record.at = stopped.records[stop - 1].at.after(ms(30));
    stopped.records.insert(stop, record);
    stopped.is_clean();
}
