//! The program itself: what it prints and how it exits.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forebay-bench"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the program starts")
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    let lines = output.stdout.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| serde_json::from_slice(line).expect("JSON on every line"))
        .collect()
}

fn names(line: &Value) -> String {
    // In the order of the alphabet.
    let names: Vec<_> = line
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    names.join(" ")
}

/// Programs read these names: a change of one is a change that they notice.
#[cfg(unix)] // Elsewhere there is no processor time.
#[test]
fn the_names_of_the_lines_stay() {
    let lines = lines(&bench("--messages 100 --rounds 1 --baseline"));
    let round = "backend batch concurrency cpu_us duplicates lost messages mode payload per_sec round seconds subject";
    assert_eq!(names(&lines[0]), round);
    assert_eq!(names(&lines[1]), round);
    let summary = "backend baseline baseline_per_sec cores cpu_ratio duplicates lost messages mode per_sec ratio rounds summary";
    assert_eq!(names(&lines[2]), summary);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["subject"], "bare-async-channel");
    assert_eq!(lines[1]["subject"], "forebay");
    assert_eq!(lines[1]["mode"], "drain");
    assert_eq!(lines[1]["backend"], "memory");
    assert_eq!(lines[1]["messages"], 100);
    assert_eq!(lines[1]["lost"], 0);
}

#[cfg(unix)]
#[test]
fn the_steady_mode_adds_latencies() {
    let lines = lines(&bench(
        "--mode steady --messages 100 --rate 1000 --rounds 1 --baseline --json",
    ));
    let round = "backend batch behind_us concurrency cpu_us duplicates lost max_us messages mode p50_us p90_us p999_us \
                 p99_us payload per_sec rate round seconds subject";
    assert_eq!(names(&lines[0]), round);
    let summary = "backend baseline baseline_per_sec cores cpu_ratio duplicates lost messages mode p50_ratio p99_ratio per_sec \
                   ratio rounds summary";
    assert_eq!(names(&lines[2]), summary);
    let of = |name: &str| lines[1][name].as_f64().unwrap();
    assert!(0.0 < of("p50_us") && of("p50_us") <= of("p99_us"));
    assert!(of("p99_us") <= of("max_us") * 1.001);
    // The last is due after 99 ms.
    assert!(of("seconds") >= 0.099);
}

#[test]
fn without_a_baseline_there_is_no_ratio() {
    let lines = lines(&bench("--mode raw --messages 100 --rounds 2"));
    let summary = "backend cores duplicates lost messages mode per_sec rounds summary";
    assert_eq!(names(&lines[2]), summary);
    assert_eq!(lines.len(), 3);
}

#[test]
fn an_unknown_backend_is_the_facades_error() {
    let output = bench("--backend nowhere --messages 10");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    // With the backends of this build.
    assert!(
        error.starts_with("error: QUEUE_BACKEND=nowhere: allowed: memory"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_wrong_value_is_a_wrong_use() {
    let output = bench("--mode fast");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("steady"), "{error}");
}
