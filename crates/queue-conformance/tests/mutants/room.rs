use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{Error, NewMessage, PublishOutcome, Queue};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::mutation::{Mutation, assert_caught};

const STEP: Duration = Duration::from_millis(5);

/// Whoever came last goes first.
#[derive(Default)]
struct LastComeFirst {
    line: Mutex<Vec<Instant>>,
}

#[async_trait]
impl Mutation for LastComeFirst {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let came = Instant::now();
        self.line.lock().push(came);
        loop {
            let is_last = self.line.lock().iter().all(|other| *other <= came);
            let answer = if is_last {
                inner.publish(messages.clone(), Duration::ZERO).await
            } else {
                inner.publish(Vec::new(), Duration::ZERO).await
            };
            let is_over = came.elapsed() >= patience;
            match answer {
                Ok(outcomes) if outcomes.is_empty() && !messages.is_empty() && !is_over => {}
                Err(Error::Full { .. }) if !is_over => {}
                answer => {
                    self.line.lock().retain(|other| *other != came);
                    return answer;
                }
            }
            // tidy: sleep — a mutant that polls; time is paused
            sleep(STEP).await;
        }
    }
}

#[test]
fn publishers_out_of_order() {
    let case = "publishers_go_in_order_of_arrival";
    assert_caught("room", case, LastComeFirst::default);
}

/// Everyone who waits asks again and again, and whoever fits goes.
struct NoLine;

#[async_trait]
impl Mutation for NoLine {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let end = Instant::now() + patience;
        loop {
            match inner.publish(messages.clone(), Duration::ZERO).await {
                Err(Error::Full { .. }) if Instant::now() < end => {}
                answer => return answer,
            }
            // tidy: sleep — a mutant that polls; time is paused
            sleep(STEP).await;
        }
    }
}

#[test]
fn a_small_batch_that_overtakes() {
    let case = "a_bigger_batch_at_the_front_is_not_overtaken";
    assert_caught("room", case, || NoLine);
}

/// A publisher who waits is woken by nothing and looks again when its patience ends.
struct NeverWoken;

#[async_trait]
impl Mutation for NeverWoken {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        match inner.publish(messages.clone(), Duration::ZERO).await {
            Err(Error::Full { .. }) if !patience.is_zero() => {}
            answer => return answer,
        }
        // tidy: sleep — the mutant's fault; time is paused
        sleep(patience).await;
        inner.publish(messages, Duration::ZERO).await
    }
}

#[test]
fn a_publisher_who_is_not_woken() {
    for case in [
        "an_ack_lets_a_waiting_publisher_go",
        "a_dead_letter_lets_a_waiting_publisher_go",
        "a_cancel_lets_a_waiting_publisher_go",
        "a_purge_lets_a_waiting_publisher_go",
        "an_expiry_lets_a_waiting_publisher_go",
    ] {
        assert_caught("room", case, || NeverWoken);
    }
}
