//! What a client is told when a publish does not simply work. The queue is a real one behind a fault.

use super::*;

/// What happens to the next publishes: the answer is lost after it was accepted, or before; or it fails for sure.
#[derive(Clone, Copy)]
enum Fault {
    LostAfter,
    LostBefore,
    Unavailable,
}

struct Faulty {
    inner: Arc<dyn Queue>,
    faults: Arc<Mutex<Vec<Fault>>>,
}

struct FaultyBackend {
    inner: Arc<dyn Backend>,
    faults: Arc<Mutex<Vec<Fault>>>,
}

const LOST: Error = Error::Interrupted {
    backend: "faulty",
    source: None,
};

#[async_trait]
impl Queue for Faulty {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> &forebay::core::Capabilities {
        self.inner.capabilities()
    }

    fn lease(&self) -> Duration {
        self.inner.lease()
    }

    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let fault = self.faults.lock().pop();
        match fault {
            Some(Fault::Unavailable) => Err(Error::Unavailable {
                backend: "faulty",
                source: None,
            }),
            Some(Fault::LostBefore) => Err(LOST),
            Some(Fault::LostAfter) => {
                self.inner.publish(messages, patience).await?;
                Err(LOST)
            }
            None => self.inner.publish(messages, patience).await,
        }
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        self.inner.receive(max, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.inner.ack(receipts).await
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        self.inner.nack(nacks).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.inner.extend(receipts).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl Backend for FaultyBackend {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &forebay::core::Capabilities {
        self.inner.capabilities()
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.inner.create(name, config).await
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        Ok(Arc::new(Faulty {
            inner: self.inner.open(name, expected).await?,
            faults: Arc::clone(&self.faults),
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        self.inner.manage(name).await
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        self.inner.config(name).await
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.inner.update(name, config).await
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        self.inner.list().await
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        self.inner.delete(name).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        self.inner.probe().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

async fn rig(mut faults: Vec<Fault>) -> Rig {
    faults.reverse();
    let settings = Settings::default();
    let connector = Connector::new(settings.clone());
    let inner = Arc::clone(connector.connect("inner").await.unwrap().backend());
    let backend = FaultyBackend {
        inner,
        faults: Arc::new(Mutex::new(faults)),
    };
    let queue = Connection::open(
        Arc::new(backend),
        QueueName::from_static("q"),
        Some(QueueConfig::default()),
        Environment::seeded(1),
        Observers::none(),
    );
    Rig::with_queue(&settings, queue.await.unwrap())
}

#[tokio::test]
async fn a_full_queue_is_said_so_after_the_wait() {
    let rig = Rig::new(&[("QUEUE_CAPACITY", "1"), ("QUEUE_PUBLISH_WAIT", "1ms")]).await;
    assert_eq!(rig.post(&sms()).await.status, 202);
    let mut other = sms();
    other["idempotencyKey"] = json!("l");
    let answer = rig.post(&other).await;
    answer.problem(503, "queue-full");
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn an_unavailable_queue_is_said_so_at_once() {
    let rig = rig(vec![Fault::Unavailable]).await;
    let answer = rig.post(&sms()).await;
    let problem = answer.problem(503, "unavailable");
    assert!(problem.get("idempotencyKey").is_none());
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(rig.live().await, 0);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        let rig = rig(vec![fault, fault, fault]).await;
        let answer = rig.post(&sms()).await;
        assert_eq!(answer.status, 202);
        // It was this request's own: not a duplicate to the client.
        assert_eq!(answer.json()["duplicate"], false);
        assert_eq!(rig.live().await, 1);
        assert_eq!(rig.post(&sms()).await.json()["duplicate"], true);
    }
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_names_the_key() {
    for last in [Fault::LostAfter, Fault::Unavailable] {
        let rig = rig(vec![
            Fault::LostAfter,
            Fault::LostBefore,
            Fault::LostBefore,
            last,
        ])
        .await;
        let answer = rig.post(&sms()).await;
        let problem = answer.problem(503, "outcome-unknown");
        assert_eq!(problem["idempotencyKey"], "k");
        assert!(answer.headers.contains_key("retry-after"));
        // The client repeats it, and it is one message.
        assert_eq!(rig.post(&sms()).await.status, 202);
        assert_eq!(rig.live().await, 1);
    }
}
