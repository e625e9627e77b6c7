//! `cargo xtask bench`: the benches by name.

use anyhow::{Context, Result};

use crate::interrupt::Guard;
use crate::step::Steps;
use crate::workspace::Workspace;

/// A program that measures something.
struct Bench {
    name: &'static str,
    package: &'static str,
    binary: &'static str,
    about: &'static str,
}

/// One line adds a bench.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
const BENCHES: &[Bench] = &[
    Bench { name: "http", package: "forebay-example-server", binary: "bench-http", about: "requests per second and latency of the example server" },
];

/// Prints the benches there are.
pub fn list() {
    for bench in BENCHES {
        println!("{:<12} {}", bench.name, bench.about);
    }
}

/// Runs a bench in release mode with its own arguments.
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
        .args(arguments);
    let guard = Guard::install()?;
    Steps::new(&guard).run(name, command)
}
