//! A backend that answers what a test tells it to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Delivery, Durability, Error, FairnessKey, Guarantees, Headers, Health,
    IdempotencyKey, Kind, Limits, Management, Message, MessageId, Nack, NewMessage, PublishOutcome,
    Queue, QueueConfig, QueueName, Receipt, SettleOutcome, ThrottleKey, Timestamp,
};

/// One answer of the queue.
#[derive(Debug)]
pub(crate) enum Answer {
    Publish(Result<Vec<PublishOutcome>, Error>),
    Receive(Result<Vec<Delivery>, Error>),
    Settle(Result<Vec<SettleOutcome>, Error>),
    /// Whatever is asked for is never answered.
    Never,
}

/// Answers in the order of the script, each after its delay, and keeps what was published.
pub(crate) struct Scripted {
    name: QueueName,
    capabilities: Capabilities,
    answers: Mutex<VecDeque<(Duration, Answer)>>,
    published: Mutex<Vec<NewMessage>>,
}

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = (Duration, Answer)>) -> Arc<Self> {
        Arc::new(Self {
            name: QueueName::from_static("emails"),
            capabilities: Capabilities {
                durability: Durability::Memory,
                shared: false,
                fencing: true,
                ordering: true,
                fairness: true,
                lease_limits: false,
                throttling: true,
                dead_letter_queue: false,
                retain_done: false,
                largest_delay: None,
                limits: Limits::default(),
            },
            answers: Mutex::new(answers.into_iter().collect()),
            published: Mutex::default(),
        })
    }

    /// What was published, as it reached the backend.
    pub(crate) fn published(&self) -> Vec<NewMessage> {
        self.published.lock().unwrap().clone()
    }

    async fn answer(&self) -> Answer {
        let (delay, answer) = self.answers.lock().unwrap().pop_front().unwrap();
        // tidy: sleep — the delay that the test asks for, on a paused clock
        tokio::time::sleep(delay).await;
        if matches!(answer, Answer::Never) {
            std::future::pending::<()>().await;
        }
        answer
    }

    async fn settle(&self) -> Result<Vec<SettleOutcome>, Error> {
        match self.answer().await {
            Answer::Settle(result) => result,
            other => panic!("asked to settle, the script says {other:?}"),
        }
    }
}

/// The queue that the backend hands out.
struct Session(Arc<Scripted>);

#[async_trait]
impl Queue for Session {
    fn name(&self) -> &QueueName {
        &self.0.name
    }

    fn backend(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        _patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        self.0.published.lock().unwrap().extend(messages);
        match self.0.answer().await {
            Answer::Publish(result) => result,
            other => panic!("asked to publish, the script says {other:?}"),
        }
    }

    async fn receive(&self, _max: usize, _wait: Duration) -> Result<Vec<Delivery>, Error> {
        match self.0.answer().await {
            Answer::Receive(result) => result,
            other => panic!("asked to receive, the script says {other:?}"),
        }
    }

    async fn ack(&self, _receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.0.settle().await
    }

    async fn nack(&self, _nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        self.0.settle().await
    }

    async fn extend(&self, _receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.0.settle().await
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The backend around a script, made with `Store(Scripted::new(…))`.
pub(crate) struct Store(pub(crate) Arc<Scripted>);

#[async_trait]
impl Backend for Store {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn create(&self, _name: &QueueName, _config: &QueueConfig) -> Result<(), Error> {
        Ok(())
    }

    async fn open(
        &self,
        _name: &QueueName,
        _expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        Ok(Arc::new(Session(Arc::clone(&self.0))))
    }

    async fn manage(&self, _name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        Err(unavailable())
    }

    async fn config(&self, _name: &QueueName) -> Result<QueueConfig, Error> {
        Ok(QueueConfig::default())
    }

    async fn update(&self, _name: &QueueName, _config: &QueueConfig) -> Result<(), Error> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        Ok(vec![self.0.name.clone()])
    }

    async fn delete(&self, _name: &QueueName) -> Result<(), Error> {
        Ok(())
    }

    async fn health(&self) -> Health {
        Health::Up
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        Err(unavailable())
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// An error whose source holds what must not be written.
pub(crate) fn unavailable() -> Error {
    Error::Unavailable {
        backend: "scripted",
        source: Some("canary-source: redis://user:canary-password@192.0.2.1".into()),
    }
}

pub(crate) const ID: MessageId = MessageId::from_bytes([7; 16]);

/// A message of a kind with a canary in every place that is private.
pub(crate) fn message(kind: &'static str) -> NewMessage {
    let mut headers = Headers::new();
    headers.insert("x-note", "canary-header").unwrap();
    NewMessage::new(Kind::from_static(kind), "canary-payload")
        .with_headers(headers)
        .with_idempotency_key(IdempotencyKey::new("canary-idempotency").unwrap())
        .with_fairness_key(FairnessKey::new("canary-fairness").unwrap())
        .with_throttle_key(ThrottleKey::new("canary-throttle").unwrap())
}

/// The same, handed out.
pub(crate) fn delivery(message: NewMessage) -> Delivery {
    Delivery {
        message: Arc::new(Message::accept(message, ID, Timestamp::ZERO)),
        attempt: 2,
        receipt: Receipt::from_bytes(b"canary-receipt"),
        lease: Duration::from_secs(30),
        age_from: Timestamp::ZERO,
        delivered_at: Timestamp::ZERO,
        errors: Vec::new(),
    }
}
