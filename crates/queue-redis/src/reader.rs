//! One connection that reads.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Delivery, Timestamp};
use redis::Value;

use crate::answer;
use crate::call::Call;
use crate::entry::{Entry, complete, timestamp};
use crate::failure::{Advice, Failure};
use crate::gate::{Gate, unreadable};
use crate::handle::{run_id, run_id_call};
use crate::home::Home;
use crate::link::Dedicated;
use crate::receipt::{Consumer, StreamId, Token};
use crate::script;

/// The longest that the server is asked to wait in one command.
pub(crate) const LONGEST_BLOCK: Duration = Duration::from_secs(5);
/// How long an answer may take beyond that.
const PATIENCE: Duration = Duration::from_secs(2);
const GROUP: &str = "forebay";

/// One connection that reads, under a name of its own in the group.
///
/// # Cancel safety
/// None: when a read is dropped or fails, what it was given may be under way to nobody. Drop the connection then, and
/// release what was given to this name beyond [`Reader::last`].
pub(crate) struct Reader {
    connection: Dedicated,
    pub(crate) consumer: Consumer,
    /// The last entry that was handed out.
    pub(crate) last: StreamId,
    /// The last entry that was there when the server was found to have been started again.
    doubt: StreamId,
    /// What a gate said last.
    gate: Gate,
    /// Bells that were heard and not acknowledged.
    bells: Vec<Vec<u8>>,
}

/// What a read has brought.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) deliveries: Vec<Delivery>,
    /// What could not be read.
    spoilt: Vec<Vec<u8>>,
    /// What had expired, and the server had not come to yet.
    expired: Vec<StreamId>,
    last: Option<StreamId>,
}

impl Reader {
    /// A new connection with a new name.
    pub(crate) async fn connect(home: &Home) -> Result<Self, Failure> {
        let mut connection = home.link().dedicated().await?;
        // Alone: where the server does not know the script, a read sent along with it would go before it.
        let run = run_id(connection.one(run_id_call(), PATIENCE).await);
        let calls = vec![
            home.script(&script::GREET, &[run]).unconfirmed(),
            home.script::<&[u8]>(&script::GATE, &[]).unconfirmed(),
        ];
        let mut answers = connection.pipeline(calls, PATIENCE).await?.into_iter();
        let (Some(doubt), Some(gate)) = (answers.next(), answers.next()) else {
            return Err(unreadable());
        };
        let doubt = answer::text(&doubt?).parse().map_err(|()| unreadable())?;
        let gate = Gate::read(gate?)?;
        home.observe(&gate);
        Ok(Self {
            connection,
            consumer: Consumer(home.handle.environment.random().next_u64()),
            last: StreamId::ZERO,
            doubt,
            gate,
            bells: Vec::new(),
        })
    }

    /// Lets time pass and takes what is ready, at most `max`, without waiting.
    pub(crate) async fn take(&mut self, home: &Home, max: usize) -> Result<Batch, Failure> {
        let bells = std::mem::take(&mut self.bells);
        let calls = vec![
            home.script(&script::GATE, &bells).unconfirmed(),
            Call::command(self.read(home, max)),
        ];
        let mut answers = self.connection.pipeline(calls, PATIENCE).await?.into_iter();
        let (Some(gate), Some(read)) = (answers.next(), answers.next()) else {
            return Err(unreadable());
        };
        let gate = Gate::read(gate?)?;
        home.observe(&gate);
        self.gate = gate;
        self.unpack(home, read?, true).await
    }

    /// Waits until there is something, for about `block`. An empty batch tells that there may be something now, or
    /// that the time is over.
    pub(crate) async fn wait(
        &mut self,
        home: &Home,
        max: usize,
        block: Duration,
    ) -> Result<Batch, Failure> {
        let mut command = redis::cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(GROUP)
            .arg(self.consumer.to_string());
        command.arg("COUNT").arg(max);
        let block = block.min(LONGEST_BLOCK);
        // Zero would be for ever.
        command
            .arg("BLOCK")
            .arg(block.as_millis().max(1).to_string());
        command.arg("STREAMS").arg(home.handle.keys.stream());
        command.arg(home.handle.keys.bell()).arg(">").arg(">");
        let read = self
            .connection
            .one(Call::command(command), block + PATIENCE);
        let read = read.await?;
        self.unpack(home, read, false).await
    }

