use std::time::Duration;

use forebay_queue_core::Operation;
use forebay_test_kit::{Ending, Fault, TestKit};

use crate::app::{Mailer, SendEmail, email, worker};

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_a_handler() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    let first = kit.run(worker(&mailer));
    kit.producer().publish(email("slow")).await.unwrap();
    kit.settle().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_running();
    first.crash().await;
    kit.pass(Duration::from_secs(20)).await;
    assert!(mailer.sent().is_empty(), "the handler was dropped");
    mail.assert_running();
    kit.pass(Duration::from_secs(10)).await;
    mail.assert_waiting().assert_leases_lost(1);
    kit.run(worker(&mailer));
    kit.drain().await;
    mail.assert_done().assert_attempts(2);
    assert_eq!(mailer.sent(), ["slow"]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_the_work_and_before_the_ack_does_it_twice() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    let (first, second) = (kit.run(worker(&mailer)), kit.run(worker(&mailer)));
    kit.fail(Operation::Ack, Fault::Crash);
    kit.producer().publish(email("ann")).await.unwrap();
    kit.settle().await;
    assert_eq!(mailer.sent(), ["ann"]);
    assert!(!first.is_running() && !second.is_running(), "all are gone");
    assert_eq!(first.stop().await, forebay_worker::Report::default());
    kit.run(worker(&mailer));
    kit.drain().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_done().assert_attempts(2).assert_leases_lost(1);
    assert_eq!(mail.last_ending(), Some(Ending::Done));
    assert_eq!(mailer.sent(), ["ann", "ann"]);
    kit.assert_faults_met();
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_ahead_comes_back_too() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    let first = kit.run(|w| worker(&mailer)(w).concurrency(1));
    kit.producer().publish(email("slow")).await.unwrap();
    kit.producer().publish(email("ann")).await.unwrap();
    kit.settle().await;
    let ahead = kit.published::<SendEmail>().last();
    ahead.assert_waiting().assert_attempts(1);
    assert!(ahead.runs().is_empty());
    first.crash().await;
    kit.run(worker(&mailer));
    kit.drain().await;
    ahead.assert_done().assert_leases_lost(1).assert_attempts(2);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_kills_its_worker_each_time_becomes_a_dead_letter() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    kit.producer().publish(email("never")).await.unwrap();
    for _ in 0..3 {
        let victim = kit.run(worker(&mailer));
        kit.settle().await;
        victim.crash().await;
        kit.pass(Duration::from_secs(30)).await;
    }
    kit.run(worker(&mailer));
    kit.drain().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_dead("one too many").assert_leases_lost(3);
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_with_its_kit() {
    let kit = TestKit::new();
    let orphan = kit.run(worker(&Mailer::default()));
    kit.settle().await;
    assert!(orphan.is_running());
    drop(kit);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!orphan.is_running());
}
