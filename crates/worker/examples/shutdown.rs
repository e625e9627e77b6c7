//! What a worker does when it is told to stop: what runs comes to its end if it can within the limit, the rest is
//! given back without spending an attempt.

mod memory;

use std::time::{Duration, Instant};

use forebay_worker::{Drain, Meta, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

#[derive(Serialize, Deserialize)]
struct Sleep {
    millis: u64,
}

impl Task for Sleep {
    const KIND: &'static str = "sleep";
}

async fn sleep(task: Sleep, meta: Meta) {
    assert_eq!(meta.attempt(), 1);
    tokio::time::sleep(Duration::from_millis(task.millis)).await;
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("naps").await?;
    let naps = queue.producer();
    // One hangs, the others are short.
    naps.publish(Sleep { millis: 3_600_000 }).await?;
    for _ in 0..20 {
        naps.publish(Sleep { millis: 100 }).await?;
    }
    let stop = CancellationToken::new();
    let limit = Duration::from_millis(500);
    let running = Worker::new(queue.clone())
        .handle(sleep)
        .concurrency(4)
        .shutdown_timeout(limit)
        .spawn(stop.clone());
    tokio::time::sleep(Duration::from_millis(50)).await;

    let asked = Instant::now();
    stop.cancel();
    let report = running.await.expect("the worker does not panic")?;
    println!("{report:?} in {:?}", asked.elapsed());
    assert!(asked.elapsed() <= limit + Duration::from_millis(300));
    let stats = queue.management().stats().await?;
    assert_eq!((stats.leased, stats.ready), (0, 21 - report.processed));

    // A queue that dies with the process is better emptied first.
    queue.management().purge().await?;
    for _ in 0..20 {
        naps.publish(Sleep { millis: 10 }).await?;
    }
    Worker::new(queue.clone())
        .handle(sleep)
        .concurrency(4)
        .drain(Drain::Backlog)
        .run_until(std::future::ready(()))
        .await?;
    assert_eq!(queue.management().stats().await?.live(), 0);
    Ok(())
}
