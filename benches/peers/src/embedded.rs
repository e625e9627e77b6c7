//! Queues that live in this process, each on a disk of its own that is synced before anything is answered.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, value_parser};
use forebay::Settings;
use forebay_bench::{ForebayQueue, Jobs, Load, Side, Tally};
use serde::Serialize;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::mode::Mode;
use crate::peer::{PeerSubject, Place};
use crate::report::Report;
use crate::round::{CONCURRENCY, PAYLOAD};
use crate::subjects::RustQueue;
use crate::summary::median;

/// A run of queues in this process.
#[derive(Clone, Debug, Args)]
pub(crate) struct EmbeddedArguments {
    /// What is measured, in any number.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = MODES)]
    modes: Vec<Mode>,
    /// Messages of a round of forebay.
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    messages: u32,
    /// Messages of a round of rustqueue: the figure is per second, and nobody wants to wait.
    #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    peer_messages: u32,
    /// Rounds that count; one more warms up.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds that one round may take, filling included.
    #[arg(long, default_value_t = 120, value_parser = value_parser!(u32).range(1..=3_600))]
    limit: u32,
    /// A folder on the disk to measure: each round makes a directory in it, and removes it.
    #[arg(long, default_value = ".")]
    path: PathBuf,
    /// A folder: write the JSON lines there, as `embedded-peers.jsonl`. Only a run in which no message was lost is written.
    #[arg(long)]
    write: Option<PathBuf>,
    /// JSON lines, on a terminal too.
    #[arg(long)]
    json: bool,
}

const MODES: [Mode; 3] = [Mode::Publish, Mode::Drain, Mode::Combined];

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "rocksdb")]
    RocksDb,
    RustQueue,
    Coalesced,
}

const ALL: &[Contestant] = &[
    #[cfg(feature = "sqlite")]
    Contestant::Sqlite,
    #[cfg(feature = "rocksdb")]
    Contestant::RocksDb,
    Contestant::RustQueue,
    Contestant::Coalesced,
];

impl Contestant {
    const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "forebay, sqlite",
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => "forebay, rocksdb",
            Self::RustQueue => "rustqueue",
            Self::Coalesced => "rustqueue, coalesced",
        }
    }

    const fn is_peer(self) -> bool {
        matches!(self, Self::RustQueue | Self::Coalesced)
    }

    fn side(self, directory: &Path, load: &'static Load) -> Result<Box<dyn Side>> {
        let path = directory.to_str().context("--path is no UTF-8")?;
        let place = Place {
            url: path.to_owned(),
            readers: 1,
        };
        Ok(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Box::new(forebay_on("sqlite", directory)),
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => Box::new(forebay_on("rocksdb", directory)),
            Self::RustQueue => Box::new(PeerSubject::<RustQueue<false>>::new(
                self.name(),
                place,
                load,
            )),
            Self::Coalesced => Box::new(PeerSubject::<RustQueue<true>>::new(
                self.name(),
                place,
                load,
            )),
        })
    }
}

#[cfg(any(feature = "sqlite", feature = "rocksdb"))]
fn forebay_on(backend: &str, directory: &Path) -> ForebayQueue {
    let settings = [("QUEUE_BACKEND", backend), ("QUEUE_SYNC", "always")];
    let settings = Settings::from_iter(settings);
    ForebayQueue::new(settings, forebay::registry()).in_folder(directory)
}

/// A line of the output.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Line {
    /// How it was measured: the first.
    Setting {
        run: &'static str,
        cores: usize,
        rounds: u32,
        payload: usize,
        concurrency: usize,
    },
    Round {
        subject: &'static str,
        mode: Mode,
        round: u32,
        messages: u32,
        per_sec: Option<f64>,
        cpu_us: Option<f64>,
        lost: u32,
        duplicates: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// All rounds of one in one mode, and the rate over that of the best peer.
    Summary {
        summary: &'static str,
        mode: Mode,
        per_sec: Option<f64>,
        ratio_to_peer: Option<f64>,
        faults: usize,
    },
}

