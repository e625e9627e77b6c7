#![expect(
    clippy::missing_panics_doc,
    reason = "a case asserts by these methods: what does not hold, panics"
)]

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, CancelOutcome, CancelTarget, DeadLetterFilter, Delivery, Error, Management, MessageId,
    Nack, NackAction, NewMessage, PageRequest, PublishOutcome, Queue, QueueName, Receipt, Redriven,
    SettleOutcome, State, Stats, StoredMessage, Timestamp,
};
use tokio::time::Instant;

use crate::{Timing, Waiting, message};

/// One queue under test: a session with it, and its management.
///
/// The methods that assert say what they expected; those that end in `_outcome` leave the judgement to the case.
#[derive(Clone)]
pub struct Subject {
    /// Its name.
    pub name: QueueName,
    /// The session.
    pub queue: Arc<dyn Queue>,
    /// Its management.
    pub management: Arc<dyn Management>,
    timing: Timing,
}

impl Subject {
    pub(crate) async fn open(backend: &Arc<dyn Backend>, name: &QueueName, timing: Timing) -> Self {
        Self {
            name: name.clone(),
            queue: backend.open(name, None).await.expect("the queue opens"),
            management: backend.manage(name).await.expect("the queue is managed"),
            timing,
        }
    }

    /// Publishes without patience.
    ///
    /// # Errors
    /// Whatever the queue answers.
    pub async fn publish_outcome(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<PublishOutcome>, Error> {
        self.queue.publish(messages, Duration::ZERO).await
    }

    /// Publishes one message that must be accepted.
    pub async fn publish(&self, message: NewMessage) -> MessageId {
        self.publish_all(vec![message]).await[0]
    }

    /// Publishes a batch of which every message must be accepted.
    pub async fn publish_all(&self, messages: Vec<NewMessage>) -> Vec<MessageId> {
        let count = messages.len();
        let outcomes = self.publish_outcome(messages).await;
        let outcomes = outcomes.expect("the queue has room for the batch");
        assert_eq!(
            outcomes.len(),
            count,
            "there is one outcome for each message"
        );
        let accepted = |outcome: &PublishOutcome| match outcome {
            PublishOutcome::Accepted(id) => *id,
            PublishOutcome::Duplicate { id, .. } => {
                panic!("accepted was expected, but it is called a duplicate of {id}")
            }
        };
        outcomes.iter().map(accepted).collect()
    }

    /// Receives at most so many, now.
    pub async fn receive_now(&self, max: usize) -> Vec<Delivery> {
        let deliveries = self.queue.receive(max, Duration::ZERO).await;
        let deliveries = deliveries.expect("the session is open");
        assert!(
            deliveries.len() <= max,
            "{} deliveries came where {max} were asked for",
            deliveries.len()
        );
        deliveries
    }

    /// Receives one message that must come within the limit.
    pub async fn take(&self) -> Delivery {
        self.take_within(self.timing.limit).await
    }

    /// Receives one message that must come within a span.
    pub async fn take_within(&self, span: Duration) -> Delivery {
        let deliveries = self.queue.receive(1, span).await;
        let mut deliveries = deliveries.expect("the session is open");
        assert!(deliveries.len() <= 1, "one was asked for, more came");
        match deliveries.pop() {
            Some(delivery) => delivery,
            None => panic!("a delivery was expected within {span:?}, and none came"),
        }
    }

    /// Receives exactly so many, in as many calls as it takes, within the limit.
    pub async fn take_many(&self, count: usize) -> Vec<Delivery> {
        let end = Instant::now() + self.timing.limit;
        let mut taken = Vec::new();
        while taken.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            let max = (count - taken.len()).min(self.queue.capabilities().limits.batch);
            let batch = self.queue.receive(max, left).await;
            let batch = batch.expect("the session is open");
            assert!(
                !batch.is_empty(),
                "{count} deliveries were expected, {} came",
                taken.len()
            );
            taken.extend(batch);
        }
        taken
    }

    /// Nothing can be received now.
    pub async fn assert_nothing_now(&self) {
        self.assert_nothing_for(Duration::ZERO).await;
    }

    /// Nothing is handed out for this long.
    pub async fn assert_nothing_for(&self, span: Duration) {
        let batch = self.queue.capabilities().limits.batch;
        let deliveries = self.queue.receive(batch, span).await;
        let deliveries = deliveries.expect("the session is open");
        assert!(
            deliveries.is_empty(),
            "nothing was to be handed out within {span:?}, but {} came",
            deliveries.len()
        );
    }

    /// Acks; the caller judges.
    pub async fn ack_outcome(&self, delivery: &Delivery) -> SettleOutcome {
        one(self.queue.ack(receipt(delivery)).await)
    }

