//! The worker alone: the other half of a server with `WORKER_ENABLED=false`, on a queue that processes can share.

use std::process::ExitCode;

use clap::Parser;
use forebay_example_server::process;

// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Persists accepted messages. Configured by the environment, as the server is.
#[derive(Debug, Parser)]
#[command(name = "worker", version)]
struct Arguments {}

fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    process::work()
}
