use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Kind, MessageId, NewMessage, ProcessOutcome};
use forebay_worker::{Failure, HandlerOptions, Meta, RetryPolicy, State};
use parking_lot::Mutex;

use crate::fixture::{Fixture, Number, Started, quick};

type Runs = Arc<Mutex<Vec<(u32, u32)>>>;

/// Number 13 is poison: it fails in a way that the test chooses.
#[derive(Clone, Copy)]
enum Poison {
    Error,
    Panic,
    Hang,
}

async fn handler(
    task: Number,
    meta: Meta,
    State(poison): State<Poison>,
    State(runs): State<Runs>,
) -> Result<(), Failure> {
    runs.lock().push((task.number, meta.attempt()));
    if task.number != 13 {
        return Ok(());
    }
    match poison {
        Poison::Error => Err("poison")?,
        Poison::Panic => panic!("poison"),
        Poison::Hang => std::future::pending().await,
    }
}

async fn poisoned(poison: Poison, expected: &str) {
    let fixture = Fixture::new().await;
    fixture.publish_many(20).await;
    let runs = Runs::default();
    let worker = fixture
        .worker()
        .retry(quick().max_attempts(4))
        .timeout(Duration::from_secs(5))
        .state(poison)
        .state(Arc::clone(&runs))
        .handle(handler);
    let worker = Started::new(worker);
    fixture.until_empty().await;
    worker.stop().await;
    let runs = runs.lock().clone();
    let of_poison: Vec<_> = runs.iter().filter(|(n, _)| *n == 13).collect();
    assert_eq!(of_poison, [&(13, 1), &(13, 2), &(13, 3), &(13, 4)]);
    assert_eq!(runs.len(), 19 + 4, "the others ran once each");
    let dead = fixture.dead_letters().await;
    assert_eq!((dead.len(), dead[0].attempt), (1, 4));
    assert_eq!(dead[0].errors.len(), 4);
    for error in &*dead[0].errors {
        assert!(error.error.starts_with(expected), "{}", error.error);
    }
    assert_eq!(fixture.recorder.count(ProcessOutcome::Retry), 3);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Dead), 1);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 19);
}

#[tokio::test(start_paused = true)]
async fn an_error_dies_after_the_last_attempt() {
    poisoned(Poison::Error, "poison").await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_dies_after_the_last_attempt() {
    poisoned(Poison::Panic, "panicked: poison").await;
}

#[tokio::test(start_paused = true)]
async fn a_hang_dies_after_the_last_attempt() {
    poisoned(Poison::Hang, "timed out after 5s").await;
}

async fn publish_raw(fixture: &Fixture, kind: &'static str, payload: &'static str) -> MessageId {
    let message = NewMessage::new(Kind::from_static(kind), payload);
    let outcomes = fixture
        .connection
        .producer()
        .publish_all(vec![message])
        .await;
    outcomes.unwrap()[0].id()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_rejected_without_telling_its_content() {
    let fixture = Fixture::new().await;
    publish_raw(&fixture, "number", r#"{"number": "canary"}"#).await;
    publish_raw(&fixture, "number", "canary").await;
    publish_raw(&fixture, "number", "").await;
    fixture.publish(1).await;
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    fixture.until_empty().await;
    worker.stop().await;
    let dead = fixture.dead_letters().await;
    assert_eq!(dead.len(), 3);
    for letter in &dead {
        let text = &letter.errors[0].error;
        assert!(text.starts_with("the payload is no number: "), "{text}");
        assert!(text.contains("at line"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(letter.attempt, 1);
    }
    assert_eq!(fixture.recorder.count(ProcessOutcome::Reject), 3);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_is_retried_because_a_newer_worker_may_know_it() {
    let fixture = Fixture::new().await;
    let id = publish_raw(&fixture, "of-tomorrow", "{}").await;
    let worker = fixture.worker().retry(
        quick()
            .base(Duration::from_mins(1))
            .cap(Duration::from_mins(1)),
    );
    let worker = Started::new(worker.handle(async |_: Number| {}));
    fixture.until("it waits", |s| s.scheduled == 1).await;
    let stored = fixture.get(id).await.unwrap();
    assert_eq!(&*stored.errors[0].error, "no handler takes this kind here");
    worker.stop().await;
    let kind = Kind::from_static("of-tomorrow");
    let newer = fixture
        .worker()
        .handle_raw(&kind, async |_: bytes::Bytes| {});
    let newer = Started::new(newer);
    fixture.until_empty().await;
    newer.stop().await;
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_workers_all_died_is_not_run_again() {
    let fixture = Fixture::with_lease(Duration::from_secs(1)).await;
    fixture.publish(13).await;
    let runs = Runs::default();
    let build = || {
        let options = HandlerOptions::new().retry(RetryPolicy::default().max_attempts(2));
        fixture
            .worker()
            .state(Poison::Hang)
            .state(Arc::clone(&runs))
            .handle_with(handler, options)
    };
    for deaths in 1..=2 {
        let worker = Started::new(build());
        crate::fixture::until("it runs", || runs.lock().len() == deaths).await;
        worker.kill().await;
    }
    let worker = Started::new(build());
    fixture.until("it is dead", |s| s.dead == 1).await;
    worker.stop().await;
    assert_eq!(
        *runs.lock(),
        [(13, 1), (13, 2)],
        "the third delivery is not run"
    );
    let dead = &fixture.dead_letters().await[0];
    let text = &dead.errors.last().unwrap().error;
    assert!(text.starts_with("not run: delivery 3"), "{text}");
    let last = *fixture.recorder.processed().last().unwrap();
    assert_eq!((last.outcome, last.elapsed), (ProcessOutcome::Dead, None));
}
