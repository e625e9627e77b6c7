use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Headers, IdempotencyKey, MessageId, Moment, NewMessage, QueueName, State, StoredMessage,
    ThrottleKey, Timestamp, Weight,
};

use crate::stand::Stand;
use crate::{Ending, Run};

/// One task that was published: what it says, how it was published, and how it fares, now and each time it is asked.
pub struct PublishedTask<T> {
    stand: Arc<Stand>,
    place: usize,
    queue: QueueName,
    id: MessageId,
    published_at: Timestamp,
    message: NewMessage,
    task: T,
    pub(crate) show: Option<fn(&T) -> String>,
}

/// What was published.
impl<T> PublishedTask<T> {
    pub(crate) fn new(stand: &Arc<Stand>, place: usize, task: T) -> Self {
        stand.recorder.look(|journal| {
            let record = &journal.messages[place];
            Self {
                stand: Arc::clone(stand),
                place,
                queue: record.queue.clone(),
                id: record.id,
                published_at: record.published_at,
                message: record.message.clone(),
                task,
                show: None,
            }
        })
    }

    /// The task.
    pub const fn task(&self) -> &T {
        &self.task
    }

    /// The task, by value.
    pub fn into_task(self) -> T {
        self.task
    }

    /// The message's id.
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// The queue that took it.
    pub const fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// When the queue took it.
    pub const fn published_at(&self) -> Timestamp {
        self.published_at
    }

    /// For how long after acceptance it was not to be delivered; zero where nothing was said.
    pub fn delay(&self) -> Duration {
        self.after_acceptance(self.message.deliver())
            .unwrap_or_default()
    }

    /// How long after acceptance it expires.
    pub fn expires_in(&self) -> Option<Duration> {
        self.after_acceptance(self.message.expires())
    }

    /// The idempotency key.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.message.idempotency_key().map(IdempotencyKey::as_str)
    }

    /// How many further publishes were answered with `Duplicate` and this message.
    pub fn duplicates(&self) -> usize {
        let place = self.place;
        self.stand
            .recorder
            .look(|journal| journal.messages[place].duplicates)
    }

    /// The fairness key; `"default"` where none was named.
    pub fn fairness_key(&self) -> &str {
        self.message.fairness_key().as_str()
    }

    /// The weight that it sets for its fairness key.
    pub fn weight(&self) -> Option<u16> {
        self.message.weight().map(Weight::get)
    }

    /// The throttle keys.
    pub fn throttle_keys(&self) -> impl Iterator<Item = &str> {
        self.message.throttle_keys().iter().map(ThrottleKey::as_str)
    }

    /// The headers, those that observers added among them.
    pub fn headers(&self) -> &Headers {
        self.message.headers()
    }

    fn after_acceptance(&self, moment: Option<Moment>) -> Option<Duration> {
        Some(match moment? {
            Moment::After(span) => span,
            Moment::At(at) => at.since(self.published_at),
        })
    }
}

/// How it fares.
impl<T> PublishedTask<T> {
    /// Where it is; `None` once the queue does not know it any more: purged, or its dead letter deleted.
    pub fn state(&self) -> Option<State> {
        self.stored().map(|stored| stored.state)
    }

    /// Whether it waits: for its time, or for a worker.
    pub fn is_waiting(&self) -> bool {
        match self.state() {
            Some(State::Scheduled | State::Ready) => true,
            Some(State::Leased) => !self.is_running(),
            _ => false,
        }
    }

    /// Whether a handler has it.
    pub fn is_running(&self) -> bool {
        let state = self.state();
        let place = self.place;
        self.stand
            .recorder
            .look(|journal| journal.messages[place].is_running(state))
    }

    /// Attempts begun so far; what was snoozed or given back does not count.
    pub fn attempts(&self) -> u32 {
        self.stored().map_or(0, |stored| stored.attempt)
    }

