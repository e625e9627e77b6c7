use std::fmt;
use std::time::Instant;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

use crate::ground::Ground;
use crate::scenario::Scenario;
use crate::verdict::{Figure, Verdict};

/// One scenario, run: what is kept of it.
#[derive(Serialize)]
pub(crate) struct Outcome {
    number: &'static str,
    about: &'static str,
    pub(crate) pass: bool,
    /// Why it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    figures: Vec<Figure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
    short: bool,
    seed: u64,
    /// How long it took, in seconds.
    duration: f64,
    server: String,
}

impl Outcome {
    /// Runs a scenario. An error of it is a complaint like any other.
    pub(crate) async fn of(scenario: &Scenario, short: bool, seed: u64) -> Result<Self> {
        let ground = Ground::new(short, seed)?;
        let began = Instant::now();
        let mut verdict = (scenario.run)(&ground).await.unwrap_or_else(|error| {
            let mut verdict = Verdict::on("");
            verdict.complain(format!("{error:#}"));
            verdict
        });
        let pass = verdict.pass();
        if !pass {
            let folder = ground.keep();
            verdict.complain(format!("its histories are in {}", folder.display()));
        }
        Ok(Self {
            number: scenario.number,
            about: scenario.about,
            pass,
            skipped: verdict.skipped,
            figures: verdict.figures,
            complaints: verdict.complaints,
            short,
            seed,
            duration: began.elapsed().as_secs_f64(),
            server: verdict.server,
        })
    }

    fn word(&self) -> &'static str {
        match (&self.skipped, self.pass) {
            (Some(_), _) => "SKIPPED",
            (None, true) => "holds",
            (None, false) => "FAILS",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, word) = (self.number, self.word());
        write!(f, "{number}: {word} after {:.1} s", self.duration)?;
        if let Some(why) = &self.skipped {
            write!(f, ": {why}")?;
        }
        for figure in &self.figures {
            write!(f, " · {figure}")?;
        }
        for complaint in &self.complaints {
            write!(f, "\n{complaint}")?;
        }
        if !self.pass {
            let short = if self.short { " --short" } else { "" };
            write!(
                f,
                "\nto see it again: cargo xtask faults {number}{short} --seed {}",
                self.seed
            )?;
        }
        Ok(())
    }
}

/// All of them at a glance.
pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["", "what is done", "", "seconds", "with a bound"]);
    for outcome in outcomes {
        let bounded: Vec<_> = outcome
            .figures
            .iter()
            .filter(|figure| figure.is_bounded())
            .map(ToString::to_string)
            .collect();
        table.add_row([
            outcome.number.to_owned(),
            outcome.about.to_owned(),
            outcome.word().to_owned(),
            format!("{:.1}", outcome.duration),
            bounded.join("\n"),
        ]);
    }
    table
}
