//! `cargo xtask …`: the project's own chores, in Rust.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use forebay_xtask::{bench, docs, faults, gate, setup, simulate, workspace::Workspace};

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make sure that the servers the tests need, and the compilers that the build needs, are installed.
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
    #[command(disable_help_flag = true)]
    Simulate {
        /// What the simulator itself is given; `--help` lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Break real servers and processes, and see what holds; without arguments all of it, which takes its time.
    #[command(disable_help_flag = true)]
    Faults {
        /// What the scenarios' program itself is given; `--help` lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
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
            setup::compilers()?;
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
        Chore::Simulate { arguments } => simulate::run(&workspace, &arguments),
        Chore::Faults { arguments } => faults::run(&workspace, &arguments),
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
