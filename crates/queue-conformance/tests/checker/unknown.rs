//! What a call without an answer may explain, and what not.

use forebay_queue_conformance::checker::{Invariant, Rules};
use forebay_queue_conformance::history::{
    Answered, Asked, CancelBy, Handed, History, Mark, Posted, Published, Record,
};

use crate::script::{LEASE, Script, id, keyed, message, ms};

fn without_id(n: u8) -> Posted {
    Posted {
        id: None,
        ..message(n)
    }
}

#[test]
fn a_publish_without_an_answer_may_come_out_or_not() {
    for with_id in [true, false] {
        let posted = if with_id { message(1) } else { without_id(1) };
        let mut script = Script::new();
        script.publish_lost(std::slice::from_ref(&posted));
        let mut absent = script.clone();
        let receipt = script.deliver(&posted, 1);
        script.ack(receipt);
        script.rest(0, &[]);
        script.is_clean();
        absent.rest(0, &[]);
        absent.is_clean();
    }
}

#[test]
fn what_came_out_once_must_not_be_lost() {
    let mut script = Script::new();
    script.publish_lost(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.retry(receipt);
    script.rest(0, &[]);
    script.breaks(Invariant::Kept);
}

#[test]
fn one_publish_without_an_answer_is_at_most_one_message() {
    let mut script = Script::new();
    script.publish_lost(&[without_id(1)]);
    let handed = |script: &mut Script, n| Handed {
        id: id(n),
        ..script.handed(&without_id(1), 1)
    };
    let one = handed(&mut script, 201);
    script.deliver_this(one);
    script.is_clean();
    let other = handed(&mut script, 202);
    script.deliver_this(other);
    script.breaks(Invariant::Unaltered);
}

#[test]
fn another_content_is_another_message() {
    let mut script = Script::new();
    script.publish_lost(&[without_id(1)]);
    script.deliver(&without_id(2), 1);
    script.breaks(Invariant::Unaltered);
}

#[test]
fn a_batch_without_an_answer_happened_as_a_whole() {
    for with_ids in [true, false] {
        let batch = if with_ids {
            [message(1), message(2)]
        } else {
            [without_id(1), without_id(2)]
        };
        let mut script = Script::new();
        script.publish_lost(&batch);
        let mut none = script.clone();
        none.rest(0, &[]);
        none.is_clean();

        let receipt = script.deliver(&batch[0], 1);
        script.ack(receipt);
        let mut both = script.clone();
        script.rest(0, &[]);
        let report = script.breaks(Invariant::Kept);
        assert_eq!(report.counts.lost, 1);

        let handed = Handed {
            id: id(2),
            ..both.handed(&batch[1], 1)
        };
        let receipt = both.deliver_this(handed);
        both.ack(receipt);
        both.rest(0, &[]);
        both.is_clean();
    }
}

#[test]
fn a_keyed_message_of_such_a_batch_may_have_been_a_duplicate() {
    let mut script = Script::new();
    script.publish(&[keyed(1, "key")]);
    let receipt = script.deliver(&keyed(1, "key"), 1);
    script.ack(receipt);
    script.publish_lost(&[keyed(2, "key"), message(3)]);
    let receipt = script.deliver(&message(3), 1);
    script.ack(receipt);
    script.rest(0, &[]);
    script.is_clean();
}

#[test]
fn an_ack_without_an_answer_may_have_taken_effect_or_not() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.ack_lost(receipt);
    let mut again = script.clone();
    script.rest(0, &[]);
    script.is_clean();

    // It came again: so it had not, and something else has to end it.
    again.wait(LEASE);
    let receipt = again.deliver(&message(1), 2);
    let mut lost = again.clone();
    again.ack(receipt);
    again.rest(0, &[]);
    again.is_clean();
    lost.rest(0, &[]);
    lost.breaks(Invariant::Kept);
}

#[test]
fn a_cancel_without_an_answer_may_have_taken_effect_or_not() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let call = script.ask(Asked::Cancel(CancelBy::Id(id(1))));
    script.unknown(call);
    let mut came = script.clone();
    script.rest(0, &[]);
    script.is_clean();
    let receipt = came.deliver(&message(1), 1);
    came.ack(receipt);
    came.is_clean();
}

#[test]
fn a_purge_without_an_answer_may_have_taken_everything() {
    let mut script = Script::new();
    script.publish(&[message(1), message(2)]);
    let call = script.ask(Asked::Purge);
    script.unknown(call);
    script.rest(0, &[]);
    script.is_clean();
}

#[test]
fn calls_under_way_when_a_process_is_killed_are_unknown() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.ask(Asked::Ack(vec![receipt]));
    script.ask(Asked::Publish(vec![message(2)]));
    script.mark(Mark::Killed { process: 1 });
    let mut came = script.clone();
    script.rest(0, &[]);
    let report = script.is_clean();
    assert_eq!(report.counts.unknown_publishes, 1);

    came.process = 2;
    came.wait(LEASE);
    let receipt = came.deliver(&message(1), 2);
    came.ack(receipt);
    let receipt = came.deliver(&message(2), 1);
    came.ack(receipt);
    came.rest(0, &[]);
    came.is_clean();
}

#[test]
fn a_process_that_starts_again_may_count_its_calls_from_one() {
    let mut script = Script::new();
    let call = script.ask(Asked::Publish(vec![message(1)]));
    script.mark(Mark::Killed { process: 1 });
    let mut again = Script::new();
    again.publish(&[message(2)]);
    assert!(matches!(
        again.records[0].fact,
        forebay_queue_conformance::history::Fact::Invoke { call: first, .. } if first == call
    ));
    script.wait(ms(100));
    let (shift, at) = (script.records.len() as u64, script.now());
    script
        .records
        .extend(again.records.into_iter().map(|record| Record {
            sequence: record.sequence + shift,
            at,
            ..record
        }));
    script.rest(2, &[]);
    script.is_clean();
}

#[test]
fn logs_of_two_processes_are_judged_together() {
    // The receiver's clock is a little behind: it seems to receive before the publish.
    let mut sender = Script::new();
    sender.wait(ms(20));
    sender.publish(&[message(1)]);
    let mut receiver = Script::new();
    receiver.process = 2;
    let receipt = receiver.deliver(&message(1), 1);
    receiver.ack(receipt);
    let mut logs = Script::new();
    logs.records = History::merge(vec![sender.records, receiver.records]);
    logs.breaks(Invariant::Unaltered);
    logs.rules = Rules {
        skew: ms(50),
        ..Rules::default()
    };
    logs.is_clean();
}

#[test]
fn an_answer_after_the_kill_still_counts() {
    let mut script = Script::new();
    let call = script.ask(Asked::Publish(vec![message(1)]));
    script.mark(Mark::Killed { process: 1 });
    script.ok(call, Answered::Published(vec![Published::Accepted(id(1))]));
    script.rest(0, &[]);
    script.breaks(Invariant::Kept);
}
