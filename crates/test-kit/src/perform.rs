use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Error, Observers, Operation, QueueConfig, QueueName};
use forebay_worker::{Publish, Task, Worker};
use tokio_util::sync::CancellationToken;

use crate::faults::Rule;
use crate::stand::{Stand, at_once};
use crate::{Ending, Fault, Run};

/// Runs one handler once, with a delivery made by hand: the unit test of a handler.
///
/// Extractors, layers, time limits and the retry policy are those of a real worker; what comes of the call is told and
/// not followed up. The clock need not be paused.
///
/// ```
/// use forebay_test_kit::perform;
/// # use forebay_worker::{Failure, Meta, State, Task};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct SendEmail { to: String }
/// # impl Task for SendEmail { const KIND: &'static str = "send-email"; }
/// # async fn send_email(email: SendEmail, meta: Meta, State(office): State<String>) -> Result<(), Failure> {
/// #     if email.to.is_empty() { return Err(Failure::reject("nobody to send to")); }
/// #     if meta.attempt() < 3 { return Err("refused".into()); }
/// #     assert_eq!(meta.idempotency_key(), Some("welcome:42"));
/// #     Ok(())
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let office = String::from("office@example.com");
/// perform(SendEmail { to: "ann@example.com".into() })
///     .attempt(3)
///     .published(|publish| publish.idempotency_key("welcome:42"))
///     .with(|worker| worker.state(office.clone()).handle(send_email))
///     .await
///     .assert_done();
///
/// perform(SendEmail { to: String::new() })
///     .with(|worker| worker.state(office).handle(send_email))
///     .await
///     .assert_rejected("nobody to send to");
/// # }
/// ```
pub const fn perform<T: Task>(task: T) -> Perform<T> {
    Perform {
        task,
        publish: None,
        queue: "test",
        attempt: 1,
        age: Duration::ZERO,
    }
}

/// One call of a handler, to be made. See [`perform`].
#[must_use = "nothing runs before `with` is awaited"]
pub struct Perform<T> {
    task: T,
    publish: Option<Box<Options>>,
    queue: &'static str,
    attempt: u32,
    age: Duration,
}

/// One call of a handler, under way. It borrows nothing from the set-up.
pub type PerformFuture = Pin<Box<dyn Future<Output = Performed> + Send>>;

