use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    Backend, CallId, CancelOutcome, CancelTarget, Capabilities, DeadLetterFilter, Delivery, Error,
    Event, Explanation, Guarantees, Health, KeyStats, Kind, Management, MessageId, Nack,
    NewMessage, Observers, Operation, Page, PageRequest, PublishOutcome, Queue, QueueConfig,
    QueueName, Receipt, Redriven, Request, Response, Rule, SettleOutcome, Source, State, Stats,
    StoredMessage, ThrottleStats,
};

/// Wraps a backend so that the observers see every call to its queues and what came of it.
///
/// Without observers the backend itself is given back. A call whose future is dropped is reported as
/// [`Response::Dropped`].
pub fn observed(backend: Arc<dyn Backend>, observers: Observers) -> Arc<dyn Backend> {
    if observers.is_empty() {
        return backend;
    }
    Arc::new(Observed {
        inner: backend,
        observers,
    })
}

struct Observed<T: ?Sized> {
    observers: Observers,
    inner: Arc<T>,
}

/// One call under way. Dropped before it was finished, it reports so.
struct Call<'a> {
    observers: &'a Observers,
    source: Source<'a>,
    operation: Operation,
    id: CallId,
    start: Instant,
    finished: bool,
}

impl<'a> Call<'a> {
    fn begin(
        observers: &'a Observers,
        source: Source<'a>,
        operation: Operation,
        request: Request<'_>,
    ) -> Self {
        let id = CallId::next();
        observers.observe(&Event::Invoked {
            call: id,
            source,
            operation,
            request,
        });
        Self {
            observers,
            source,
            operation,
            id,
            start: Instant::now(),
            finished: false,
        }
    }

    fn report(&self, response: Response<'_>) {
        self.observers.observe(&Event::Returned {
            call: self.id,
            source: self.source,
            operation: self.operation,
            elapsed: self.start.elapsed(),
            response,
        });
    }

    fn end<T>(
        mut self,
        result: Result<T, Error>,
        response: impl FnOnce(&T) -> Response<'_>,
    ) -> Result<T, Error> {
        self.finished = true;
        match &result {
            Ok(value) => self.report(response(value)),
            Err(error) => self.report(Response::Failed(error, &[])),
        }
        result
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.report(Response::Dropped);
        }
    }
}

impl Observed<dyn Queue> {
    fn begin(&self, operation: Operation, request: Request<'_>) -> Call<'_> {
        let source = Source {
            backend: self.inner.backend(),
            queue: self.inner.name(),
        };
        Call::begin(&self.observers, source, operation, request)
    }
}

impl Observed<dyn Management> {
    fn begin(&self, operation: Operation, request: Request<'_>) -> Call<'_> {
        let source = Source {
            backend: self.inner.backend(),
            queue: self.inner.name(),
        };
        Call::begin(&self.observers, source, operation, request)
    }
}

#[async_trait]
impl Queue for Observed<dyn Queue> {
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
        mut messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        for message in &mut messages {
            self.observers.inject(message.headers_mut());
        }
        let kinds: Vec<Kind> = messages.iter().map(|m| m.kind().clone()).collect();
        let mut call = self.begin(Operation::Publish, Request::Publish(&messages));
        let result = self.inner.publish(messages, patience).await;
        call.finished = true;
        match &result {
            Ok(outcomes) => call.report(Response::Published(outcomes, &kinds)),
            Err(error) => call.report(Response::Failed(error, &kinds)),
        }
        result
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let call = self.begin(Operation::Receive, Request::Receive { max, wait });
        let result = self.inner.receive(max, wait).await;
        call.end(result, |deliveries| Response::Delivered(deliveries))
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        let call = self.begin(Operation::Ack, Request::Receipts(receipts));
        let result = self.inner.ack(receipts).await;
        call.end(result, |outcomes| Response::Settled(outcomes))
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let call = self.begin(Operation::Nack, Request::Nacks(&nacks));
        let result = self.inner.nack(nacks).await;
        call.end(result, |outcomes| Response::Settled(outcomes))
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        let call = self.begin(Operation::Extend, Request::Receipts(receipts));
        let result = self.inner.extend(receipts).await;
        call.end(result, |outcomes| Response::Settled(outcomes))
    }

    async fn close(&self) -> Result<(), Error> {
        let call = self.begin(Operation::Close, Request::Plain);
        let result = self.inner.close().await;
        call.end(result, |()| Response::Done(0))
    }
}

#[async_trait]
impl Management for Observed<dyn Management> {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.inner.stats().await
    }

    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        self.inner.get(id).await
    }

    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        self.inner.peek(limit).await
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        self.inner.list(state, page).await
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        let call = self.begin(Operation::Cancel, Request::Cancel(&target));
        let result = self.inner.cancel(target.clone()).await;
        call.end(result, |outcome| Response::Cancelled(*outcome))
    }

    async fn pause(&self) -> Result<(), Error> {
        let call = self.begin(Operation::Pause, Request::Plain);
        let result = self.inner.pause().await;
        call.end(result, |()| Response::Done(0))
    }

    async fn resume(&self) -> Result<(), Error> {
        let call = self.begin(Operation::Resume, Request::Plain);
        let result = self.inner.resume().await;
        call.end(result, |()| Response::Done(0))
    }

    async fn purge(&self) -> Result<u64, Error> {
        let call = self.begin(Operation::Purge, Request::Plain);
        let result = self.inner.purge().await;
        call.end(result, |count| Response::Done(*count))
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.inner.dead_letters(filter, page).await
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        let call = self.begin(Operation::Redrive, Request::Plain);
        let result = self.inner.redrive(filter, limit).await;
        call.end(result, |redriven| Response::Redriven(*redriven))
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        let call = self.begin(Operation::DeleteDeadLetters, Request::Plain);
        let result = self.inner.delete_dead_letters(filter, limit).await;
        call.end(result, |count| Response::Done(*count))
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        let call = self.begin(Operation::SetRule, Request::Plain);
        let result = self.inner.set_rule(rule).await;
        call.end(result, |()| Response::Done(0))
    }

    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error> {
        self.inner.key_stats(page).await
    }

    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        self.inner.throttle_stats(page).await
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        self.inner.explain(id).await
    }
}

#[async_trait]
impl Backend for Observed<dyn Backend> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
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
        Ok(Arc::new(Observed {
            inner: self.inner.open(name, expected).await?,
            observers: self.observers.clone(),
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        Ok(Arc::new(Observed {
            inner: self.inner.manage(name).await?,
            observers: self.observers.clone(),
        }))
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