    /// Acks a delivery that is still held.
    pub async fn ack(&self, delivery: &Delivery) {
        let outcome = self.ack_outcome(delivery).await;
        assert_eq!(outcome, SettleOutcome::Done, "its holder can ack it");
    }

    /// Nacks; the caller judges.
    pub async fn nack_outcome(&self, delivery: &Delivery, action: NackAction) -> SettleOutcome {
        self.nack_because(delivery, action, None).await
    }

    /// Nacks with a cause; the caller judges.
    pub async fn nack_because(
        &self,
        delivery: &Delivery,
        action: NackAction,
        cause: Option<&str>,
    ) -> SettleOutcome {
        let nack = Nack {
            receipt: delivery.receipt.clone(),
            action,
            cause: cause.map(Into::into),
        };
        one(self.queue.nack(vec![nack]).await)
    }

    /// Fails a delivery that is still held: again after a while.
    pub async fn retry(&self, delivery: &Delivery, after: Duration, cause: &str) {
        let action = NackAction::Retry { after };
        let outcome = self.nack_because(delivery, action, Some(cause)).await;
        assert_eq!(outcome, SettleOutcome::Done, "its holder can nack it");
    }

    /// Gives a delivery back that is still held.
    pub async fn release(&self, delivery: &Delivery, after: Duration) {
        let outcome = self.nack_outcome(delivery, NackAction::Release { after });
        assert_eq!(
            outcome.await,
            SettleOutcome::Done,
            "its holder can give it back"
        );
    }

    /// Sends a delivery that is still held to the dead letters.
    pub async fn dead_letter(&self, delivery: &Delivery, cause: &str) {
        let action = NackAction::DeadLetter;
        let outcome = self.nack_because(delivery, action, Some(cause)).await;
        assert_eq!(outcome, SettleOutcome::Done, "its holder can nack it");
    }

    /// Publishes one message and sends it to the dead letters; answers its id.
    pub async fn publish_dead(&self, message: NewMessage, cause: &str) -> MessageId {
        let id = self.publish(message).await;
        let delivery = self.take().await;
        assert_eq!(delivery.message.id(), id, "another message came first");
        self.dead_letter(&delivery, cause).await;
        id
    }

    /// Extends; the caller judges.
    pub async fn extend_outcome(&self, delivery: &Delivery) -> SettleOutcome {
        one(self.queue.extend(receipt(delivery)).await)
    }

    /// Acks a whole batch that is still held.
    pub async fn ack_all(&self, deliveries: &[Delivery]) {
        let batch = self.queue.capabilities().limits.batch;
        for part in deliveries.chunks(batch) {
            let receipts: Vec<Receipt> = part.iter().map(|d| d.receipt.clone()).collect();
            let outcomes = self.queue.ack(&receipts).await.expect("the store answers");
            assert_eq!(
                outcomes,
                vec![SettleOutcome::Done; part.len()],
                "each held delivery is acked"
            );
        }
    }

