//! `cargo xtask bench`: the benches by name.

use anyhow::{Context, Result, ensure};

use crate::interrupt::Guard;
use crate::redis::RedisServer;
use crate::setup;
use crate::workspace::Workspace;

/// A program that measures something.
struct Bench {
    name: &'static str,
    program: Program,
    /// Come before the arguments that are given.
    arguments: &'static [&'static str],
    about: &'static str,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// In this workspace: a package and its binary.
    Own(&'static str, &'static str),
    /// In the peers' workspace.
    Peers,
}

const MEASURING_TOOL: Program = Program::Own("forebay-bench", "forebay-bench");

/// One line adds a bench.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
const BENCHES: &[Bench] = &[
    Bench { name: "http", program: Program::Own("forebay-example-server", "bench-http"), arguments: &[], about: "requests per second and latency of the example server" },
    Bench { name: "queue", program: MEASURING_TOOL, arguments: &[], about: "any backend, any mode: --help lists them" },
    Bench { name: "raw", program: MEASURING_TOOL, arguments: &["--mode", "raw", "--baseline"], about: "batches on the queue itself, beside the bare store" },
    Bench { name: "publish", program: MEASURING_TOOL, arguments: &["--mode", "publish", "--baseline"], about: "single publishers, beside the bare store" },
    Bench { name: "drain", program: MEASURING_TOOL, arguments: &["--mode", "drain", "--baseline"], about: "a worker on a full queue, beside the bare store" },
    Bench { name: "combined", program: MEASURING_TOOL, arguments: &["--mode", "combined", "--baseline"], about: "publishers and a worker at once, beside the bare store" },
    Bench { name: "steady", program: MEASURING_TOOL, arguments: &["--mode", "steady", "--baseline"], about: "latency at a fixed rate, beside the bare store" },
    Bench { name: "stream", program: MEASURING_TOOL, arguments: &["--mode", "stream", "--baseline"], about: "single publishers and a consumer of batches, beside the bare store" },
    Bench { name: "peers", program: Program::Peers, arguments: &[], about: "forebay on Redis, beside the bare client and other job queues" },
    Bench { name: "embedded-peers", program: Program::Peers, arguments: &["embedded"], about: "forebay's embedded queue, beside another one" },
];

/// Prints the benches there are.
pub fn list() {
    for bench in BENCHES {
        println!("{:<12} {}", bench.name, bench.about);
    }
}

/// Runs a bench in release mode with its own arguments, on a private Redis that keeps nothing where it needs one. Standard output
/// is the bench's alone: it may be read by a program.
///
/// # Errors
///
/// When there is none of that name, no Redis is installed or none starts, it does not compile or it fails.
pub fn run(workspace: &Workspace, name: &str, arguments: &[String]) -> Result<()> {
    let bench = BENCHES
        .iter()
        .find(|bench| bench.name == name)
        .with_context(|| format!("no bench {name}; `cargo xtask bench` lists them"))?;
    let guard = Guard::install()?;
    let mut command = match bench.program {
        Program::Own(package, binary) => {
            let mut command = workspace.cargo();
            command.args(["run", "--package", package, "--bin", binary]);
            command
        }
        Program::Peers => workspace.peers("run"),
    };
    command.args(["--release", "--quiet"]);
    let backend = backend(arguments);
    if bench.program == MEASURING_TOOL && FEATURES.contains(&backend) {
        command.args(["--features", backend]);
    }
    if backend == "rocksdb" {
        setup::compilers()?;
    }
    if bench.name == ON_REDIS || backend == "redis" {
        command.env("REDIS_URL", guard.keep(start, RedisServer::url)?);
    }
    command.arg("--").args(bench.arguments).args(arguments);
    let status = guard.run(&mut command)?;
    ensure!(status.success(), "the bench {name} failed ({status})");
    Ok(())
}

/// The bench that needs a Redis in any case.
const ON_REDIS: &str = "peers";
/// The backends that the measuring tool has behind features of their names.
const FEATURES: [&str; 3] = ["redis", "rocksdb", "sqlite"];

/// What `--backend` is among the bench's own arguments; nothing where it is not.
fn backend(arguments: &[String]) -> &str {
    let words = || arguments.iter().map(String::as_str);
    let follows = words()
        .zip(words().skip(1))
        .find(|(flag, _)| *flag == "--backend");
    let attached = || words().find_map(|word| word.strip_prefix("--backend="));
    follows
        .map(|(_, value)| value)
        .or_else(attached)
        .unwrap_or("")
}

fn start() -> Result<RedisServer> {
    let builder = RedisServer::builder();
    let builder = builder.context("no redis-server; `cargo xtask setup` installs it")?;
    builder.start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_is_seen_however_it_is_given() {
        let of = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            backend(&words).to_owned()
        };
        assert_eq!(of("--backend redis"), "redis");
        assert_eq!(of("--mode raw --backend=sqlite --json"), "sqlite");
        assert_eq!(
            (of("redis --backend"), of("")),
            (String::new(), String::new())
        );
    }

    #[test]
    fn every_bench_has_a_name_of_its_own() {
        let mut names: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), BENCHES.len());
    }
}
