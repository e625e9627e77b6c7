use async_trait::async_trait;
use forebay_queue_core::{Error, KeyStats, Management, Page, PageRequest, Weight};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "key_stats";

/// Tells something else of each page.
struct Tells(fn(&mut Vec<KeyStats>));

#[async_trait]
impl Mutation for Tells {
    async fn key_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<KeyStats>, Error> {
        let mut page = inner.key_stats(page).await?;
        (self.0)(&mut page.items);
        Ok(page)
    }
}

#[test]
fn counts_that_are_wrong() {
    let case = "the_messages_of_each_key_are_counted_by_state";
    assert_caught(GROUP, case, || {
        Tells(|keys| keys.iter_mut().for_each(|key| key.ready += key.leased))
    });
    assert_caught(GROUP, case, || {
        Tells(|keys| keys.iter_mut().for_each(|key| key.leased = 0))
    });
    assert_caught(GROUP, case, || {
        Tells(|keys| keys.iter_mut().for_each(|key| key.scheduled = 0))
    });
}

#[test]
fn parked_messages_that_are_not_counted() {
    let case = "the_tokens_and_the_parked_of_each_bucket_are_told";
    assert_caught("throttle_changes", case, || {
        Tells(|keys| keys.iter_mut().for_each(|key| key.parked = 0))
    });
}

#[test]
fn rules_that_are_not_told() {
    assert_caught("fairness", "the_latest_weight_says", || {
        Tells(|keys| {
            for key in keys {
                key.weight = Weight::default();
            }
        })
    });
    let case = "a_key_has_no_more_leases_than_its_limit";
    assert_caught("lease_limits", case, || {
        Tells(|keys| keys.iter_mut().for_each(|key| key.lease_limit = None))
    });
}

#[test]
fn keys_in_another_order() {
    let case = "keys_are_listed_in_the_order_of_their_text_page_by_page";
    assert_caught(GROUP, case, || Tells(|keys| keys.reverse()));
}

#[test]
fn a_key_that_is_hidden_when_its_messages_are_gone() {
    let case = "a_key_with_neither_messages_nor_a_rule_is_not_listed";
    assert_caught(GROUP, case, || {
        Tells(|keys| keys.retain(|key| key.scheduled + key.ready + key.leased > 0))
    });
}

/// Goes on listing what it has listed once.
#[derive(Default)]
struct Remembers(Mutex<Option<Page<KeyStats>>>);

#[async_trait]
impl Mutation for Remembers {
    async fn key_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<KeyStats>, Error> {
        let now = inner.key_stats(page).await?;
        let mut kept = self.0.lock();
        if let Some(kept) = kept.as_ref().filter(|kept| !kept.items.is_empty()) {
            return Ok(kept.clone());
        }
        *kept = Some(now.clone());
        Ok(now)
    }
}

#[test]
fn keys_that_are_out_of_date() {
    for case in [
        "the_messages_of_each_key_are_counted_by_state",
        "the_end_of_a_lease_is_counted_by_key",
        "a_key_with_neither_messages_nor_a_rule_is_not_listed",
    ] {
        assert_caught(GROUP, case, Remembers::default);
    }
}

/// Each page but the first begins one too late.
struct SkipsOne;

#[async_trait]
impl Mutation for SkipsOne {
    async fn key_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<KeyStats>, Error> {
        let follows = page.after.is_some();
        let mut page = inner.key_stats(page).await?;
        if follows && !page.items.is_empty() {
            page.items.remove(0);
        }
        Ok(page)
    }
}

#[test]
fn a_page_of_keys_with_a_gap() {
    for case in [
        "keys_are_listed_in_the_order_of_their_text_page_by_page",
        "keys_that_come_and_go_between_pages_hide_no_others",
    ] {
        assert_caught(GROUP, case, || SkipsOne);
    }
}

/// Takes any cursor for the begin of the listing.
struct AnyCursor;

#[async_trait]
impl Mutation for AnyCursor {
    async fn key_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<KeyStats>, Error> {
        let limit = page.limit;
        match inner.key_stats(page).await {
            Err(Error::Invalid { .. }) => inner.key_stats(PageRequest::first(limit)).await,
            answer => answer,
        }
    }
}

#[test]
fn a_cursor_of_another_listing_that_is_taken() {
    let case = "a_page_of_keys_has_bounds_and_a_cursor_of_its_own";
    assert_caught(GROUP, case, || AnyCursor);
}
