//! Prints the tables of the documents that are made from code: `tables capabilities`, `limits`, `backends` or
//! `variables`; all of them where none is named.

use forebay::core::{Capabilities, Headers, Limits};
use forebay::{Durability, VARIABLES, Variable};

/// A backend of this build, with what the documents say of it.
struct Row {
    name: &'static str,
    /// Where it is not the backend that decides: what does.
    durability: Option<&'static str>,
    purpose: &'static str,
    can: &'static Capabilities,
}

#[cfg(any(feature = "sqlite", feature = "rocksdb"))]
const EMBEDDED: &str =
    "survives a power cut; with another `QUEUE_SYNC` [a crash of the process](docs/embedded.md)";

const BACKENDS: &[Row] = &[
    Row {
        name: "memory",
        durability: None,
        purpose: "tests, and work that may be lost with the process",
        can: forebay_queue_memory::MemoryBackend::describe(),
    },
    #[cfg(feature = "sqlite")]
    Row {
        name: "sqlite",
        durability: Some(EMBEDDED),
        purpose: "a durable queue with nothing to install; one file, opens at once",
        can: forebay_queue_embedded::EmbeddedBackend::describe(
            forebay_queue_embedded::Database::Sqlite,
        ),
    },
    #[cfg(feature = "rocksdb")]
    Row {
        name: "rocksdb",
        durability: Some(EMBEDDED),
        purpose: "the same for disks that are slow or wear: a tenth of the bytes written",
        can: forebay_queue_embedded::EmbeddedBackend::describe(
            forebay_queue_embedded::Database::RocksDb,
        ),
    },
    #[cfg(feature = "redis")]
    Row {
        name: "redis",
        durability: Some(
            "what the server gives: [none, a crash, a power cut, the loss of a node](docs/redis.md)",
        ),
        purpose: "work shared by processes; Redis 7.0, Valkey 7.2 or newer",
        can: forebay_queue_redis::RedisBackend::describe(),
    },
];

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
    for row in BACKENDS {
        let processes = if row.can.shared { "many" } else { "one" };
        let given = row.durability.unwrap_or(durability(row.can.durability));
        println!(
            "| `{}` | {given} | {processes} | {} |",
            row.name, row.purpose
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
        "| backend | fencing | order | weights | lease limits | throttle keys | other dead-letter queue | keeps done | largest delay |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for Row { name, can, .. } in BACKENDS {
        let delay = can
            .largest_delay
            .map_or("any".to_owned(), |d| format!("{} s", d.as_secs()));
        println!(
            "| `{name}` | {} | {} | {} | {} | {} | {} | {} | {delay} |",
            yes(can.fencing),
            yes(can.ordering),
            yes(can.fairness),
            yes(can.lease_limits),
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
