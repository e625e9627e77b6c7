use async_trait::async_trait;
use forebay_queue_core::{Error, Management, Stats};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "stats";

/// Counts wrongly, in one way or another.
struct Miscounts(fn(&mut Stats));

#[async_trait]
impl Mutation for Miscounts {
    async fn stats(&self, inner: &dyn Management) -> Result<Stats, Error> {
        let mut stats = inner.stats().await?;
        (self.0)(&mut stats);
        Ok(stats)
    }
}

#[test]
fn the_leased_counted_as_ready() {
    assert_caught(GROUP, "each_step_of_a_life_is_counted", || {
        Miscounts(|stats| {
            stats.ready += stats.leased;
            stats.leased = 0;
        })
    });
}

#[test]
fn the_dead_not_counted() {
    let case = "many_messages_in_many_states_are_counted_each_once";
    assert_caught(GROUP, case, || Miscounts(|stats| stats.dead = 0));
}

#[test]
fn an_age_that_is_missing_or_wrong() {
    let case = "the_oldest_age_is_of_the_one_that_has_been_ready_longest";
    assert_caught(GROUP, case, || Miscounts(|stats| stats.oldest_age = None));
    assert_caught(GROUP, case, || {
        Miscounts(|stats| stats.oldest_age = stats.oldest_age.map(|age| age / 2))
    });
}

#[test]
fn keys_that_are_not_counted() {
    let case = "remembered_keys_are_counted_until_their_window_ends";
    assert_caught(GROUP, case, || {
        Miscounts(|stats| stats.idempotency_keys = 0)
    });
}

#[test]
fn a_pause_that_is_not_told() {
    assert_caught(GROUP, "a_pause_is_told", || {
        Miscounts(|stats| stats.paused = false)
    });
}

#[test]
fn a_capacity_that_is_made_up() {
    assert_caught(GROUP, "a_new_queue_counts_nothing", || {
        Miscounts(|stats| stats.capacity = 10_000)
    });
}

/// Counts once and answers that from then on.
#[derive(Default)]
struct Stale(Mutex<Option<Stats>>);

#[async_trait]
impl Mutation for Stale {
    async fn stats(&self, inner: &dyn Management) -> Result<Stats, Error> {
        let now = inner.stats().await?;
        Ok(*self.0.lock().get_or_insert(now))
    }
}

#[test]
fn counts_that_are_out_of_date() {
    for case in [
        "each_step_of_a_life_is_counted",
        "the_end_of_a_lease_is_counted_without_a_receiver",
        "an_expired_message_is_no_longer_counted",
    ] {
        assert_caught(GROUP, case, Stale::default);
    }
}
