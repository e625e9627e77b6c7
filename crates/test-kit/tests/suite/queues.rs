use std::time::Duration;

use forebay_queue_core::Operation;
use forebay_queue_core::{Headers, Observer, QueueName};
use forebay_test_kit::{Fault, TestKit};
use forebay_worker::{Connection, Worker};

use crate::app::{Mailer, Resize, SendEmail, email, send_email, worker};

#[tokio::test(start_paused = true)]
async fn several_queues_and_one_worker_of_both() {
    let kit = TestKit::builder().queue("mails").build();
    let bulk = kit.queue("bulk");
    kit.producer().publish(email("ann")).await.unwrap();
    bulk.producer().publish(email("bob")).await.unwrap();
    bulk.producer().publish(Resize { width: 3 }).await.unwrap();

    kit.published::<SendEmail>().assert_len(2);
    kit.published::<SendEmail>()
        .in_queue("mails")
        .one()
        .assert_queue("mails");
    bulk.published::<SendEmail>().one().assert_queue("bulk");
    let mailer = Mailer::default();
    kit.run(|w| worker(&mailer)(w).queue(bulk.connection(), -1));
    kit.drain().await;
    kit.published::<SendEmail>().assert_all_done();
    kit.published::<Resize>().assert_all_done();
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_the_same_each_time_it_is_asked_for() {
    let kit = TestKit::new();
    kit.queue("bulk")
        .producer()
        .publish(email("ann"))
        .await
        .unwrap();
    kit.queue("bulk").published::<SendEmail>().one();
    assert_eq!(
        kit.queue("test").connection().name(),
        kit.connection().name()
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_queue_leaves_the_others_alone() {
    let kit = TestKit::new();
    let bulk = kit.queue("bulk");
    bulk.fail(Operation::Publish, Fault::Unavailable);
    kit.producer().publish(email("ann")).await.unwrap();
    bulk.producer().publish(email("bob")).await.unwrap_err();
    bulk.producer().publish(email("bob")).await.unwrap();
    kit.assert_faults_met();
}

/// An application that opens its queue and makes its worker by itself.
#[tokio::test(start_paused = true)]
async fn an_application_may_open_its_queues_by_itself() {
    let kit = TestKit::new();
    let config = forebay_queue_core::QueueConfig::default();
    let open = || {
        Connection::open(
            kit.backend(),
            QueueName::from_static("own"),
            Some(config.clone()),
            kit.environment(),
            kit.observers(),
        )
    };
    let own = open().await.unwrap();
    own.producer().publish(email("ann")).await.unwrap();
    let again = open().await.unwrap();
    let worker = Worker::new(again)
        .state(Mailer::default())
        .handle(send_email);
    let running = kit.start(worker);
    assert!(running.is_running());
    kit.drain().await;
    kit.published::<SendEmail>()
        .one()
        .assert_queue("own")
        .assert_done();
    let report = running.stop().await;
    assert_eq!(report.processed, 1);
}

struct Tracer;

impl Observer for Tracer {
    fn observe(&self, _: &forebay_queue_core::Event<'_>) {}

    fn inject(&self, headers: &mut Headers) {
        let _ = headers.insert("traceparent", "00-1-2-01");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_the_applications_observers_are_seen() {
    let kit = TestKit::builder()
        .observe(std::sync::Arc::new(Tracer))
        .seed(7)
        .lease(Duration::from_secs(5))
        .build();
    kit.producer().publish(email("ann")).await.unwrap();
    let mail = kit.published::<SendEmail>().one();
    mail.assert_header("traceparent", "00-1-2-01");
    assert_eq!(kit.connection().queue().lease(), Duration::from_secs(5));
}
