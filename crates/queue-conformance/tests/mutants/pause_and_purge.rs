use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, CancelTarget, Delivery, Error, Management, PageRequest, Queue, QueueConfig, QueueName,
    Receipt, SettleOutcome, State, Stats,
};

use crate::mutation::{Mutation, assert_caught};
use crate::sessions_seen::SessionsSeen;

/// After a pause one more message is handed out.
#[derive(Default)]
struct OneMore {
    paused: AtomicBool,
    one_more: AtomicBool,
}

#[async_trait]
impl Mutation for OneMore {
    async fn pause(&self, _inner: &dyn Management) -> Result<(), Error> {
        self.one_more.store(true, Ordering::SeqCst);
        self.paused.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn resume(&self, _inner: &dyn Management) -> Result<(), Error> {
        self.paused.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn stats(&self, inner: &dyn Management) -> Result<Stats, Error> {
        let mut stats = inner.stats().await?;
        stats.paused = self.paused.load(Ordering::SeqCst);
        Ok(stats)
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        if !self.paused.load(Ordering::SeqCst) {
            return inner.receive(max, wait).await;
        }
        if self.one_more.swap(false, Ordering::SeqCst) {
            return inner.receive(1, Duration::ZERO).await;
        }
        Ok(Vec::new())
    }
}

#[test]
fn a_pause_that_lets_one_through() {
    let case = "pause_stops_hand_outs_on_every_handle_of_every_session";
    assert_caught("pause_and_purge", case, OneMore::default);
}

/// Only the session that was opened first knows of a pause.
#[derive(Default)]
struct FirstSessionOnly {
    sessions: SessionsSeen,
    paused: AtomicBool,
}

#[async_trait]
impl Mutation for FirstSessionOnly {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.sessions.open(inner, name, expected).await
    }

    async fn pause(&self, _inner: &dyn Management) -> Result<(), Error> {
        self.paused.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn resume(&self, _inner: &dyn Management) -> Result<(), Error> {
        self.paused.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn stats(&self, inner: &dyn Management) -> Result<Stats, Error> {
        let mut stats = inner.stats().await?;
        stats.paused = self.paused.load(Ordering::SeqCst);
        Ok(stats)
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        if self.paused.load(Ordering::SeqCst) && self.sessions.is_first(inner) {
            return Ok(Vec::new());
        }
        inner.receive(max, wait).await
    }
}

#[test]
fn a_pause_that_a_second_session_does_not_know() {
    let case = "pause_stops_hand_outs_on_every_handle_of_every_session";
    assert_caught("pause_and_purge", case, FirstSessionOnly::default);
}

/// A pause is said and forgotten.
struct PauseIsForgotten;

#[async_trait]
impl Mutation for PauseIsForgotten {
    async fn pause(&self, _inner: &dyn Management) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_pause_that_is_forgotten() {
    let case = "a_receiver_who_waits_gets_nothing_until_the_queue_goes_on";
    assert_caught("pause_and_purge", case, || PauseIsForgotten);
    let case = "a_pause_under_load_holds_everyone";
    assert_caught("crowd", case, || PauseIsForgotten);
}

/// While paused, running work cannot be settled.
#[derive(Default)]
struct PauseStopsWork(AtomicBool);

#[async_trait]
impl Mutation for PauseStopsWork {
    async fn pause(&self, inner: &dyn Management) -> Result<(), Error> {
        self.0.store(true, Ordering::SeqCst);
        inner.pause().await
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        if self.0.load(Ordering::SeqCst) {
            return Ok(vec![SettleOutcome::LeaseLost; receipts.len()]);
        }
        inner.ack(receipts).await
    }
}

#[test]
fn a_pause_that_stops_running_work() {
    let case = "running_work_goes_on_while_paused";
    assert_caught("pause_and_purge", case, PauseStopsWork::default);
}

/// Two pauses need two resumes.
#[derive(Default)]
struct CountedPauses(AtomicUsize);

#[async_trait]
impl Mutation for CountedPauses {
    async fn pause(&self, inner: &dyn Management) -> Result<(), Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        inner.pause().await
    }

    async fn resume(&self, inner: &dyn Management) -> Result<(), Error> {
        let before = self.0.load(Ordering::SeqCst);
        self.0.store(before.saturating_sub(1), Ordering::SeqCst);
        if before > 1 {
            return Ok(());
        }
        inner.resume().await
    }
}

#[test]
fn pauses_that_are_counted() {
    let case = "pause_and_resume_are_idempotent";
    assert_caught("pause_and_purge", case, CountedPauses::default);
}

/// A purge takes what is leased too.
#[derive(Default)]
struct PurgeTakesLeased(SessionsSeen);

#[async_trait]
impl Mutation for PurgeTakesLeased {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.0.open(inner, name, expected).await
    }

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

    async fn purge(&self, inner: &dyn Management) -> Result<u64, Error> {
        let receipts: Vec<Receipt> = self.0.given().into_iter().map(|d| d.receipt).collect();
        self.0.first().ack(&receipts).await?;
        inner.purge().await
    }
}

#[test]
fn a_purge_that_takes_the_leased() {
    let case = "purge_leaves_running_work_and_dead_letters";
    assert_caught("pause_and_purge", case, PurgeTakesLeased::default);
}

/// A purge takes the ready ones only.
struct PurgeForgetsScheduled;

#[async_trait]
impl Mutation for PurgeForgetsScheduled {
    async fn purge(&self, inner: &dyn Management) -> Result<u64, Error> {
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let ready = inner.list(State::Ready, page).await?.items;
        for stored in &ready {
            inner.cancel(CancelTarget::Id(stored.message.id())).await?;
        }
        Ok(ready.len() as u64)
    }
}

#[test]
fn a_purge_that_forgets_the_scheduled() {
    let case = "purge_removes_scheduled_and_ready_and_says_how_many";
    assert_caught("pause_and_purge", case, || PurgeForgetsScheduled);
}
