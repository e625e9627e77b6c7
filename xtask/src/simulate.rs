//! `cargo xtask simulate`: many seeds of the simulator, or one again.

use std::process::Command;

use anyhow::Result;

use crate::interrupt::Guard;
use crate::step::Steps;
use crate::workspace::Workspace;

/// How many seeds `cargo xtask test` runs: some twenty seconds on two cores, beside the build.
const SEEDS_OF_THE_GATE: u64 = 2000;

/// Which seeds to run.
#[derive(Clone, Copy, Debug)]
pub enum Seeds {
    /// So many, from the first on.
    Many {
        /// How many.
        seeds: u64,
        /// The first.
        start: u64,
    },
    /// This one, with its whole trace.
    One(u64),
}

/// Runs the simulator in release mode.
///
/// # Errors
///
/// When it does not compile, or a seed fails; it has said which, and how to see it again.
pub fn run(workspace: &Workspace, seeds: Seeds, table: bool) -> Result<()> {
    let guard = Guard::install()?;
    let mut command = command(workspace, seeds);
    if table {
        command.arg("--table");
    }
    Steps::new(&guard).run("simulate", command)
}

/// The step of `cargo xtask test`.
pub(crate) fn gate(workspace: &Workspace) -> Command {
    let seeds = Seeds::Many {
        seeds: SEEDS_OF_THE_GATE,
        start: 1,
    };
    command(workspace, seeds)
}

fn command(workspace: &Workspace, seeds: Seeds) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["run", "--release", "--quiet"])
        .args(["--package", "forebay-simulation", "--"]);
    match seeds {
        Seeds::Many { seeds, start } => command
            .args(["--seeds", &seeds.to_string()])
            .args(["--start", &start.to_string()]),
        Seeds::One(seed) => command.args(["--seed", &seed.to_string()]),
    };
    command
}
