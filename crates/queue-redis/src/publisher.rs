//! Publishes of all callers, gathered.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Error, MessageId, PublishOutcome};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::entry::NewEntry;
use crate::failure::{Advice, Failure};
use crate::gate::unreadable;
use crate::home::Home;
use crate::script;
use crate::session::Life;

/// The most messages and bytes of one call, so that none keeps the server busy for long. One batch may have more bytes.
const MOST_MESSAGES: usize = 512;
const MOST_BYTES: usize = 1 << 20;
/// Calls under way at once: while the server works at one, others are made here.
const MOST_CALLS: usize = 4;
/// How often the first who waits for room looks.
const SHORTEST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_millis(50);

/// One batch on its way.
pub(crate) struct Publishing {
    pub(crate) entries: Vec<NewEntry>,
    /// Until when its caller waits for room; `None` is not at all.
    pub(crate) deadline: Option<Instant>,
    pub(crate) life: Arc<Life>,
    pub(crate) answer: oneshot::Sender<Result<Vec<PublishOutcome>, Error>>,
}

/// Gathers the publishes of all callers: while calls are under way, the next one fills. Nobody waits for a timer.
pub(crate) struct Publisher(mpsc::UnboundedSender<Publishing>);

impl Publisher {
    pub(crate) fn start(home: Arc<Home>) -> Self {
        let (sender, requests) = mpsc::unbounded_channel();
        let worker = Worker {
            home,
            line: VecDeque::new(),
            look: SHORTEST_LOOK,
            stride: 1,
        };
        tokio::spawn(worker.run(requests));
        Self(sender)
    }

    /// Sends a batch off. The answer is dropped when the runtime ends.
    pub(crate) fn send(&self, publishing: Publishing) {
        // Without a task the answer is dropped with the batch.
        let _ = self.0.send(publishing);
    }
}

/// A batch in the line of those who wait for room, with what it was last answered.
struct Waiting {
    publishing: Publishing,
    deadline: Instant,
    full: Error,
}

struct Worker {
    home: Arc<Home>,
    line: VecDeque<Waiting>,
    look: Duration,
    /// How many of the line go at once: more each time that all of them found room.
    stride: usize,
}

/// What became of one batch.
enum Answer {
    Over(Result<Vec<PublishOutcome>, Error>),
    Full(Error),
}

