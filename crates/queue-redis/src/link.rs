//! A queue's way to the server that holds it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use crate::call::Call;
use crate::cluster::Servers;
use crate::confirm::Confirm;
use crate::connection::Connection;
use crate::failure::{Advice, Failure};
use crate::keys::Keys;
use crate::node::{Lane, Node};
use crate::script::Script;

/// How often calls are sent along again because the slot has moved or the server does not know a script.
const ROUNDS: usize = 5;

/// A queue's way to the node that owns its slot: cheap to clone, reconnects by itself, never hangs.
///
/// A call made while the server is away fails as certainly not done after the time to connect. One whose answer does
/// not come in time fails as unknown.
///
/// # Cancel safety
/// Dropping a call's future leaves it done or not done; others on the connection are not disturbed.
#[derive(Clone)]
pub(crate) struct Link {
    servers: Arc<Servers>,
    slot: u16,
    mark: Option<Bytes>,
}

impl Link {
    /// `mark` is a key of the slot that may be written at will.
    pub(crate) fn new(servers: Arc<Servers>, slot: u16, mark: Option<Bytes>) -> Self {
        Self {
            servers,
            slot,
            mark,
        }
    }

    /// Runs a script that changes something. Where the server does not know it, it is sent along.
    pub(crate) async fn call<A: AsRef<[u8]>>(
        &self,
        script: &'static Script,
        keys: &Keys,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Value, Failure> {
        self.one(Call::script(script, keys, arguments)).await
    }

    /// Runs a script that only looks, or whose effect may be lost with a node.
    pub(crate) async fn ask<A: AsRef<[u8]>>(
        &self,
        script: &'static Script,
        keys: &Keys,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Value, Failure> {
        let call = Call::script(script, keys, arguments).unconfirmed();
        self.one(call).await
    }

    /// One call of any kind.
    pub(crate) async fn one(&self, call: Call) -> Result<Value, Failure> {
        let mut answers = self.pipeline(vec![call]).await?;
        answers.pop().unwrap_or_else(|| Err(missing()))
    }

    /// Several calls in one write: answer *i* belongs to call *i*. They run in order, with others' calls in between; only
    /// those that had to be sent again, because the slot has moved or a script was not known, run later.
    ///
    /// The outer failure is one of the connection and stands for all of them.
    pub(crate) async fn pipeline(
        &self,
        calls: Vec<Call>,
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let patience = self.servers.options().response_timeout;
        let confirm = self.servers.confirm(self.mark.as_ref());
        let waits = confirm.is_some() && calls.iter().any(Call::is_confirmed);
        let lane = if waits { Lane::Confirmed } else { Lane::Plain };
        let mut rounds = Rounds::new(calls);
        // What has nothing to send needs no connection.
        while rounds.goes_on() {
            let (node, connection) = match self.connection(lane).await {
                Ok(found) => found,
                Err(failure) => return rounds.broken(failure),
            };
            let sent = rounds.send(&connection, confirm.as_ref(), patience).await;
            self.heed(&node, &connection, &sent, &rounds);
            if let Err(failure) = sent {
                return rounds.broken(failure);
            }
        }
        Ok(rounds.answers())
    }

    /// A connection of one's own, for blocking reads.
    pub(crate) async fn dedicated(&self) -> Result<Dedicated, Failure> {
        let node = self.servers.owner(self.slot).await?;
        let connection = node.dedicated().await;
        let connection = connection.inspect_err(|failure| self.servers.note(self.slot, failure))?;
        Ok(Dedicated {
            connection,
            link: self.clone(),
        })
    }

    async fn connection(&self, lane: Lane) -> Result<(Arc<Node>, Connection), Failure> {
        let node = self.servers.owner(self.slot).await?;
        let connection = node.connection(lane).await;
        let connection = connection.inspect_err(|failure| self.servers.note(self.slot, failure))?;
        Ok((node, connection))
    }

    /// Takes a connection out of use that is broken or leads to the wrong node.
    fn heed(
        &self,
        node: &Node,
        connection: &Connection,
        sent: &Result<(), Failure>,
        rounds: &Rounds,
    ) {
        let failed = match sent {
            Ok(()) => rounds.astray(),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failed {
            // The node that names another one is well.
            if failure.moved().is_none() && failure.advice() == Advice::Reconnect {
                node.retire(connection);
            }
            self.servers.note(self.slot, failure);
        }
    }
}

/// A connection that nobody else uses. Dropping it closes it at once, whatever it is waiting for.
///
/// # Cancel safety
/// A future of it that was dropped leaves an answer under way: drop the connection as well.
pub(crate) struct Dedicated {
    connection: Connection,
    link: Link,
}

impl Dedicated {
    /// Sends the calls in one write and waits for the answers, at most for `patience` each time they are sent. Nothing
    /// waits for replicas here.
    ///
    /// The outer failure is one of the connection: drop it then. An inner one of [`Advice::Reconnect`] asks for that
    /// too; the next connection goes to wherever the slot is then.
    pub(crate) async fn pipeline(
        &mut self,
        calls: Vec<Call>,
        patience: Duration,
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let mut rounds = Rounds::new(calls);
        let mut is_astray = false;
        while !is_astray && rounds.goes_on() {
            let sent = rounds.send(&self.connection, None, patience).await;
            let failed = match &sent {
                Ok(()) => rounds.astray(),
                Err(failure) => Some(failure),
            };
            if let Some(failure) = failed {
                is_astray = true;
                self.link.servers.note(self.link.slot, failure);
            }
            if let Err(failure) = sent {
                return rounds.broken(failure);
            }
        }
        Ok(rounds.answers())
    }

    /// One call.
    pub(crate) async fn one(&mut self, call: Call, patience: Duration) -> Result<Value, Failure> {
        let mut answers = self.pipeline(vec![call], patience).await?;
        answers.pop().unwrap_or_else(|| Err(missing()))
    }
}

/// Calls that are sent until each has an answer.
struct Rounds {
    calls: Vec<Call>,
    answers: Vec<Option<Result<Value, Failure>>>,
    sent: usize,
}

impl Rounds {
    fn new(calls: Vec<Call>) -> Self {
        Self {
            answers: calls.iter().map(|_| None).collect(),
            calls,
            sent: 0,
        }
    }

    /// Sends what has no answer yet, with the scripts that the server did not know.
    async fn send(
        &mut self,
        connection: &Connection,
        confirm: Option<&Confirm>,
        patience: Duration,
    ) -> Result<(), Failure> {
        let open: Vec<usize> = (0..self.calls.len()).filter(|i| self.is_open(*i)).collect();
        let loads = self.loads(&open);
        let calls: Vec<&Call> = loads
            .iter()
            .chain(open.iter().map(|i| &self.calls[*i]))
            .collect();
        self.sent += 1;
        let answers = connection.exchange(&calls, confirm, patience).await?;
        for (i, answer) in open.into_iter().zip(answers.into_iter().skip(loads.len())) {
            let script = self.calls[i].as_script().map(Script::name);
            let answer = answer.map_err(|failure| failure.of_script(script));
            self.answers[i] = Some(answer);
        }
        Ok(())
    }

    fn is_open(&self, i: usize) -> bool {
        match &self.answers[i] {
            None => true,
            Some(answer) => answer.as_ref().is_err_and(is_to_be_repeated),
        }
    }

    fn loads(&self, open: &[usize]) -> Vec<Call> {
        let mut scripts: Vec<&'static Script> = Vec::new();
        for &i in open {
            let failure = self.answers[i].as_ref().and_then(|a| a.as_ref().err());
            if failure.is_some_and(|failure| failure.advice() == Advice::NoScript)
                && let Some(script) = self.calls[i].as_script()
                && scripts.iter().all(|known| known.sha() != script.sha())
            {
                scripts.push(script);
            }
        }
        let load = |script: &Script| {
            let mut command = redis::cmd("SCRIPT");
            command.arg("LOAD").arg(script.code());
            Call::command(command)
        };
        scripts.into_iter().map(load).collect()
    }

    fn goes_on(&self) -> bool {
        self.sent < ROUNDS && (0..self.calls.len()).any(|i| self.is_open(i))
    }

    /// A failure that says that the connection leads to the wrong node.
    fn astray(&self) -> Option<&Failure> {
        let failures = || {
            self.answers
                .iter()
                .flatten()
                .filter_map(|a| a.as_ref().err())
        };
        failures()
            .find(|failure| failure.moved().is_some())
            .or_else(|| failures().find(|failure| failure.advice() == Advice::Reconnect))
    }

    /// The connection failed. What has an answer keeps it; the rest have the failure.
    fn broken(&self, failure: Failure) -> Result<Vec<Result<Value, Failure>>, Failure> {
        if self.answers.iter().all(Option::is_none) {
            return Err(failure);
        }
        let mut answers = Vec::with_capacity(self.calls.len());
        for i in 0..self.calls.len() {
            answers.push(match &self.answers[i] {
                Some(answer) if !self.is_open(i) => answer.clone(),
                _ => Err(failure.clone()),
            });
        }
        Ok(answers)
    }

    fn answers(self) -> Vec<Result<Value, Failure>> {
        let answers = self.answers.into_iter();
        answers
            .map(|answer| answer.unwrap_or_else(|| Err(missing())))
            .collect()
    }
}

/// Certainly not done, and no wait is needed before the next try.
fn is_to_be_repeated(failure: &Failure) -> bool {
    failure.advice() == Advice::NoScript || failure.moved().is_some()
}

fn missing() -> Failure {
    Failure::unknown(Advice::Reconnect, "an answer is missing")
}
