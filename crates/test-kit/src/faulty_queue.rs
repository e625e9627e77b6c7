use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Capabilities, Delivery, Error, Nack, NackAction, NewMessage, Operation, PublishOutcome, Queue,
    QueueName, Receipt, SettleOutcome,
};
use tokio::time::Instant;

use crate::faults::{Faults, Site};

/// A session whose calls fail as the test says.
pub(crate) struct FaultyQueue {
    pub(crate) inner: Arc<dyn Queue>,
    /// Below the recorder: what the kit does to a queue by itself.
    pub(crate) beneath: Arc<dyn Queue>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) site: Site,
}

/// Far enough away to be never, near enough to be a time.
const NEVER: Duration = Duration::from_hours(24 * 365 * 30);

/// Ends leases behind their holder's back: the messages are ready at once, as if the leases had run out.
pub(crate) async fn lose_leases(
    beneath: &dyn Queue,
    receipts: Vec<Receipt>,
) -> Result<Vec<SettleOutcome>, Error> {
    let nack = |receipt| Nack {
        receipt,
        action: NackAction::Retry {
            after: Duration::ZERO,
        },
        cause: None,
    };
    beneath.nack(receipts.into_iter().map(nack).collect()).await
}

impl FaultyQueue {
    async fn deliver_some_twice(&self, deliveries: &[Delivery]) -> Result<(), Error> {
        let count = self.faults.take_twice(deliveries.len());
        if count > 0 {
            let receipts = deliveries[..count].iter().map(|d| d.receipt.clone());
            lose_leases(&*self.beneath, receipts.collect()).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for FaultyQueue {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> &Capabilities {
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
        let call = self.inner.publish(messages, patience);
        self.faults
            .around(&self.site, Operation::Publish, call)
            .await
    }

    /// A receive that waits fails as soon as it is told to.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let deadline = Instant::now() + wait.min(NEVER);
        loop {
            let changed = self.faults.changed.notified();
            self.faults.check_outage()?;
            let left = deadline.saturating_duration_since(Instant::now());
            let call = self.inner.receive(max, left);
            let fault = self.faults.take(&self.site.queue, Operation::Receive);
            let deliveries = if let Some(fault) = fault {
                self.faults.apply(&self.site, fault, call).await?
            } else {
                tokio::select! {
                    // What a test says next comes before what it publishes after that.
                    biased;
                    () = changed => continue,
                    answer = call => answer?,
                }
            };
            self.deliver_some_twice(&deliveries).await?;
            return Ok(deliveries);
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        let call = self.inner.ack(receipts);
        self.faults.around(&self.site, Operation::Ack, call).await
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let call = self.inner.nack(nacks);
        self.faults.around(&self.site, Operation::Nack, call).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        let call = self.inner.extend(receipts);
        self.faults
            .around(&self.site, Operation::Extend, call)
            .await
    }

    async fn close(&self) -> Result<(), Error> {
        let call = self.inner.close();
        self.faults.around(&self.site, Operation::Close, call).await
    }
}
