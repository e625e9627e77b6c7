//! `cargo xtask faults`: real servers and real processes, killed, suspended, cut off and promoted, and whether
//! everything that is promised held.

mod child;
mod disk;
mod ground;
mod outcome;
mod process;
mod role;
mod scenario;
mod scenarios;
mod stage;
mod store;
mod timeline;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::outcome::Outcome;
use crate::role::Orders;
use crate::scenario::SCENARIOS;

/// Runs the scenarios named, or all.
#[derive(Parser)]
#[command(name = "cargo xtask faults", bin_name = "cargo xtask faults")]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Which scenarios, such as R4; none: all.
    scenarios: Vec<String>,
    /// The form for every day: the same bounds, less of everything.
    #[arg(long)]
    short: bool,
    /// What the dice of the scenarios are thrown with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the verdicts to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only list the scenarios.
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    process: Option<Program>,
}

#[derive(Subcommand)]
enum Program {
    /// The program under test: a process of a scenario.
    #[command(hide = true)]
    Process {
        /// What it is to do, as JSON.
        orders: String,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    if let Some(Program::Process { orders }) = arguments.process {
        let orders: Orders = serde_json::from_str(&orders).context("these are no orders")?;
        runtime.block_on(process::run(orders))?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.list {
        for scenario in SCENARIOS {
            println!("{:<5} {}", scenario.number, scenario.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let outcomes = runtime.block_on(async {
        tokio::select! {
            outcomes = run(&arguments) => outcomes,
            // Servers and processes end with what is dropped here.
            asked = forebay::shutdown_requested() => {
                asked?;
                bail!("interrupted")
            }
        }
    })?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&outcomes)?;
        std::fs::write(path, text + "\n").context("the verdicts cannot be written")?;
    }
    println!("{}", outcome::table(&outcomes));
    let all_pass = outcomes.iter().all(|outcome| outcome.pass);
    Ok(if all_pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn run(arguments: &Arguments) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for scenario in scenario::named(&arguments.scenarios)? {
        println!("{}: {} …", scenario.number, scenario.about);
        let outcome = Outcome::of(scenario, arguments.short, arguments.seed).await?;
        println!("{outcome}");
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
