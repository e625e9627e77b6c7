use std::fmt;

use clap::ValueEnum;
use forebay_bench::Mode as HouseMode;
use serde::{Deserialize, Serialize};

/// What a round measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Callers that publish one message a call.
    Publish,
    /// A full queue, worked off by handlers.
    Drain,
    /// Both at once.
    Combined,
    /// Callers at a low rate: the time from publish to handler start.
    Latency,
}

impl Mode {
    /// All, in the order in which they are run and shown.
    pub(crate) const ALL: [Self; 4] = [Self::Publish, Self::Drain, Self::Combined, Self::Latency];

    /// The mode of the house's bench that does it.
    pub(crate) const fn of_house(self) -> HouseMode {
        match self {
            Self::Publish => HouseMode::Publish,
            Self::Drain => HouseMode::Drain,
            Self::Combined => HouseMode::Combined,
            Self::Latency => HouseMode::Steady,
        }
    }
}

impl fmt::Display for Mode {
    /// As it is given on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish",
            Self::Drain => "drain",
            Self::Combined => "combined",
            Self::Latency => "latency",
        })
    }
}