    /// When it is due, while it is scheduled.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.stored()?.due_at
    }

    /// Each time that a handler had it, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        let state = self.state();
        let place = self.place;
        self.stand
            .recorder
            .look(|journal| journal.messages[place].runs(state))
    }

    /// How the latest run ended; `None` before the first.
    pub fn last_ending(&self) -> Option<Ending> {
        self.runs().pop().map(|run| run.ending)
    }

    /// Why it failed, each time that it did, oldest first.
    pub fn causes(&self) -> Vec<String> {
        let runs = self.runs();
        let causes = runs.iter().filter_map(|run| run.ending.cause());
        causes.map(str::to_owned).collect()
    }

    /// Takes the lease away from whoever holds the message, as a store can after a failure of its own: it is ready at once,
    /// one attempt older. The holder finds out when it extends the lease, at a third of its length, or settles.
    ///
    /// # Panics
    /// When nobody holds it.
    #[track_caller]
    pub fn lose_lease(&self) {
        if self.state() != Some(State::Leased) {
            self.fail("expected that a worker holds the message");
        }
        let place = self.place;
        let receipt = self.stand.recorder.look(|journal| journal.receipt(place));
        if let Some(receipt) = receipt {
            self.stand.lose_lease(&self.queue, receipt);
        }
    }

    fn stored(&self) -> Option<StoredMessage> {
        self.stand.stored(&self.queue, self.id)
    }
}

/// Assertions about what was published.
impl<T> PublishedTask<T> {
    /// # Panics
    /// When it is another task.
    #[track_caller]
    pub fn assert_task(&self, expected: &T) -> &Self
    where
        T: PartialEq + fmt::Debug,
    {
        if self.task != *expected {
            let found = &self.task;
            self.fail(&format!("expected the task {expected:?}, found {found:?}"));
        }
        self
    }

    /// # Panics
    /// When it was published with another delay; zero is none.
    #[track_caller]
    pub fn assert_delay(&self, expected: Duration) -> &Self {
        let found = self.delay();
        if found != expected {
            self.fail(&format!(
                "expected a delay of {expected:?}, found {found:?}"
            ));
        }
        self
    }

    /// # Panics
    /// When it expires at another time after acceptance, or never.
    #[track_caller]
    pub fn assert_expires_in(&self, expected: Duration) -> &Self {
        match self.expires_in() {
            Some(found) if found == expected => self,
            Some(found) => self.fail(&format!(
                "expected that it expires {expected:?} after acceptance, found {found:?}"
            )),
            None => self.fail(&format!(
                "expected that it expires {expected:?} after acceptance, found that it never does"
            )),
        }
    }

    /// # Panics
    /// When it was published with another idempotency key, or none.
    #[track_caller]
    pub fn assert_idempotency_key(&self, expected: &str) -> &Self {
        self.assert_text("the idempotency key", self.idempotency_key(), expected)
    }

    /// # Panics
    /// When it was published with another fairness key.
    #[track_caller]
    pub fn assert_fairness_key(&self, expected: &str) -> &Self {
        self.assert_text("the fairness key", Some(self.fairness_key()), expected)
    }

    /// # Panics
    /// When the header has another value, or is not there.
    #[track_caller]
    pub fn assert_header(&self, name: &str, expected: &str) -> &Self {
        let what = format!("the header {name:?} to be");
        self.assert_text(&what, self.headers().get(name), expected)
    }

    /// # Panics
    /// When another queue took it.
    #[track_caller]
    pub fn assert_queue(&self, expected: &str) -> &Self {
        self.assert_text("the queue", Some(self.queue.as_str()), expected)
    }

    /// # Panics
    /// When more or fewer further publishes were answered with this message.
    #[track_caller]
    pub fn assert_duplicates(&self, expected: usize) -> &Self {
        let found = self.duplicates();
        if found != expected {
            self.fail(&format!("expected {expected} duplicates, found {found}"));
        }
        self
    }

    #[track_caller]
    fn assert_text(&self, what: &str, found: Option<&str>, expected: &str) -> &Self {
        match found {
            Some(found) if found == expected => self,
            Some(found) => self.fail(&format!("expected {what} {expected:?}, found {found:?}")),
            None => self.fail(&format!("expected {what} {expected:?}, found none")),
        }
    }
}

/// Assertions about how it fares. They fail with its whole history.
impl<T> PublishedTask<T> {
    /// # Panics
    /// When it is not done.
    #[track_caller]
    pub fn assert_done(&self) -> &Self {
        self.assert_state(State::Done, "expected that it is done")
    }

