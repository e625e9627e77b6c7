use std::collections::HashMap;

use anyhow::Result;
use serde::Serialize;

use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::mode::Mode;
use crate::outcome::{Ending, Outcome};
use crate::round::{CONCURRENCY, PAYLOAD, start};
use crate::store::Store;

/// A round of a subject: a line of the output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Who.
    pub(crate) subject: &'static str,
    /// The version that was built.
    pub(crate) version: &'static str,
    /// What was measured.
    pub(crate) mode: Mode,
    /// From 1; the one that warms up is 0.
    pub(crate) round: u32,
    /// Messages of the round.
    pub(crate) messages: u32,
    /// Bytes of each payload.
    pub(crate) payload: usize,
    /// Callers and handlers.
    pub(crate) concurrency: usize,
    /// What it showed.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// Whose line it is.
    #[serde(skip)]
    pub(crate) contender: Contender,
}

impl Line {
    /// Whether its figures count.
    pub(crate) fn counts(&self) -> bool {
        self.round > 0 && self.outcome.ending == Ending::Done
    }
}

/// How it was measured: the first line of the output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Setting {
    /// Always `peers`.
    pub(crate) run: &'static str,
    /// The server's version.
    pub(crate) redis: String,
    /// Cores that client and server share.
    pub(crate) cores: usize,
    /// Rounds that count.
    pub(crate) rounds: u32,
    /// Bytes of each payload.
    pub(crate) payload: usize,
    /// Callers and handlers.
    pub(crate) concurrency: usize,
    /// What forebay's worker fetches ahead of its handlers.
    pub(crate) prefetch: u16,
    /// Messages per second of the latency mode.
    pub(crate) rate: u32,
}

impl Setting {
    /// Looks at the server and the machine.
    ///
    /// # Errors
    /// When the server cannot be reached, or somebody has something in it.
    pub(crate) async fn find(arguments: &Arguments, url: &str) -> Result<Self> {
        Ok(Self {
            run: "peers",
            redis: Store::open(url, arguments.flush).await?.version().await?,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rounds: arguments.rounds,
            payload: PAYLOAD,
            concurrency: CONCURRENCY,
            prefetch: arguments.prefetch,
            rate: arguments.rate,
        })
    }
}

/// Runs all rounds, and tells of each as it ends.
///
/// Every round has each subject once, and each round starts with another one: a change of the machine's speed meets all of them.
///
/// # Errors
/// When Redis cannot be reached, a process cannot be started, or `tell` fails. What a subject does is no error here.
pub(crate) async fn run(
    arguments: &Arguments,
    url: &str,
    mut tell: impl FnMut(&Line) -> Result<()>,
) -> Result<Vec<Line>> {
    let mut store = Store::open(url, arguments.flush).await?;
    let contenders = arguments.contenders();
    let mut lines = Vec::new();
    for &mode in &arguments.modes {
        let mut faults: HashMap<Contender, u32> = HashMap::new();
        for round in 0..=arguments.rounds {
            let mut order = contenders.clone();
            let first = round as usize % order.len().max(1);
            order.rotate_left(first);
            for subject in order {
                store.empty().await?;
                let part = arguments.round(subject, mode);
                let faults = faults.entry(subject).or_default();
                let outcome = if *faults < MOST_FAULTS {
                    start(part, url).await?
                } else {
                    Outcome::without_figures(Ending::Skipped, 0, None)
                };
                *faults += u32::from(outcome.ending != Ending::Done);
                let line = Line {
                    subject: subject.name(),
                    version: subject.version(),
                    mode,
                    round,
                    messages: part.messages,
                    payload: PAYLOAD,
                    concurrency: CONCURRENCY,
                    outcome,
                    contender: subject,
                };
                tell(&line)?;
                lines.push(line);
            }
        }
    }
    store.empty().await?;
    Ok(lines)
}

/// So often a subject may fail in a mode before it is tried no more: nobody waits for the same fault five times.
const MOST_FAULTS: u32 = 2;
