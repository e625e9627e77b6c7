//! Waiting for a condition, with a limit, instead of sleeping and hoping.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks at the condition.
const POLL: Duration = Duration::from_millis(10);

/// Looks until `condition` answers with a value, at least once and at most for `limit`.
///
/// It uses tokio's clock, so a test that pauses time does not really wait.
///
/// # Panics
///
/// When the limit passes; the message names `what` was waited for.
///
/// # Cancel safety
///
/// Dropping it stops the looking; what `condition` did before stays done.
pub async fn value<T, F>(what: &str, limit: Duration, mut condition: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for: {what}");
        // tidy: sleep — between two looks at the condition, under the limit above.
        sleep(POLL).await;
    }
}

/// Looks until `condition` holds, at least once and at most for `limit`.
///
/// # Panics
///
/// As [`value`].
///
/// # Cancel safety
///
/// As [`value`].
pub async fn until<F>(what: &str, limit: Duration, mut condition: F)
where
    F: AsyncFnMut() -> bool,
{
    value(what, limit, async || condition().await.then_some(())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let mut looks = 0;
        until("the third look", Duration::from_secs(1), async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "in vain for: nothing")]
    async fn a_condition_that_never_holds_fails_at_the_limit() {
        until("nothing", Duration::from_mins(1), async || false).await;
    }
}
