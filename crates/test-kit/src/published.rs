use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use forebay_queue_core::State;
use forebay_worker::Task;

use crate::PublishedTask;
use crate::describe::MOST_SHOWN;
use crate::stand::Stand;

/// Messages of one kind that were published, in order of acceptance: those there were when the list was made.
///
/// Made by [`TestKit::published`](crate::TestKit::published). The filters make the list shorter by what the messages are
/// at that moment, and can be chained; each message itself goes on telling how it fares.
///
/// ```
/// # use forebay_test_kit::TestKit;
/// # #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// # struct SendEmail { to: String }
/// # impl forebay_worker::Task for SendEmail { const KIND: &'static str = "send-email"; }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), forebay_queue_core::Error> {
/// # let kit = TestKit::new();
/// kit.producer().publish(SendEmail { to: "ann@example.com".into() }).await?;
/// kit.producer().publish(SendEmail { to: "bob@example.com".into() }).await?;
///
/// let emails = kit.published::<SendEmail>();
/// emails.assert_len(2);
/// let to_bob = emails.matching(|email| email.to.starts_with("bob")).one();
/// to_bob.assert_waiting();
/// # Ok(())
/// # }
/// ```
pub struct Published<T> {
    stand: Arc<Stand>,
    tasks: Vec<PublishedTask<T>>,
    /// What the list is of, in words.
    what: String,
    /// The places of all messages of this kind.
    all: Vec<usize>,
}

impl<T> Published<T> {
    /// Shows the tasks by their [`Debug`](fmt::Debug) where an assertion fails.
    #[must_use]
    pub fn with_debug(mut self) -> Self
    where
        T: fmt::Debug,
    {
        for task in &mut self.tasks {
            task.show = Some(|task| format!("{task:?}"));
        }
        self
    }

    /// Those in one queue.
    #[must_use]
    pub fn in_queue(self, name: &str) -> Self {
        let what = format!("{} in queue {name}", self.what);
        self.filtered(what, |task| task.queue().as_str() == name)
    }

    /// Those whose task is such.
    #[must_use]
    pub fn matching(self, is_such: impl Fn(&T) -> bool) -> Self {
        let what = format!("{} that matches", self.what);
        self.filtered(what, |task| is_such(task.task()))
    }

    /// Those that are done.
    #[must_use]
    pub fn done(self) -> Self {
        self.in_state(State::Done)
    }

    /// Those that are dead letters.
    #[must_use]
    pub fn dead(self) -> Self {
        self.in_state(State::Dead)
    }