    /// Receives and acks so many, each as it comes, within the limit; answers the numbers in their order.
    pub async fn finish_many(&self, count: usize) -> Vec<usize> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let delivery = self.take().await;
            self.ack(&delivery).await;
            numbers.push(message::number(&delivery));
        }
        numbers
    }

    /// Receives and acks until nothing is ready; answers the numbers in their order.
    pub async fn drain(&self) -> Vec<usize> {
        let mut numbers = Vec::new();
        loop {
            let batch = self.queue.capabilities().limits.batch;
            let deliveries = self.receive_now(batch).await;
            if deliveries.is_empty() {
                return numbers;
            }
            self.ack_all(&deliveries).await;
            numbers.extend(message::numbers(&deliveries));
        }
    }

    /// Takes a message back.
    pub async fn cancel(&self, target: CancelTarget) -> CancelOutcome {
        let outcome = self.management.cancel(target).await;
        outcome.expect("cancel is answered")
    }

    /// Stops hand-outs and lets the second pass within which every handle knows it.
    pub async fn pause(&self) {
        self.management.pause().await.expect("the queue is paused");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Hand-outs go on.
    pub async fn resume(&self) {
        let resumed = self.management.resume().await;
        resumed.expect("the queue goes on");
    }

    /// Removes what is scheduled and ready; answers how many.
    pub async fn purge(&self) -> u64 {
        self.management.purge().await.expect("purge is answered")
    }

    /// All messages of a state, page by page.
    pub async fn list(&self, state: State, limit: usize) -> Vec<StoredMessage> {
        let mut all = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = self.management.list(state, request).await;
            let page = page.expect("the listing is answered");
            assert!(page.items.len() <= limit, "a page holds at most its limit");
            all.extend(page.items);
            match page.next {
                Some(cursor) => request = PageRequest::after(limit, cursor),
                None => return all,
            }
        }
    }

    /// The ids of the dead letters that match, in their order.
    pub async fn dead_letters(&self, filter: &DeadLetterFilter) -> Vec<MessageId> {
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let page = self.management.dead_letters(filter, page).await;
        let items = page.expect("the dead letters are listed").items;
        items.iter().map(|item| item.message.id()).collect()
    }

    /// Redrives what matches.
    pub async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Redriven {
        let redriven = self.management.redrive(filter, limit).await;
        redriven.expect("the redrive is answered")
    }

    /// A receive in a task of its own.
    pub async fn receiving(
        &self,
        max: usize,
        wait: Duration,
    ) -> Waiting<Result<Vec<Delivery>, Error>> {
        let queue = Arc::clone(&self.queue);
        let call = async move { queue.receive(max, wait).await };
        Waiting::begin(self.timing, call).await
    }

    /// A publish in a task of its own.
    pub async fn publishing(
        &self,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Waiting<Result<Vec<PublishOutcome>, Error>> {
        let queue = Arc::clone(&self.queue);
        let call = async move { queue.publish(messages, patience).await };
        Waiting::begin(self.timing, call).await
    }

    /// Publishes one message and answers what became of it.
    pub async fn publish_again(&self, message: NewMessage) -> PublishOutcome {
        let outcomes = self.publish_outcome(vec![message]).await;
        let outcomes = outcomes.expect("the queue answers a repeated message, full or not");
        match outcomes[..] {
            [outcome] => outcome,
            ref others => panic!("one outcome was expected, {} came", others.len()),
        }
    }

    /// Publishes one message, whose key must be known as the first message's.
    pub async fn assert_duplicate(&self, message: NewMessage, first: MessageId) {
        let outcome = self.publish_again(message).await;
        assert!(
            outcome.is_duplicate(),
            "the idempotency key was forgotten: its repetition was accepted"
        );
        assert_eq!(
            outcome.id(),
            first,
            "a duplicate answers with the id of the first message"
        );
    }

    /// Settles nothing, whichever verb it is tried with: the lease of this delivery is lost.
    pub async fn assert_lost(&self, delivery: &Delivery) {
        let lost = SettleOutcome::LeaseLost;
        let after = Duration::ZERO;
        assert_eq!(self.ack_outcome(delivery).await, lost, "a late ack");
        assert_eq!(self.extend_outcome(delivery).await, lost, "a late extend");
        for action in [
            NackAction::Retry { after },
            NackAction::Release { after },
            NackAction::DeadLetter,
        ] {
            let outcome = self.nack_because(delivery, action, Some("late")).await;
            assert_eq!(outcome, lost, "a late nack: {action:?}");
        }
    }

    /// Redrives all dead letters; answers how many.
    pub async fn redrive_all(&self) -> u64 {
        let all = DeadLetterFilter::all();
        let redriven = self.management.redrive(&all, usize::MAX).await;
        redriven.expect("redrive is answered").redriven
    }

    /// A message must be in this state before long; none means that the queue does not know it.
    pub async fn await_state(&self, id: MessageId, expected: Option<State>) {
        let end = Instant::now() + self.timing.tolerance();
        loop {
            let late = Instant::now() >= end;
            let state = self.state_of(id).await;
            if state == expected {
                return;
            }
            assert!(
                !late,
                "the message is {state:?} where {expected:?} was promised"
            );
            tokio::time::sleep(Timing::GRAIN).await;
        }
    }

    /// Counts by state.
    pub async fn stats(&self) -> Stats {
        self.management.stats().await.expect("stats are answered")
    }

    /// One message, wherever it is.
    pub async fn get(&self, id: MessageId) -> Option<StoredMessage> {
        self.management.get(id).await.expect("get is answered")
    }

    /// The state of one message, where the queue knows it.
    pub async fn state_of(&self, id: MessageId) -> Option<State> {
        self.get(id).await.map(|stored| stored.state)
    }

    /// The time by the store's own clock. The queue must hold nothing that could be due.
    pub async fn store_time(&self) -> Timestamp {
        self.publish(message::numbered(0)).await;
        let delivery = self.take().await;
        self.ack(&delivery).await;
        delivery.delivered_at
    }
}

fn receipt(delivery: &Delivery) -> &[Receipt] {
    std::slice::from_ref(&delivery.receipt)
}

fn one(outcomes: Result<Vec<SettleOutcome>, Error>) -> SettleOutcome {
    match outcomes.expect("the store answers")[..] {
        [outcome] => outcome,
        ref others => panic!("one outcome was expected, {} came", others.len()),
    }
}
