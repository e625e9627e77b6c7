use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{Error, Management, NewMessage, PublishOutcome, Queue, Rule};

use crate::mutation::Mutation;

/// Publishes and sets something else than it was told.
pub(crate) struct Otherwise {
    publishes: fn(Vec<NewMessage>) -> Vec<NewMessage>,
    /// Nothing where the rule is dropped.
    rules: fn(Rule) -> Option<Rule>,
}

impl Otherwise {
    /// Publishes these instead.
    pub(crate) const fn publishing(publishes: fn(Vec<NewMessage>) -> Vec<NewMessage>) -> Self {
        Self {
            publishes,
            rules: Some,
        }
    }

    /// Sets this rule instead, or none.
    pub(crate) const fn ruling(rules: fn(Rule) -> Option<Rule>) -> Self {
        Self {
            publishes: |messages| messages,
            rules,
        }
    }
}

#[async_trait]
impl Mutation for Otherwise {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        inner.publish((self.publishes)(messages), patience).await
    }

    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        match (self.rules)(rule.clone()) {
            Some(rule) => inner.set_rule(&rule).await,
            None => Ok(()),
        }
    }
}
