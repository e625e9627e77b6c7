//! `cargo xtask …`: the project's own chores, in Rust.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use forebay_xtask::{bench, docs, gate, setup, simulate, workspace::Workspace};

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make sure that the servers the tests need are installed.
    Setup,
    /// Every check: format, lints, tests, documentation, examples.
    Test {
        /// Only format, lints and tests.
        #[arg(long)]
        quick: bool,
        /// Leave out format and lints.
        #[arg(long)]
        no_lint: bool,
    },
    /// Only the checks of the house itself: imports, sizes, names, links.
    Tidy,
    /// Write the generated parts of the documents anew.
    Docs {
        /// Change nothing; fail if anything would change.
        #[arg(long)]
        check: bool,
    },
    /// Run many seeds of the simulator, or one again.
    Simulate {
        /// How many seeds.
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// The first of them.
        #[arg(long, default_value_t = 1)]
        start: u64,
        /// Only this seed, with its whole trace.
        #[arg(long, conflicts_with_all = ["seeds", "start"])]
        seed: Option<u64>,
        /// Say how often each thing happened.
        #[arg(long)]
        table: bool,
    },
    /// Run a bench by name, or list them.
    Bench {
        /// Which bench; none lists them.
        name: Option<String>,
        /// What the bench itself is given.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    let workspace = Workspace::find()?;
    match chore {
        Chore::Setup => {
            let binaries = setup::postgres()?;
            println!("postgres: {}", binaries.folder().display());
            println!("redis: {}", setup::redis()?.path().display());
            if let Some(valkey) = setup::valkey()? {
                println!("valkey: {}", valkey.path().display());
            }
            Ok(())
        }
        Chore::Test { quick, no_lint } => gate::run(&workspace, gate::Scope { quick, no_lint }),
        Chore::Tidy => gate::tidy(&workspace),
        Chore::Docs { check: true } => docs::check(&workspace),
        Chore::Docs { check: false } => docs::write(&workspace),
        Chore::Simulate {
            seeds,
            start,
            seed,
            table,
        } => {
            let many = simulate::Seeds::Many { seeds, start };
            let seeds = seed.map_or(many, simulate::Seeds::One);
            simulate::run(&workspace, seeds, table)
        }
        Chore::Bench { name: None, .. } => {
            bench::list();
            Ok(())
        }
        Chore::Bench {
            name: Some(name),
            arguments,
        } => bench::run(&workspace, &name, &arguments),
    }
}
