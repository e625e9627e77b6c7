//! `cargo xtask test`: every check, one after the other, on private servers.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::interrupt::Guard;
use crate::postgres::Postgres;
use crate::redis::{Fleet, Kind};
use crate::setup;
use crate::simulate;
use crate::step::{Limit, Steps};
use crate::workspace::Workspace;

/// Tests fail instead of skipping when this is set and a server is missing.
pub const REQUIRE_SERVERS: &str = "FOREBAY_REQUIRE_SERVERS";
/// The URL of a running server in which tests may create databases.
pub const POSTGRES_URL: &str = "FOREBAY_TEST_POSTGRES_URL";

/// How many cases of a suite run at a time.
const SUITE_THREADS: &str = "8";
/// An example is a demonstration; one that needs longer is something else.
const EXAMPLE_LIMIT: Duration = Duration::from_mins(1);
/// How long an example that runs until a signal is left alone.
const EXAMPLE_RUNS: Duration = Duration::from_secs(3);

/// Which checks to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope {
    /// Neither documentation nor examples.
    pub quick: bool,
    /// Neither format nor lints.
    pub no_lint: bool,
}

/// Runs the checks; the first that fails ends the run. The private servers end with it in
/// every case, on Ctrl-C too.
///
/// # Errors
///
/// When a server or a compiler is missing and cannot be installed, or a check fails.
pub fn run(workspace: &Workspace, scope: Scope) -> Result<()> {
    let guard = Guard::install()?;
    let mut steps = Steps::new(&guard);
    // Lints build RocksDB too, once for all that follows.
    steps.run_inside("compilers", setup::compilers)?;
    if !scope.no_lint {
        steps.run("fmt", cargo(workspace, "fmt --all --check"))?;
        steps.run(
            "clippy",
            cargo(
                workspace,
                "clippy --workspace --all-targets --all-features -- -D warnings",
            ),
        )?;
    }
    let servers = servers(&guard, &mut steps)?;
    let test = |arguments: &str| {
        let mut test = cargo(workspace, "test --workspace --all-features --no-fail-fast");
        test.args(arguments.split(' '))
            .env(REQUIRE_SERVERS, "1")
            .envs(servers.iter().cloned());
        test
    };
    // Nearly all that the suites do on a real store is to wait, so many of their cases run at a time.
    let mut suites = test("--tests conformance::");
    suites.env("RUST_TEST_THREADS", SUITE_THREADS);
    steps.run_tests("suites", suites)?;
    steps.run_tests("test", test("-- --skip conformance::"))?;
    if !scope.quick {
        peers(workspace, scope, &mut steps)?;
        steps.run("simulate", simulate::command(workspace))?;
        let mut doc = cargo(workspace, "doc --workspace --no-deps --all-features");
        doc.env("RUSTDOCFLAGS", "-D warnings");
        steps.run("doc", doc)?;
        examples(workspace, &mut steps)?;
    }
    println!("{}", steps.table());
    println!("tests: {}", steps.tests());
    Ok(())
}

/// Runs the checks of the house itself.
///
/// # Errors
///
/// When one fails.
pub fn tidy(workspace: &Workspace) -> Result<()> {
    let guard = Guard::install()?;
    let command = cargo(workspace, "test --package forebay-tests --test tidy");
    Steps::new(&guard).run_tests("tidy", command)
}

/// Starts the servers; returns the variables that tell the tests where they are.
fn servers(guard: &Guard, steps: &mut Steps<'_>) -> Result<Vec<(&'static str, String)>> {
    let kinds = steps.run_inside("setup", || {
        setup::postgres()?;
        setup::redis()?;
        let valkey = setup::valkey()?;
        let kinds = Kind::ALL.into_iter();
        Ok(kinds
            .filter(|kind| *kind != Kind::Valkey || valkey.is_some())
            .collect::<Vec<_>>())
    })?;
    steps.run_inside("servers", || {
        guard.keep(
            || start(&kinds),
            |(postgres, fleet)| {
                let redis = fleet.values().map(|(name, url)| (name, url.to_owned()));
                redis
                    .chain([(POSTGRES_URL, postgres.url("postgres"))])
                    .collect()
            },
        )
    })
}

/// All at the same time.
fn start(kinds: &[Kind]) -> Result<(Postgres, Fleet)> {
    thread::scope(|scope| {
        let fleet = scope.spawn(|| Fleet::start(kinds));
        let postgres = Postgres::start();
        let fleet = fleet.join().map_err(|_| anyhow!("the start panicked"))?;
        Ok((postgres?, fleet?))
    })
}

/// The bench beside other job queues: what it says of them is tested where they are.
fn peers(workspace: &Workspace, scope: Scope, steps: &mut Steps<'_>) -> Result<()> {
    if !scope.no_lint {
        let mut fmt = workspace.peers("fmt");
        fmt.arg("--check");
        steps.run("fmt peers", fmt)?;
        let mut clippy = workspace.peers("clippy");
        clippy.args(["--all-targets", "--", "-D", "warnings"]);
        steps.run("clippy peers", clippy)?;
    }
    steps.run_tests("test peers", workspace.peers("test"))
}

fn cargo(workspace: &Workspace, arguments: &str) -> Command {
    let mut command = workspace.cargo();
    command.args(arguments.split(' '));
    command
}

/// Runs every example to its end, each in an empty folder.
fn examples(workspace: &Workspace, steps: &mut Steps<'_>) -> Result<()> {
    if !workspace.has_examples() {
        return Ok(());
    }
    let programs = steps.run_inside("examples", || workspace.build(&["--examples"]))?;
    for program in programs {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(&program.executable);
        command.current_dir(folder.path());
        let limit = Limit {
            total: EXAMPLE_LIMIT,
            ask_after: program.until_signal.then_some(EXAMPLE_RUNS),
        };
        steps.run_limited(&format!("example {}", program.name), command, limit)?;
    }
    Ok(())
}
