//! How an application tests its handlers. In a test, `#[tokio::test(start_paused = true)]` pauses the clock; an example
//! has to start the runtime by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_queue_core::{Error, Operation};
use forebay_test_kit::{Fault, TestKit, perform};
use forebay_worker::{Failure, Meta, Producer, State, Task, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

// The application: a task, its handler, who publishes it, and the set-up of its worker.

#[derive(Debug, Serialize, Deserialize)]
struct SendEmail {
    to: String,
}

impl Task for SendEmail {
    const KIND: &'static str = "send-email";
}

/// What the handler needs; in the test it is a fake.
#[derive(Clone, Default)]
struct Mailer {
    sent: Arc<Mutex<Vec<String>>>,
    is_down: Arc<AtomicBool>,
}

async fn send_email(
    email: SendEmail,
    meta: Meta,
    State(mailer): State<Mailer>,
) -> Result<(), Failure> {
    if mailer.is_down.load(Ordering::Relaxed) {
        return Err(Failure::unavailable("the mail server is down"));
    }
    if !email.to.contains('@') {
        return Err(Failure::reject("no address"));
    }
    let line = format!("{}, {}", email.to, meta.idempotency_key().unwrap_or("-"));
    let mut sent = mailer.sent.lock().await;
    // Run twice, sent once.
    if !sent.contains(&line) {
        sent.push(line);
    }
    Ok(())
}

async fn sign_up(emails: &Producer, to: &str) -> Result<(), Error> {
    let welcome = SendEmail { to: to.to_owned() };
    let key = format!("welcome:{to}");
    let publish = emails.publish(welcome).idempotency_key(key);
    publish.delay(Duration::from_mins(1)).await?;
    Ok(())
}

fn set_up(mailer: &Mailer) -> impl Fn(Worker) -> Worker {
    let mailer = mailer.clone();
    move |worker| worker.state(mailer.clone()).handle(send_email)
}

// Its tests.

async fn a_welcome_mail_is_sent_after_a_minute() -> Result<(), Error> {
    let (kit, mailer) = (TestKit::new(), Mailer::default());
    kit.run(set_up(&mailer));
    sign_up(&kit.producer(), "ann@example.com").await?;

    let welcome = kit.published::<SendEmail>().with_debug().one();
    welcome
        .assert_delay(Duration::from_mins(1))
        .assert_idempotency_key("welcome:ann@example.com")
        .assert_waiting();
    kit.pass(Duration::from_secs(61)).await;
    welcome.assert_done().assert_attempts(1);
    println!("{:?}", mailer.sent.lock().await);
    Ok(())
}

async fn a_mail_server_that_is_down_costs_no_attempt() -> Result<(), Error> {
    let (kit, mailer) = (TestKit::new(), Mailer::default());
    mailer.is_down.store(true, Ordering::Relaxed);
    kit.run(set_up(&mailer));
    sign_up(&kit.producer(), "ann@example.com").await?;

    kit.pass(Duration::from_hours(1)).await;
    let welcome = kit.published::<SendEmail>().one();
    welcome.assert_waiting().assert_retried(0);
    mailer.is_down.store(false, Ordering::Relaxed);
    kit.drain().await;
    welcome.assert_done().assert_attempts(1);
    println!("done after {} runs", welcome.runs().len());
    Ok(())
}

async fn a_crash_before_the_ack_sends_no_second_mail() -> Result<(), Error> {
    let (kit, mailer) = (TestKit::new(), Mailer::default());
    kit.run(set_up(&mailer));
    sign_up(&kit.producer(), "ann@example.com").await?;

    kit.fail(Operation::Ack, Fault::Crash);
    kit.pass(Duration::from_mins(2)).await;
    kit.assert_faults_met();
    kit.run(set_up(&mailer));
    kit.drain().await;
    let welcome = kit.published::<SendEmail>().one();
    welcome.assert_done().assert_leases_lost(1);
    assert_eq!(mailer.sent.lock().await.len(), 1);
    for run in welcome.runs() {
        println!("attempt {}: {}", run.attempt, run.ending);
    }
    Ok(())
}

async fn a_sign_up_says_that_the_queue_is_full() {
    let kit = TestKit::new();
    kit.fail(Operation::Publish, Fault::Full);
    let refused = sign_up(&kit.producer(), "ann@example.com").await;
    assert!(refused.is_err_and(|error| error.is_full()));
    kit.assert_nothing_published();
}

async fn a_bad_address_is_rejected() {
    let to = "ann".to_owned();
    let performed = perform(SendEmail { to }).with(set_up(&Mailer::default()));
    let performed = performed.await;
    performed.assert_rejected("no address");
    println!("{}", performed.ending());
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Error> {
    a_welcome_mail_is_sent_after_a_minute().await?;
    a_mail_server_that_is_down_costs_no_attempt().await?;
    a_crash_before_the_ack_sends_no_second_mail().await?;
    a_sign_up_says_that_the_queue_is_full().await;
    a_bad_address_is_rejected().await;
    Ok(())
}
