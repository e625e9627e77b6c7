use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Result;
use forebay::core::{Nack, NackAction};
use forebay::{
    Connection, Delivery, FairnessKey, Headers, IdempotencyKey, Kind, MessageId, NewMessage,
};

/// Sizes of payloads, in bytes: none, those that stand in a row with others, and those that do not.
const SIZES: [usize; 8] = [0, 1, 17, 300, 1_000, 4_096, 20_000, 65_536];
/// How many at once.
const BATCH: usize = 10;
/// How long some of them are to wait.
const DELAY: Duration = Duration::from_millis(300);

/// What was put into a queue, and what became of it.
#[derive(Default)]
pub(super) struct Stock {
    published: HashMap<MessageId, NewMessage>,
    acked: HashSet<MessageId>,
    dead: HashSet<MessageId>,
    treated: usize,
}

/// What somebody found in it.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Handed out, or a dead letter that it was before.
    pub(super) found: HashSet<MessageId>,
    /// Dead letters that it was not before: the queue has noticed something.
    pub(super) fallen: u64,
    /// Not as it was published, or never published at all. This may never happen.
    pub(super) wrong: Vec<String>,
    /// Dead letters shown without their payload, which cannot be read any more.
    pub(super) hollow: u64,
    /// Handed out again after their end.
    pub(super) back: u64,
}

impl Stock {
    /// Publishes so many messages of all sorts: with keys, headers, delays and fairness keys; some are acked, some tried
    /// again, some dead letters, and some still leased.
    pub(super) async fn lay_in(connection: &Connection, count: usize) -> Result<Self> {
        let mut stock = Self::default();
        let session = connection.session().await?;
        let numbers: Vec<usize> = (0..count).collect();
        for batch in numbers.chunks(BATCH) {
            let messages: Result<Vec<_>> = batch
                .iter()
                .map(|number| message(connection, *number))
                .collect();
            let messages = messages?;
            for message in &messages {
                if let Some(id) = message.id() {
                    stock.published.insert(id, message.clone());
                }
            }
            session.publish(messages, Duration::ZERO).await?;
            // A third of them go through the hands of somebody.
            let deliveries = session.receive(BATCH / 3, Duration::ZERO).await?;
            for delivery in &deliveries {
                stock.treat(&*session, delivery).await?;
            }
        }
        session.close().await?;
        Ok(stock)
    }

    async fn treat(&mut self, session: &dyn forebay::Queue, delivery: &Delivery) -> Result<()> {
        let id = delivery.message.id();
        let nack = |action| Nack {
            receipt: delivery.receipt.clone(),
            action,
            cause: Some("it cannot be done".into()),
        };
        self.treated += 1;
        match self.treated % 6 {
            0 | 1 => {
                session.ack(std::slice::from_ref(&delivery.receipt)).await?;
                self.acked.insert(id);
            }
            2 => {
                session.nack(vec![nack(NackAction::DeadLetter)]).await?;
                self.dead.insert(id);
            }
            3 => {
                let after = DELAY;
                session
                    .nack(vec![nack(NackAction::Retry { after })])
                    .await?;
            }
            // Held.
            _ => {}
        }
        Ok(())
    }

    /// How long it takes until all of it can be handed out, with such leases.
    pub(super) fn ripe(lease: Duration) -> Duration {
        lease.max(DELAY) + Duration::from_millis(100)
    }

    /// What is to be found in it.
    pub(super) fn expected(&self) -> usize {
        self.published.len() - self.acked.len()
    }

    /// Takes down a message that was handed out.
    pub(super) fn handed(&self, inventory: &mut Inventory, message: &forebay::core::Message) {
        let id = message.id();
        if self.compare(inventory, message) {
            inventory.found.insert(id);
            let is_over = self.acked.contains(&id) || self.dead.contains(&id);
            inventory.back += u64::from(is_over);
        }
    }

    /// Takes down a dead letter.
    pub(super) fn dead(&self, inventory: &mut Inventory, message: &forebay::core::Message) {
        let id = message.id();
        let has_lost = |published: &NewMessage| {
            message.payload().is_empty() && !published.payload().is_empty()
        };
        if !self.dead.contains(&id) {
            inventory.fallen += 1;
        } else if self.published.get(&id).is_some_and(has_lost) {
            inventory.hollow += 1;
        } else if self.compare(inventory, message) {
            inventory.found.insert(id);
        }
    }

    /// Whether it is what was published under its id.
    fn compare(&self, inventory: &mut Inventory, message: &forebay::core::Message) -> bool {
        let id = message.id();
        let what = match self.published.get(&id) {
            None => "it was never published",
            Some(published) if published.payload() != message.payload() => "another payload",
            Some(published) if published.kind() != message.kind() => "another kind",
            Some(published) if published.headers() != message.headers() => "other headers",
            Some(published) if published.fairness_key() != message.fairness_key() => "another key",
            Some(_) => return true,
        };
        inventory.wrong.push(format!("{id}: {what}"));
        false
    }
}

fn message(connection: &Connection, number: usize) -> Result<NewMessage> {
    let mut payload = vec![0; SIZES[number * 7 % SIZES.len()]];
    fastrand::Rng::with_seed(number as u64).fill(&mut payload);
    let id = connection.environment().next_id();
    let mut message = NewMessage::new(Kind::new("work")?, payload)
        .with_id(id)
        .with_fairness_key(FairnessKey::new(format!("key-{}", number % 3))?);
    if number.is_multiple_of(3) {
        message = message.with_idempotency_key(IdempotencyKey::new(id.to_string())?);
    }
    if number.is_multiple_of(4) {
        let mut headers = Headers::new();
        headers.insert("number", number.to_string())?;
        message = message.with_headers(headers);
    }
    if number.is_multiple_of(10) {
        message = message.with_delay(DELAY);
    }
    Ok(message)
}
