//! Measures how fast forebay is on a backend, and beside the bare store.

use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use forebay::Connector;
use forebay_bench::{Arguments, Bench, Progress, Round, Summary, json_line, table};

// As in the example server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let result = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(measure(arguments)));
    match result {
        Ok(summary) if summary.is_complete() => ExitCode::SUCCESS,
        Ok(summary) => {
            eprintln!("error: {} messages were lost", summary.lost);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the bench and prints what it shows.
async fn measure(arguments: Arguments) -> Result<Summary> {
    let is_json = arguments.json || !io::stdout().is_terminal();
    let settings = Connector::from_env().settings().clone();
    let bench = Bench::new(&arguments, settings, forebay::registry())?;
    let progress = Progress::start(bench.steps(), bench.load());
    let tell = move |round: &Round| {
        progress.step(round);
        if is_json && round.round > 0 {
            print_line(&json_line(round)?)?;
        }
        Ok(())
    };
    // In a task, so that all of it runs on the runtime's threads: one for each core.
    let rounds = tokio::spawn(async move { bench.run(tell).await }).await??;
    let summary = Summary::of(&rounds).context("no round was measured")?;
    if is_json {
        print_line(&json_line(&summary)?)?;
    } else {
        print!("{}", table(&rounds, &summary));
    }
    Ok(summary)
}

/// A reader that has gone is an error, no panic.
fn print_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}
