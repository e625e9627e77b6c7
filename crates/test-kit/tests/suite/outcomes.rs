use std::time::Duration;

use forebay_queue_core::{DeadLetterFilter, State};
use forebay_test_kit::{Ending, PublishedTask, TestKit};

use crate::app::{Mailer, SendEmail, email, worker};

async fn published(kit: &TestKit, to: &str) -> PublishedTask<SendEmail> {
    kit.producer().publish(email(to)).await.unwrap();
    kit.published::<SendEmail>().last()
}

#[tokio::test(start_paused = true)]
async fn done_at_the_first_attempt() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    let mail = published(&kit, "slow").await;
    mail.assert_waiting().assert_attempts(0);
    assert_eq!(mail.last_ending(), None);
    kit.run(worker(&mailer));
    kit.settle().await;
    mail.assert_running().assert_attempts(1);
    assert_eq!(mail.last_ending(), Some(Ending::Running));
    kit.pass(Duration::from_secs(5)).await;
    mail.assert_done().assert_attempts(1).assert_retried(0);
    let run = mail.runs().pop().unwrap();
    assert_eq!(run.ending, Ending::Done);
    assert_eq!((run.attempt, run.took), (1, Some(Duration::from_secs(5))));
    assert_eq!(mailer.sent(), ["slow"]);
}

#[tokio::test(start_paused = true)]
async fn retried_with_causes() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    mailer.fail(2);
    kit.run(worker(&mailer));
    let mail = published(&kit, "ann").await;
    kit.settle().await;
    mail.assert_waiting().assert_retried(1).assert_attempts(1);
    kit.drain().await;
    mail.assert_done().assert_retried(2).assert_attempts(3);
    assert_eq!(mail.causes(), ["greylisted", "greylisted"]);
}

#[tokio::test(start_paused = true)]
async fn retried_after_exactly_as_long_as_was_said() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    let mail = published(&kit, "exactly").await;
    let due = kit.now().after(Duration::from_mins(5));
    kit.settle().await;
    mail.assert_waiting_until(due);
    assert_eq!(mail.due_at(), Some(due));
    let after = Duration::from_mins(5);
    let cause = "not yet".to_owned();
    assert_eq!(mail.last_ending(), Some(Ending::Retried { after, cause }));
    kit.drain().await;
    mail.assert_done();
    assert_eq!(mail.runs()[1].at, due);
}

#[tokio::test(start_paused = true)]
async fn dead_when_the_attempts_have_run_out() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    mailer.fail(3);
    kit.run(worker(&mailer));
    let mail = published(&kit, "ann").await;
    kit.drain().await;
    mail.assert_dead("greylisted")
        .assert_attempts(3)
        .assert_retried(2);
    assert!(
        matches!(mail.last_ending(), Some(Ending::Dead { cause }) if cause.starts_with("greylisted"))
    );
}

#[tokio::test(start_paused = true)]
async fn rejected_panicked_and_never_handled() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    let rejected = published(&kit, "nobody").await;
    let panicked = published(&kit, "panic").await;
    kit.drain().await;
    rejected.assert_dead("no such address").assert_attempts(1);
    let cause = "no such address".to_owned();
    assert_eq!(rejected.last_ending(), Some(Ending::Rejected { cause }));
    panicked.assert_dead("out of paper").assert_attempts(3);

    let other = kit.queue("other");
    other.producer().publish(email("ann")).await.unwrap();
    other.run(|w| w.handle(|_: crate::app::Resize| async {}));
    kit.drain().await;
    let unknown = other.published::<SendEmail>().one();
    unknown
        .assert_dead("no handler takes this kind")
        .assert_attempts(10);
}

#[tokio::test(start_paused = true)]
async fn snoozed_without_spending_an_attempt() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    kit.run(worker(&mailer));
    let mail = published(&kit, "later").await;
    kit.settle().await;
    mail.assert_snoozed(1).assert_waiting().assert_attempts(0);
    let after = Duration::from_hours(1);
    assert_eq!(mail.last_ending(), Some(Ending::Snoozed { after }));
    kit.drain().await;
    mail.assert_done().assert_attempts(1);
    assert_eq!(mailer.sent(), ["first", "later"]);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_is_down_spends_no_attempt() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    mailer.set_down(true);
    kit.run(worker(&mailer));
    let mail = published(&kit, "ann").await;
    kit.settle().await;
    mail.assert_unavailable(1).assert_waiting();
    kit.pass(Duration::from_mins(5)).await;
    assert!(mail.runs().len() > 5, "it is tried again and again");
    mail.assert_retried(0).assert_waiting();
    mailer.set_down(false);
    kit.drain().await;
    mail.assert_done().assert_attempts(1);
}

#[tokio::test(start_paused = true)]
async fn given_back_by_a_worker_that_stops() {
    let kit = TestKit::new();
    let first = kit.run(worker(&Mailer::default()));
    let mail = published(&kit, "never").await;
    kit.settle().await;
    mail.assert_running();
    let report = first.stop().await;
    assert_eq!(report.released, 1);
    mail.assert_waiting().assert_attempts(0);
    assert_eq!(mail.last_ending(), Some(Ending::Released));
}

#[tokio::test(start_paused = true)]
async fn redriven_and_purged() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    mailer.fail(3);
    let first = kit.run(worker(&mailer));
    let mail = published(&kit, "ann").await;
    kit.drain().await;
    mail.assert_dead("greylisted");
    let connection = kit.connection();
    let all = DeadLetterFilter::all();
    connection.management().redrive(&all, 10).await.unwrap();
    kit.drain().await;
    mail.assert_done().assert_attempts(1);
    assert_eq!(mail.runs().len(), 4);
    first.stop().await;

    let mail = published(&kit, "bob").await;
    connection.management().purge().await.unwrap();
    assert_eq!(mail.state(), None);
    assert_eq!(
        kit.published::<SendEmail>().first().state(),
        Some(State::Done)
    );
}

#[tokio::test(start_paused = true)]
async fn a_consumer_without_a_worker_is_seen_too() {
    let kit = TestKit::new();
    let [done, back, dead] = [
        published(&kit, "ann").await,
        published(&kit, "bob").await,
        published(&kit, "cid").await,
    ];
    let session = kit.connection().session().await.unwrap();
    let deliveries = session.receive(3, Duration::ZERO).await.unwrap();
    let mut deliveries = deliveries.into_iter();
    deliveries.next().unwrap().ack(&*session).await.unwrap();
    let second = deliveries.next().unwrap();
    second.release(&*session, Duration::ZERO).await.unwrap();
    let third = deliveries.next().unwrap();
    third.dead_letter(&*session, "too bad").await.unwrap();
    done.assert_done();
    assert_eq!(done.last_ending(), Some(Ending::Done));
    back.assert_waiting().assert_attempts(0);
    dead.assert_dead("too bad");
}

#[test]
fn an_ending_is_told_in_full_but_not_debugged_in_full() {
    let (after, cause) = (Duration::from_secs(2), "canary".to_owned());
    let endings = [
        Ending::Retried {
            after,
            cause: cause.clone(),
        },
        Ending::Rejected {
            cause: cause.clone(),
        },
        Ending::Dead { cause },
        Ending::Snoozed { after },
        Ending::Unavailable { after },
        Ending::Done,
        Ending::Running,
        Ending::LeaseLost,
        Ending::Released,
    ];
    let told: Vec<_> = endings.iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "retried after 2s: canary");
    assert_eq!(told[1..3], ["rejected: canary", "dead: canary"]);
    assert!(!format!("{endings:?}").contains("canary"));
}