impl Worker {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Publishing>) {
        let mut calls = FuturesUnordered::new();
        loop {
            if !self.line.is_empty() {
                // From now on it is one after the other.
                while let Some((fresh, answers)) = calls.next().await {
                    self.tell(fresh, answers);
                }
                if !self.go_on_in_line(&mut requests).await {
                    return;
                }
                continue;
            }
            tokio::select! {
                biased;
                Some((fresh, answers)) = calls.next() => {
                    self.tell(fresh, answers);
                    // Whoever has just got an answer may publish again, and goes along.
                    tokio::task::yield_now().await;
                }
                request = requests.recv(), if calls.len() < MOST_CALLS => {
                    if request.is_none() {
                        break;
                    }
                    let fresh = gather(request, &mut requests);
                    if !fresh.is_empty() {
                        calls.push(publish(Arc::clone(&self.home), fresh, false));
                    }
                }
            }
        }
        while let Some((fresh, answers)) = calls.next().await {
            self.tell(fresh, answers);
        }
    }

    /// One round while somebody waits for room. `false` when nobody is left.
    async fn go_on_in_line(&mut self, requests: &mut mpsc::UnboundedReceiver<Publishing>) -> bool {
        let Some(first) = self.wait(requests).await else {
            return false;
        };
        self.advance_line().await;
        let fresh = gather(first, requests);
        if !fresh.is_empty() {
            let is_behind = !self.line.is_empty();
            let (fresh, answers) = publish(Arc::clone(&self.home), fresh, is_behind).await;
            self.tell(fresh, answers);
        }
        true
    }

    /// Until somebody publishes, or it is time to look for room. `None` when nobody is left.
    async fn wait(
        &mut self,
        requests: &mut mpsc::UnboundedReceiver<Publishing>,
    ) -> Option<Option<Publishing>> {
        let deadlines = self.line.iter().map(|waiting| waiting.deadline);
        let look = Instant::now() + self.look;
        let wake = deadlines.min().map_or(look, |first| first.min(look));
        tokio::select! {
            request = requests.recv() => request.map(Some),
            () = self.home.room.notified() => {
                self.look = SHORTEST_LOOK;
                Some(None)
            }
            () = sleep_until(wake) => {
                self.look = (self.look * 2).min(LONGEST_LOOK);
                Some(None)
            }
        }
    }

    /// Lets those go who have waited longest, as far as there is room, and sends those away who have no patience left.
    async fn advance_line(&mut self) {
        self.clear_line();
        while !self.line.is_empty() {
            let count = self.stride.min(self.line.len());
            let batches: Vec<Waiting> = self.line.drain(..count).collect();
            let entries: Vec<&[NewEntry]> = batches
                .iter()
                .map(|waiting| &waiting.publishing.entries[..])
                .collect();
            let waits = vec![true; entries.len()];
            let answers = call(&self.home, &entries, &waits, false).await;
            let mut is_stuck = false;
            for (place, (mut waiting, answer)) in batches.into_iter().zip(answers).enumerate() {
                match answer {
                    Answer::Over(outcome) => {
                        let _ = waiting.publishing.answer.send(outcome);
                    }
                    Answer::Full(full) => {
                        is_stuck = true;
                        waiting.full = full;
                        let place = place.min(self.line.len());
                        self.line.insert(place, waiting);
                    }
                }
            }
            self.stride = if is_stuck {
                1
            } else {
                (self.stride * 2).min(64)
            };
            if is_stuck {
                break;
            }
            self.look = SHORTEST_LOOK;
        }
        self.clear_line();
    }

    /// Lets those leave who were dropped, whose session was closed or whose patience has run out.
    fn clear_line(&mut self) {
        let now = Instant::now();
        let is_ended = self.home.is_ended();
        for waiting in std::mem::take(&mut self.line) {
            if waiting.publishing.answer.is_closed() {
                continue;
            }
            let is_closed = is_ended || waiting.publishing.life.is_closed();
            if is_closed || waiting.deadline <= now {
                let error = if is_closed {
                    self.home.closed()
                } else {
                    waiting.full
                };
                let _ = waiting.publishing.answer.send(Err(error));
            } else {
                self.line.push_back(waiting);
            }
        }
    }

    /// Tells the callers what became of their batches; those who wait for room join the line.
    fn tell(&mut self, fresh: Vec<Publishing>, answers: Vec<Answer>) {
        if self.line.is_empty() {
            self.look = SHORTEST_LOOK;
        }
        for (publishing, answer) in fresh.into_iter().zip(answers) {
            match (answer, publishing.deadline) {
                (Answer::Full(full), Some(deadline)) => self.line.push_back(Waiting {
                    publishing,
                    deadline,
                    full,
                }),
                (Answer::Full(full), None) => {
                    let _ = publishing.answer.send(Err(full));
                }
                (Answer::Over(outcome), _) => {
                    let _ = publishing.answer.send(outcome);
                }
            }
        }
        self.clear_line();
    }
}

/// Sends what was gathered. With `is_behind` others have waited longer.
async fn publish(
    home: Arc<Home>,
    fresh: Vec<Publishing>,
    is_behind: bool,
) -> (Vec<Publishing>, Vec<Answer>) {
    let entries: Vec<&[NewEntry]> = fresh.iter().map(|p| &p.entries[..]).collect();
    let waits: Vec<bool> = fresh.iter().map(|p| p.deadline.is_some()).collect();
    let answers = call(&home, &entries, &waits, is_behind).await;
    (fresh, answers)
}

/// One call with several batches.
async fn call(
    home: &Home,
    batches: &[&[NewEntry]],
    waits: &[bool],
    is_behind: bool,
) -> Vec<Answer> {
    let arguments = arguments(batches, waits, is_behind);
    let answers = match home.call(&script::PUBLISH, &arguments).await {
        Ok(Value::Array(answers)) if answers.len() == batches.len() => answers,
        Ok(Value::BulkString(word)) if word == b"A" => {
            return batches.iter().map(|batch| accepted(batch)).collect();
        }
        Ok(_) => return failed(home, &unreadable(), batches.len()),
        Err(failure) => return failed(home, &failure, batches.len()),
    };
    let read = |(batch, value): (&&[NewEntry], Value)| {
        read(home, batch, value).unwrap_or_else(|| over(home, unreadable()))
    };
    batches.iter().zip(answers).map(read).collect()
}

fn accepted(batch: &[NewEntry]) -> Answer {
    let accepted = |entry: &NewEntry| PublishOutcome::Accepted(entry.id);
    Answer::Over(Ok(batch.iter().map(accepted).collect()))
}

fn over(home: &Home, failure: Failure) -> Answer {
    Answer::Over(Err(failure.into_error(&home.handle.name)))
}

