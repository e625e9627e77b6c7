//! More messages than one call to the server deals with: listings, purges, redrives and deletions in several parts.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::Timing;
use forebay_queue_core::{
    Backend, DeadLetterFilter, Delivery, Kind, Management, MessageId, Nack, NackAction, NewMessage,
    PageRequest, PublishOutcome, Queue, QueueConfig, QueueName, SettleOutcome, State,
};

use server::Private;

const NAME: QueueName = QueueName::from_static("many");
const BATCH: usize = 256;
const HOUR: Duration = Duration::from_hours(1);

struct Setting {
    _server: Private,
    _backend: Box<dyn Backend>,
    queue: Arc<dyn Queue>,
    management: Arc<dyn Management>,
}

impl Setting {
    async fn new() -> Option<Self> {
        let server = Private::forgetful(Timing::NETWORK)?;
        let backend = Box::new(server.backend().await);
        let config = QueueConfig {
            lease: HOUR,
            ..QueueConfig::default()
        };
        backend.create(&NAME, &config).await.unwrap();
        Some(Self {
            queue: backend.open(&NAME, None).await.unwrap(),
            management: backend.manage(&NAME).await.unwrap(),
            _server: server,
            _backend: backend,
        })
    }

    /// Publishes a full batch in one call; answers the ids.
    async fn publish(&self) -> Vec<MessageId> {
        let message = NewMessage::new(Kind::from_static("job"), "work");
        let outcomes = self
            .queue
            .publish(vec![message; BATCH], Duration::ZERO)
            .await;
        outcomes.unwrap().iter().map(PublishOutcome::id).collect()
    }

    /// Receives a full batch and gives it back.
    async fn give_back(&self, action: NackAction) {
        let mut held: Vec<Delivery> = Vec::new();
        while held.len() < BATCH {
            let most = BATCH - held.len();
            held.extend(self.queue.receive(most, HOUR).await.unwrap());
        }
        let nack = |delivery: &Delivery| Nack {
            receipt: delivery.receipt.clone(),
            action,
            cause: Some("no".into()),
        };
        let outcomes = self.queue.nack(held.iter().map(nack).collect()).await;
        assert!(outcomes.unwrap().iter().all(|o| *o == SettleOutcome::Done));
    }

    async fn list(&self, state: State, limit: usize) -> Vec<MessageId> {
        let mut ids = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = self.management.list(state, request).await.unwrap();
            assert!(page.items.len() <= limit);
            ids.extend(page.items.iter().map(|item| item.message.id()));
            match page.next {
                Some(cursor) => request = PageRequest::after(limit, cursor),
                None => return ids,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_listings_are_in_order_of_acceptance_and_purged_whole() {
    let Some(setting) = Setting::new().await else {
        return;
    };
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.extend(setting.publish().await);
    }
    let later = NackAction::Retry { after: HOUR };
    let at_once = NackAction::Retry {
        after: Duration::ZERO,
    };
    // The first batch waits, the second stands behind the others.
    setting.give_back(later).await;
    setting.give_back(at_once).await;
    for limit in [100, 256, 257, 1000] {
        let scheduled = setting.list(State::Scheduled, limit).await;
        assert_eq!(scheduled, ids[..BATCH], "scheduled, {limit} at a time");
        let ready = setting.list(State::Ready, limit).await;
        assert_eq!(ready, ids[BATCH..], "ready, {limit} at a time");
    }
    let next = setting.management.peek(700).await.unwrap();
    let next: Vec<MessageId> = next.iter().map(|item| item.message.id()).collect();
    let line = [&ids[2 * BATCH..], &ids[BATCH..2 * BATCH]].concat();
    assert_eq!(next, line[..700], "given back is behind");
    assert_eq!(setting.management.purge().await.unwrap(), 4 * BATCH as u64);
    assert_eq!(setting.management.stats().await.unwrap().live(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_dead_letters_are_listed_redriven_and_deleted() {
    let Some(setting) = Setting::new().await else {
        return;
    };
    let ids = setting.publish().await;
    setting.give_back(NackAction::DeadLetter).await;
    for limit in [50, 64, 256] {
        assert_eq!(setting.list(State::Dead, limit).await, ids);
    }
    let some = DeadLetterFilter {
        ids: Some(ids[10..210].iter().rev().copied().collect()),
        ..DeadLetterFilter::default()
    };
    let redriven = setting.management.redrive(&some, 150).await.unwrap();
    assert_eq!((redriven.redriven, redriven.full), (150, false));
    assert_eq!(setting.list(State::Ready, 1000).await, ids[10..160]);
    let all = DeadLetterFilter::all();
    let deleted = setting.management.delete_dead_letters(&all, 100).await;
    assert_eq!(deleted.unwrap(), 100);
    assert_eq!(setting.list(State::Dead, 1000).await, ids[250..]);
}
