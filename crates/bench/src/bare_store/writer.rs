use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use forebay::core::Message;
use forebay::{Durability, Environment, Kind, NewMessage, QueueName, Task as _};
use forebay_queue_embedded::storage::records::{Head, Lease};
use forebay_queue_embedded::storage::{Batch, Store};
use tokio::sync::oneshot;

use crate::job::Job;

/// Who waits for an answer.
pub(super) type Answer<T> = oneshot::Sender<Result<T>>;

/// What the writer is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    /// Messages with these payloads.
    Publish(Vec<Bytes>, Answer<()>),
    /// As many messages as there are, up to so many; where there are none, when there are some.
    Take {
        max: usize,
        may_wait: bool,
        answer: Answer<Vec<Delivery>>,
    },
    /// The end of messages that were taken.
    Ack(Vec<Delivery>, Answer<()>),
}

/// A message that somebody has.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(super) message: Message,
    lease: Lease,
}

/// A message that nobody has.
struct Ready {
    message: Message,
    /// Of somebody who gave up before it came.
    last: Option<Lease>,
}

/// Somebody who wants messages.
struct Wish {
    max: usize,
    may_wait: bool,
    answer: Answer<Vec<Delivery>>,
}

/// Gathers requests, writes what they need in one batch, and answers them.
pub(super) struct Writer {
    store: Store,
    queue: QueueName,
    durability: Durability,
    environment: Environment,
    ready: VecDeque<Ready>,
    waiting: VecDeque<Wish>,
    sequence: u64,
}

impl Writer {
    /// On a thread that ends when nobody can ask any more.
    pub(super) fn start(
        store: Store,
        queue: QueueName,
        durability: Durability,
    ) -> Result<(Sender<Request>, JoinHandle<()>)> {
        let (sender, requests) = channel();
        let writer = Self {
            store,
            queue,
            durability,
            environment: Environment::system(),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            sequence: 0,
        };
        let thread = Builder::new().name("bare-store".to_owned());
        Ok((sender, thread.spawn(move || writer.run(&requests))?))
    }

    fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let rest = requests.try_iter().take(GATHERED - 1);
            let gathered: Vec<Request> = std::iter::once(first).chain(rest).collect();
            self.serve(gathered);
        }
    }

    /// Hand-outs wait for no sync: what is ready already goes first.
    fn serve(&mut self, gathered: Vec<Request>) {
        let mut changes = Batch::new();
        let (mut published, mut answers) = (Vec::new(), Vec::new());
        for request in gathered {
            match request {
                Request::Publish(payloads, answer) => {
                    for payload in payloads {
                        published.push(self.put(&mut changes, payload));
                    }
                    answers.push(answer);
                }
                Request::Ack(taken, answer) => {
                    for Delivery { message, lease } in &taken {
                        changes.delete_message(&self.queue, message);
                        changes.delete_lease(&self.queue, message.id(), lease.until);
                    }
                    answers.push(answer);
                }
                Request::Take {
                    max,
                    may_wait,
                    answer,
                } => self.waiting.push_back(Wish {
                    max,
                    may_wait,
                    answer,
                }),
            }
        }
        self.hand_out();
        for wish in std::mem::take(&mut self.waiting) {
            if wish.may_wait {
                self.waiting.push_back(wish);
            } else {
                // A caller that has gone needs no answer, here and below.
                let _ = wish.answer.send(Ok(Vec::new()));
            }
        }
        if answers.is_empty() {
            return;
        }
        let written = self.store.write(&changes, self.durability);
        if written.is_ok() {
            self.ready.extend(published);
        }
        for answer in answers {
            let _ = answer.send(said(&written));
        }
        self.hand_out();
    }

    fn put(&mut self, changes: &mut Batch, payload: Bytes) -> Ready {
        let new = NewMessage::new(Kind::from_static(Job::KIND), payload);
        let (id, now) = (self.environment.next_id(), self.environment.now());
        let message = Message::accept(new, id, now);
        self.sequence += 1;
        let head = Head::new(&message, self.sequence);
        changes.put_message(&self.queue, &head, message.payload());
        Ready {
            message,
            last: None,
        }
    }

    fn hand_out(&mut self) {
        let (mut leases, mut taken) = (Batch::new().settling(), Vec::new());
        while !self.ready.is_empty()
            && let Some(Wish { max, answer, .. }) = self.waiting.pop_front()
        {
            if answer.is_closed() {
                continue;
            }
            let count = max.min(self.ready.len());
            let next: Vec<Ready> = self.ready.drain(..count).collect();
            let deliveries: Vec<Delivery> = next
                .into_iter()
                .map(|ready| self.lease(&mut leases, ready))
                .collect();
            taken.push((deliveries, answer));
        }
        if taken.is_empty() {
            return;
        }
        let written = self.store.write(&leases, Durability::Buffered);
        for (deliveries, answer) in taken {
            let deliveries = said(&written).map(|()| deliveries);
            if let Err(Ok(unseen)) = answer.send(deliveries) {
                let back = unseen.into_iter().rev().map(|delivery| Ready {
                    message: delivery.message,
                    last: Some(delivery.lease),
                });
                back.for_each(|ready| self.ready.push_front(ready));
            }
        }
    }

    fn lease(&self, leases: &mut Batch, ready: Ready) -> Delivery {
        let Ready { message, last } = ready;
        let lease = Lease {
            consumer: 1,
            until: self.environment.now().after(LEASE),
            token: self.sequence,
            length: LEASE,
            attempt: 1,
        };
        leases.put_lease(&self.queue, message.id(), &lease, last.as_ref());
        Delivery { message, lease }
    }
}

fn said(written: &Result<(), forebay_queue_embedded::storage::StorageError>) -> Result<()> {
    match written {
        Ok(()) => Ok(()),
        Err(error) => Err(anyhow!("{error}")),
    }
}

/// Requests that are served at once, at most.
const GATHERED: usize = 1_024;
/// How long a message is held.
const LEASE: Duration = Duration::from_secs(30);
