//! `cargo xtask bench`: the benches by name.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;

use crate::interrupt::Guard;
use crate::workspace::Workspace;

/// A program that measures something.
struct Bench {
    name: &'static str,
    package: &'static str,
    binary: &'static str,
    /// Come before the arguments that are given.
    arguments: &'static [&'static str],
    about: &'static str,
}

/// One line adds a bench.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
const BENCHES: &[Bench] = &[
    Bench { name: "http", package: "forebay-example-server", binary: "bench-http", arguments: &[], about: "requests per second and latency of the example server" },
    Bench { name: "queue", package: "forebay-bench", binary: "forebay-bench", arguments: &[], about: "any backend, any mode: --help lists them" },
    Bench { name: "raw", package: "forebay-bench", binary: "forebay-bench", arguments: &["--mode", "raw", "--baseline"], about: "batches on the queue itself, beside the bare store" },
    Bench { name: "publish", package: "forebay-bench", binary: "forebay-bench", arguments: &["--mode", "publish", "--baseline"], about: "single publishers, beside the bare store" },
    Bench { name: "drain", package: "forebay-bench", binary: "forebay-bench", arguments: &["--mode", "drain", "--baseline"], about: "a worker on a full queue, beside the bare store" },
    Bench { name: "combined", package: "forebay-bench", binary: "forebay-bench", arguments: &["--mode", "combined", "--baseline"], about: "publishers and a worker at once, beside the bare store" },
    Bench { name: "steady", package: "forebay-bench", binary: "forebay-bench", arguments: &["--mode", "steady", "--baseline"], about: "latency at a fixed rate, beside the bare store" },
];

/// Prints the benches there are.
pub fn list() {
    for bench in BENCHES {
        println!("{:<12} {}", bench.name, bench.about);
    }
}

/// Runs a bench in release mode with its own arguments. Standard output is the bench's alone: it may be read by a program.
///
/// # Errors
///
/// When there is none of that name, it does not compile or it fails.
pub fn run(workspace: &Workspace, name: &str, arguments: &[String]) -> Result<()> {
    let bench = BENCHES
        .iter()
        .find(|bench| bench.name == name)
        .with_context(|| format!("no bench {name}; `cargo xtask bench` lists them"))?;
    let mut command = workspace.cargo();
    command
        .args(["run", "--release", "--quiet"])
        .args(["--package", bench.package, "--bin", bench.binary, "--"])
        .args(bench.arguments)
        .args(arguments);
    let guard = Guard::install()?;
    // A group of its own, so that the bench ends with this program.
    let mut child = command.process_group(0).spawn()?;
    guard.watch(Some(Pid::from_raw(i32::try_from(child.id())?)));
    let status = child.wait();
    guard.watch(None);
    let status = status?;
    ensure!(status.success(), "the bench {name} failed ({status})");
    Ok(())
}
