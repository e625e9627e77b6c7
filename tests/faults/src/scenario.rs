use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use crate::ground::Ground;
use crate::scenarios;
use crate::verdict::Verdict;

/// One kind of trouble, and what has to hold in it.
pub(crate) struct Scenario {
    /// Its number in the table of what is proven, such as `R4`.
    pub(crate) number: &'static str,
    /// What is done, in a line.
    pub(crate) about: &'static str,
    /// Does it.
    pub(crate) run: Run,
}

pub(crate) type Run = for<'a> fn(&'a Ground) -> LocalBoxFuture<'a, Result<Verdict>>;

/// All of them, in the order in which they run. One line adds a scenario.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: "two", about: "two processes share a queue", run: |ground| Box::pin(scenarios::two_workers::run(ground)) },
    Scenario { number: "R4", about: "a worker is killed again and again", run: |ground| Box::pin(scenarios::worker_kill::run(ground)) },
    Scenario { number: "R5", about: "the server is killed again and again", run: |ground| Box::pin(scenarios::server_kill::run(ground)) },
    Scenario { number: "R7", about: "the power of the server is cut again and again", run: |ground| Box::pin(scenarios::power_cut::run(ground)) },
    Scenario { number: "R8", about: "the primary dies, its replica is promoted", run: |ground| Box::pin(scenarios::promotion::run(ground)) },
    Scenario { number: "R10", about: "processes are suspended past their leases", run: |ground| Box::pin(scenarios::suspension::run(ground)) },
    Scenario { number: "R11", about: "handlers take ten times the lease; then nothing can be extended", run: |ground| Box::pin(scenarios::long_work::run(ground)) },
    Scenario { number: "R12", about: "the leases of a dead process among many that are alive", run: |ground| Box::pin(scenarios::dead_leases::run(ground)) },
    Scenario { number: "R13", about: "messages that no handler can do, among others", run: |ground| Box::pin(scenarios::poison::run(ground)) },
    Scenario { number: "R14", about: "the network goes bad in seven ways", run: |ground| Box::pin(scenarios::network::run(ground)) },
    Scenario { number: "R15", about: "the queue is full, and the server's memory", run: |ground| Box::pin(scenarios::full::run(ground)) },
    Scenario { number: "R16", about: "the server's disk is full", run: |ground| Box::pin(scenarios::disk_full::run(ground)) },
    Scenario { number: "R27", about: "FLUSHALL, a deleted stream, a destroyed group", run: |ground| Box::pin(scenarios::loss::run(ground)) },
    Scenario { number: "R4-embedded", about: "the process of an embedded queue is killed again and again", run: |ground| Box::pin(scenarios::embedded::process_kill::run(ground)) },
    Scenario { number: "R7-embedded", about: "the power of an embedded queue is cut again and again", run: |ground| Box::pin(scenarios::embedded::power_cut::run(ground)) },
    Scenario { number: "R16-embedded", about: "the disk of an embedded queue is full", run: |ground| Box::pin(scenarios::embedded::disk_full::run(ground)) },
    Scenario { number: "R17", about: "bits flip in the files of an embedded queue, and files are cut short", run: |ground| Box::pin(scenarios::embedded::damage::run(ground)) },
    Scenario { number: "doors", about: "an embedded queue in a directory that is in use, read-only, somebody else's or newer", run: |ground| Box::pin(scenarios::embedded::doors::run(ground)) },
];

/// Those with these numbers, whatever their case; all where none is named.
///
/// # Errors
/// The number that no scenario has.
pub(crate) fn named(numbers: &[String]) -> Result<Vec<&'static Scenario>> {
    if numbers.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    let find = |number: &String| {
        let mut all = SCENARIOS.iter();
        all.find(|scenario| scenario.number.eq_ignore_ascii_case(number))
            .ok_or_else(|| anyhow::anyhow!("no scenario {number}; --list lists them"))
    };
    numbers.iter().map(find).collect()
}