/// What is said of a publish.
type Options = dyn FnOnce(Publish<'_>) -> Publish<'_> + Send;

/// What came of one call of a handler. See [`perform`].
#[derive(Clone, Debug)]
#[must_use = "what came of it is to be asserted"]
pub struct Performed {
    run: Run,
}

impl<T: Task> Perform<T> {
    /// Which attempt it is, from 1; those before have failed.
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// How old the message is.
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// The name of the queue it comes from. Default `test`.
    pub const fn queue(mut self, name: &'static str) -> Self {
        self.queue = name;
        self
    }

    /// How it was published: keys, headers, id. A delay has passed.
    pub fn published(
        mut self,
        options: impl FnOnce(Publish<'_>) -> Publish<'_> + Send + 'static,
    ) -> Self {
        self.publish = Some(Box::new(options));
        self
    }

    /// Makes the call, by a worker that the function sets up.
    ///
    /// # Panics
    /// When the worker does not start, has no handler for the task, or the message cannot be published.
    #[track_caller]
    pub fn with(self, set_up: impl FnOnce(Worker) -> Worker) -> PerformFuture {
        let stand = Stand::new(1, &Observers::none());
        let made = self.deliver(&stand);
        let connection = match made {
            Ok(connection) => connection,
            Err(error) => panic!("the message cannot be published: {error}"),
        };
        // One delivery and no other: a retry without delay must not run the handler again.
        for (left, fault) in [(1, Fault::Slow(Duration::ZERO)), (usize::MAX, Fault::Hang)] {
            stand.faults.add(Rule {
                queue: None,
                operation: Operation::Receive,
                fault,
                left,
            });
        }
        Box::pin(run(stand, set_up(Worker::new(connection))))
    }

    /// Publishes the message, and fails it until it has its attempt and age.
    fn deliver(self, stand: &Stand) -> Result<forebay_worker::Connection, Error> {
        let name = QueueName::new(self.queue)?;
        let connection = stand.open(&name, &QueueConfig::default())?;
        let producer = connection.producer();
        let publish = producer.publish(self.task);
        let publish = match self.publish {
            Some(options) => options(publish),
            None => publish,
        };
        let id = at_once(publish.into_future())?.id();
        let due = stand.stored(&name, id).and_then(|stored| stored.due_at);
        let delay = due.map_or(Duration::ZERO, |at| at.since(stand.environment.now()));
        stand.clock.set_forward(delay + self.age);
        let session = at_once(connection.session())?;
        for _ in 1..self.attempt {
            for delivery in at_once(session.receive(1, Duration::ZERO))? {
                let cause = "an earlier attempt";
                at_once(delivery.retry(&*session, Duration::ZERO, cause))?;
            }
        }
        Ok(connection)
    }
}

async fn run(stand: Arc<Stand>, worker: Worker) -> Performed {
    let before = stand.recorder.look(|journal| runs(journal).len());
    let stop = CancellationToken::new();
    let mut work = Box::pin(worker.run(stop.clone()));
    let ended = async {
        loop {
            let changed = stand.recorder.changed.notified();
            let run = stand.recorder.look(|journal| {
                let message = journal.messages.first()?;
                let delivery = message.deliveries.get(before)?;
                delivery.verdict?;
                runs(journal).into_iter().nth(before)
            });
            match run {
                Some(run) => return run,
                None => changed.await,
            }
        }
    };
    let run = tokio::select! {
        biased;
        run = ended => run,
        answer = &mut work => match answer {
            Err(error) => panic!("the worker does not start: {error}"),
            Ok(_) => unreachable!("nothing has stopped the worker"),
        },
    };
    stop.cancel();
    // It started, so it ends well.
    let _ = work.await;
    Performed { run }
}

fn runs(journal: &crate::recorder::Journal) -> Vec<Run> {
    let first = journal.messages.first();
    first.map_or_else(Vec::new, |record| record.runs(None))
}

impl Performed {
    /// How it ended.
    pub const fn ending(&self) -> &Ending {
        &self.run.ending
    }

    /// How long the handler ran.
    pub fn took(&self) -> Duration {
        self.run.took.unwrap_or_default()
    }

    /// # Panics
    /// When it is not done.
    #[track_caller]
    pub fn assert_done(&self) -> &Self {
        self.assert(*self.ending() == Ending::Done, "done");
        self
    }

    /// It failed, for a reason that contains this text, and would be tried again.
    ///
    /// # Panics
    /// When it would not, or for another reason.
    #[track_caller]
    pub fn assert_retried(&self, cause: &str) -> &Self {
        let is = matches!(self.ending(), Ending::Retried { cause: c, .. } if c.contains(cause));
        self.assert(is, &format!("retried because of {cause:?}"));
        self
    }

    /// It failed, for a reason that contains this text, and would be tried again after exactly this long.
    ///
    /// # Panics
    /// When it would not.
    #[track_caller]
    pub fn assert_retried_after(&self, expected: Duration, cause: &str) -> &Self {
        let is = matches!(
            self.ending(),
            Ending::Retried { after, cause: c } if *after == expected && c.contains(cause)
        );
        let text = format!("retried after {expected:?} because of {cause:?}");
        self.assert(is, &text);
        self
    }

    /// The handler rejected it, for a reason that contains this text.
    ///
    /// # Panics
    /// When it did not, or for another reason.
    #[track_caller]
    pub fn assert_rejected(&self, reason: &str) -> &Self {
        let is = matches!(self.ending(), Ending::Rejected { cause } if cause.contains(reason));
        self.assert(is, &format!("rejected because of {reason:?}"));
        self
    }

    /// Attempts or age had run out, and the last failure contains this text.
    ///
    /// # Panics
    /// When that is not so.
    #[track_caller]
    pub fn assert_dead(&self, reason: &str) -> &Self {
        let is = matches!(self.ending(), Ending::Dead { cause } if cause.contains(reason));
        self.assert(is, &format!("dead because of {reason:?}"));
        self
    }

    /// The handler put it off for exactly this long.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn assert_snoozed(&self, expected: Duration) -> &Self {
        let is = matches!(self.ending(), Ending::Snoozed { after } if *after == expected);
        self.assert(is, &format!("snoozed for {expected:?}"));
        self
    }

    /// The handler said that something it needs is down.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn assert_unavailable(&self) -> &Self {
        let is = matches!(self.ending(), Ending::Unavailable { .. });
        self.assert(is, "unavailable");
        self
    }

    #[track_caller]
    fn assert(&self, is: bool, expected: &str) {
        assert!(is, "expected: {expected}; found: {}", self.run.ending);
    }
}

impl<T> fmt::Debug for Perform<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Perform")
            .field("attempt", &self.attempt)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}