    /// It is a dead letter, and its last failure contains this text.
    ///
    /// # Panics
    /// When it is not, or for another reason.
    #[track_caller]
    pub fn assert_dead(&self, reason: &str) -> &Self {
        let expected = format!("expected that it is dead because of {reason:?}");
        self.assert_state(State::Dead, &expected);
        let stored = self.stored();
        let last = stored.as_ref().and_then(|stored| stored.errors.last());
        if !last.is_some_and(|last| last.error.contains(reason)) {
            self.fail(&expected);
        }
        self
    }

    /// # Panics
    /// When it was not cancelled.
    #[track_caller]
    pub fn assert_cancelled(&self) -> &Self {
        self.assert_state(State::Cancelled, "expected that it is cancelled")
    }

    /// # Panics
    /// When it has not expired.
    #[track_caller]
    pub fn assert_expired(&self) -> &Self {
        self.assert_state(State::Expired, "expected that it has expired")
    }

    /// It waits: for its time, or for a worker.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn assert_waiting(&self) -> &Self {
        if !self.is_waiting() {
            self.fail("expected that it is waiting");
        }
        self
    }

    /// It is scheduled for this time.
    ///
    /// # Panics
    /// When it is not, or for another.
    #[track_caller]
    pub fn assert_waiting_until(&self, expected: Timestamp) -> &Self {
        let found = self.due_at();
        if found != Some(expected) {
            let span = expected.since(self.stand.environment.now());
            self.fail(&format!(
                "expected that it is due at {expected}, in {span:?}"
            ));
        }
        self
    }

    /// A handler has it.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    pub fn assert_running(&self) -> &Self {
        if !self.is_running() {
            self.fail("expected that it is running");
        }
        self
    }

    /// So many attempts have begun; what was snoozed or given back does not count.
    ///
    /// # Panics
    /// When there were more or fewer.
    #[track_caller]
    pub fn assert_attempts(&self, expected: u32) -> &Self {
        let found = self.attempts();
        if found != expected {
            self.fail(&format!("expected {expected} attempts, found {found}"));
        }
        self
    }

    /// So many attempts failed and were followed by another.
    ///
    /// # Panics
    /// When there were more or fewer.
    #[track_caller]
    pub fn assert_retried(&self, times: usize) -> &Self {
        self.assert_endings("retried", times, |e| matches!(e, Ending::Retried { .. }))
    }

    /// A handler put it off so many times.
    ///
    /// # Panics
    /// When it was more or fewer.
    #[track_caller]
    pub fn assert_snoozed(&self, times: usize) -> &Self {
        self.assert_endings("snoozed", times, |e| matches!(e, Ending::Snoozed { .. }))
    }

    /// A handler said so many times that something it needs is down.
    ///
    /// # Panics
    /// When it was more or fewer.
    #[track_caller]
    pub fn assert_unavailable(&self, times: usize) -> &Self {
        let expected = "given back as unavailable";
        self.assert_endings(expected, times, |e| matches!(e, Ending::Unavailable { .. }))
    }

    /// Its lease was lost so many times: its worker crashed, or held it too long.
    ///
    /// # Panics
    /// When it was more or fewer.
    #[track_caller]
    pub fn assert_leases_lost(&self, times: usize) -> &Self {
        let expected = "taken away by the end of its lease";
        self.assert_endings(expected, times, |e| *e == Ending::LeaseLost)
    }

    #[track_caller]
    fn assert_endings(&self, what: &str, times: usize, is: impl Fn(&Ending) -> bool) -> &Self {
        let found = self.runs().iter().filter(|run| is(&run.ending)).count();
        if found != times {
            self.fail(&format!(
                "expected that it was {what} {times} times, found {found}"
            ));
        }
        self
    }

    #[track_caller]
    fn assert_state(&self, state: State, expected: &str) -> &Self {
        if self.state() != Some(state) {
            self.fail(expected);
        }
        self
    }

    #[track_caller]
    fn fail(&self, expected: &str) -> ! {
        panic!("{expected}:\n  {}", self.describe());
    }

    pub(crate) fn describe(&self) -> String {
        let mut text = self.stand.describe(self.place);
        if let Some(show) = self.show {
            text.push_str("\n    task: ");
            text.push_str(&show(&self.task));
        }
        text
    }
}

impl<T> fmt::Debug for PublishedTask<T> {
    /// Prints sizes, not content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedTask")
            .field("queue", &self.queue)
            .field("id", &self.id)
            .field("message", &self.message)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
