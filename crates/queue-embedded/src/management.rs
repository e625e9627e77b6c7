use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Error, Explanation, KeyStats, Management,
    MessageId, Page, PageRequest, QueueName, Redriven, Rule, State, Stats, StoredMessage,
    ThrottleStats,
};
use forebay_queue_engine::TooManyRules;
use tokio::sync::oneshot;

use crate::command::{Answer, Command, Demand, Handle, NoTurn, Step};
use crate::line::LineId;
use crate::turn::Turn;

/// Looks at a queue and steers it.
pub(crate) struct EmbeddedManagement {
    pub(crate) handle: Arc<Handle>,
    pub(crate) name: QueueName,
    pub(crate) line: LineId,
}

impl EmbeddedManagement {
    /// One step of the queue, answered when what it has changed is kept.
    async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Turn<'_>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let step: Step = Box::new(move |turn| match turn {
            Ok(turn) => {
                let answer = step(turn);
                let answer: Answer = Box::new(move |kept| {
                    let _ = reply.send(kept.map(|()| answer));
                });
                Some(answer)
            }
            Err(NoTurn::Unavailable(error)) => {
                let _ = reply.send(Err(error));
                None
            }
            Err(NoTurn::Gone) => None,
        });
        self.handle
            .send(Command::Step(self.line, Demand::Durable, step));
        // Nobody answers when the queue was deleted or the backend closed.
        answer.await.unwrap_or_else(|_| {
            Err(Error::QueueNotFound {
                queue: self.name.clone(),
            })
        })
    }
}

fn views(turn: &Turn<'_>, mut page: Page<StoredMessage>) -> Page<StoredMessage> {
    page.items = page.items.into_iter().map(|view| turn.view(view)).collect();
    page
}

#[async_trait]
impl Management for EmbeddedManagement {
    fn name(&self) -> &QueueName {
        &self.name
    }

    fn backend(&self) -> &'static str {
        self.handle.backend
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.step(|turn| turn.engine.stats(turn.now)).await
    }

    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        self.step(move |turn| {
            let view = turn.engine.get(turn.now, id)?;
            Some(turn.view(view))
        })
        .await
    }

    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        self.step(move |turn| {
            let found = turn.engine.peek(turn.now, limit);
            found.into_iter().map(|view| turn.view(view)).collect()
        })
        .await
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        self.step(move |turn| {
            let page = turn.engine.list(turn.now, state, &page)?;
            Ok(views(turn, page))
        })
        .await?
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        self.step(move |turn| turn.engine.cancel(turn.now, &target))
            .await
    }

    async fn pause(&self) -> Result<(), Error> {
        self.step(|turn| turn.engine.pause()).await
    }

    async fn resume(&self) -> Result<(), Error> {
        self.step(|turn| turn.engine.resume()).await
    }

    async fn purge(&self) -> Result<u64, Error> {
        self.step(|turn| turn.engine.purge(turn.now)).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let filter = filter.clone();
        self.step(move |turn| {
            let page = turn.engine.dead_letters(turn.now, &filter, &page)?;
            Ok(views(turn, page))
        })
        .await?
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        let filter = filter.clone();
        self.step(move |turn| turn.engine.redrive(turn.now, &filter, limit))
            .await
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        let filter = filter.clone();
        self.step(move |turn| turn.engine.delete_dead_letters(turn.now, &filter, limit))
            .await
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        let rule = rule.clone();
        let set = self.step(move |turn| turn.engine.set_rule(turn.now, &rule));
        set.await?.map_err(|TooManyRules| Error::Full {
            queue: self.name.clone(),
            what: "rules of one kind",
            limit: Rule::MOST,
        })
    }

    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error> {
        self.step(move |turn| turn.engine.key_stats(turn.now, &page))
            .await?
    }

    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        self.step(move |turn| turn.engine.throttle_stats(turn.now, &page))
            .await?
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        self.step(move |turn| turn.engine.explain(turn.now, id))
            .await
    }
}
