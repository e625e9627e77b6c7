use std::cell::Cell;
use std::time::Duration;

use anyhow::Result;
use forebay::Connection;
use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::{publisher, say, worker};
use crate::role::Living;

/// Between two looks at the counts.
const POLL: Duration = Duration::from_millis(20);

/// Publishes and works at once; ends when all is published and done.
pub(super) async fn live(connection: Connection, living: &Living) -> Result<()> {
    let accepted = Cell::new(0);
    let tell = |count: u64| {
        accepted.set(accepted.get() + count);
        say(&format!("accepted {}", accepted.get()));
    };
    let publishers =
        (0..living.publishers).map(|_| publisher::publish(&connection, &living.publishing, tell));
    let all = async {
        try_join_all(publishers).await?;
        while connection.management().stats().await?.live() > 0 {
            // tidy: sleep — between two looks, for as long as whoever started this process waits
            sleep(POLL).await;
        }
        anyhow::Ok(())
    };
    let mut ended = Ok(());
    let worker = worker(connection.clone(), &living.working)?;
    worker.run_until(async { ended = all.await }).await?;
    ended?;
    Ok(connection.backend().close().await?)
}