fn failed(home: &Home, failure: &Failure, count: usize) -> Vec<Answer> {
    let answer = |_| {
        let is_full = failure.advice() == Advice::Full;
        match over(home, failure.clone()) {
            // Settling makes room in the server's memory too.
            Answer::Over(Err(error)) if is_full => Answer::Full(error),
            answer => answer,
        }
    };
    (0..count).map(answer).collect()
}

fn read(home: &Home, batch: &[NewEntry], value: Value) -> Option<Answer> {
    let items = match value {
        Value::BulkString(word) if word == b"A" => return Some(accepted(batch)),
        Value::Array(items) => items,
        _ => return None,
    };
    let (word, rest) = items.split_first()?;
    let Value::BulkString(word) = word else {
        return None;
    };
    let queue = home.handle.name.clone();
    let full = |what| {
        let limit = limit(rest.first()?)?;
        Some(Answer::Full(Error::Full { queue, what, limit }))
    };
    match &word[..] {
        b"D" if rest.len() == batch.len() => {
            let outcomes = batch.iter().zip(rest);
            let outcomes: Option<Vec<PublishOutcome>> =
                outcomes.map(|(entry, item)| outcome(entry, item)).collect();
            outcomes.map(|outcomes| Answer::Over(Ok(outcomes)))
        }
        b"F" => full("messages"),
        b"K" => full("idempotency keys"),
        b"T" => Some(Answer::Over(Err(Error::TooLarge {
            what: "messages in one publish, by the queue's capacity",
            size: limit(rest.first()?)?,
            limit: limit(rest.get(1)?)?,
        }))),
        b"I" => {
            let Value::BulkString(id) = rest.first()? else {
                return None;
            };
            let id = MessageId::from_bytes(id.as_slice().try_into().ok()?);
            Some(Answer::Over(Err(Error::Invalid {
                what: "message id",
                problem: format!("{id} is in use"),
                allowed: "a fresh id for every message, or none",
            })))
        }
        _ => None,
    }
}

/// Everything that waits to be sent, up to what one call takes.
fn gather(
    first: Option<Publishing>,
    requests: &mut mpsc::UnboundedReceiver<Publishing>,
) -> Vec<Publishing> {
    let mut batches = Vec::new();
    let (mut messages, mut bytes) = (0, 0);
    let mut next = first;
    while let Some(publishing) = next {
        // Who has dropped the call by now has not published.
        if !publishing.answer.is_closed() {
            messages += publishing.entries.len();
            bytes += publishing
                .entries
                .iter()
                .map(|e| e.value.len())
                .sum::<usize>();
            batches.push(publishing);
        }
        if messages >= MOST_MESSAGES || bytes >= MOST_BYTES {
            break;
        }
        next = requests.try_recv().ok();
    }
    batches
}

fn arguments<'a>(
    batches: &[&'a [NewEntry]],
    waits: &[bool],
    is_behind: bool,
) -> Vec<Cow<'a, [u8]>> {
    let entries = || batches.iter().copied().flatten();
    let is_plain = entries().all(|entry| entry.head.is_none());
    let mut arguments = Vec::with_capacity(2 + 2 * entries().count());
    let mode: &[u8] = match (is_plain, is_behind) {
        (true, false) => b"p",
        (true, true) => b"pb",
        (false, false) => b"",
        (false, true) => b"b",
    };
    arguments.push(Cow::from(mode));
    let sizes = batches.iter().zip(waits).flat_map(|(batch, waits)| {
        // Batches have at most 256 messages by the contract.
        let size = u16::try_from(batch.len() * 2 + usize::from(*waits));
        size.unwrap_or(u16::MAX).to_be_bytes()
    });
    arguments.push(sizes.collect::<Vec<u8>>().into());
    if is_plain {
        arguments.extend(entries().map(|entry| Cow::from(&entry.value)));
        return arguments;
    }
    for entry in entries() {
        let head = entry.head.as_deref();
        arguments.push(Cow::from(head.unwrap_or(entry.id.as_bytes())));
        arguments.push(Cow::from(entry.body()));
    }
    arguments
}

fn limit(value: &Value) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// Empty where it was accepted; else the first one's id and whether the fingerprints agree.
fn outcome(entry: &NewEntry, value: &Value) -> Option<PublishOutcome> {
    let Value::BulkString(item) = value else {
        return None;
    };
    if item.is_empty() {
        return Some(PublishOutcome::Accepted(entry.id));
    }
    let (id, same) = item.split_first_chunk::<16>()?;
    Some(PublishOutcome::Duplicate {
        id: MessageId::from_bytes(*id),
        same_fingerprint: same == b"1",
    })
}
