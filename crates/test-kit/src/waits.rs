use std::fmt::Write as _;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::TestKit;
use crate::stand::Stand;

/// The least that tokio's clock moves by.
const TICK: Duration = Duration::from_millis(1);
/// No drain goes further than this.
const FURTHEST: Duration = Duration::from_hours(24 * 366);
/// A handler that runs for longer than this does not end.
const LONGEST_RUN: Duration = Duration::from_hours(24);
/// What is ready for longer than this is taken by nobody.
const SILENCE: Duration = Duration::from_hours(1);

/// Time: it stands still but for these.
impl TestKit {
    /// Lets everything run that can run now: until each task waits for something or has ended. The clock moves by a
    /// millisecond.
    ///
    /// A handler that sleeps is still running afterwards; what was told to fail is tried again only as time passes.
    ///
    /// # Panics
    /// When a message goes round in circles: 10,000 deliveries.
    #[track_caller]
    pub fn settle(&self) -> impl Future<Output = ()> {
        self.stand.settle(Location::caller())
    }

    /// Lets this much time pass, in which everything happens when it is due, then settles.
    ///
    /// # Panics
    /// As [`TestKit::settle`].
    #[track_caller]
    pub fn pass(&self, time: Duration) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.stand.sleep(Instant::now() + time, caller).await;
            self.stand.settle(caller).await;
        }
    }

    /// Lets time pass until the next thing happens: a handler starts, or a delivery ends. Says how long that took; `None`
    /// when nothing is going to happen, within an hour for what is ready, a day for what runs.
    ///
    /// # Panics
    /// As [`TestKit::settle`].
    #[track_caller]
    pub fn next_event(&self) -> impl Future<Output = Option<Duration>> {
        let caller = Location::caller();
        async move {
            let begin = Instant::now();
            let steps = self.stand.recorder.steps();
            loop {
                let changed = self.stand.recorder.changed.notified();
                if self.stand.recorder.steps() != steps {
                    return Some(begin.elapsed());
                }
                let next = self.stand.wake_at(begin)?;
                if self.stand.longest_run() > LONGEST_RUN {
                    return None;
                }
                tokio::select! {
                    biased;
                    () = changed => {}
                    () = self.stand.sleep(next, caller) => {}
                }
            }
        }
    }

    /// Lets time pass, as much as it takes, until everything is over: no message is scheduled, ready or leased.
    ///
    /// # Panics
    /// When that does not happen: nobody takes what is ready, a handler runs for more than a day, a message goes round in
    /// circles, or is due in more than a year. The text names what is left.
    #[track_caller]
    pub fn drain(&self) -> impl Future<Output = ()> {
        self.stand.drain(Location::caller())
    }
}

impl Stand {
    async fn settle(&self, caller: &Location<'_>) {
        self.sleep(Instant::now() + TICK, caller).await;
    }

    async fn sleep(&self, until: Instant, caller: &Location<'_>) {
        tokio::select! {
            biased;
            place = self.recorder.runaway() => {
                let what = self.recorder.look(|journal| {
                    let record = &journal.messages[place];
                    let last = record.runs(None).pop().map(|run| run.ending.to_string());
                    let (kind, id) = (record.message.kind(), record.id);
                    let (count, last) = (record.deliveries.len(), last.unwrap_or_default());
                    format!("{kind} {id} was delivered {count} times, the last one: {last}")
                });
                panic!("{caller}: a message goes round in circles: {what}");
            }
            () = sleep_until(until) => {}
        }
    }

    /// When to look again, after nothing has happened since `quiet_since`; `None` when nothing is going to.
    fn wake_at(&self, quiet_since: Instant) -> Option<Instant> {
        let survey = self.survey();
        if survey.live == 0 {
            return None;
        }
        let now = Instant::now();
        match survey.next {
            Some(at) => Some(now + at.since(self.environment.now())),
            None if now - quiet_since >= SILENCE => None,
            None => Some(quiet_since + SILENCE),
        }
    }

    async fn drain(&self, caller: &Location<'_>) {
        let begin = Instant::now();
        let (mut quiet_since, mut steps) = (begin, self.recorder.steps());
        loop {
            let changed = self.recorder.changed.notified();
            self.settle(caller).await;
            if self.live() == 0 {
                return;
            }
            if std::mem::replace(&mut steps, self.recorder.steps()) != self.recorder.steps() {
                quiet_since = Instant::now();
            }
            let Some(next) = self.wake_at(quiet_since) else {
                self.give_up(caller, "nobody takes what is ready");
            };
            if next > begin + FURTHEST {
                self.give_up(caller, "it would take more than a year");
            }
            if self.longest_run() > LONGEST_RUN {
                self.give_up(caller, "a handler does not end");
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = self.sleep(next, caller) => {}
            }
        }
    }

    fn give_up(&self, caller: &Location<'_>, why: &str) -> ! {
        let survey = self.survey();
        let mut text = format!("{caller}: the queues do not drain: {why}");
        for queue in survey.paused {
            let _ = write!(text, "\nhand-outs of queue {queue} are stopped");
        }
        if self.faults.check_outage().is_err() {
            text += "\nthe outage has not ended";
        }
        let workers = self.faults.workers.describe();
        let _ = write!(text, "\n{workers}\nleft are:");
        text += &self.describe_all(self.unfinished());
        panic!("{text}");
    }
}
