use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Delivery, Error, Nack, NackAction, Queue, QueueConfig, QueueName,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};
use crate::sessions_seen::SessionsSeen;

const GROUP: &str = "sessions";

fn address(session: &dyn Queue) -> usize {
    std::ptr::from_ref(session).addr()
}

fn closed(session: &dyn Queue) -> Error {
    Error::Closed {
        queue: session.name().clone(),
    }
}

/// Who waits while a session closes goes on waiting.
#[derive(Default)]
struct KeepsWaiting(Mutex<HashSet<usize>>);

#[async_trait]
impl Mutation for KeepsWaiting {
    async fn close(&self, inner: &dyn Queue) -> Result<(), Error> {
        self.0.lock().insert(address(inner));
        Ok(())
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        if self.0.lock().contains(&address(inner)) {
            return Err(closed(inner));
        }
        inner.receive(max, wait).await
    }
}

#[test]
fn a_close_that_keeps_waiting() {
    let case = "close_answers_those_who_wait_at_once";
    assert_caught(GROUP, case, KeepsWaiting::default);
}

/// A closed session still takes what is published.
struct NeverClosed;

#[async_trait]
impl Mutation for NeverClosed {
    async fn close(&self, _inner: &dyn Queue) -> Result<(), Error> {
        Ok(())
    }

    async fn close_backend(&self, _inner: &dyn Backend) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_close_that_closes_nothing() {
    assert_caught(GROUP, "a_closed_session_answers_closed", || NeverClosed);
    assert_caught(GROUP, "closing_the_backend_ends_its_sessions", || {
        NeverClosed
    });
}

/// Closing one session closes all of them.
#[derive(Default)]
struct ClosesAll(SessionsSeen);

#[async_trait]
impl Mutation for ClosesAll {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.0.open(inner, name, expected).await
    }

    async fn close(&self, _inner: &dyn Queue) -> Result<(), Error> {
        for session in self.0.opened() {
            session.close().await?;
        }
        Ok(())
    }
}

#[test]
fn a_close_of_every_session() {
    let case = "close_leaves_other_sessions_alone";
    assert_caught(GROUP, case, ClosesAll::default);
}

/// Closing gives back what was handed out, as if it had not been started.
#[derive(Default)]
struct ReleasesStartedWork(SessionsSeen);

#[async_trait]
impl Mutation for ReleasesStartedWork {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        self.0.give(&deliveries);
        Ok(deliveries)
    }

    async fn close(&self, inner: &dyn Queue) -> Result<(), Error> {
        let release = |delivery: Delivery| Nack {
            receipt: delivery.receipt,
            action: NackAction::Release {
                after: Duration::ZERO,
            },
            cause: None,
        };
        let nacks = self.0.given().into_iter().map(release).collect();
        inner.nack(nacks).await?;
        inner.close().await
    }
}

#[test]
fn a_close_that_gives_started_work_back() {
    let case = "what_was_handed_out_comes_back_after_a_close_by_its_lease";
    assert_caught(GROUP, case, ReleasesStartedWork::default);
}

/// A session takes more than it was asked for, and keeps that when it ends.
#[derive(Default)]
struct KeepsPrefetched(Mutex<HashMap<usize, Vec<Delivery>>>);

#[async_trait]
impl Mutation for KeepsPrefetched {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut held = self.0.lock().remove(&address(inner)).unwrap_or_default();
        if held.is_empty() {
            held = inner.receive(max + 4, wait).await?;
        }
        let rest = held.split_off(max.min(held.len()));
        self.0.lock().insert(address(inner), rest);
        Ok(held)
    }
}

#[test]
fn a_close_that_keeps_what_it_holds() {
    for case in [
        "what_was_not_handed_out_is_free_at_once_after_a_close",
        "a_dropped_session_releases_what_it_had_not_handed_out",
    ] {
        assert_caught(GROUP, case, KeepsPrefetched::default);
    }
}
