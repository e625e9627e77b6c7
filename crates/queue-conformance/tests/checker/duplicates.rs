//! I3: every duplicate has a cause, and no more than kills and unknown acks allow.

use std::time::Duration;

use forebay_queue_conformance::checker::{Cause, Invariant, Rules};
use forebay_queue_conformance::history::{Action, Ended, Fact, Mark, Party, Tag};

use crate::script::{KIND, LEASE, QUEUE, Script, id, message, ms};

/// One message delivered for the first time.
fn delivered() -> (Script, Tag) {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    (script, receipt)
}

#[test]
fn a_second_delivery_within_the_lease_has_no_cause() {
    let (mut script, _) = delivered();
    let mut healthy = script.clone();
    script.wait(LEASE.saturating_sub(ms(100)));
    script.deliver(&message(1), 2);
    let report = script.breaks(Invariant::Explained);
    assert_eq!(report.counts.unexplained, [id(1)]);

    healthy.wait(LEASE);
    healthy.deliver(&message(1), 2);
    let report = healthy.is_clean();
    assert_eq!(report.counts.redelivered[&Cause::LeaseExpiry], 1);
    assert_eq!(report.counts.doubled, 1);
}

#[test]
fn an_extension_keeps_the_lease() {
    let (mut script, receipt) = delivered();
    script.wait(LEASE.saturating_sub(ms(100)));
    script.extend(receipt);
    let mut healthy = script.clone();
    script.wait(ms(200));
    script.deliver(&message(1), 2);
    script.breaks(Invariant::Explained);

    healthy.wait(LEASE);
    healthy.deliver(&message(1), 2);
    healthy.is_clean();
}

#[test]
fn a_shorter_lease_counts_from_the_next_extension() {
    let short = Duration::from_secs(1);
    let (mut script, receipt) = delivered();
    script.mark(Mark::Lease {
        queue: QUEUE,
        lease: short,
    });
    script.wait(LEASE.saturating_sub(ms(100)));
    script.extend(receipt);
    script.wait(short);
    script.deliver(&message(1), 2);
    script.is_clean();
}

#[test]
fn what_is_given_back_comes_again() {
    let causes = [
        (Action::Retry(Duration::ZERO), 2, Cause::Retry),
        (Action::Release(Duration::ZERO), 1, Cause::Release),
    ];
    for (action, attempt, cause) in causes {
        let (mut script, receipt) = delivered();
        let mut lost = script.clone();
        script.nack(receipt, action);
        script.deliver(&message(1), attempt);
        let report = script.is_clean();
        assert_eq!(report.counts.redelivered[&cause], 1);
        assert_eq!(report.counts.doubled, 0);

        lost.nack_lost(receipt, action);
        lost.deliver(&message(1), attempt);
        lost.is_clean();
    }
}

#[test]
fn a_redrive_brings_a_dead_letter_back() {
    let (mut script, receipt) = delivered();
    script.nack(receipt, Action::DeadLetter);
    script.redrive(1);
    script.deliver(&message(1), 1);
    let report = script.is_clean();
    assert_eq!(report.counts.redelivered[&Cause::Redrive], 1);
}

#[test]
fn a_kill_costs_what_its_process_held_and_no_more() {
    for (messages, clean) in [(4, true), (5, false)] {
        let mut script = Script::with(Rules {
            concurrency: 2,
            prefetch: 2,
            ..Rules::default()
        });
        for n in 1..=messages {
            script.publish(&[message(n)]);
            script.deliver(&message(n), 1);
        }
        script.mark(Mark::Killed { process: 1 });
        script.process = 2;
        script.wait(LEASE);
        for n in 1..=messages {
            let receipt = script.deliver(&message(n), 2);
            script.ack(receipt);
        }
        let report = if clean {
            script.is_clean()
        } else {
            script.breaks(Invariant::Explained)
        };
        assert_eq!(report.counts.redelivered[&Cause::Kill], u64::from(messages));
    }
}

#[test]
fn a_kill_is_no_cause_for_what_its_predecessor_held() {
    let mut script = Script::with(Rules {
        concurrency: 1,
        prefetch: 1,
        ..Rules::default()
    });
    let deliver = |script: &mut Script, messages: std::ops::RangeInclusive<u8>, attempt| {
        for n in messages {
            script.deliver(&message(n), attempt);
        }
    };
    script.publish(&[1, 2, 3, 4].map(message));
    deliver(&mut script, 1..=2, 1);
    let party = Party::Process(1);
    script.mark(Mark::Stopped { party });
    script.mark(Mark::Restarted { party });
    // Its leases still run when the successor is killed.
    script.wait(LEASE / 2);
    deliver(&mut script, 3..=4, 1);
    script.mark(Mark::Killed { process: 1 });
    script.process = 2;
    script.wait(LEASE);
    deliver(&mut script, 1..=4, 2);
    let report = script.is_clean();
    assert_eq!(report.counts.redelivered[&Cause::Kill], 2);
    assert_eq!(report.counts.redelivered[&Cause::LeaseExpiry], 2);
}

#[test]
fn a_kill_is_no_cause_for_what_its_process_had_given_up() {
    let mut script = Script::with(Rules {
        concurrency: 1,
        prefetch: 0,
        ..Rules::default()
    });
    script.publish(&[message(1), message(2)]);
    script.deliver(&message(1), 1);
    script.push(Fact::Processed {
        queue: QUEUE,
        id: id(1),
        kind: KIND,
        attempt: 1,
        outcome: Ended::LeaseLost,
    });
    script.deliver(&message(2), 1);
    script.mark(Mark::Killed { process: 1 });
    script.process = 2;
    script.wait(LEASE);
    script.deliver(&message(1), 2);
    script.deliver(&message(2), 2);
    let report = script.is_clean();
    assert_eq!(report.counts.redelivered[&Cause::Kill], 1);
}

#[test]
fn a_kill_of_another_process_is_no_cause_but_leaves_room() {
    let (mut script, _) = delivered();
    script.mark(Mark::Killed { process: 2 });
    script.deliver(&message(1), 2);
    let report = script.is_clean();
    assert_eq!(report.counts.unexplained, [id(1)]);
}

#[test]
fn an_unknown_ack_is_a_cause() {
    let (mut script, receipt) = delivered();
    script.ack_lost(receipt);
    script.deliver(&message(1), 2);
    let report = script.is_clean();
    assert_eq!(report.counts.redelivered[&Cause::UnknownAck], 1);
    assert_eq!(report.counts.unknown_acks, 1);
}

#[test]
fn a_failed_ack_is_no_cause() {
    let (mut script, receipt) = delivered();
    let call = script.ask(forebay_queue_conformance::history::Asked::Ack(vec![
        receipt,
    ]));
    script.fail(call);
    script.deliver(&message(1), 2);
    script.breaks(Invariant::Explained);
}

#[test]
fn a_restart_of_the_store_is_a_cause() {
    let (mut script, _) = delivered();
    script.mark(Mark::Restarted {
        party: Party::Store,
    });
    script.deliver(&message(1), 2);
    let report = script.is_clean();
    assert_eq!(report.counts.redelivered[&Cause::StoreRestart], 1);
}

#[test]
fn one_delivery_starts_one_handler() {
    let (mut script, receipt) = delivered();
    let started = Fact::Started {
        queue: QUEUE,
        id: id(1),
        kind: KIND,
        attempt: 1,
        receipt,
    };
    script.push(started.clone());
    script.is_clean();
    script.push(started);
    script.breaks(Invariant::Explained);
}
