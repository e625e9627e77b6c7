//! Every mode on the memory backend, beside its baseline, and on a backend that loses, repeats or keeps messages.

mod broken;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use forebay::Settings;
use forebay_bench::{Arguments, Bench, Mode, Round, Summary};

async fn run(line: &str, fault: &str) -> Result<Vec<Round>> {
    let words = std::iter::once("forebay-bench").chain(line.split_whitespace());
    let settings = Settings::from_iter([(broken::FAULT, fault)]);
    let arguments = Arguments::try_parse_from(words)?;
    let bench = Bench::new(&arguments, settings, broken::registry())?;
    let mut told = Vec::new();
    let rounds = bench
        .run(|round| {
            told.push(round.clone());
            Ok(())
        })
        .await?;
    assert_eq!(told, rounds);
    assert_eq!(rounds.len(), bench.steps());
    Ok(rounds)
}

fn modes() -> impl Iterator<Item = &'static Mode> {
    Mode::value_variants().iter()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mode_runs_and_loses_nothing() {
    for mode in modes() {
        let line = format!("--mode {mode} --messages 300 --rounds 1 --concurrency 7 --batch 16");
        let rounds = run(&line, "").await.unwrap();
        for round in &rounds {
            assert_eq!((round.subject, round.mode), ("forebay", *mode));
            assert_eq!((round.lost, round.duplicates), (0, 0), "{mode}");
            assert!(round.seconds > 0.0 && round.per_sec > 0.0, "{mode}");
            assert_eq!(round.latency.is_some(), *mode == Mode::Steady);
        }
        assert_eq!(Summary::of(&rounds).unwrap().ratio, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_baseline_takes_turns() {
    const BARE: &str = "bare-async-channel";
    for mode in modes() {
        let line = format!("--mode {mode} --messages 300 --rounds 2 --concurrency 7 --baseline");
        let rounds = run(&line, "").await.unwrap();
        let order: Vec<_> = rounds.iter().map(|r| (r.round, r.subject)).collect();
        let expected = [
            (0, "forebay"),
            (0, BARE),
            (1, BARE),
            (1, "forebay"),
            (2, "forebay"),
            (2, BARE),
        ];
        assert_eq!(order, expected);
        assert!(rounds.iter().all(|r| r.lost == 0 && r.duplicates == 0));
        let summary = Summary::of(&rounds).unwrap();
        assert!(summary.ratio.unwrap() > 0.0, "{mode}");
        assert_eq!(summary.p50_ratio.is_some(), *mode == Mode::Steady);
        assert!(summary.is_complete());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_messages_are_enough_for_many_callers() {
    for mode in modes() {
        let line = format!("--mode {mode} --messages 1 --rounds 1 --concurrency 64 --baseline");
        let rounds = run(&line, "").await.unwrap();
        assert!(rounds.iter().all(|r| r.lost == 0 && r.duplicates == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_is_seen_in_every_mode() {
    for mode in modes() {
        let line = format!("--backend broken --mode {mode} --messages 200 --rounds 1");
        let rounds = run(&line, broken::LOSES).await.unwrap();
        for round in &rounds {
            assert_eq!((round.lost, round.duplicates), (1, 0), "{mode}");
        }
        let summary = Summary::of(&rounds).unwrap();
        assert_eq!(summary.lost, 2);
        assert!(!summary.is_complete());
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_message_is_seen_in_every_mode() {
    for mode in modes() {
        let line = format!("--backend broken --mode {mode} --messages 200 --rounds 1");
        let rounds = run(&line, broken::REPEATS).await.unwrap();
        for round in &rounds {
            assert_eq!((round.lost, round.duplicates), (0, 1), "{mode}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_never_acked_fails_the_run() {
    for mode in modes() {
        let line = format!("--backend broken --mode {mode} --messages 50 --rounds 1");
        let error = run(&line, broken::KEEPS).await.unwrap_err().to_string();
        assert!(error.contains("50 leased messages"), "{mode}: {error}");
    }
}

#[tokio::test]
async fn what_the_backend_cannot_take_is_told_with_its_limit() {
    let line = "--mode raw --batch 300 --messages 300 --rounds 1";
    let error = run(line, "").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "--batch 300: allowed on memory with this payload: 1 to 256"
    );
    let line = "--mode raw --payload 262144 --batch 17 --messages 20 --rounds 1";
    let error = run(line, "").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "--batch 17: allowed on memory with this payload: 1 to 15"
    );
    // Where batches are not what is measured, they are made to fit.
    let line = "--mode drain --payload 262144 --messages 40 --rounds 1";
    assert!(run(line, "").await.unwrap().iter().all(|r| r.lost == 0));
}
