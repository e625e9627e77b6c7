use std::time::Duration;

use anyhow::{Context as _, Result};
use async_channel::{Receiver, Sender};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

use crate::job::Job;
use crate::load::Load;
use crate::subject::{Publisher, RawCaller, Site, Subject};

/// The ceiling of the memory backend: an unbounded `async_channel` of payloads. No leases, no ids, no retries, no limit, and
/// what a consumer takes is gone.
#[derive(Clone, Copy, Debug)]
pub struct BareChannel;

impl Subject for BareChannel {
    type Site = ChannelSite;

    fn name(&self) -> &'static str {
        "bare-async-channel"
    }

    async fn open(&self, _: &Load) -> Result<ChannelSite> {
        let (sender, receiver) = async_channel::unbounded();
        Ok(ChannelSite { sender, receiver })
    }
}

/// A channel of one round.
#[derive(Clone, Debug)]
pub struct ChannelSite {
    sender: Sender<Bytes>,
    receiver: Receiver<Bytes>,
}

impl Site for ChannelSite {
    type Publisher = Sender<Bytes>;
    type RawCaller = Self;

    fn publisher(&self) -> Sender<Bytes> {
        self.sender.clone()
    }

    async fn raw_caller(&self, _: &Load) -> Result<Self> {
        Ok(self.clone())
    }

    async fn fill(&self, _: &Load, payloads: impl Iterator<Item = Bytes> + Send) -> Result<()> {
        for payload in payloads {
            self.sender.try_send(payload)?;
        }
        Ok(())
    }

    async fn work(&self, load: &'static Load) -> Result<()> {
        let mut handlers = JoinSet::new();
        for _ in 0..load.concurrency {
            handlers.spawn(handle_all(self.receiver.clone(), load));
        }
        // A handler that fails stops counting, and all others have nothing to do: the tally stalls.
        load.tally.done_or_stalled().await;
        self.receiver.close();
        while let Some(handler) = handlers.join_next().await {
            handler??;
        }
        Ok(())
    }

    async fn sweep(mut self, load: &Load) -> Result<()> {
        while self.take(load, load.batch, Duration::ZERO).await? > 0 {}
        Ok(())
    }
}

impl Publisher for Sender<Bytes> {
    async fn publish(&mut self, job: Job) -> Result<()> {
        let payload = serde_json::to_vec(&job)?;
        self.send(payload.into()).await?;
        Ok(())
    }
}

impl RawCaller for ChannelSite {
    async fn publish(&mut self, payloads: Vec<Bytes>) -> Result<()> {
        for payload in payloads {
            self.sender.try_send(payload)?;
        }
        Ok(())
    }

    async fn take(&mut self, load: &Load, max: usize, wait: Duration) -> Result<usize> {
        let mut taken = Vec::with_capacity(max);
        while taken.len() < max
            && let Ok(payload) = self.receiver.try_recv()
        {
            taken.push(payload);
        }
        if taken.is_empty()
            && !wait.is_zero()
            && let Ok(Ok(payload)) = timeout(wait, self.receiver.recv()).await
        {
            taken.push(payload);
        }
        for payload in &taken {
            let number = Job::number_of(payload);
            load.tally
                .count(number.context("a payload came back changed")?);
        }
        Ok(taken.len())
    }
}

/// One of the looping tasks; ends when the channel is closed.
async fn handle_all(receiver: Receiver<Bytes>, load: &'static Load) -> Result<()> {
    while let Ok(payload) = receiver.recv().await {
        let job: Job = serde_json::from_slice(&payload)?;
        load.handle(&job);
        // As a worker does: who never waits must not keep the publishers of this thread from running.
        consume_budget().await;
    }
    Ok(())
}
