use forebay_test_kit::TestKit;

use crate::app::{Mailer, email, send_email, worker};
use crate::texts::text_of;

#[tokio::test]
async fn a_clock_that_runs_is_refused_and_the_text_says_how_to_pause_it() {
    let text = text_of(TestKit::new);
    assert!(
        text.contains("needs the clock of the runtime paused"),
        "{text}"
    );
    assert!(
        text.contains("#[tokio::test(start_paused = true)]"),
        "{text}"
    );
    assert!(text.contains("start_paused(true)"), "{text}");
    tokio::time::pause();
    TestKit::new().drain().await;
    tokio::time::resume();
    text_of(TestKit::new);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_several_threads_is_refused() {
    text_of(TestKit::new);
}

#[test]
fn no_runtime_is_refused() {
    let text = text_of(TestKit::new);
    assert!(text.contains("inside a tokio runtime"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_start_says_why_where_it_was_to_start() {
    let kit = TestKit::new();
    let text = text_of(|| kit.run(|w| w.handle(send_email)));
    assert!(text.starts_with("the worker does not start: "), "{text}");
    assert!(
        text.contains("Mailer") && text.contains(".state("),
        "{text}"
    );
    let text = text_of(|| kit.run(|w| w));
    assert!(text.contains("has no handler"), "{text}");
    kit.run(worker(&Mailer::default()));
    kit.producer().publish(email("ann")).await.unwrap();
    kit.drain().await;
}

#[tokio::test(start_paused = true)]
async fn bad_names_and_configurations_are_refused() {
    let kit = TestKit::new();
    let text = text_of(|| kit.queue("Bad Name"));
    assert!(text.contains("a-z"), "{text}");
    let text = text_of(|| TestKit::builder().capacity(0).build());
    assert!(text.contains("capacity"), "{text}");
    let outage = kit.outage();
    let text = text_of(|| kit.queue("another"));
    assert!(
        text.contains("another") && text.contains("unavailable"),
        "{text}"
    );
    drop(outage);
}
