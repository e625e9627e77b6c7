//! A fairness key says whose turn a message takes. Within one key the order is that of acceptance, on every backend;
//! a backend that is capable of fairness also shares deliveries out among the keys by their weights.

mod memory;

use std::collections::BTreeMap;

use forebay_worker::{Meta, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Export {
    page: u32,
}

impl Task for Export {
    const KIND: &'static str = "export";
}

async fn export(task: Export, meta: Meta, State(log): State<mpsc::UnboundedSender<(String, u32)>>) {
    let _ = log.send((meta.fairness_key().to_owned(), task.page));
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("exports").await?;
    let exports = queue.producer();
    let fair = queue.backend().capabilities().fairness;
    for page in 0..10 {
        for tenant in ["ann", "bob"] {
            let publish = exports.publish(Export { page }).fairness_key(tenant);
            // Bob pays for twice the share, where there are shares.
            match (tenant, fair) {
                ("bob", true) => publish.weight(2).await?,
                _ => publish.await?,
            };
        }
    }

    let (log, mut lines) = mpsc::unbounded_channel::<(String, u32)>();
    let mut pages: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    // One at a time, so that the order of running is the order of delivery.
    Worker::new(queue)
        .state(log)
        .handle(export)
        .concurrency(1)
        .run_until(async {
            for _ in 0..20 {
                let (tenant, page) = lines.recv().await.unwrap_or_default();
                pages.entry(tenant).or_default().push(page);
            }
        })
        .await?;
    for (tenant, pages) in pages {
        println!("{tenant}: {pages:?}");
        assert!(pages.is_sorted() && pages.len() == 10);
    }
    Ok(())
}
