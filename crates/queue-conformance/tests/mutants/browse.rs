use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Error, Management, MessageId, Page, PageRequest, Queue, QueueConfig, QueueName, State,
    StoredMessage,
};

use crate::mutation::{Mutation, assert_caught};
use crate::sessions_seen::SessionsSeen;

const GROUP: &str = "browse";

/// Each page but the first begins one too late.
struct SkipsOne;

#[async_trait]
impl Mutation for SkipsOne {
    async fn list(
        &self,
        inner: &dyn Management,
        state: State,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let follows = page.after.is_some();
        let mut page = inner.list(state, page).await?;
        if follows && !page.items.is_empty() {
            page.items.remove(0);
        }
        Ok(page)
    }
}

#[test]
fn a_page_that_skips_one() {
    let case = "a_listing_is_in_order_of_acceptance_page_by_page";
    assert_caught(GROUP, case, || SkipsOne);
}

/// A cursor is the number of what was shown: what goes meanwhile hides others.
struct CountsFromTheStart;

#[async_trait]
impl Mutation for CountsFromTheStart {
    async fn list(
        &self,
        inner: &dyn Management,
        state: State,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let shown = match &page.after {
            None => 0,
            Some(cursor) => usize::from(cursor.as_bytes()[0]),
        };
        let all = PageRequest::first(PageRequest::MAX_LIMIT);
        let mut items = inner.list(state, all).await?.items;
        let end = (shown + page.limit).min(items.len());
        let more = end < items.len();
        let next = u8::try_from(end).expect("a case lists less");
        items.truncate(end);
        Ok(Page {
            items: items.split_off(shown.min(end)),
            next: more.then(|| forebay_queue_core::Cursor::from_bytes([next])),
        })
    }
}

#[test]
fn a_cursor_that_counts() {
    let case = "what_comes_and_goes_between_pages_neither_repeats_nor_hides_others";
    assert_caught(GROUP, case, || CountsFromTheStart);
}

/// A cursor that does not belong here begins the listing again.
struct AnyCursor;

#[async_trait]
impl Mutation for AnyCursor {
    async fn list(
        &self,
        inner: &dyn Management,
        state: State,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let limit = page.limit;
        match inner.list(state, page).await {
            Err(Error::Invalid { .. }) => inner.list(state, PageRequest::first(limit)).await,
            answer => answer,
        }
    }
}

#[test]
fn a_foreign_cursor_that_is_taken() {
    let case = "a_cursor_of_another_listing_or_of_nobody_is_refused";
    assert_caught(GROUP, case, || AnyCursor);
}

/// Peeking leases.
#[derive(Default)]
struct PeekLeases(SessionsSeen);

#[async_trait]
impl Mutation for PeekLeases {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.0.open(inner, name, expected).await
    }

    async fn peek(
        &self,
        inner: &dyn Management,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Error> {
        let seen = inner.peek(limit).await?;
        self.0.first().receive(limit, Duration::ZERO).await?;
        Ok(seen)
    }
}

#[test]
fn a_peek_that_leases() {
    let case = "peek_shows_what_comes_next_without_leasing_it";
    assert_caught(GROUP, case, PeekLeases::default);
    assert_caught(GROUP, "looking_changes_nothing", PeekLeases::default);
}

/// A leased message is shown as ready.
struct LeasedLooksReady;

#[async_trait]
impl Mutation for LeasedLooksReady {
    async fn get(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, Error> {
        let mut found = inner.get(id).await?;
        if let Some(stored) = found.as_mut().filter(|m| m.state == State::Leased) {
            stored.state = State::Ready;
        }
        Ok(found)
    }
}

#[test]
fn a_state_that_is_wrong() {
    assert_caught(GROUP, "get_shows_a_message_wherever_it_is", || {
        LeasedLooksReady
    });
}

/// Declares that ended messages are kept, and forgets them.
struct ForgetsTheEnded;

#[async_trait]
impl Mutation for ForgetsTheEnded {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let config = QueueConfig {
            retain_done: Duration::ZERO,
            ..config.clone()
        };
        inner.create(name, &config).await
    }
}

#[test]
fn ended_messages_that_are_not_kept() {
    let case = "ended_messages_are_kept_for_a_while_or_that_is_refused";
    assert_caught(GROUP, case, || ForgetsTheEnded);
}
