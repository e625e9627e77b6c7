//! Prints the tables of the documents that are made from code: `tables capabilities`, `limits`, `backends` or
//! `variables`; all of them where none is named.

use forebay::core::{Capabilities, Headers, Limits};
use forebay::{Durability, VARIABLES, Variable};

/// The backends of this build, with what the documents say of them.
const BACKENDS: [(&str, &str, &Capabilities); 1] = [(
    "memory",
    "tests, and work that may be lost with the process",
    forebay_queue_memory::MemoryBackend::describe(),
)];

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "backends" => backends(),
        "capabilities" => capabilities(),
        "limits" => limits(),
        "variables" => variables(),
        "" => [backends, capabilities, limits, variables]
            .iter()
            .for_each(|table| table()),
        _ => {
            eprintln!(
                "tables: {name:?} is no table; allowed: backends, capabilities, limits, variables"
            );
            std::process::exit(2);
        }
    }
}

fn backends() {
    println!("| `QUEUE_BACKEND` | durability | processes | for |\n|---|---|---|---|");
    for (name, purpose, can) in BACKENDS {
        let processes = if can.shared { "many" } else { "one" };
        println!(
            "| `{name}` | {} | {processes} | {purpose} |",
            durability(can.durability)
        );
    }
}

fn durability(level: Durability) -> &'static str {
    match level {
        Durability::Memory => "none: gone with the process",
        Durability::Buffered => "survives a crash of the process",
        Durability::Fsynced => "survives a power cut",
        Durability::Replicated(_) => "survives the loss of a node",
    }
}

fn capabilities() {
    let yes = |has: bool| if has { "yes" } else { "no" };
    println!(
        "| backend | fencing | order | weights | throttle keys | other dead-letter queue | keeps done | largest delay |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, _, can) in BACKENDS {
        let delay = can
            .largest_delay
            .map_or("any".to_owned(), |d| format!("{} s", d.as_secs()));
        println!(
            "| `{name}` | {} | {} | {} | {} | {} | {} | {delay} |",
            yes(can.fencing),
            yes(can.ordering),
            yes(can.fairness),
            yes(can.throttling),
            yes(can.dead_letter_queue),
            yes(can.retain_done),
        );
    }
}

fn limits() {
    let limits = Limits::DEFAULT;
    println!("| what | at most |\n|---|---|");
    println!("| payload | {} KiB |", limits.payload / 1024);
    println!(
        "| headers | {}, and {} KiB together |",
        Headers::MAX_COUNT,
        Headers::MAX_BYTES / 1024
    );
    println!("| messages or receipts in one call | {} |", limits.batch);
    println!(
        "| one publish | {} MiB |",
        limits.batch_bytes / (1024 * 1024)
    );
    println!(
        "| names of queues, kinds and headers | 100 of `a-z 0-9 . _ -`, first a letter or digit |"
    );
    println!("| idempotency, fairness and throttle keys | 256 bytes, no control characters |");
}

fn variables() {
    print!("{}", Variable::table(VARIABLES));
}