/// Runs all rounds: everybody in each, and each round starts with another one. It fails when forebay does.
pub(crate) fn run(arguments: &EmbeddedArguments) -> Result<ExitCode> {
    let mut report = Report::new(arguments.json || !io::stdout().is_terminal());
    report.add(&Line::Setting {
        run: "embedded-peers",
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: arguments.rounds,
        payload: PAYLOAD,
        concurrency: CONCURRENCY,
    })?;
    let mut lines = Vec::new();
    for &mode in &arguments.modes {
        for round in 0..=arguments.rounds {
            let mut order = ALL.to_vec();
            order.rotate_left(round as usize % ALL.len());
            for contestant in order {
                let line = one(arguments, contestant, mode, round)?;
                report.add(&line)?;
                progress(&line);
                lines.push((contestant, line));
            }
        }
    }
    let mut is_sound = true;
    for &mode in &arguments.modes {
        for &contestant in ALL {
            let summary = summary(&lines, contestant, mode);
            let failed = matches!(&summary, Line::Summary { faults, .. } if *faults > 0);
            is_sound &= contestant.is_peer() || !failed;
            progress(&summary);
            report.add(&summary)?;
        }
    }
    if !is_sound {
        eprintln!("error: forebay lost messages or failed");
        return Ok(ExitCode::FAILURE);
    }
    if let Some(folder) = &arguments.write {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        report.write(&folder.join("embedded-peers.jsonl"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One round, on a runtime of its own: what a peer leaves running ends with it.
fn one(
    arguments: &EmbeddedArguments,
    contestant: Contestant,
    mode: Mode,
    round: u32,
) -> Result<Line> {
    let messages = if contestant.is_peer() {
        arguments.peer_messages
    } else {
        arguments.messages
    };
    let load = load(messages).leak();
    let directory = TempDir::new_in(&arguments.path)
        .with_context(|| format!("--path {}", arguments.path.display()))?;
    let side = contestant.side(directory.path(), load)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let limit = Duration::from_secs(arguments.limit.into());
    let took = runtime.block_on(async {
        let round = tokio::spawn(async move { side.round(mode.of_house(), load).await });
        timeout(limit, round).await
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    let (took, error) = match took {
        Ok(Ok(Ok(took))) => (Some(took), None),
        Ok(Ok(Err(error))) => (None, Some(format!("{error:#}"))),
        Ok(Err(_)) => (None, Some("it panicked".to_owned())),
        Err(_) => (None, Some("it was not done in time".to_owned())),
    };
    let (lost, duplicates) = (load.tally.lost(), load.tally.duplicates());
    let each = |busy: Duration| busy.as_secs_f64() * 1e6 / f64::from(messages);
    let took = took.filter(|_| lost == 0 && duplicates == 0);
    Ok(Line::Round {
        subject: contestant.name(),
        mode,
        round,
        messages,
        per_sec: took.map(|took| (f64::from(messages) / took.wall.as_secs_f64()).round()),
        cpu_us: took.and_then(|took| Some(each(took.processor?).round())),
        lost,
        duplicates,
        error,
    })
}

fn load(messages: u32) -> Load {
    Load {
        messages,
        payload: PAYLOAD,
        batch: 128,
        concurrency: CONCURRENCY,
        // As beside the peers on Redis.
        prefetch: Some(960),
        rate: None,
        jobs: Jobs::new(PAYLOAD),
        tally: Tally::new(messages),
        latencies: None,
    }
}

fn rates(
    lines: &[(Contestant, Line)],
    contestant: Contestant,
    in_mode: Mode,
) -> impl Iterator<Item = Option<f64>> {
    lines.iter().filter_map(move |(who, line)| match line {
        Line::Round {
            mode,
            round,
            per_sec,
            ..
        } if *who == contestant && *mode == in_mode && *round > 0 => Some(*per_sec),
        _ => None,
    })
}

fn summary(lines: &[(Contestant, Line)], contestant: Contestant, mode: Mode) -> Line {
    let median_of = |who| median(rates(lines, who, mode).flatten());
    let peers = ALL.iter().filter(|who| who.is_peer());
    let best = peers.filter_map(|who| median_of(*who)).reduce(f64::max);
    let per_sec = median_of(contestant);
    let ratio = per_sec.zip(best).map(|(ours, best)| ours / best);
    Line::Summary {
        summary: contestant.name(),
        mode,
        per_sec,
        ratio_to_peer: ratio.map(|ratio| (ratio * 100.0).round() / 100.0),
        faults: rates(lines, contestant, mode)
            .filter(Option::is_none)
            .count(),
    }
}

/// On standard error, for people.
fn progress(line: &Line) {
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| value.to_string());
    match line {
        Line::Setting { .. } => {}
        Line::Round {
            subject,
            mode,
            round,
            per_sec,
            error,
            ..
        } => {
            let error = error.as_deref().unwrap_or_default();
            eprintln!(
                "{mode} round {round}: {subject} {}/s {error}",
                shown(*per_sec)
            );
        }
        Line::Summary {
            summary,
            mode,
            per_sec,
            ratio_to_peer,
            ..
        } => eprintln!(
            "{mode}: {summary} {}/s, {} times the best peer",
            shown(*per_sec),
            shown(*ratio_to_peer)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(folder: &Path) -> EmbeddedArguments {
        EmbeddedArguments {
            modes: MODES.to_vec(),
            messages: 300,
            peer_messages: 50,
            rounds: 1,
            limit: 60,
            path: folder.to_owned(),
            write: None,
            json: false,
        }
    }

    #[test]
    fn everybody_does_every_mode_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for mode in MODES {
            for &contestant in ALL {
                let line = one(&arguments(folder.path()), contestant, mode, 1).unwrap();
                let Line::Round { per_sec, error, .. } = &line else {
                    panic!("a round is a round");
                };
                assert!(per_sec.is_some() && error.is_none(), "{line:?}");
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_ratio_is_to_the_best_peer_and_what_failed_is_counted() {
        let round = |per_sec| Line::Round {
            subject: "any",
            mode: Mode::Drain,
            round: 1,
            messages: 1,
            per_sec,
            cpu_us: None,
            lost: 0,
            duplicates: 0,
            error: None,
        };
        let lines = [
            (ALL[0], round(Some(500.0))),
            (Contestant::RustQueue, round(Some(10.0))),
            (Contestant::Coalesced, round(Some(20.0))),
            (Contestant::Coalesced, round(None)),
        ];
        let Line::Summary {
            ratio_to_peer,
            faults,
            ..
        } = summary(&lines, ALL[0], Mode::Drain)
        else {
            panic!("a summary is a summary");
        };
        assert_eq!((ratio_to_peer, faults), (Some(25.0), 0));
        let Line::Summary { faults, .. } = summary(&lines, Contestant::Coalesced, Mode::Drain)
        else {
            panic!("a summary is a summary");
        };
        assert_eq!(faults, 1);
    }
}
