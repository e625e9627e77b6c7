use std::collections::HashMap;

use forebay_queue_core::{Message, MessageId};

use crate::model::answer::Refused;

/// The messages of one side: their numbers, which both sides share, and their ids, which are its own.
///
/// The payload of a message is its number.
#[derive(Clone, Default)]
pub(crate) struct Names {
    /// Of those that were accepted.
    ids: HashMap<usize, MessageId>,
    /// The latest message of each id.
    numbers: HashMap<MessageId, usize>,
    /// Accepted ones, in this order, and whether they have an idempotency key.
    accepted: Vec<(usize, bool)>,
    /// The first number that no message has had.
    next: usize,
}

impl Names {
    /// The first number that no message has had.
    pub(crate) fn next(&self) -> usize {
        self.next
    }

    /// A message of this number is published.
    pub(crate) fn publish(&mut self, number: usize) {
        self.next = self.next.max(number + 1);
    }

    /// A message was accepted. Only where the sender chose it may its id be one that there was before.
    pub(crate) fn accept(
        &mut self,
        number: usize,
        id: MessageId,
        keyed: bool,
        chosen: Option<MessageId>,
    ) -> Result<(), Refused> {
        let known = self.numbers.insert(id, number).is_some();
        if chosen.is_some_and(|chosen| chosen != id) {
            return Err(broken("the id that the sender made was not kept"));
        }
        if known && chosen.is_none() {
            return Err(broken("a new message got the id of an earlier one"));
        }
        self.ids.insert(number, id);
        self.accepted.push((number, keyed));
        Ok(())
    }

    /// The latest message of an id.
    pub(crate) fn number(&self, id: MessageId) -> Result<usize, Refused> {
        let number = self.numbers.get(&id).copied();
        number.ok_or_else(|| broken("an id that no message has"))
    }

    /// The number of a message that came out, by its payload; its id must be the one that it was accepted with.
    pub(crate) fn read(&self, message: &Message) -> Result<usize, Refused> {
        let text = std::str::from_utf8(message.payload()).ok();
        let number = text.and_then(|text| text.parse::<usize>().ok());
        let number = number.ok_or_else(|| broken("a payload that nobody published"))?;
        match self.id(number) {
            Some(id) if id == message.id() => Ok(number),
            _ => Err(broken("a payload under the id of another message")),
        }
    }

    /// The id of a message, where it was accepted.
    pub(crate) fn id(&self, number: usize) -> Option<MessageId> {
        self.ids.get(&number).copied()
    }

    /// The messages accepted last, the latest first, and whether they have an idempotency key.
    pub(crate) fn recent(&self) -> impl Iterator<Item = (usize, bool)> {
        self.accepted.iter().rev().copied()
    }
}

fn broken(problem: &str) -> Refused {
    Refused::Broken(problem.to_owned())
}
