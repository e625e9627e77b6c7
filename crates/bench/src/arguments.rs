use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, value_parser};

use crate::job::Jobs;
use crate::latencies::Latencies;
use crate::load::Load;
use crate::mode::Mode;
use crate::tally::Tally;

/// Measures how fast forebay is on a backend, and beside the bare store.
#[derive(Clone, Debug, Parser)]
#[command(name = "forebay-bench", version)]
pub struct Arguments {
    /// Where messages are kept; the backend's own variables are read from the environment.
    #[arg(long, default_value = "memory")]
    pub backend: String,
    /// A folder on the disk to measure, for an embedded backend: each round makes a directory in it, and removes it.
    /// [default: the current folder]
    #[arg(long)]
    pub path: Option<PathBuf>,
    /// What is on the disk when a call is answered, for an embedded backend: always, never or a duration, as `QUEUE_SYNC`.
    #[arg(long)]
    pub sync: Option<String>,
    /// What is measured.
    #[arg(long, value_enum, default_value_t = Mode::Drain)]
    pub mode: Mode,
    /// Messages in a round. [default: 200000; in the steady mode, what five seconds take]
    #[arg(long, value_parser = value_parser!(u32).range(1..=100_000_000))]
    pub messages: Option<u32>,
    /// Bytes of each message's whole JSON payload.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(PAYLOAD_RANGE))]
    pub payload: u32,
    /// Messages in a batch: of the raw mode, and of filling a queue before the time counts.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u16).range(1..=10_000))]
    pub batch: u16,
    /// Callers and handlers. [default: 64; in the raw mode 1]
    #[arg(long, value_parser = value_parser!(u16).range(1..=4_096))]
    pub concurrency: Option<u16>,
    /// Messages that forebay's worker fetches ahead of those that run. [default: as many as handlers]
    #[arg(long, value_parser = value_parser!(u32).range(0..=100_000))]
    pub prefetch: Option<u32>,
    /// Messages per second, in the steady mode. [default: 10000]
    #[arg(long, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub rate: Option<u32>,
    /// Rounds that count; one more warms up.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// Measure the bare store too, round by round, and print the ratio.
    #[arg(long)]
    pub baseline: bool,
    /// JSON lines, on a terminal too.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// Reads the process's arguments; prints what is wrong, or the help, and exits.
    pub fn read() -> Self {
        let arguments = Self::parse();
        if let Err(error) = arguments.check() {
            error.exit();
        }
        arguments
    }

