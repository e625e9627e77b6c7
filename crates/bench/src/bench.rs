use anyhow::Result;
use forebay::{Registry, Settings};

use crate::arguments::Arguments;
use crate::baseline::{Side, baseline};
use crate::clock::Took;
use crate::forebay_queue::ForebayQueue;
use crate::latencies::Latencies;
use crate::load::Load;
use crate::mode::Mode;
use crate::round::Round;
use crate::statistics::rounded;

/// A run: its sides, round by round.
pub struct Bench {
    backend: String,
    sync: Option<String>,
    mode: Mode,
    rounds: u32,
    load: &'static Load,
    sides: Vec<Box<dyn Side>>,
}

impl Bench {
    /// A run as the arguments say, with the settings of the environment and the backends to choose from.
    ///
    /// # Errors
    /// When there is no baseline for the backend.
    pub fn new(arguments: &Arguments, mut settings: Settings, registry: Registry) -> Result<Self> {
        settings.set("QUEUE_BACKEND", &arguments.backend);
        let folder = arguments.folder();
        let sync = folder.is_some().then(|| {
            let sync = arguments.sync.as_deref().or(settings.get("QUEUE_SYNC"));
            sync.unwrap_or("always").to_owned()
        });
        if let Some(sync) = &sync {
            settings.set("QUEUE_SYNC", sync);
        }
        let queue = ForebayQueue::new(settings, registry);
        let mut sides: Vec<Box<dyn Side>> = vec![Box::new(match &folder {
            Some(folder) => queue.in_folder(folder),
            None => queue,
        })];
        if arguments.baseline {
            let disk = folder.as_deref().zip(sync.as_deref());
            sides.push(baseline(&arguments.backend, disk)?);
        }
        Ok(Self {
            backend: arguments.backend.clone(),
            sync,
            mode: arguments.mode,
            rounds: arguments.rounds,
            load: arguments.load().leak(),
            sides,
        })
    }

    /// How many rounds of one side there are, warming up included.
    pub fn steps(&self) -> usize {
        (self.rounds as usize + 1) * self.sides.len()
    }

    /// What each round carries.
    pub fn load(&self) -> &'static Load {
        self.load
    }

    /// Runs all rounds, and tells of each as it ends. Round 0 warms up.
    ///
    /// The sides take turns, and each goes first in every other round: a change of the machine's speed meets both.
    ///
    /// # Errors
    /// When a side fails, or `tell` does.
    pub async fn run(&self, mut tell: impl FnMut(&Round) -> Result<()>) -> Result<Vec<Round>> {
        let mut rounds = Vec::new();
        for number in 0..=self.rounds {
            let mut order: Vec<_> = self.sides.iter().collect();
            if number % 2 == 1 {
                order.reverse();
            }
            for side in order {
                let took = side.round(self.mode, self.load).await?;
                let round = self.round(side.name(), number, took);
                tell(&round)?;
                rounds.push(round);
            }
        }
        Ok(rounds)
    }

    fn round(&self, subject: &'static str, round: u32, took: Took) -> Round {
        let load = self.load;
        let seconds = took.wall.as_secs_f64();
        Round {
            subject,
            backend: self.backend.clone(),
            mode: self.mode,
            round,
            messages: load.messages,
            payload: load.payload,
            batch: load.batch,
            concurrency: load.concurrency,
            rate: load.rate,
            sync: self.sync.clone(),
            seconds: rounded(seconds, 6),
            // A paused clock can stand still.
            per_sec: (f64::from(load.tally.seen()) / seconds.max(1e-9)).round(),
            cpu_us: took.processor.map(|busy| {
                let each = busy.as_secs_f64() * 1e6 / f64::from(load.messages);
                rounded(each, 3)
            }),
            lost: load.tally.lost(),
            duplicates: load.tally.duplicates(),
            latency: load.latencies.as_ref().map(Latencies::percentiles),
        }
    }
}
