//! `cargo xtask faults`: real servers and processes under real faults, and what held.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::interrupt::Guard;
use crate::workspace::Workspace;

/// Where the verdicts of a full run are kept.
const KEPT: &str = "docs/reliability.json";

/// Runs the scenarios in release mode with their own arguments. A run in full, which is one without any, writes down
/// what it proved, and of which commit.
///
/// # Errors
///
/// When it does not compile, a scenario fails, or the verdicts cannot be written.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let guard = Guard::install()?;
    let mut command = workspace.cargo();
    command
        .args(["run", "--release", "--quiet"])
        // The embedded queue on RocksDB too.
        .args(["--package", "forebay-faults", "--all-features", "--"])
        .args(arguments);
    let is_full = arguments.is_empty();
    let verdicts = workspace.root().join("target/reliability.json");
    if is_full {
        // Not there where builds go elsewhere.
        fs::create_dir_all(workspace.root().join("target"))?;
        command.arg("--json").arg(&verdicts);
    }
    let status = guard.run(&mut command)?;
    if is_full && verdicts.exists() {
        let array = fs::read_to_string(&verdicts)?;
        let commit = commit(workspace)?;
        let kept = format!(
            "{{\n\"commit\": \"{commit}\",\n\"verdicts\": {}\n}}\n",
            array.trim_end()
        );
        let path = workspace.root().join(KEPT);
        fs::write(path, kept).with_context(|| format!("{KEPT} cannot be written"))?;
        fs::remove_file(verdicts)?;
    }
    ensure!(status.success(), "a scenario failed ({status})");
    Ok(())
}

/// The commit that is checked out; with a `+` where files differ from it.
fn commit(workspace: &Workspace) -> Result<String> {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(workspace.root())
            .stdin(Stdio::null())
            .output()
            .context("git cannot be run")?;
        ensure!(output.status.success(), "git does not tell the commit");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let differs = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(commit + if differs { "+" } else { "" })
}
