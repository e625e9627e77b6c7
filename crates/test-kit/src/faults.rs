use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Error, Operation, QueueName};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::workers::Workers;

const NAME: &str = "memory";

/// How a call fails that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Answers [`Error::Unavailable`]: nothing happened.
    Unavailable,
    /// A publish answers [`Error::Full`] at once, whatever its patience.
    Full,
    /// Answers [`Error::Interrupted`]: the answer was lost.
    Interrupted {
        /// Whether the call took effect all the same.
        took_effect: bool,
    },
    /// Is never answered.
    Hang,
    /// Is made only after this long.
    Slow(Duration),
    /// The process crashes at this call: it does not happen, and all workers of the kit are gone in the middle of what
    /// they do. What they held comes back when its leases end; start a worker anew with [`TestKit::run`](crate::TestKit::run).
    Crash,
}

/// While it lives, the backend answers nothing but [`Error::Unavailable`].
///
/// Made by [`TestKit::outage`](crate::TestKit::outage).
#[must_use = "the outage ends when this is dropped"]
pub struct Outage(Arc<Faults>);

impl Outage {
    /// The backend works again. Dropping it does the same.
    pub fn end(self) {}
}

impl fmt::Debug for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outage")
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.0.change(|plan| plan.outages -= 1);
    }
}

/// What is to go wrong.
#[derive(Default)]
pub(crate) struct Faults {
    // Held for a look or a change.
    plan: Mutex<Plan>,
    /// The plan has changed: calls that wait look again.
    pub(crate) changed: Notify,
    pub(crate) workers: Workers,
}

#[derive(Default)]
struct Plan {
    outages: usize,
    rules: Vec<Rule>,
    /// So many next deliveries are made twice.
    twice: usize,
}

#[derive(Clone)]
pub(crate) struct Rule {
    /// `None`: any queue.
    pub(crate) queue: Option<QueueName>,
    pub(crate) operation: Operation,
    pub(crate) fault: Fault,
    pub(crate) left: usize,
}

/// Where a call is made.
pub(crate) struct Site {
    pub(crate) queue: QueueName,
    pub(crate) capacity: usize,
}

impl Faults {
    /// # Panics
    /// Where the fault makes no sense for the operation.
    #[track_caller]
    pub(crate) fn add(&self, rule: Rule) {
        let is_possible = rule.fault != Fault::Full || rule.operation == Operation::Publish;
        assert!(is_possible, "only a publish can find the queue full");
        self.change(|plan| plan.rules.push(rule));
    }

    pub(crate) fn deliver_twice(&self, count: usize) {
        self.change(|plan| plan.twice += count);
    }

    pub(crate) fn outage(self: &Arc<Self>) -> Outage {
        self.change(|plan| plan.outages += 1);
        Outage(Arc::clone(self))
    }

    /// What was told to fail and has not yet, a line each.
    pub(crate) fn left(&self) -> Vec<String> {
        let plan = self.plan.lock();
        let mut left: Vec<_> = plan.rules.iter().map(Rule::to_string).collect();
        if plan.twice > 0 {
            left.push(format!("{} × second delivery", plan.twice));
        }
        left
    }

    pub(crate) fn clear(&self) {
        self.change(|plan| {
            plan.rules.clear();
            plan.twice = 0;
        });
    }

    /// How many of so many deliveries are to be made again.
    pub(crate) fn take_twice(&self, count: usize) -> usize {
        let mut plan = self.plan.lock();
        let taken = plan.twice.min(count);
        plan.twice -= taken;
        taken
    }

    pub(crate) fn check_outage(&self) -> Result<(), Error> {
        if self.plan.lock().outages > 0 {
            return Err(unavailable());
        }
        Ok(())
    }

    pub(crate) fn take(&self, queue: &QueueName, operation: Operation) -> Option<Fault> {
        let mut plan = self.plan.lock();
        let meant = |rule: &Rule| {
            rule.operation == operation && rule.queue.as_ref().is_none_or(|name| name == queue)
        };
        let index = plan.rules.iter().position(meant)?;
        let rule = &mut plan.rules[index];
        rule.left = rule.left.saturating_sub(1);
        let fault = rule.fault;
        if rule.left == 0 {
            plan.rules.remove(index);
        }
        Some(fault)
    }

    /// Makes a call, or fails it.
    pub(crate) async fn around<T>(
        &self,
        site: &Site,
        operation: Operation,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.check_outage()?;
        match self.take(&site.queue, operation) {
            None => call.await,
            Some(fault) => self.apply(site, fault, call).await,
        }
    }

    pub(crate) async fn apply<T>(
        &self,
        site: &Site,
        fault: Fault,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match fault {
            Fault::Unavailable => Err(unavailable()),
            Fault::Full => Err(Error::Full {
                queue: site.queue.clone(),
                what: "messages",
                limit: site.capacity,
            }),
            Fault::Interrupted { took_effect } => {
                if took_effect {
                    call.await?;
                }
                Err(Error::Interrupted {
                    backend: NAME,
                    source: Some("a test told it to".into()),
                })
            }
            Fault::Hang => std::future::pending().await,
            Fault::Slow(span) => {
                sleep(span).await;
                call.await
            }
            Fault::Crash => {
                self.workers.crash();
                std::future::pending().await
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.plan.lock());
        self.changed.notify_waiters();
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.as_str();
        write!(f, "{} × {operation}: {:?}", self.left, self.fault)?;
        match &self.queue {
            Some(queue) => write!(f, ", in queue {queue}"),
            None => Ok(()),
        }
    }
}

fn unavailable() -> Error {
    Error::Unavailable {
        backend: NAME,
        source: Some("a test told it to".into()),
    }
}
