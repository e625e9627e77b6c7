//! The suite itself: what is in it, and that it notices a case that does not end.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_conformance::{ENTRIES, Harness, Timing, try_run};
use forebay_queue_core::Backend;

/// What every backend has to answer for.
const GROUPS: [&str; 28] = [
    "attempts",
    "batches",
    "browse",
    "cancel",
    "cancel_safety",
    "capabilities",
    "capacity",
    "crowd",
    "dead_letters",
    "delay",
    "expiry",
    "explain",
    "fairness",
    "idempotency",
    "key_stats",
    "lease_limits",
    "leases",
    "limits_and_errors",
    "order",
    "pause_and_purge",
    "queues",
    "redrive",
    "restart",
    "round_trip",
    "sessions",
    "stats",
    "throttle_changes",
    "throttling",
];

#[test]
fn every_group_is_there_and_has_cases() {
    let groups: BTreeSet<&str> = ENTRIES.iter().map(|entry| entry.group).collect();
    for group in GROUPS {
        assert!(groups.contains(group), "the group {group} is missing");
    }
    for group in groups {
        let cases = ENTRIES.iter().filter(|entry| entry.group == group).count();
        assert!(cases >= 3, "{group} has {cases} cases");
    }
}

#[test]
fn there_are_enough_cases_and_no_name_stands_twice() {
    assert!(ENTRIES.len() >= 150, "{} cases", ENTRIES.len());
    let names: BTreeSet<(&str, &str)> = ENTRIES.iter().map(|e| (e.group, e.name)).collect();
    assert_eq!(names.len(), ENTRIES.len());
    let sentences: BTreeSet<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
    assert_eq!(sentences.len(), ENTRIES.len(), "one promise, one case");
}

/// A store that never answers.
struct Silent;

#[async_trait]
impl Harness for Silent {
    async fn connect(&self) -> Arc<dyn Backend> {
        std::future::pending().await
    }

    async fn restart(&self) {}

    fn timing(&self) -> Timing {
        Timing::PAUSED
    }
}

#[test]
fn a_case_that_does_not_end_is_reported() {
    let ended = try_run("queues", "a_queue_is_made_once", || Silent);
    let panic = ended.expect_err("it hangs");
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    assert_eq!(said, Some("the case does not come to an end"));
}

#[test]
#[should_panic(expected = "the suite has no case queues::there_is_none")]
fn a_case_that_is_not_there_is_named() {
    let _ = try_run("queues", "there_is_none", || Silent);
}
