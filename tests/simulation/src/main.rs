//! `cargo xtask simulate`: many seeds, or one again.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use forebay_simulation::{Batch, Simulation};
use indicatif::{ProgressBar, ProgressStyle};

/// Runs the simulator.
#[derive(Parser)]
#[command(name = "cargo xtask simulate", bin_name = "cargo xtask simulate")]
struct Arguments {
    /// How many seeds; without a word those of `cargo xtask test`, some twelve seconds on two cores.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    start: u64,
    /// After so many failing seeds no more are begun.
    #[arg(long, default_value_t = 5)]
    enough: usize,
    /// Only this seed, with its whole trace.
    #[arg(long, conflicts_with_all = ["seeds", "start"])]
    seed: Option<u64>,
    /// Say how often each thing happened.
    #[arg(long)]
    table: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => replay(seed, arguments.table),
        None => Ok(batch(&arguments)),
    }
}

fn replay(seed: u64, table: bool) -> Result<ExitCode> {
    let run = Simulation::new(seed).run()?;
    print!("{}", run.trace());
    if table {
        println!("{}", run.tally.table());
    }
    if run.is_clean() {
        println!("seed {seed}: nothing is wrong, {} lines", run.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("{run}");
    Ok(ExitCode::FAILURE)
}

fn batch(arguments: &Arguments) -> ExitCode {
    let Arguments {
        start,
        seeds,
        enough,
        ..
    } = *arguments;
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {elapsed}, {eta} left");
    let bar = ProgressBar::new(seeds);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let began = Instant::now();
    let outcome = Batch {
        start,
        seeds,
        enough,
    }
    .run(|so_far| bar.set_position(so_far.runs));
    bar.finish_and_clear();
    for failure in &outcome.failures {
        println!("{failure}");
    }
    if arguments.table {
        println!("{}", outcome.tally.table());
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} seeds from {start} on, {} lines of history, {seconds:.1} s: {} wrong",
        outcome.runs,
        outcome.records,
        outcome.failures.len()
    );
    if outcome.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
