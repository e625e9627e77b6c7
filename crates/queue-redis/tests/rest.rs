//! Whoever waits asks the server for little, and is woken in time all the same.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{
    Backend, Delivery, Kind, NewMessage, Queue, QueueConfig, QueueName, Timestamp,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use server::{LIMIT, Private};

const NAME: QueueName = QueueName::from_static("q");
const HOUR: Duration = Duration::from_hours(1);
/// How late a message may come that another process has published.
const LATENESS: Duration = Duration::from_millis(100);

struct Stand {
    server: Private,
    /// What the readers are handed, and when that was by the server's clock, in microseconds.
    received: mpsc::UnboundedReceiver<(Delivery, u64)>,
    readers: Vec<JoinHandle<()>>,
    /// Another process.
    publisher: Arc<dyn Queue>,
    _backends: [Arc<dyn Backend>; 2],
}

/// A queue on which so many sessions of one process wait, as a worker does between two messages.
async fn stand(readers: u64) -> Option<Stand> {
    let server = Private::forgetful(Timing::NETWORK)?;
    let backend = server.connect().await;
    backend
        .create(&NAME, &QueueConfig::default())
        .await
        .unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for _ in 0..readers {
        let queue = backend.open(&NAME, None).await.unwrap();
        let sender = sender.clone();
        let clock = server.clock();
        tasks.push(tokio::spawn(async move {
            loop {
                for delivery in queue.receive(16, HOUR).await.unwrap() {
                    sender.send((delivery, clock.now())).unwrap();
                }
            }
        }));
    }
    server.has_blocked(readers).await;
    let other = server.connect().await;
    let publisher = other.open(&NAME, None).await.unwrap();
    Some(Stand {
        server,
        received,
        readers: tasks,
        publisher,
        _backends: [backend, other],
    })
}

fn after(delay: Duration) -> NewMessage {
    NewMessage::new(Kind::from_static("k"), "").with_delay(delay)
}

impl Stand {
    async fn publish(&self, message: NewMessage) {
        let outcomes = self.publisher.publish(vec![message], LIMIT).await;
        outcomes.unwrap();
    }

    /// How late the next message comes, by the server's clock.
    async fn lateness(&mut self) -> Duration {
        let received = timeout(LIMIT, self.received.recv()).await;
        let (delivery, at) = received.unwrap().unwrap();
        let due = delivery.message.deliver_at().unwrap();
        let at = Timestamp::from_nanos(at * 1_000);
        assert!(at >= due, "{:?} early", due.since(at));
        at.since(due)
    }

    /// All commands that the server has run, those of scripts too.
    fn commands(&self) -> u64 {
        self.server.statistics().values().map(|c| c.calls).sum()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort_unstable();
    spans[spans.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_rest_a_worker_costs_two_commands_a_second_and_is_woken_in_time() {
    let Some(mut stand) = stand(1).await else {
        return;
    };
    // Nobody has to look for it before its time.
    stand.publish(after(HOUR)).await;
    let span = Duration::from_secs(12);
    let before = stand.commands();
    // tidy: sleep — nothing is waited for: this is the span in which commands are counted.
    tokio::time::sleep(span).await;
    // One of them is the first question.
    let commands = stand.commands() - before - 1;
    println!("{commands} commands in {span:?}");
    assert!(commands <= 24, "{commands} commands in {span:?}");
    // Each is due before all that the server knows.
    let mut spans = Vec::new();
    for delay in [900, 700, 500, 300, 100] {
        stand.publish(after(Duration::from_millis(delay))).await;
    }
    for _ in 0..5 {
        spans.push(stand.lateness().await);
    }
    assert_in_time(spans);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_message_of_another_process_rings_however_many_wait() {
    let Some(mut stand) = stand(4).await else {
        return;
    };
    stand.publish(after(HOUR)).await;
    let mut spans = Vec::new();
    for delay in [50, 200, 1, 120, 20, 70, 5] {
        stand.publish(after(Duration::from_millis(delay))).await;
        spans.push(stand.lateness().await);
    }
    assert_in_time(spans);
}

/// A busy machine may keep a few back, not most.
fn assert_in_time(spans: Vec<Duration>) {
    let most = Timing::NETWORK.tolerance();
    assert!(spans.iter().all(|span| *span <= most), "{spans:?}");
    println!("late by {spans:?}");
    let median = median(spans);
    assert!(median <= LATENESS, "{median:?}");
}
