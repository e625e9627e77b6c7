//! `cargo xtask simulate`: many seeds of the simulator, or one again.

use std::process::Command;

use anyhow::Result;

use crate::interrupt::Guard;
use crate::step::Steps;
use crate::workspace::Workspace;

/// Runs the simulator in release mode with its own arguments.
///
/// # Errors
///
/// When it does not compile, or a seed fails; it has said which, and how to see it again.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let guard = Guard::install()?;
    let mut command = command(workspace);
    command.args(arguments);
    Steps::new(&guard).run("simulate", command)
}

/// The simulator as `cargo xtask test` runs it: with the seeds that it runs when it is given none.
pub(crate) fn command(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["run", "--release", "--quiet"])
        .args(["--package", "forebay-simulation", "--"]);
    command
}
