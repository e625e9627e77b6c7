//! What failed assertions say.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use forebay_queue_core::Operation;
use forebay_test_kit::{Fault, Published, PublishedTask, TestKit, perform};

use crate::app::{Mailer, Resize, SendEmail, email, sign_up, worker};

type Fails = fn(&PublishedTask<SendEmail>);

/// The text of the panic that this must end with.
pub(crate) fn text_of<T>(fails: impl FnOnce() -> T) -> String {
    let caught = catch_unwind(AssertUnwindSafe(fails));
    text(caught.err().expect("it was to fail"))
}

async fn text_of_task<T: Send + 'static>(
    fails: impl Future<Output = T> + Send + 'static,
) -> String {
    let ended = tokio::spawn(fails).await;
    text(ended.err().expect("it was to fail").into_panic())
}

fn text(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

async fn busy() -> (TestKit, Mailer) {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    mailer.fail(1);
    kit.run(worker(&mailer));
    sign_up(&kit.producer(), "canary").await.unwrap();
    kit.pass(Duration::from_mins(2)).await;
    (kit, mailer)
}

#[tokio::test(start_paused = true)]
async fn a_missing_task_says_what_was_published_instead() {
    let kit = TestKit::new();
    let text = text_of(|| kit.published::<SendEmail>().one());
    assert_eq!(
        text,
        "expected 1 send-email, found none; nothing was published"
    );
    kit.producer().publish(Resize { width: 1 }).await.unwrap();
    kit.producer().publish(Resize { width: 2 }).await.unwrap();
    let text = text_of(|| kit.published::<SendEmail>().first());
    let instead = "published were: 2 × resize to queue test";
    assert_eq!(
        text,
        format!("expected at least 1 send-email, found none; {instead}")
    );
    let text = text_of(|| _ = kit.published::<SendEmail>().assert_all_done());
    assert_contains(&text, &["expected some send-email", instead]);
    let text = text_of(|| kit.assert_nothing_published());
    assert_contains(
        &text,
        &["expected that nothing is published:\n  resize 0", "ready"],
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_number_lists_what_there_is() {
    let kit = TestKit::new();
    for _ in 0..12 {
        kit.producer().publish(email("canary")).await.unwrap();
    }
    let text = text_of(|| kit.published::<SendEmail>().one());
    assert_contains(
        &text,
        &[
            "expected 1 send-email, found 12:\n  send-email 0",
            "15 bytes: ready",
        ],
    );
    assert_eq!(text.lines().count(), 12, "ten of them and an ellipsis");
    assert!(!text.contains("canary"), "{text}");
    let text = text_of(|| _ = kit.published::<SendEmail>().assert_none());
    assert_contains(&text, &["expected no send-email, found 12:"]);
    let text = text_of(|| kit.published::<SendEmail>().dead().one());
    assert_contains(
        &text,
        &[
            "expected 1 dead send-email, found none; of this kind there are:",
            "… and 2 more",
        ],
    );
    let text = text_of(|| {
        kit.published::<SendEmail>()
            .in_queue("bulk")
            .matching(|_| true)
            .one()
    });
    assert_contains(
        &text,
        &["expected 1 send-email in queue bulk that matches, found none"],
    );
}

#[tokio::test(start_paused = true)]
async fn tasks_are_shown_only_where_asked() {
    let kit = TestKit::new();
    kit.producer().publish(email("canary")).await.unwrap();
    let emails = || kit.published::<SendEmail>();
    let silent: [fn(Published<SendEmail>); 2] = [
        |all| _ = all.assert_none(),
        |all| _ = all.one().assert_done(),
    ];
    for fails in silent {
        assert!(!text_of(|| fails(emails())).contains("canary"));
        let text = text_of(|| fails(emails().with_debug()));
        assert_contains(&text, &["task: SendEmail { to: \"canary\" }"]);
    }
    let debug = format!("{:?} {:?} {kit:?}", emails(), emails().one());
    assert!(!debug.contains("canary"), "{debug}");
    assert_contains(&debug, &["Published(1 send-email)", "PublishedTask"]);
}

#[tokio::test(start_paused = true)]
async fn assertions_about_the_publish_say_what_was_found() {
    let (kit, _) = busy().await;
    let mail = kit.published::<SendEmail>().one();
    let cases: [(Fails, &str); 10] = [
        (
            |m| _ = m.assert_task(&email("x")),
            r#"expected the task SendEmail { to: "x" }, found SendEmail { to: "canary" }:"#,
        ),
        (
            |m| _ = m.assert_delay(Duration::ZERO),
            "expected a delay of 0ns, found 60s:",
        ),
        (
            |m| _ = m.assert_expires_in(Duration::from_secs(1)),
            "expected that it expires 1s after acceptance, found that it never does:",
        ),
        (
            |m| _ = m.assert_idempotency_key("x"),
            r#"expected the idempotency key "x", found "welcome:canary":"#,
        ),
        (
            |m| _ = m.assert_fairness_key("x"),
            r#"expected the fairness key "x", found "default":"#,
        ),
        (
            |m| _ = m.assert_header("tenant", "x"),
            r#"expected the header "tenant" to be "x", found "acme":"#,
        ),
        (
            |m| _ = m.assert_header("other", "x"),
            r#"expected the header "other" to be "x", found none:"#,
        ),
        (
            |m| _ = m.assert_queue("bulk"),
            r#"expected the queue "bulk", found "test":"#,
        ),
        (
            |m| _ = m.assert_duplicates(1),
            "expected 1 duplicates, found 0:",
        ),
        (
            |m| m.lose_lease(),
            "expected that a worker holds the message:",
        ),
    ];
    for (fails, expected) in cases {
        let text = text_of(|| fails(&mail));
        assert!(text.starts_with(expected), "{text}");
        assert_contains(
            &text,
            &["\n  send-email 0", "in queue test, 15 bytes: done"],
        );
    }
}

#[tokio::test(start_paused = true)]
async fn assertions_about_the_outcome_tell_the_history() {
    let (kit, _) = busy().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_done();
    let cases: [(Fails, &str); 11] = [
        (
            |m| _ = m.assert_dead("x"),
            "expected that it is dead because of \"x\":",
        ),
        (
            |m| _ = m.assert_cancelled(),
            "expected that it is cancelled:",
        ),
        (|m| _ = m.assert_expired(), "expected that it has expired:"),
        (|m| _ = m.assert_waiting(), "expected that it is waiting:"),
        (
            |m| _ = m.assert_waiting_until(m.published_at()),
            "expected that it is due at 20",
        ),
        (|m| _ = m.assert_running(), "expected that it is running:"),
        (
            |m| _ = m.assert_attempts(1),
            "expected 1 attempts, found 2:",
        ),
        (
            |m| _ = m.assert_retried(2),
            "expected that it was retried 2 times, found 1:",
        ),
        (
            |m| _ = m.assert_snoozed(1),
            "expected that it was snoozed 1 times, found 0:",
        ),
        (
            |m| _ = m.assert_unavailable(1),
            "expected that it was given back as unavailable 1 times, found 0:",
        ),
        (
            |m| _ = m.assert_leases_lost(1),
            "expected that it was taken away by the end of its lease 1 times, found 0:",
        ),
    ];
    for (fails, expected) in cases {
        let text = text_of(|| fails(&mail));
        assert!(text.starts_with(expected), "{text}");
        assert_contains(
            &text,
            &[
                "\n    attempt 1 at 60",
                ": greylisted\n    attempt 2 at 6",
                ": done",
            ],
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_state_has_its_words() {
    let kit = TestKit::new();
    sign_up(&kit.producer(), "ann").await.unwrap();
    let mail = kit.published::<SendEmail>().one();
    let done = || text_of(|| _ = mail.assert_done());
    assert_contains(
        &done(),
        &["expected that it is done:", "scheduled, due in 60s"],
    );
    kit.pass(Duration::from_mins(1)).await;
    assert_contains(&done(), &["ready, waiting for a worker"]);
    let mailer = Mailer::default();
    kit.run(|w| worker(&mailer)(w).concurrency(1));
    for to in ["never", "bob", "nobody"] {
        kit.producer().publish(email(to)).await.unwrap();
    }
    kit.settle().await;
    let emails = kit.published::<SendEmail>();
    let text = text_of(|| _ = emails.assert_all_done());
    assert_contains(
        &text,
        &[
            "running, its lease ends in 2",
            "attempt 1 at 60",
            ": running",
        ],
    );
    let text = text_of(|| _ = emails.nth(2).assert_done());
    assert_contains(&text, &["fetched by a worker, not started"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_tells_its_reason() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    kit.producer().publish(email("nobody")).await.unwrap();
    kit.drain().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_dead("such");
    for text in [
        text_of(|| _ = mail.assert_done()),
        text_of(|| _ = mail.assert_dead("another reason")),
    ] {
        assert_contains(
            &text,
            &["dead: no such address", ": rejected: no such address"],
        );
    }
    let connection = kit.connection();
    let all = forebay_queue_core::DeadLetterFilter::all();
    let deleted = connection.management().delete_dead_letters(&all, 9);
    deleted.await.unwrap();
    let text = text_of(|| _ = mail.assert_dead("such"));
    assert_contains(&text, &["gone: purged, or its dead letter deleted"]);
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_is_no_such_task_is_named_not_shown() {
    let kit = TestKit::new();
    let kind = forebay_queue_core::Kind::from_static("send-email");
    let message = forebay_queue_core::NewMessage::new(kind, "{\"canary\": 1}");
    kit.producer().publish_all(vec![message]).await.unwrap();
    let text = text_of(|| kit.published::<SendEmail>());
    assert_contains(
        &text,
        &["the payload is no send-email (Data error at line 1 column 13): send-email 0"],
    );
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn faults_that_were_not_met_are_named() {
    let kit = TestKit::new();
    kit.fail_times(3, Operation::Ack, Fault::Unavailable);
    kit.queue("bulk").fail(Operation::Publish, Fault::Full);
    kit.deliver_twice(2);
    let text = text_of(|| kit.assert_faults_met());
    let expected = "these were to fail, and have not: 3 × ack: Unavailable; \
                    1 × publish: Full, in queue bulk; 2 × second delivery";
    assert_eq!(text, expected);
    let text = text_of(|| kit.fail(Operation::Ack, Fault::Full));
    assert_eq!(text, "only a publish can find the queue full");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_cannot_end_says_why() {
    let kit = TestKit::new();
    kit.producer().publish(email("ann")).await.unwrap();
    let paused = kit.connection();
    let text = text_of_task(async move { kit.drain().await }).await;
    let parts = [
        "texts.rs:",
        "the queues do not drain: nobody takes what is ready",
        "no worker runs",
        "left are:\n  send-email 0",
        "ready, waiting for a worker",
    ];
    assert_contains(&text, &parts);
    drop(paused);

    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    kit.settle().await;
    kit.connection().management().pause().await.unwrap();
    kit.producer().publish(email("ann")).await.unwrap();
    let text = text_of_task(async move { kit.drain().await }).await;
    assert_contains(
        &text,
        &["hand-outs of queue test are stopped", "running: Worker"],
    );

    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    kit.producer().publish(email("ann")).await.unwrap();
    let text = text_of_task(async move {
        let _outage = kit.outage();
        kit.drain().await;
    });
    assert_contains(&text.await, &["the outage has not ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_stops_at_what_never_ends() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    kit.producer().publish(email("never")).await.unwrap();
    let text = text_of_task(async move { kit.drain().await }).await;
    assert_contains(
        &text,
        &["a handler does not end", "running, its lease ends"],
    );

    let kit = TestKit::new();
    let publish = kit.producer();
    let years = Duration::from_hours(24 * 365 * 2);
    publish.publish(email("ann")).delay(years).await.unwrap();
    let text = text_of_task(async move { kit.drain().await }).await;
    assert_contains(
        &text,
        &["it would take more than a year", "scheduled, due in"],
    );

    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    kit.producer()
        .publish(email("round-and-round"))
        .await
        .unwrap();
    let text = text_of_task(async move { kit.drain().await }).await;
    let expected = "a message goes round in circles: send-email";
    assert_contains(&text, &[expected, "times, the last one: ", "texts.rs:"]);
}

#[tokio::test]
async fn a_call_of_a_handler_says_how_it_ended_instead() {
    let run = |to| perform(email(to)).with(worker(&Mailer::default()));
    let done = run("ann").await;
    let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
    for (text, expected) in [
        (
            text_of(|| _ = done.assert_retried("x")),
            "retried because of \"x\"",
        ),
        (
            text_of(|| _ = done.assert_retried_after(second, "x")),
            "retried after 1s because of \"x\"",
        ),
        (
            text_of(|| _ = done.assert_rejected("x")),
            "rejected because of \"x\"",
        ),
        (
            text_of(|| _ = done.assert_dead("x")),
            "dead because of \"x\"",
        ),
        (
            text_of(|| _ = done.assert_snoozed(hour)),
            "snoozed for 3600s",
        ),
        (text_of(|| _ = done.assert_unavailable()), "unavailable"),
    ] {
        assert_eq!(text, format!("expected: {expected}; found: done"));
    }
    let rejected = run("nobody").await;
    let text = text_of(|| _ = rejected.assert_done());
    assert_eq!(text, "expected: done; found: rejected: no such address");
    let text = text_of(|| _ = rejected.assert_rejected("another"));
    assert_contains(&text, &["found: rejected: no such address"]);
    let text = text_of(|| perform(email("ann")).queue("Bad").with(|w| w));
    assert_contains(&text, &["the message cannot be published: "]);
    let text = text_of_task(perform(email("ann")).with(|w| w)).await;
    assert_contains(
        &text,
        &["the worker does not start: the worker has no handler"],
    );
}
