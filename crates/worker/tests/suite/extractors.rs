use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::Headers;
use forebay_worker::{Cancelled, Failure, FromJob, Job, Meta, Shutdown, State};
use parking_lot::Mutex;

use crate::fixture::{Fixture, Number, Started};

/// An argument of one's own.
struct Tenant(String);

impl FromJob for Tenant {
    fn from_job(job: &Job) -> Result<Self, Failure> {
        let tenant = job.message().headers().get("tenant");
        let tenant = tenant.ok_or_else(|| Failure::reject("a message without a tenant"))?;
        Ok(Self(tenant.to_owned()))
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

#[expect(clippy::too_many_arguments, reason = "as many as a handler may have")]
async fn everything(
    task: Number,
    meta: Meta,
    State(seen): State<Seen>,
    State(suffix): State<&'static str>,
    headers: Headers,
    Tenant(tenant): Tenant,
    cancelled: Cancelled,
    shutdown: Shutdown,
    again: Meta,
) -> Result<(), Failure> {
    assert!(!cancelled.is_cancelled() && !shutdown.is_requested());
    assert_eq!(
        (meta.id(), meta.attempt(), meta.failures()),
        (again.id(), 1, 0)
    );
    assert_eq!(meta.queue().as_str(), "numbers");
    assert_eq!(meta.idempotency_key(), Some("key"));
    assert_eq!(meta.fairness_key(), "default");
    assert!(meta.age() >= Duration::from_secs(5) && meta.age() < Duration::from_secs(6));
    assert_eq!(meta.headers().len(), headers.len());
    seen.lock()
        .push(format!("{} {tenant} {suffix}", task.number));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_handler_takes_what_it_names() {
    let fixture = Fixture::new().await;
    let producer = fixture.connection.producer();
    let publish = producer.publish(Number { number: 1 });
    publish
        .idempotency_key("key")
        .header("tenant", "blue")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let seen = Seen::default();
    let worker = fixture.worker().state(Arc::clone(&seen)).state("!");
    let worker = Started::new(worker.handle(everything));
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(*seen.lock(), ["1 blue !"]);
}

#[tokio::test(start_paused = true)]
async fn an_argument_that_cannot_be_made_decides_about_the_message() {
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    let worker = Started::new(fixture.worker().handle(async |_: Number, _: Tenant| {}));
    fixture.until("it is dead", |s| s.dead == 1).await;
    worker.stop().await;
    let dead = fixture.dead_letters().await;
    assert_eq!(&*dead[0].errors[0].error, "a message without a tenant");
}
