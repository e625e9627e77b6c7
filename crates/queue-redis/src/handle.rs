//! One queue on its server.

use forebay_queue_core::{Environment, Error, QueueConfig, QueueName};
use redis::Value;

use crate::answer::{self, Items};
use crate::call::Call;
use crate::config;
use crate::failure::{Advice, Failure};
use crate::keys::Keys;
use crate::link::Link;
use crate::registry::Registry;
use crate::script::{self, LAYOUT, Script};

/// One queue on its server: what every call to it needs. It holds nothing there, and the queue may be gone.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) name: QueueName,
    pub(crate) keys: Keys,
    pub(crate) link: Link,
    pub(crate) registry: Registry,
    pub(crate) environment: Environment,
}

/// How a queue was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// Tells a queue from an earlier one of the same name.
    pub(crate) epoch: u32,
    pub(crate) config: QueueConfig,
}

impl Made {
    /// A queue to be made, with an epoch that no earlier one of the name has had but for one chance in four billion.
    pub(crate) fn new(config: &QueueConfig, environment: &Environment) -> Self {
        Self {
            epoch: new_epoch(environment),
            config: config::rounded(config),
        }
    }
}

impl Handle {
    /// Makes the queue; `false` when there is one. No other queue of the name may have had the epoch.
    pub(crate) async fn make(&self, made: &Made) -> Result<bool, Failure> {
        let mut arguments = vec![LAYOUT.to_owned(), made.epoch.to_string()];
        arguments.extend(config::arguments(&made.config));
        arguments.push(run_id(self.link.one(run_id_call()).await));
        let answer = self
            .link
            .call(&script::CREATE, &self.keys, arguments)
            .await?;
        Ok(matches!(answer, Value::BulkString(word) if word == b"MADE"))
    }

    /// How the queue was made.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`] and what every call may answer.
    pub(crate) async fn look_up(&self) -> Result<Made, Error> {
        let mut items = Items::of(self.ask(&script::CONFIG, vec![]).await?)?;
        let epoch = u32::try_from(items.number()?).unwrap_or_default();
        let fields = items.numbers()?;
        let config = config::from_fields(&fields).ok_or(Error::Contract {
            problem: "a queue's configuration cannot be read",
        })?;
        Ok(Made { epoch, config })
    }

    /// Gives the queue another configuration.
    ///
    /// # Errors
    /// As [`Handle::look_up`].
    pub(crate) async fn update(&self, config: &QueueConfig) -> Result<(), Error> {
        let arguments = config::arguments(config).map(String::into_bytes);
        let answer = self.call(&script::UPDATE, arguments.into()).await?;
        if let Value::Int(dropped) = answer {
            self.warn_of_dropped(u64::try_from(dropped).unwrap_or_default());
        }
        Ok(())
    }

    /// Says how many dead letters had to go, if any.
    pub(crate) fn warn_of_dropped(&self, dropped: u64) {
        if dropped > 0 {
            let queue = self.name.as_str();
            tracing::warn!(
                queue,
                dropped,
                "too many dead letters: the oldest were dropped"
            );
        }
    }

    /// Removes the queue with everything in it.
    ///
    /// # Errors
    /// As [`Handle::look_up`].
    pub(crate) async fn delete(&self) -> Result<(), Error> {
        self.call(&script::DELETE, vec![]).await.map(drop)
    }

    /// Makes stream, bell and groups again where they are missing. Answers how many messages are lost: those that the
    /// index knows in a stream that is no more. They are logged.
    pub(crate) async fn mend(&self) -> Result<u64, Failure> {
        let epoch = new_epoch(&self.environment).to_string();
        let mut cursor = b"0".to_vec();
        let (mut lost, mut missing) = (0, 0);
        loop {
            let arguments = [LAYOUT.as_bytes(), &cursor, epoch.as_bytes()];
            let answer = self.link.call(&script::MEND, &self.keys, arguments).await?;
            let Value::Array(items) = answer else { break };
            let [Value::BulkString(next), Value::Int(gone), Value::Int(made)] = &items[..] else {
                break;
            };
            lost += u64::try_from(*gone).unwrap_or_default();
            missing += made;
            cursor.clone_from(next);
            if cursor == b"0" {
                break;
            }
        }
        if missing > 0 || lost > 0 {
            let queue = self.name.as_str();
            tracing::error!(
                queue,
                lost,
                "the queue's stream or its group was not there and was made again"
            );
        }
        Ok(lost)
    }

    /// Runs a script that changes something; mends the queue first where that is what it takes.
    pub(crate) async fn call(
        &self,
        script: &'static Script,
        arguments: Vec<Vec<u8>>,
    ) -> Result<Value, Error> {
        let with_layout = with_layout(arguments);
        let mut answer = self.link.call(script, &self.keys, &with_layout).await;
        if self.mended(&answer).await? {
            answer = self.link.call(script, &self.keys, &with_layout).await;
        }
        answer.map_err(|failure| self.refused(failure))
    }

    /// As [`Handle::call`], for a script that only looks, or whose effect may be lost with a node.
    pub(crate) async fn ask(
        &self,
        script: &'static Script,
        arguments: Vec<Vec<u8>>,
    ) -> Result<Value, Error> {
        let with_layout = with_layout(arguments);
        let mut answer = self.link.ask(script, &self.keys, &with_layout).await;
        if self.mended(&answer).await? {
            answer = self.link.ask(script, &self.keys, &with_layout).await;
        }
        answer.map_err(|failure| self.refused(failure))
    }

    async fn mended(&self, answer: &Result<Value, Failure>) -> Result<bool, Error> {
        match answer {
            Err(failure) if failure.advice() == Advice::NoGroup => {
                self.mend().await.map_err(|failure| self.refused(failure))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// As it is said to whoever manages queues.
    pub(crate) fn refused(&self, failure: Failure) -> Error {
        match failure.advice() {
            Advice::Gone | Advice::Lost => Error::QueueNotFound {
                queue: self.name.clone(),
            },
            Advice::Layout => Error::InvalidConfig {
                field: "layout of the queue",
                problem: failure.to_string(),
                allowed: "layout 1: use the version of this program that made the queue, or make another one",
            },
            _ => failure.into_error(&self.name),
        }
    }
}

/// Asks the server which of its starts this is.
pub(crate) fn run_id_call() -> Call {
    let mut command = redis::cmd("INFO");
    command.arg("server");
    Call::command(command)
}

/// What tells one start of the server from another; empty where it does not say.
pub(crate) fn run_id(info: Result<Value, Failure>) -> String {
    let info = info.map(|info| answer::text(&info)).unwrap_or_default();
    answer::line(&info, "run_id").unwrap_or_default().to_owned()
}

fn new_epoch(environment: &Environment) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "any 32 of its bits will do"
    )]
    let epoch = environment.random().next_u64() as u32;
    epoch
}

fn with_layout(mut arguments: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    arguments.insert(0, LAYOUT.as_bytes().to_vec());
    arguments
}
