use std::path::PathBuf;

use clap::{Parser, Subcommand, value_parser};

use crate::contender::Contender;
use crate::embedded::EmbeddedArguments;
use crate::mode::Mode;

/// The same jobs on forebay, on other Rust job queues and on the bare Redis client. It empties the Redis at `REDIS_URL`.
#[derive(Clone, Debug, Parser)]
#[command(name = "forebay-peers", version)]
pub(crate) struct Arguments {
    /// What is measured, in any number.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Mode::ALL)]
    pub(crate) modes: Vec<Mode>,
    /// Who takes part, in any number. [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) subjects: Vec<Contender>,
    /// Messages of a round of forebay and of the bare client; peers get a tenth, apalis in drain and combined at most 7500.
    #[arg(long, default_value_t = 200_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(crate) messages: u32,
    /// Rounds that count; one more warms up.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Messages per second of the latency mode.
    #[arg(long, default_value_t = 500, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,
    /// Seconds of a round of the latency mode.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=60))]
    pub(crate) seconds: u32,
    /// Seconds that one round of one subject may take, filling included.
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u32).range(1..=3_600))]
    pub(crate) limit: u32,
    /// Tasks that fetch on the bare client: as many as forebay's worker has.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..=64))]
    pub(crate) readers: u16,
    /// Messages that forebay's worker fetches ahead of its handlers.
    #[arg(long, default_value_t = 960, value_parser = value_parser!(u16).range(0..=10_000))]
    pub(crate) prefetch: u16,
    /// A folder: write the JSON lines and the plot there, as `peers.jsonl` and `peers.svg`. Only a run in which neither forebay nor the
    /// bare client failed is written.
    #[arg(long)]
    pub(crate) write: Option<PathBuf>,
    /// Start although the Redis is not empty, and empty it.
    #[arg(long)]
    pub(crate) flush: bool,
    /// JSON lines, on a terminal too.
    #[arg(long)]
    pub(crate) json: bool,
    /// Something else than a run on Redis.
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
}

/// Another run than that on Redis, or a part of it in a process of its own.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Part {
    /// forebay's embedded queue beside rustqueue's, both in this process and durable.
    Embedded(EmbeddedArguments),
    /// One round of one subject: prints what it shows and ends.
    #[command(hide = true)]
    Round(RoundArguments),
}

/// Which round.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct RoundArguments {
    /// Whose.
    pub(crate) subject: Contender,
    /// What it measures.
    pub(crate) mode: Mode,
    /// How many messages it carries.
    pub(crate) messages: u32,
    /// Messages per second, in the latency mode.
    pub(crate) rate: u32,
    /// Seconds that it may take.
    pub(crate) limit: u32,
    /// Tasks that fetch on the bare client.
    pub(crate) readers: u16,
    /// Messages that forebay's worker fetches ahead.
    pub(crate) prefetch: u16,
}

impl Arguments {
    /// Who takes part, in the order of the first round.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        if self.subjects.is_empty() {
            return clap::ValueEnum::value_variants().to_vec();
        }
        self.subjects.clone()
    }

    /// One round of one subject.
    pub(crate) fn round(&self, subject: Contender, mode: Mode) -> RoundArguments {
        let messages = match mode {
            Mode::Latency => self.rate * self.seconds,
            _ => subject.messages(mode, self.messages),
        };
        RoundArguments {
            subject,
            mode,
            messages,
            rate: self.rate,
            limit: self.limit,
            readers: self.readers,
            prefetch: self.prefetch,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn everybody_takes_part_unless_somebody_is_named() {
        let of = |line: &str| Arguments::parse_from(line.split(' ')).contenders();
        assert_eq!(of("peers").len(), 7);
        assert_eq!(
            of("peers --subjects bare,apalis"),
            [Contender::Bare, Contender::Apalis]
        );
    }

    #[test]
    fn the_latency_mode_counts_seconds() {
        let arguments = Arguments::parse_from(["peers", "--rate", "100", "--seconds", "4"]);
        let messages = |mode| arguments.round(Contender::Apalis, mode).messages;
        assert_eq!(
            (messages(Mode::Latency), messages(Mode::Drain)),
            (400, 7_500)
        );
    }
}
