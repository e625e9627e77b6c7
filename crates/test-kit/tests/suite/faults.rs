use std::time::Duration;

use forebay_queue_core::{CancelTarget, Certainty, Error, Health, Operation};
use forebay_test_kit::{Fault, TestKit};
use tokio::time::Instant;

use crate::app::{Mailer, SendEmail, email, sign_up, worker};

const TOOK_EFFECT: Fault = Fault::Interrupted { took_effect: true };
const LOST: Fault = Fault::Interrupted { took_effect: false };

#[tokio::test(start_paused = true)]
async fn a_publish_fails_so_many_times_in_the_given_order() {
    let kit = TestKit::new();
    let producer = kit.producer();
    kit.fail_times(2, Operation::Publish, Fault::Unavailable);
    kit.fail(Operation::Publish, Fault::Full);
    kit.fail_times(0, Operation::Publish, Fault::Full);
    let publish = async || producer.publish(email("ann")).await;
    assert!(matches!(publish().await, Err(Error::Unavailable { .. })));
    assert!(matches!(publish().await, Err(Error::Unavailable { .. })));
    let full = publish().await.unwrap_err();
    assert!(
        full.is_full() && full.to_string().contains("10000"),
        "{full}"
    );
    kit.assert_nothing_published();
    publish().await.unwrap();
    kit.published::<SendEmail>().one();
    kit.assert_faults_met();
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_publish_took_effect_or_did_not() {
    let kit = TestKit::new();
    let producer = kit.producer();
    kit.fail(Operation::Publish, LOST);
    let error = sign_up(&producer, "ann").await.unwrap_err();
    assert_eq!(error.certainty(), Certainty::Unknown);
    kit.assert_nothing_published();
    kit.fail(Operation::Publish, TOOK_EFFECT);
    let error = sign_up(&producer, "ann").await.unwrap_err();
    assert_eq!(error.certainty(), Certainty::Unknown);
    let outcome = sign_up(&producer, "ann").await.unwrap();
    let mail = kit.published::<SendEmail>().one();
    assert!(outcome.is_duplicate() && outcome.id() == mail.id());
    mail.assert_duplicates(1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_publish_takes_its_time_and_a_hanging_one_for_ever() {
    let kit = TestKit::new();
    let producer = kit.producer();
    let start = Instant::now();
    kit.fail(Operation::Publish, Fault::Slow(Duration::from_secs(3)));
    producer.publish(email("ann")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(3));
    kit.fail(Operation::Publish, Fault::Hang);
    let publish = producer.publish(email("bob")).into_future();
    let limit = Duration::from_hours(10);
    tokio::time::timeout(limit, publish).await.unwrap_err();
    kit.published::<SendEmail>().one();
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_fails_at_once_and_the_worker_survives() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    kit.settle().await;
    kit.fail_times(3, Operation::Receive, Fault::Unavailable);
    kit.producer().publish(email("ann")).await.unwrap();
    kit.settle().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_waiting().assert_attempts(0);
    kit.drain().await;
    mail.assert_done();
    kit.assert_faults_met();
}

#[tokio::test(start_paused = true)]
async fn deliveries_whose_answer_was_lost_come_back_by_their_lease() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    kit.settle().await;
    kit.fail(Operation::Receive, TOOK_EFFECT);
    kit.producer().publish(email("ann")).await.unwrap();
    kit.settle().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_attempts(1);
    kit.drain().await;
    mail.assert_done().assert_leases_lost(1).assert_attempts(2);
    assert!(kit.elapsed() >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_ack_that_did_not_take_effect_is_repeated() {
    for fault in [Fault::Unavailable, LOST, TOOK_EFFECT] {
        let kit = TestKit::new();
        let mailer = Mailer::default();
        kit.run(worker(&mailer));
        kit.fail(Operation::Ack, fault);
        kit.producer().publish(email("ann")).await.unwrap();
        kit.settle().await;
        let mail = kit.published::<SendEmail>().one();
        assert_eq!(mail.is_running(), fault != TOOK_EFFECT);
        kit.drain().await;
        mail.assert_done().assert_attempts(1);
        assert_eq!(mailer.sent(), ["ann"], "the handler ran once: {fault:?}");
        kit.assert_faults_met();
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_could_not_be_said_is_said_again() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    mailer.fail(1);
    kit.run(worker(&mailer));
    kit.fail(Operation::Nack, Fault::Unavailable);
    kit.producer().publish(email("ann")).await.unwrap();
    kit.drain().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_done().assert_retried(1);
    kit.assert_faults_met();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_extended_ends_the_handler() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    kit.run(worker(&mailer));
    kit.fail_times(100, Operation::Extend, Fault::Unavailable);
    kit.producer().publish(email("very-slow")).await.unwrap();
    kit.pass(Duration::from_secs(35)).await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_leases_lost(1).assert_attempts(2);
    kit.clear_faults();
    kit.drain().await;
    kit.assert_faults_met();
    assert_eq!(
        mailer.sent(),
        ["very-slow"],
        "those who lost it were dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_lost_behind_the_workers_back() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    kit.run(worker(&mailer));
    kit.producer().publish(email("slow")).await.unwrap();
    kit.settle().await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_running().lose_lease();
    kit.drain().await;
    mail.assert_done()
        .assert_leases_lost(1)
        .assert_attempts(2)
        .assert_retried(0);
    assert_eq!(
        mailer.sent(),
        ["slow", "slow"],
        "both handlers came to their end"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_handler_is_dropped_when_the_lost_lease_is_noticed() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    kit.run(worker(&mailer));
    kit.producer().publish(email("very-slow")).await.unwrap();
    kit.settle().await;
    let mail = kit.published::<SendEmail>().one();
    mail.lose_lease();
    kit.drain().await;
    mail.assert_done().assert_leases_lost(1);
    assert_eq!(mailer.sent(), ["very-slow"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_delivered_twice() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    kit.run(worker(&mailer));
    kit.deliver_twice(1);
    for to in ["ann", "bob"] {
        kit.producer().publish(email(to)).await.unwrap();
    }
    kit.drain().await;
    let mut sent = mailer.sent();
    sent.sort();
    assert_eq!(sent, ["ann", "ann", "bob"]);
    kit.published::<SendEmail>()
        .first()
        .assert_done()
        .assert_leases_lost(1);
    kit.published::<SendEmail>()
        .last()
        .assert_done()
        .assert_leases_lost(0);
    kit.assert_faults_met();
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_seen_everywhere_until_it_ends() {
    let kit = TestKit::new();
    let connection = kit.connection();
    kit.run(worker(&Mailer::default()));
    kit.settle().await;
    let outage = kit.outage();
    assert!(matches!(
        connection.backend().health().await,
        Health::Down(_)
    ));
    let refused = kit.producer().publish(email("ann")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    connection.management().stats().await.unwrap_err();
    connection.session().await.err().unwrap();
    kit.pass(Duration::from_mins(10)).await;
    outage.end();
    assert_eq!(connection.backend().health().await, Health::Up);
    kit.producer().publish(email("ann")).await.unwrap();
    kit.drain().await;
    kit.published::<SendEmail>().one().assert_done();
    drop(kit.outage());
    connection.management().stats().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_during_an_outage_waits_for_its_end() {
    let kit = TestKit::new();
    kit.producer().publish(email("ann")).await.unwrap();
    let outage = kit.outage();
    let waiting = kit.run(worker(&Mailer::default()));
    kit.pass(Duration::from_mins(1)).await;
    let mail = kit.published::<SendEmail>().one();
    mail.assert_waiting();
    assert!(waiting.is_running());
    outage.end();
    kit.drain().await;
    mail.assert_done();
}

#[tokio::test(start_paused = true)]
async fn steering_fails_too() {
    let kit = TestKit::new();
    let connection = kit.connection();
    let management = connection.management();
    kit.fail(Operation::Cancel, Fault::Unavailable);
    kit.fail(Operation::Purge, Fault::Unavailable);
    kit.fail(Operation::Pause, Fault::Unavailable);
    let id = sign_up(&kit.producer(), "ann").await.unwrap().id();
    management.cancel(CancelTarget::Id(id)).await.unwrap_err();
    management.purge().await.unwrap_err();
    management.pause().await.unwrap_err();
    let mail = kit.published::<SendEmail>().one();
    mail.assert_waiting();
    management.cancel(CancelTarget::Id(id)).await.unwrap();
    mail.assert_cancelled();
    kit.assert_faults_met();
}
