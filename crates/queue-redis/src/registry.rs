//! The names of all queues.

use std::sync::Arc;

use forebay_queue_core::{Error, QueueName};
use redis::Value;

use crate::call::Call;
use crate::cluster::Servers;
use crate::failure::Failure;
use crate::keys;

/// The set of the names of all queues. A name that a create or a delete has left behind half-way may have no queue.
#[derive(Clone)]
pub(crate) struct Registry(Arc<Servers>);

impl Registry {
    pub(crate) fn new(servers: Arc<Servers>) -> Self {
        Self(servers)
    }

    pub(crate) async fn add(&self, name: &QueueName) -> Result<(), Error> {
        self.change("SADD", name).await
    }

    pub(crate) async fn remove(&self, name: &QueueName) -> Result<(), Error> {
        self.change("SREM", name).await
    }

    pub(crate) async fn names(&self) -> Result<Vec<QueueName>, Error> {
        let Value::Array(names) = self.send(self.command("SMEMBERS", None)).await? else {
            return Err(Error::Contract {
                problem: "the set of all queues is none",
            });
        };
        let name = |value: Value| match value {
            Value::BulkString(name) => QueueName::new(std::str::from_utf8(&name).ok()?).ok(),
            _ => None,
        };
        Ok(names.into_iter().filter_map(name).collect())
    }

    async fn change(&self, verb: &str, name: &QueueName) -> Result<(), Error> {
        let call = self.command(verb, Some(name)).confirmed();
        self.send(call).await.map(drop)
    }

    fn command(&self, verb: &str, name: Option<&QueueName>) -> Call {
        let mut command = redis::cmd(verb);
        command.arg(&keys::registry(self.0.options().prefix())[..]);
        if let Some(name) = name {
            command.arg(name.as_str());
        }
        Call::command(command)
    }

    async fn send(&self, call: Call) -> Result<Value, Error> {
        let answer = self.0.registry().one(call).await;
        answer.map_err(Failure::into_backend_error)
    }
}
