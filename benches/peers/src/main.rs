//! The same jobs on forebay, on other Rust job queues and on the bare Redis client: interleaved, counted, drawn. And the same on
//! forebay and another queue that live in this process.

mod arguments;
mod bench;
mod contender;
mod embedded;
mod meter;
mod mode;
mod outcome;
mod peer;
mod plot;
mod report;
mod round;
mod store;
mod subjects;
mod summary;
mod table;

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::arguments::{Arguments, Part, RoundArguments};
use crate::bench::{Line, Setting};
use crate::outcome::Ending;
use crate::report::Report;

// As in the house's bench.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let url =
        || env::var("REDIS_URL").context("REDIS_URL is the address of a Redis that may be emptied");
    let result = match &arguments.part {
        Some(Part::Embedded(embedded)) => embedded::run(embedded),
        Some(Part::Round(round)) => {
            url().and_then(|url| one(*round, url).map(|()| ExitCode::SUCCESS))
        }
        None => url().and_then(|url| all(&arguments, &url)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// One round, in this process, which ends at once: peers have tasks that never do.
fn one(round: RoundArguments, url: String) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(round::run(round, url, contender::settings()));
    Report::new(true).add(&outcome)?;
    runtime.shutdown_background();
    Ok(())
}

/// The whole run. It fails when forebay or the bare client does; what befalls peers is told.
fn all(arguments: &Arguments, url: &str) -> Result<ExitCode> {
    let is_json = arguments.json || !io::stdout().is_terminal();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let setting = runtime.block_on(Setting::find(arguments, url))?;
    let mut report = Report::new(is_json);
    report.add(&setting)?;
    let lines = runtime.block_on(bench::run(arguments, url, |line| {
        progress(line);
        report.add(line)
    }))?;
    let figures = summary::figures(&lines);
    let ratios = summary::ratios(&figures);
    ratios.iter().try_for_each(|ratio| report.add(ratio))?;
    figures.iter().try_for_each(|figures| report.add(figures))?;
    let table = table::table(&figures, &ratios);
    if !is_json {
        print!("{table}");
    } else if io::stderr().is_terminal() {
        eprint!("{table}");
    }
    let ours = |line: &&Line| !line.contender.is_peer() && line.outcome.ending != Ending::Done;
    if let Some(line) = lines.iter().find(ours) {
        let error = line
            .outcome
            .error
            .as_deref()
            .unwrap_or("messages are missing");
        eprintln!("error: {} in {}: {error}", line.subject, line.mode);
        return Ok(ExitCode::FAILURE);
    }
    if let Some(folder) = &arguments.write {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        report.write(&folder.join("peers.jsonl"))?;
        plot::plot(&figures, &caption(&setting), &folder.join("peers.svg"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn caption(setting: &Setting) -> String {
    let Setting {
        redis,
        cores,
        rounds,
        payload,
        ..
    } = setting;
    format!(
        "Redis {redis} without persistence on loopback, {cores} cores for client and server, {payload}-byte JSON, medians of {rounds} interleaved rounds"
    )
}

/// On standard error, so that whoever waits sees that something happens.
fn progress(line: &Line) {
    let Line {
        mode,
        round,
        subject,
        outcome,
        ..
    } = line;
    let figure = match (outcome.p50_us, outcome.per_sec) {
        (Some(p50), _) => format!("p50 {p50:.0} µs"),
        (None, Some(per_sec)) => format!("{per_sec:.0}/s"),
        (None, None) => format!("{:?}", outcome.ending),
    };
    eprintln!("{mode} round {round}: {subject} {figure}");
}
