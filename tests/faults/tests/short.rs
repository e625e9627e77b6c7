//! Every scenario in its short form, in the program that runs the long ones.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use forebay_tests::redis;

/// They have limits of time: one beside the other they would measure each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay-faults"));
    command.args(arguments);
    command
}

fn run(command: &mut Command) -> Output {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    command.output().unwrap()
}

fn faults(arguments: &[&str]) -> Output {
    run(&mut command(arguments))
}

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    format!("{out}\n{error}")
}

/// Those that need no server.
const EMBEDDED: [&str; 5] = ["R4-embedded", "R7-embedded", "R16-embedded", "R17", "doors"];

#[track_caller]
fn holds(number: &str) {
    if !EMBEDDED.contains(&number) && redis::own().is_none() {
        return;
    }
    let output = faults(&[number, "--short"]);
    assert!(output.status.success(), "{}", text(&output));
}

/// One test for each scenario.
macro_rules! scenarios {
    ($($test:ident: $number:literal,)*) => {
        $(
            #[test]
            fn $test() {
                holds($number);
            }
        )*

        const TESTED: &[&str] = &[$($number),*];
    };
}

scenarios! {
    two_processes_share_a_queue: "two",
    a_worker_is_killed: "R4",
    the_server_is_killed: "R5",
    the_power_is_cut: "R7",
    a_replica_is_promoted: "R8",
    processes_are_suspended: "R10",
    handlers_outlast_their_leases: "R11",
    dead_leases_come_back: "R12",
    poison_ends_among_the_dead_letters: "R13",
    the_network_goes_bad: "R14",
    queue_and_memory_are_full: "R15",
    the_disk_is_full: "R16",
    the_queue_is_destroyed: "R27",
    the_process_of_an_embedded_queue_is_killed: "R4-embedded",
    the_power_of_an_embedded_queue_is_cut: "R7-embedded",
    the_disk_of_an_embedded_queue_is_full: "R16-embedded",
    the_files_of_an_embedded_queue_are_damaged: "R17",
    directories_that_an_embedded_queue_cannot_have: "doors",
}

#[test]
fn every_scenario_has_its_test() {
    let output = faults(&["--list"]);
    let listed = text(&output);
    let listed: BTreeSet<_> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(listed, TESTED.iter().copied().collect());
}

#[test]
fn a_number_without_a_scenario_is_an_error() {
    let output = faults(&["R0"]);
    assert!(!output.status.success());
    assert!(text(&output).contains("no scenario R0"));
}

/// A store that breaks a promise, in processes that do not know it.
#[test]
fn the_scenarios_bite() {
    if redis::own().is_none() {
        return;
    }
    bite(&[
        ("two", "lose", "nothing accepted is lost: broken"),
        ("R4", "double", "delivered after its confirmed end: broken"),
        ("R5", "sulk", "working again"),
        ("R8", "lose", "nothing accepted is lost: broken"),
        ("R10", "stale", "said \"done\" instead of \"lost\""),
        ("R11", "deaf", "in vain for: at most 0 live messages"),
        ("R13", "undead", "messages are live"),
    ]);
}

/// The same without a server.
#[test]
fn the_scenarios_of_the_embedded_queue_bite() {
    bite(&[
        (
            "R4-embedded",
            "double",
            "delivered after its confirmed end: broken",
        ),
        ("R7-embedded", "lose", "nothing accepted is lost: broken"),
        ("R17", "garble", "another payload"),
    ]);
}

fn bite(broken: &[(&str, &str, &str)]) {
    for (number, sabotage, word) in broken.iter().copied() {
        let broken = || run(command(&[number, "--short"]).env("FAULTS_BREAK", sabotage));
        // Between two calls nobody notices a kill, and then there is nothing to be sulky about.
        let tries = if sabotage == "sulk" { 5 } else { 1 };
        let mut outputs = std::iter::repeat_with(broken).take(tries);
        let output = outputs.find(|output| !output.status.success());
        let text = text(&output.unwrap_or_else(|| panic!("{number} holds in spite of {sabotage}")));
        let is_noticed = text.lines().any(|line| line.contains(word));
        assert!(is_noticed, "{sabotage}: {text}");
    }
}
