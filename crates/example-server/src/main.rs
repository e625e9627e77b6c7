//! The server: HTTP and, unless `WORKER_ENABLED=false`, the worker.

use std::process::ExitCode;

use clap::Parser;
use forebay_example_server::process::{self, Preparation};

// A request makes some hundred small allocations, and a message is freed by another thread than it was made by.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Accepts outbound messages over HTTP and persists them in the background. Configured by the environment.
#[derive(Debug, Parser)]
#[command(name = "forebay-example-server", version)]
struct Arguments {
    /// Delete every row of the database first.
    #[arg(long)]
    reset: bool,
    /// Write a few demonstration messages first.
    #[arg(long)]
    seed: bool,
}

fn main() -> ExitCode {
    let Arguments { reset, seed } = Arguments::parse();
    process::serve(Preparation { reset, seed })
}
