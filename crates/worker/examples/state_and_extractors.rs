//! What a handler can ask for: the task, what is known of the message, states of the worker, headers, and types of
//! one's own.

mod memory;

use std::sync::Arc;

use forebay_queue_core::Headers;
use forebay_worker::{
    Cancelled, Failure, FromJob, Job, Meta, Shutdown, State, Task, Worker, WorkerError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Serialize, Deserialize)]
struct Report {
    month: u8,
}

impl Task for Report {
    const KIND: &'static str = "report";
}

/// A state: cheap to clone, as most are.
#[derive(Clone)]
struct Database(Arc<str>);

/// An argument of one's own, taken out of a header.
struct Tenant(String);

impl FromJob for Tenant {
    fn from_job(job: &Job) -> Result<Self, Failure> {
        let tenant = job.message().headers().get("tenant");
        let tenant = tenant.ok_or_else(|| Failure::reject("a message without a tenant"))?;
        Ok(Self(tenant.to_owned()))
    }
}

#[expect(clippy::too_many_arguments, reason = "to show all of them")]
async fn report(
    task: Report,
    meta: Meta,
    Tenant(tenant): Tenant,
    State(Database(database)): State<Database>,
    State(finished): State<Arc<Notify>>,
    headers: Headers,
    cancelled: Cancelled,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    println!(
        "report of month {} for {tenant} from {database}",
        task.month
    );
    println!(
        "{} attempt {} age {:?}",
        meta.id(),
        meta.attempt(),
        meta.age()
    );
    println!(
        "{} headers, shutting down: {}",
        headers.len(),
        shutdown.is_requested()
    );
    // Heavy work goes to a thread, which looks now and then whether its result is still wanted.
    let sum = tokio::task::spawn_blocking(move || {
        let wanted = |_: &u64| !cancelled.is_cancelled();
        (1..=1_000_000u64).take_while(wanted).sum::<u64>()
    });
    println!("the sum is {}", sum.await?);
    finished.notify_one();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("reports").await?;
    let reports = queue.producer();
    reports
        .publish(Report { month: 11 })
        .header("tenant", "blue")
        .await?;
    let finished = Arc::new(Notify::new());

    // A state that is missing is found out before the first message.
    let error = Worker::new(queue.clone())
        .handle(report)
        .run_until(std::future::pending::<()>())
        .await
        .err();
    println!(
        "refused: {}",
        error.map_or_else(String::new, |e| e.to_string())
    );

    Worker::new(queue)
        .state(Database("reports.db".into()))
        .state(Arc::clone(&finished))
        .handle(report)
        .run_until(finished.notified())
        .await
}