    /// Whether somebody rang since the last look.
    pub(crate) fn has_heard(&self) -> bool {
        !self.bells.is_empty()
    }

    /// Whether a failure makes the connection useless.
    pub(crate) fn is_broken_by(failure: &Failure) -> bool {
        !matches!(
            failure.advice(),
            Advice::Lost | Advice::Gone | Advice::NoGroup | Advice::Layout
        )
    }

    fn read(&self, home: &Home, max: usize) -> redis::Cmd {
        let mut command = redis::cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(GROUP)
            .arg(self.consumer.to_string());
        command.arg("COUNT").arg(max);
        command
            .arg("STREAMS")
            .arg(home.handle.keys.stream())
            .arg(">");
        command
    }

    async fn unpack(
        &mut self,
        home: &Home,
        value: Value,
        is_fresh: bool,
    ) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        for (key, entries) in streams(value)? {
            if key == home.handle.keys.bell() {
                self.bells = entries.into_iter().map(|(id, _)| id).collect();
                continue;
            }
            let clock = Clock {
                gate: self.gate,
                is_fresh,
                lease: home.lease(),
                consumer: self.consumer,
            };
            batch.deliveries.reserve(entries.len());
            for (id, value) in entries {
                batch.add(&clock, &id, value);
            }
        }
        batch.leave_ghosts(home, self.doubt).await?;
        batch.put_aside(home).await;
        batch.let_expire(home, self.gate.epoch, self.consumer).await;
        Ok(batch)
    }
}

impl Batch {
    /// The last entry of it; what comes behind it was handed to nobody.
    pub(crate) fn last(&self) -> Option<StreamId> {
        self.last
    }

    fn add(&mut self, clock: &Clock, id: &[u8], value: Option<Vec<u8>>) {
        let place: Option<StreamId> = std::str::from_utf8(id).ok().and_then(|s| s.parse().ok());
        let place_or_zero = place.unwrap_or(StreamId::ZERO);
        let entry = value.map(|value| Entry::decode(&complete(value, place_or_zero).into()));
        match (place, entry) {
            (Some(place), Some(Ok(entry))) if clock.is_over(&entry) => self.expired.push(place),
            (Some(place), Some(Ok(entry))) => {
                self.last = self.last.max(Some(place));
                self.deliveries.push(clock.deliver(place, entry));
            }
            // It was taken out of the stream while it was handed out.
            (Some(_), None) => {}
            (_, entry) => {
                let id = String::from_utf8_lossy(id).into_owned();
                let error = entry.and_then(Result::err).map(|e| e.to_string());
                tracing::error!(
                    entry = id,
                    error,
                    "a stored message cannot be read; it is put aside"
                );
                self.spoilt.push(id.into_bytes());
            }
        }
    }

    /// Hands out nothing that a killed server has brought back and the queue does not know.
    async fn leave_ghosts(&mut self, home: &Home, doubt: StreamId) -> Result<(), Failure> {
        // They are in the order of the stream, so those in doubt come first.
        let tokens = self.deliveries.iter();
        let tokens = tokens.filter_map(|delivery| Token::from_receipt(&delivery.receipt));
        let arguments: Vec<Vec<u8>> = tokens
            .take_while(|token| token.place <= doubt)
            .flat_map(|token| {
                [
                    token.place.to_string().into(),
                    token.message.as_bytes().to_vec(),
                ]
            })
            .collect();
        if arguments.is_empty() {
            return Ok(());
        }
        let Value::BulkString(flags) = home.call(&script::VOUCH, &arguments).await? else {
            return Err(unreadable());
        };
        let mut flags = flags.into_iter();
        let before = self.deliveries.len();
        self.deliveries.retain(|_| flags.next() != Some(b'0'));
        let dropped = before - self.deliveries.len();
        if dropped > 0 {
            let queue = home.handle.name.as_str();
            tracing::error!(
                queue,
                dropped,
                "a start of the server brought back what it had not accepted: half of what it was writing when it was killed"
            );
        }
        Ok(())
    }

