//! I10 to I13, and the faults.

use std::time::Duration;

use forebay_queue_conformance::checker::{Invariant, Rules};
use forebay_queue_conformance::history::{Fact, Mark, Party, Tag};

use crate::script::{KIND, LEASE, QUEUE, Script, id, message, ms};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_shutdown_is_inside_its_limit() {
    let slack = Duration::from_secs(1);
    for (took, clean) in [(LIMIT + slack, true), (LIMIT + slack + ms(1), false)] {
        let mut script = Script::new();
        script.mark(Mark::ShutdownBegan {
            process: 1,
            limit: LIMIT,
        });
        script.mark(Mark::ShutdownEnded {
            process: 1,
            took,
            limit: LIMIT,
        });
        if clean {
            let report = script.is_clean();
            assert_eq!(report.judged(Invariant::Shutdown), 1);
        } else {
            script.breaks(Invariant::Shutdown);
        }
    }
}

#[test]
fn a_shutdown_that_never_ends_is_found() {
    let mut script = Script::new();
    script.mark(Mark::ShutdownBegan {
        process: 1,
        limit: LIMIT,
    });
    let mut killed = script.clone();
    let note = |script: &mut Script| {
        script.mark(Mark::Note {
            text: "later".to_owned(),
        });
    };
    note(&mut script);
    script.is_clean();
    script.wait(LIMIT * 2);
    note(&mut script);
    script.breaks(Invariant::Shutdown);

    killed.mark(Mark::Killed { process: 1 });
    killed.wait(LIMIT * 2);
    note(&mut killed);
    killed.is_clean();
}

#[test]
fn nothing_starts_after_the_end() {
    let mut script = Script::new();
    let started = |script: &mut Script| {
        script.push(Fact::Started {
            queue: QUEUE,
            id: id(1),
            kind: KIND,
            attempt: 1,
            receipt: Tag::of(b"r"),
        });
    };
    script.mark(Mark::ShutdownEnded {
        process: 1,
        took: LIMIT,
        limit: LIMIT,
    });
    let mut again = script.clone();
    started(&mut script);
    script.breaks(Invariant::Shutdown);
    again.mark(Mark::Restarted {
        party: Party::Process(1),
    });
    started(&mut again);
    again.is_clean();
}

#[test]
fn the_backlog_drains_after_the_last_fault() {
    let limit = LEASE + Duration::from_secs(30);
    for (took, clean) in [(limit.saturating_sub(ms(10)), true), (limit, false)] {
        let mut script = Script::new();
        script.mark(Mark::Healed);
        script.wait(took);
        script.mark(Mark::Drained);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Drains);
        }
        // Later faults begin it anew.
        script.mark(Mark::Healed);
        script.mark(Mark::Drained);
        script.is_clean();
    }
    let mut never = Script::new();
    never.mark(Mark::Healed);
    never.breaks(Invariant::Drains);
    let mut before = Script::new();
    before.mark(Mark::Drained);
    before.mark(Mark::Healed);
    before.breaks(Invariant::Drains);
}

#[test]
fn the_lease_of_the_queue_counts_for_the_backlog() {
    for (lease, clean) in [(ms(100), false), (LEASE, true)] {
        let mut script = Script::new();
        script.mark(Mark::Lease {
            queue: QUEUE,
            lease,
        });
        script.mark(Mark::Healed);
        script.wait(Duration::from_secs(31));
        script.mark(Mark::Drained);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Drains);
        }
    }
}

#[test]
fn memory_is_bounded() {
    for (bytes, clean) in [(1_000, true), (1_001, false)] {
        let mut script = Script::with(Rules {
            memory: Some(1_000),
            ..Rules::default()
        });
        script.mark(Mark::Memory { process: 1, bytes });
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Memory);
        }
        script.rules.memory = None;
        assert_eq!(script.is_clean().judged(Invariant::Memory), 0);
    }
}

fn ready(script: &mut Script, samples: &[(bool, bool, u64)]) {
    for (says, truth, seconds) in samples {
        script.mark(Mark::Readiness {
            process: 1,
            says: *says,
            truth: *truth,
        });
        script.wait(Duration::from_secs(*seconds));
    }
}

#[test]
fn readiness_tells_the_truth_in_time() {
    let mut script = Script::new();
    let down = (true, false, 2);
    ready(
        &mut script,
        &[(true, true, 60), down, down, (false, false, 60)],
    );
    ready(&mut script, &[(false, true, 2), (true, true, 60)]);
    script.is_clean();
    ready(&mut script, &[down, down, down, (false, false, 1)]);
    script.breaks(Invariant::Ready);
}

#[test]
fn readiness_that_flickers_does_not_tell_the_truth() {
    let mut script = Script::new();
    ready(&mut script, &[(true, true, 1)]);
    for _ in 0..4 {
        ready(&mut script, &[(true, false, 2), (false, false, 2)]);
    }
    script.breaks(Invariant::Ready);
}

#[test]
fn a_restarted_process_begins_anew() {
    let mut script = Script::new();
    ready(&mut script, &[(true, false, 4)]);
    script.mark(Mark::Restarted {
        party: Party::Process(1),
    });
    ready(&mut script, &[(true, false, 4), (false, false, 4)]);
    script.is_clean();
}

#[test]
fn a_planned_fault_that_never_fired_fails_the_run() {
    let plan = |script: &mut Script, fault: &str| {
        script.mark(Mark::FaultPlanned {
            fault: fault.to_owned(),
        });
    };
    let fire = |script: &mut Script, fault: &str| {
        script.mark(Mark::FaultFired {
            fault: fault.to_owned(),
        });
    };
    let mut script = Script::new();
    script.publish(&[message(1)]);
    plan(&mut script, "kill");
    fire(&mut script, "kill");
    script.is_clean();
    plan(&mut script, "kill");
    fire(&mut script, "cut");
    let report = script.breaks(Invariant::Faults);
    assert!(report.to_string().contains("\"kill\""), "{report}");
    fire(&mut script, "kill");
    script.is_clean();
}