    /// Whether they go together.
    ///
    /// # Errors
    /// When one has no meaning in this mode.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.rate.is_some() && self.mode != Mode::Steady {
            let problem = "--rate is allowed with --mode steady only";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, problem));
        }
        if !self.is_embedded() && (self.path.is_some() || self.sync.is_some()) {
            let problem = "--path and --sync are allowed with --backend sqlite or rocksdb only";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, problem));
        }
        Ok(())
    }

    /// Where the rounds make their directories, on a backend that has one.
    pub fn folder(&self) -> Option<PathBuf> {
        let folder = || self.path.clone().unwrap_or_else(|| ".".into());
        self.is_embedded().then(folder)
    }

    fn is_embedded(&self) -> bool {
        ["sqlite", "rocksdb"].contains(&self.backend.as_str())
    }

    /// What a round carries.
    pub fn load(&self) -> Load {
        let is_steady = self.mode == Mode::Steady;
        let rate = is_steady.then(|| self.rate.unwrap_or(10_000));
        let messages = self.messages.unwrap_or(match rate {
            Some(rate) => rate * 5,
            None => 200_000,
        });
        let concurrency = match self.mode {
            Mode::Raw => 1,
            _ => 64,
        };
        Load {
            messages,
            payload: self.payload as usize,
            batch: self.batch.into(),
            concurrency: self.concurrency.unwrap_or(concurrency).into(),
            prefetch: self.prefetch.map(|messages| messages as usize),
            rate,
            jobs: Jobs::new(self.payload as usize),
            tally: Tally::new(messages),
            latencies: is_steady.then(|| Latencies::new(messages)),
        }
    }
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "the limits are far below the largest number"
)]
const PAYLOAD_RANGE: std::ops::RangeInclusive<i64> =
    Jobs::MIN_PAYLOAD as i64..=Jobs::MAX_PAYLOAD as i64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("forebay-bench").chain(line.split_whitespace());
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        arguments.check().map_err(|error| error.to_string())?;
        Ok(arguments)
    }

    #[test]
    fn the_command_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let arguments = parse("").unwrap();
        assert_eq!(arguments.backend, "memory");
        assert_eq!((arguments.mode, arguments.rounds), (Mode::Drain, 5));
        assert!(!arguments.baseline && !arguments.json);
        let load = arguments.load();
        assert_eq!((load.messages, load.payload), (200_000, 256));
        assert_eq!((load.batch, load.concurrency), (64, 64));
        assert!(load.rate.is_none() && load.latencies.is_none());
        assert_eq!(load.prefetch, None);
        assert_eq!(parse("--mode raw").unwrap().load().concurrency, 1);
        let steady = parse("--mode steady").unwrap().load();
        assert_eq!((steady.rate, steady.messages), (Some(10_000), 50_000));
        assert!(steady.latencies.is_some());
    }

    #[test]
    fn every_flag_is_read() {
        let line = "--backend redis --mode steady --messages 9 --payload 512 --batch 3 --concurrency 5 \
                    --prefetch 6 --rate 7 --rounds 2 --baseline --json";
        let arguments = parse(line).unwrap();
        assert_eq!(arguments.backend, "redis");
        assert_eq!((arguments.mode, arguments.rounds), (Mode::Steady, 2));
        assert!(arguments.baseline && arguments.json);
        let load = arguments.load();
        assert_eq!((load.messages, load.payload), (9, 512));
        assert_eq!((load.batch, load.concurrency, load.rate), (3, 5, Some(7)));
        assert_eq!(load.prefetch, Some(6));
    }

    #[test]
    fn only_an_embedded_backend_has_a_folder() {
        assert_eq!(parse("").unwrap().folder(), None);
        let of = |line: &str| parse(line).unwrap().folder().unwrap();
        assert_eq!(of("--backend sqlite"), PathBuf::from("."));
        assert_eq!(of("--backend rocksdb --path d"), PathBuf::from("d"));
        let arguments = parse("--backend sqlite --sync 100ms").unwrap();
        assert_eq!(arguments.sync.as_deref(), Some("100ms"));
    }

    #[test]
    fn wrong_values_are_told_what_is_allowed() {
        let cases = [
            (
                "--mode fast",
                "raw, publish, stream, drain, combined, steady",
            ),
            ("--messages 0", "1..=100000000"),
            ("--messages many", "invalid digit"),
            ("--payload 127", "128..=262144"),
            ("--payload 262145", "128..=262144"),
            ("--batch 0", "1..=10000"),
            ("--concurrency 0", "1..=4096"),
            ("--prefetch 100001", "0..=100000"),
            ("--rate 0 --mode steady", "1..=10000000"),
            ("--rounds 0", "1..=1000"),
            ("--rate 5 --mode drain", "--mode steady only"),
            ("--sync never", "--backend sqlite or rocksdb only"),
            (
                "--path . --backend redis",
                "--backend sqlite or rocksdb only",
            ),
        ];
        for (line, allowed) in cases {
            let error = parse(line).unwrap_err();
            assert!(error.contains(allowed), "{line}: {error}");
        }
    }

    #[test]
    fn modes_are_named_as_they_are_given() {
        use clap::ValueEnum;
        for mode in Mode::value_variants() {
            let arguments = parse(&format!("--mode {mode}")).unwrap();
            assert_eq!(arguments.mode, *mode);
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.to_string());
        }
    }
}
