use forebay_queue_core::{Error, NewMessage, PublishOutcome};

use crate::{Connection, Publish, Task};

/// Publishes tasks to one queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Producer {
    connection: Connection,
}

impl Producer {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Begins to publish a task: add what it needs, then `.await`.
    ///
    /// ```
    /// # use forebay_worker::{Producer, Task};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct SendEmail { to: String }
    /// # impl Task for SendEmail { const KIND: &'static str = "send-email"; }
    /// # async fn example(emails: Producer) -> Result<(), forebay_queue_core::Error> {
    /// use std::time::Duration;
    ///
    /// let outcome = emails
    ///     .publish(SendEmail { to: "ann@example.com".into() })
    ///     .idempotency_key("welcome:42")
    ///     .delay(Duration::from_mins(1))
    ///     .await?;
    /// println!("{}", outcome.id());
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a task is handed over; what it held can be dropped"
    )]
    pub fn publish<T: Task>(&self, task: T) -> Publish<'_> {
        Publish::new(self, T::KIND, serde_json::to_vec(&task))
    }

    /// Makes the message of a task without publishing it: for a backend that can publish within a transaction of
    /// the caller's, or for [`Producer::publish_all`]. With options: [`Publish::prepare`].
    ///
    /// # Errors
    /// As [`Publish::prepare`].
    pub fn prepare<T: Task>(&self, task: T) -> Result<NewMessage, Error> {
        self.publish(task).prepare()
    }

    /// Publishes prepared messages: all of them, or none. Answer *i* belongs to message *i*.
    ///
    /// # Errors
    /// As [`Queue::publish`](forebay_queue_core::Queue::publish).
    ///
    /// # Cancel safety
    /// Dropping the future publishes all of them or none.
    pub async fn publish_all(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let environment = self.connection.environment();
        let messages: Vec<_> = messages
            .into_iter()
            .map(|message| match message.id() {
                Some(_) => message,
                None => message.with_id(environment.next_id()),
            })
            .collect();
        let patience = self.connection.publish_wait();
        self.connection.queue().publish(messages, patience).await
    }

    /// The queue that it publishes to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}