    async fn put_aside(&mut self, home: &Home) {
        let spoilt = std::mem::take(&mut self.spoilt);
        if !spoilt.is_empty() {
            // Where this fails they come again when their leases end.
            let _ = home.call(&script::SPOIL, &spoilt).await;
        }
    }

    /// Gives back what has expired, and so ends it.
    async fn let_expire(&mut self, home: &Home, epoch: u32, consumer: Consumer) {
        let expired = std::mem::take(&mut self.expired);
        let (Some(least), Some(greatest)) = (expired.first(), expired.last()) else {
            return;
        };
        let mut arguments = vec![
            epoch.to_string(),
            consumer.to_string(),
            expired.len().to_string(),
            least.to_string(),
            greatest.to_string(),
        ];
        for place in &expired {
            arguments.extend([place.to_string(), "l".into(), "0".into(), String::new()]);
        }
        // Where this fails they end with their leases.
        let _ = home.call(&script::NACK, &arguments).await;
    }
}

/// What makes a delivery of an entry.
struct Clock {
    gate: Gate,
    /// The gate was asked with the read; else the read has waited since.
    is_fresh: bool,
    lease: Duration,
    consumer: Consumer,
}

impl Clock {
    fn is_over(&self, entry: &Entry) -> bool {
        let end = entry.message.expires_at();
        let end = end.filter(|_| entry.redriven_at.is_none());
        end.is_some_and(|end| end <= timestamp(self.gate.now))
    }

    fn deliver(&self, place: StreamId, entry: Entry) -> Delivery {
        let message = &entry.message;
        let asked = timestamp(self.gate.now);
        let delivered_at = if self.is_fresh {
            asked
        } else {
            // Whoever waits is given an entry in the moment in which it is written.
            let written = Timestamp::from_millis(place.millis);
            let due = message.deliver_at().unwrap_or(written);
            let due = if entry.attempt == 0 { due } else { written };
            asked.max(written).max(message.published_at()).max(due)
        };
        let token = Token {
            epoch: self.gate.epoch,
            place,
            consumer: self.consumer,
            message: message.id(),
        };
        Delivery {
            attempt: entry.attempt.saturating_add(1),
            receipt: token.to_receipt(),
            lease: self.lease,
            age_from: entry.age_from(),
            delivered_at,
            errors: entry.errors,
            message: Arc::new(entry.message),
        }
    }
}

type Entries = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Takes the answer of XREADGROUP apart: streams with entries, of which each has one field.
fn streams(value: Value) -> Result<Vec<(Vec<u8>, Entries)>, Failure> {
    let pairs: Vec<(Value, Value)> = match value {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(pairs) => pairs,
        Value::Array(items) => items.into_iter().map(pair).collect::<Result<_, _>>()?,
        _ => return Err(unreadable()),
    };
    let stream = |(key, entries)| match (key, entries) {
        (Value::BulkString(key), Value::Array(entries)) => {
            let entries: Result<Entries, Failure> = entries.into_iter().map(entry).collect();
            Ok((key, entries?))
        }
        _ => Err(unreadable()),
    };
    pairs.into_iter().map(stream).collect()
}

fn pair(value: Value) -> Result<(Value, Value), Failure> {
    let Value::Array(items) = value else {
        return Err(unreadable());
    };
    let mut items = items.into_iter();
    match (items.next(), items.next()) {
        (Some(first), Some(second)) => Ok((first, second)),
        _ => Err(unreadable()),
    }
}

/// The id and the value of an entry; no value where the stream has it no more.
fn entry(value: Value) -> Result<(Vec<u8>, Option<Vec<u8>>), Failure> {
    let (Value::BulkString(id), fields) = pair(value)? else {
        return Err(unreadable());
    };
    let value = match fields {
        Value::Array(fields) => match fields.into_iter().nth(1) {
            Some(Value::BulkString(value)) => Some(value),
            // Somebody else's entry.
            _ => Some(Vec::new()),
        },
        _ => None,
    };
    Ok((id, value))
}