    /// Those that were cancelled.
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.in_state(State::Cancelled)
    }

    /// Those that have expired.
    #[must_use]
    pub fn expired(self) -> Self {
        self.in_state(State::Expired)
    }

    /// Those that wait: for their time, or for a worker.
    #[must_use]
    pub fn waiting(self) -> Self {
        let what = format!("waiting {}", self.what);
        self.filtered(what, PublishedTask::is_waiting)
    }

    /// Those that a handler is at work on.
    #[must_use]
    pub fn running(self) -> Self {
        let what = format!("running {}", self.what);
        self.filtered(what, PublishedTask::is_running)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Each, in order of acceptance.
    pub fn iter(&self) -> std::slice::Iter<'_, PublishedTask<T>> {
        self.tasks.iter()
    }

    /// The only one.
    ///
    /// # Panics
    /// When there are none or several; the text says what there is.
    #[track_caller]
    pub fn one(self) -> PublishedTask<T> {
        self.assert_len(1);
        self.first()
    }

    /// The first.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    pub fn first(self) -> PublishedTask<T> {
        self.nth(0)
    }

    /// The last.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    pub fn last(self) -> PublishedTask<T> {
        let last = self.len().saturating_sub(1);
        self.nth(last)
    }

    /// The one with this index, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[track_caller]
    pub fn nth(mut self, index: usize) -> PublishedTask<T> {
        let (least, what) = (index + 1, &self.what);
        assert!(
            index < self.len(),
            "expected at least {least} {what}, {}",
            self.found()
        );
        self.tasks.swap_remove(index)
    }

    /// # Panics
    /// When there are more or fewer.
    #[track_caller]
    pub fn assert_len(&self, count: usize) -> &Self {
        let what = &self.what;
        assert!(
            self.len() == count,
            "expected {count} {what}, {}",
            self.found()
        );
        self
    }

    /// # Panics
    /// When there are any.
    #[track_caller]
    pub fn assert_none(&self) -> &Self {
        let what = &self.what;
        assert!(self.is_empty(), "expected no {what}, {}", self.found());
        self
    }

    /// Each of them is done, and there is at least one.
    ///
    /// # Panics
    /// Otherwise; the text says which is not.
    #[track_caller]
    pub fn assert_all_done(&self) -> &Self {
        assert!(
            !self.is_empty(),
            "expected some {}, {}",
            self.what,
            self.found()
        );
        for task in self {
            task.assert_done();
        }
        self
    }

    fn in_state(self, state: State) -> Self {
        let what = format!("{state} {}", self.what);
        self.filtered(what, |task| task.state() == Some(state))
    }

    fn filtered(mut self, what: String, keep: impl FnMut(&PublishedTask<T>) -> bool) -> Self {
        self.tasks.retain(keep);
        self.what = what;
        self
    }

    /// What there is instead.
    fn found(&self) -> String {
        if self.all.is_empty() {
            return format!("found none; {}", self.stand.describe_published());
        }
        if self.is_empty() {
            let all = self.stand.describe_all(self.all.iter().copied());
            return format!("found none; of this kind there are:{all}");
        }
        let mut text = format!("found {}:", self.len());
        for task in self.iter().take(MOST_SHOWN) {
            text.push_str("\n  ");
            text.push_str(&task.describe());
        }
        if self.len() > MOST_SHOWN {
            text.push_str("\n  …");
        }
        text
    }
}

impl<T: Task> Published<T> {
    #[track_caller]
    pub(crate) fn of_task(stand: &Arc<Stand>) -> Self {
        Self::new(stand, T::KIND, |stand, place, payload| {
            serde_json::from_slice(payload).unwrap_or_else(|error| {
                let what = stand.describe(place);
                let (line, column) = (error.line(), error.column());
                panic!(
                    "the payload is no {} ({:?} error at line {line} column {column}): {what}",
                    T::KIND,
                    error.classify()
                )
            })
        })
    }
}

impl Published<Bytes> {
    pub(crate) fn of_kind(stand: &Arc<Stand>, kind: &str) -> Self {
        Self::new(stand, kind, |_, _, payload| payload.clone())
    }
}

impl<T> Published<T> {
    #[track_caller]
    fn new(stand: &Arc<Stand>, kind: &str, decode: impl Fn(&Stand, usize, &Bytes) -> T) -> Self {
        let messages: Vec<_> = stand.recorder.look(|journal| {
            let all = journal.messages.iter().enumerate();
            all.filter(|(_, record)| record.message.kind().as_str() == kind)
                .map(|(place, record)| (place, record.message.clone()))
                .collect()
        });
        let all = messages.iter().map(|(place, _)| *place).collect();
        let mut tasks = Vec::with_capacity(messages.len());
        for (place, message) in messages {
            let task = decode(stand, place, message.payload());
            tasks.push(PublishedTask::new(stand, place, task));
        }
        Self {
            stand: Arc::clone(stand),
            tasks,
            what: kind.to_owned(),
            all,
        }
    }
}

impl<T> IntoIterator for Published<T> {
    type Item = PublishedTask<T>;
    type IntoIter = std::vec::IntoIter<PublishedTask<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.tasks.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Published<T> {
    type Item = &'a PublishedTask<T>;
    type IntoIter = std::slice::Iter<'a, PublishedTask<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> fmt::Debug for Published<T> {
    /// Prints the number, not the tasks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Published({} {})", self.len(), self.what)
    }
}
