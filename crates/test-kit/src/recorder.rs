use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue_core::{
    CallId, Delivery, Environment, Event, MessageId, Nack, NewMessage, Observer, Operation,
    ProcessOutcome, PublishOutcome, QueueName, Receipt, Request, Response, SettleOutcome,
    Timestamp,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::delivery_record::{DeliveryRecord, MessageRecord, Settled};

/// A message that was delivered so often goes round in circles.
const MOST_DELIVERIES: usize = 10_000;

/// Writes down what the store did and what the workers say.
///
/// It observes below the injected faults: what it knows is what happened, not what callers were told.
pub(crate) struct Recorder {
    environment: Environment,
    // Held for one event.
    journal: Mutex<Journal>,
    /// A handler started or ended, or a message was settled.
    pub(crate) changed: Notify,
    /// How many handlers started and deliveries ended.
    steps: AtomicU64,
    /// The place of a message that goes round in circles.
    runaway: watch::Sender<Option<usize>>,
}

#[derive(Default)]
pub(crate) struct Journal {
    /// In order of acceptance.
    pub(crate) messages: Vec<MessageRecord>,
    by_id: HashMap<(QueueName, MessageId), usize>,
    /// Which delivery a receipt settles: the message and the place among its deliveries.
    by_receipt: HashMap<(QueueName, Receipt), (usize, usize)>,
    calls: HashMap<CallId, Asked>,
}

/// What a call under way asked for.
enum Asked {
    Publish(Vec<NewMessage>),
    Ack(Vec<Receipt>),
    Nack(Vec<Nack>),
}

impl Recorder {
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            environment,
            journal: Mutex::default(),
            changed: Notify::new(),
            steps: AtomicU64::new(0),
            runaway: watch::Sender::new(None),
        }
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.journal.lock())
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Waits until some message goes round in circles, and names its place.
    pub(crate) async fn runaway(&self) -> usize {
        let mut runaway = self.runaway.subscribe();
        let found = runaway.wait_for(Option::is_some).await;
        match found.ok().and_then(|place| *place) {
            Some(place) => place,
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }

    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    fn answered(&self, queue: &QueueName, asked: Option<Asked>, response: &Response<'_>) {
        match (asked, response) {
            (Some(Asked::Publish(messages)), Response::Published(outcomes, _)) => {
                self.published(queue, messages, outcomes);
            }
            (Some(Asked::Ack(receipts)), Response::Settled(outcomes)) => {
                let settled = receipts.into_iter().map(|r| (r, Settled::Acked));
                self.settled(queue, settled, outcomes);
            }
            (Some(Asked::Nack(nacks)), Response::Settled(outcomes)) => {
                let settled = nacks.into_iter().map(|nack| {
                    let Nack {
                        receipt,
                        action,
                        cause,
                    } = nack;
                    (receipt, Settled::Nacked { action, cause })
                });
                self.settled(queue, settled, outcomes);
            }
            (_, Response::Delivered(deliveries)) => self.delivered(queue, deliveries),
            _ => {}
        }
    }

    fn published(&self, queue: &QueueName, messages: Vec<NewMessage>, outcomes: &[PublishOutcome]) {
        let published_at = self.environment.now();
        let mut journal = self.journal.lock();
        for (message, outcome) in messages.into_iter().zip(outcomes) {
            let id = outcome.id();
            if outcome.is_duplicate() {
                if let Some(first) = journal.find(queue, id) {
                    first.duplicates += 1;
                }
                continue;
            }
            let place = journal.messages.len();
            journal.by_id.insert((queue.clone(), id), place);
            journal.messages.push(MessageRecord {
                queue: queue.clone(),
                id,
                message,
                published_at,
                duplicates: 0,
                deliveries: Vec::new(),
            });
        }
    }

    fn delivered(&self, queue: &QueueName, deliveries: &[Delivery]) {
        let mut journal = self.journal.lock();
        for delivery in deliveries {
            let key = (queue.clone(), delivery.message.id());
            let Some(place) = journal.by_id.get(&key).copied() else {
                continue;
            };
            let record = &mut journal.messages[place];
            let number = record.deliveries.len();
            let fresh = DeliveryRecord::new(delivery.attempt, delivery.delivered_at);
            record.deliveries.push(fresh);
            if number >= MOST_DELIVERIES {
                self.runaway.send_replace(Some(place));
            }
            let receipt = (queue.clone(), delivery.receipt.clone());
            journal.by_receipt.insert(receipt, (place, number));
        }
    }

    fn settled(
        &self,
        queue: &QueueName,
        settled: impl Iterator<Item = (Receipt, Settled)>,
        outcomes: &[SettleOutcome],
    ) {
        let mut journal = self.journal.lock();
        for ((receipt, how), outcome) in settled.zip(outcomes) {
            if *outcome == SettleOutcome::Done
                && let Some(delivery) = journal.delivery(queue, &receipt)
            {
                delivery.settled = Some(how);
            }
        }
        drop(journal);
        self.changed.notify_waiters();
    }

    fn started(&self, queue: &QueueName, delivery: &Delivery) {
        let now = self.environment.now();
        if let Some(delivery) = self.journal.lock().delivery(queue, &delivery.receipt) {
            delivery.started_at = Some(now);
        }
        self.step();
    }

    fn processed(&self, queue: &QueueName, id: MessageId, attempt: u32, end: &End) {
        if let Some(message) = self.journal.lock().find(queue, id) {
            // Deliveries of a message end in the order in which they began.
            let open = |d: &&mut DeliveryRecord| d.attempt == attempt && d.verdict.is_none();
            if let Some(delivery) = message.deliveries.iter_mut().find(open) {
                delivery.verdict = Some(end.outcome);
                delivery.took = end.elapsed;
            }
        }
        self.step();
    }
}

