use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Delivery, Explanation, KeyStats, MessageId,
    Nack, NewMessage, PublishOutcome, QueueConfig, Receipt, Redriven, Rule, SettleOutcome, State,
    Stats, StoredMessage, ThrottleStats, Timestamp,
};

use crate::model::answer::Refused;

/// What both the engine and the store under test can do, in the words of the contract.
///
/// Sessions are numbered in the order in which they were opened; one is open at the begin.
pub(crate) trait Side {
    /// When the queue began.
    fn origin(&self) -> Timestamp;

    /// An id that no message has had yet.
    fn fresh_id(&mut self) -> MessageId;

    fn open(&mut self) -> Result<(), Refused>;

    fn close(&mut self, session: usize) -> Result<(), Refused>;

    fn publish(&mut self, messages: Vec<NewMessage>) -> Result<Vec<PublishOutcome>, Refused>;

    fn receive(&mut self, session: usize, max: usize) -> Result<Vec<Delivery>, Refused>;

    fn ack(&mut self, session: usize, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Refused>;

    fn nack(&mut self, session: usize, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Refused>;

    fn extend(
        &mut self,
        session: usize,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Refused>;

    /// The receipt of a delivery of another queue.
    fn foreign(&self) -> Receipt;

    fn stats(&mut self) -> Result<Stats, Refused>;

    fn get(&mut self, id: MessageId) -> Result<Option<StoredMessage>, Refused>;

    fn peek(&mut self, limit: usize) -> Result<Vec<StoredMessage>, Refused>;

    /// All pages, each of so many.
    fn list(&mut self, state: State, limit: usize) -> Result<Vec<StoredMessage>, Refused>;

    fn cancel(&mut self, target: &CancelTarget) -> Result<CancelOutcome, Refused>;

    fn pause(&mut self) -> Result<(), Refused>;

    fn resume(&mut self) -> Result<(), Refused>;

    fn purge(&mut self) -> Result<u64, Refused>;

    /// All pages, each of so many.
    fn dead_letters(
        &mut self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Refused>;

    fn redrive(&mut self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Refused>;

    fn delete_dead_letters(
        &mut self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Refused>;

    fn set_rule(&mut self, rule: &Rule) -> Result<(), Refused>;

    /// All pages, each of so many.
    fn key_stats(&mut self, limit: usize) -> Result<Vec<KeyStats>, Refused>;

    /// All pages, each of so many.
    fn throttle_stats(&mut self, limit: usize) -> Result<Vec<ThrottleStats>, Refused>;

    fn explain(&mut self, id: MessageId) -> Result<Option<Explanation>, Refused>;

    fn update(&mut self, config: &QueueConfig) -> Result<(), Refused>;

    /// Lets time pass until so many steps after the begin.
    fn pass_until(&mut self, step: u32) -> Result<(), Refused>;
}
