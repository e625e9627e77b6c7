//! One round of one subject, in a process of its own: what a peer leaves running ends with it, and one that hangs can be ended.

use std::env::current_exe;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use forebay::Settings;
use forebay_bench::{Jobs, Latencies, Load, Tally};
use tokio::process::Command;
use tokio::time::timeout;

use crate::arguments::RoundArguments;
use crate::contender::Spent;
use crate::mode::Mode;
use crate::outcome::{Ending, Outcome};
use crate::peer::Place;

/// Starts this program for one round and waits for what it shows, but not longer than its limit.
///
/// # Errors
/// When the process cannot be started. That it fails or hangs is an outcome.
pub(crate) async fn start(arguments: RoundArguments, url: &str) -> Result<Outcome> {
    let RoundArguments {
        subject,
        mode,
        messages,
        rate,
        limit,
        readers,
        prefetch,
    } = arguments;
    let program = current_exe().context("this program cannot find itself")?;
    let child = Command::new(program)
        .arg("round")
        .arg(value_name(&subject))
        .arg(value_name(&mode))
        .args([messages, rate, limit].map(|number| number.to_string()))
        .args([readers, prefetch].map(|number| number.to_string()))
        // Not an argument: others can see those.
        .env("REDIS_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Peers log what they cannot return.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("a round cannot be started")?;
    // The round itself keeps the limit; this is for one that does not even yield.
    let patience = Duration::from_secs(limit.into()) + GRACE;
    let Ok(output) = timeout(patience, child.wait_with_output()).await else {
        return Ok(Outcome::without_figures(Ending::TimedOut, messages, None));
    };
    let output = output?;
    let outcome = serde_json::from_slice(&output.stdout);
    Ok(outcome.unwrap_or_else(|_| {
        let error = format!("the process ended: {}", output.status);
        Outcome::without_figures(Ending::Failed, messages, Some(error))
    }))
}

/// Runs one round here.
pub(crate) async fn run(arguments: RoundArguments, url: String, settings: Settings) -> Outcome {
    let load = load(arguments).leak();
    let limit = Duration::from_secs(arguments.limit.into());
    let place = Place {
        url: url.clone(),
        readers: arguments.readers.into(),
    };
    let round = arguments
        .subject
        .round(arguments.mode, place, settings, load);
    // In a task, so that all of it runs on the runtime's threads: one for each core.
    let round = tokio::spawn(timeout(limit, round));
    let (ending, spent, error) = match round.await {
        Ok(Ok(Ok(spent))) => match miscount(load.tally.lost(), load.tally.duplicates()) {
            None => (Ending::Done, Some(spent), None),
            Some((ending, error)) => (ending, None, Some(error)),
        },
        Ok(Ok(Err(error))) => (Ending::Failed, None, Some(format!("{error:#}"))),
        Ok(Err(_)) => (Ending::TimedOut, None, None),
        Err(_) => (Ending::Failed, None, Some("it panicked".to_owned())),
    };
    Outcome {
        duplicates: load.tally.duplicates(),
        error: error.map(|error| shortened(&error, &url)),
        ..figures(ending, spent.as_ref(), load)
    }
}

/// What is wrong with a round in which not every message came exactly once.
fn miscount(lost: u32, duplicates: u64) -> Option<(Ending, String)> {
    match (lost, duplicates) {
        (0, 0) => None,
        (0, _) => Some((
            Ending::Doubled,
            format!("{duplicates} times a message came that had come before"),
        )),
        _ => Some((Ending::Lost, format!("{lost} messages never came"))),
    }
}

fn load(arguments: RoundArguments) -> Load {
    let messages = arguments.messages;
    let is_latency = arguments.mode == Mode::Latency;
    Load {
        messages,
        payload: PAYLOAD,
        batch: 128,
        concurrency: CONCURRENCY,
        prefetch: Some(arguments.prefetch.into()),
        rate: is_latency.then_some(arguments.rate),
        jobs: Jobs::new(PAYLOAD),
        tally: Tally::new(messages),
        latencies: is_latency.then(|| Latencies::new(messages)),
    }
}

fn figures(ending: Ending, spent: Option<&Spent>, load: &Load) -> Outcome {
    let mut outcome = Outcome::without_figures(ending, load.tally.lost(), None);
    let Some(Spent { client, server }) = spent else {
        return outcome;
    };
    let messages = f64::from(load.messages);
    let seconds = client.wall.as_secs_f64();
    outcome.seconds = Some(rounded(seconds, 6));
    outcome.per_sec = Some(rounded(messages / seconds, 1));
    let each = |busy: Duration| rounded(busy.as_secs_f64() * 1e6 / messages, 3);
    outcome.client_cpu_us = client.processor.map(each);
    outcome.server_cpu_us = Some(each(*server));
    let latency = load.latencies.as_ref().map(Latencies::percentiles);
    outcome.p50_us = latency.map(|latency| latency.p50_us);
    outcome.p99_us = latency.map(|latency| latency.p99_us);
    outcome
}

/// Bytes of each message's whole JSON payload.
pub(crate) const PAYLOAD: usize = 256;
/// Callers and handlers.
pub(crate) const CONCURRENCY: usize = 64;
/// How much longer than its limit a process may live.
const GRACE: Duration = Duration::from_secs(5);

fn value_name(value: &impl clap::ValueEnum) -> String {
    let name = value.to_possible_value();
    name.map(|name| name.get_name().to_owned())
        .unwrap_or_default()
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// Peers put what they like into their errors: not the address, and not pages of it.
fn shortened(error: &str, url: &str) -> String {
    let bare = url.rsplit(['/', '@']).next().unwrap_or(url);
    let error = error.replace(url, "REDIS_URL").replace(bare, "REDIS_URL");
    error
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_done_when_every_message_came_once() {
        assert_eq!(miscount(0, 0), None);
        assert_eq!(
            miscount(0, 3).map(|(ending, _)| ending),
            Some(Ending::Doubled)
        );
        let (ending, error) = miscount(2, 3).unwrap();
        assert_eq!((ending, &*error), (Ending::Lost, "2 messages never came"));
    }

    #[test]
    fn errors_are_short_and_name_no_address() {
        let url = "redis://user:secret@127.0.0.1:7000";
        let text = format!("{url} and 127.0.0.1:7000 refused\n{}", "x".repeat(500));
        let error = shortened(&text, url);
        assert!(
            error.starts_with("REDIS_URL and REDIS_URL refused"),
            "{error}"
        );
        assert_eq!(error.chars().count(), 200);
    }
}