struct End {
    outcome: ProcessOutcome,
    elapsed: Option<Duration>,
}

impl Journal {
    /// The latest receipt of a message.
    pub(crate) fn receipt(&self, place: usize) -> Option<Receipt> {
        let number = self.messages[place].deliveries.len().checked_sub(1)?;
        let mut receipts = self.by_receipt.iter();
        receipts
            .find(|(_, found)| **found == (place, number))
            .map(|((_, receipt), _)| receipt.clone())
    }

    /// When the latest delivery of a message was handed to a handler.
    pub(crate) fn started_at(&self, queue: &QueueName, id: MessageId) -> Option<Timestamp> {
        let place = *self.by_id.get(&(queue.clone(), id))?;
        self.messages[place].deliveries.last()?.started_at
    }

    fn find(&mut self, queue: &QueueName, id: MessageId) -> Option<&mut MessageRecord> {
        let place = *self.by_id.get(&(queue.clone(), id))?;
        Some(&mut self.messages[place])
    }

    fn delivery(&mut self, queue: &QueueName, receipt: &Receipt) -> Option<&mut DeliveryRecord> {
        let (place, number) = *self.by_receipt.get(&(queue.clone(), receipt.clone()))?;
        self.messages[place].deliveries.get_mut(number)
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event<'_>) {
        match *event {
            Event::Invoked {
                call,
                operation,
                request,
                ..
            } => {
                let asked = match (operation, request) {
                    (_, Request::Publish(messages)) => Asked::Publish(messages.to_vec()),
                    (Operation::Ack, Request::Receipts(receipts)) => Asked::Ack(receipts.to_vec()),
                    (_, Request::Nacks(nacks)) => Asked::Nack(nacks.to_vec()),
                    _ => return,
                };
                self.journal.lock().calls.insert(call, asked);
            }
            Event::Returned {
                call,
                source,
                response,
                ..
            } => {
                let asked = self.journal.lock().calls.remove(&call);
                self.answered(source.queue, asked, &response);
            }
            Event::Started {
                source, delivery, ..
            } => self.started(source.queue, delivery),
            Event::Processed {
                source,
                id,
                attempt,
                outcome,
                elapsed,
                ..
            } => {
                let end = End { outcome, elapsed };
                self.processed(source.queue, id, attempt, &end);
            }
            _ => {}
        }
    }
}
