//! Every mode on the embedded backends, beside the bare store.

#![cfg(any(feature = "sqlite", feature = "rocksdb"))]
#![allow(clippy::unwrap_used, reason = "a test")]

use clap::{Parser, ValueEnum};
use forebay::Settings;
use forebay_bench::{Arguments, Bench, Mode, Round, Summary};

/// Those of this build.
const BACKENDS: &[&str] = &[
    #[cfg(feature = "sqlite")]
    "sqlite",
    #[cfg(feature = "rocksdb")]
    "rocksdb",
];

async fn run(line: &str) -> Vec<Round> {
    let folder = tempfile::tempdir().unwrap();
    let words = ["forebay-bench", "--path", folder.path().to_str().unwrap()];
    let words = words.into_iter().chain(line.split_whitespace());
    let arguments = Arguments::try_parse_from(words).unwrap();
    arguments.check().unwrap();
    let bench = Bench::new(&arguments, Settings::default(), forebay::registry()).unwrap();
    let rounds = bench.run(|_| Ok(())).await.unwrap();
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "directories of rounds stay behind");
    rounds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mode_runs_on_both_sides_and_loses_nothing() {
    for backend in BACKENDS {
        for mode in Mode::value_variants() {
            let line = format!(
                "--backend {backend} --mode {mode} --messages 300 --rounds 1 --concurrency 7 --batch 16 --baseline"
            );
            let rounds = run(&line).await;
            assert_eq!(rounds.len(), 4);
            for round in &rounds {
                let bare = format!("bare-{backend}");
                assert!(["forebay", &bare].contains(&round.subject));
                assert_eq!((round.lost, round.duplicates), (0, 0), "{mode}: {round:?}");
                assert_eq!(round.sync.as_deref(), Some("always"));
            }
            let summary = Summary::of(&rounds).unwrap();
            assert!(summary.ratio.unwrap() > 0.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_the_disk_is_told() {
    for backend in BACKENDS {
        let line = "--mode stream --messages 100 --rounds 1 --sync never --baseline";
        let rounds = run(&format!("--backend {backend} {line}")).await;
        assert!(rounds.iter().all(|r| r.sync.as_deref() == Some("never")));
        assert!(rounds.iter().all(|r| r.lost == 0 && r.duplicates == 0));
    }
}
