use std::time::Duration;

use anyhow::{Result, bail};
use forebay::core::Certainty;
use forebay::{Connection, IdempotencyKey, Kind, NewMessage};
use tokio::time::{Instant, sleep};

use super::handlers::Work;
use crate::role::Publishing;

/// How long a publish waits for room.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// How long one batch is tried.
const LIMIT: Duration = Duration::from_mins(2);

/// Publishes all of it. What certainly did not happen is published again; what may have happened too where it has a
/// key, and without one it is left alone. Each batch that was accepted is told by its size.
pub(super) async fn publish(
    connection: &Connection,
    publishing: &Publishing,
    mut tell: impl FnMut(u64),
) -> Result<()> {
    let kind = Kind::new(&publishing.kind)?;
    let mut next = 0;
    while next < publishing.count {
        let size = u64::try_from(publishing.batch)?;
        let end = publishing.count.min(next + size);
        let batch: Result<Vec<_>> = (next..end)
            .map(|number| message(connection, &kind, number, publishing))
            .collect();
        accept(connection, batch?, publishing.keyed).await?;
        tell(end - next);
        next = end;
        if publishing.pause_ms > 0 {
            // tidy: sleep — the pace that was asked for
            sleep(Duration::from_millis(publishing.pause_ms)).await;
        }
    }
    Ok(())
}

fn message(
    connection: &Connection,
    kind: &Kind,
    number: u64,
    publishing: &Publishing,
) -> Result<NewMessage> {
    let payload = if publishing.kind == "garbage" {
        b"no handler can read this".to_vec()
    } else {
        serde_json::to_vec(&Work {
            number,
            ms: publishing.work_ms,
            filler: "x".repeat(publishing.filler),
        })?
    };
    let kind = if publishing.kind == "garbage" {
        Kind::new("work")?
    } else {
        kind.clone()
    };
    let id = connection.environment().next_id();
    let message = NewMessage::new(kind, payload).with_id(id);
    if !publishing.keyed {
        return Ok(message);
    }
    Ok(message.with_idempotency_key(IdempotencyKey::new(id.to_string())?))
}

async fn accept(connection: &Connection, batch: Vec<NewMessage>, keyed: bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let published = connection.queue().publish(batch.clone(), PATIENCE).await;
        let Err(error) = published else {
            return Ok(());
        };
        if error.certainty() == Certainty::Unknown && !keyed {
            return Ok(());
        }
        if !error.is_retryable() && error.certainty() == Certainty::NotDone
            || began.elapsed() > LIMIT
        {
            bail!("a publish failed: {error}");
        }
        // tidy: sleep — between two tries, under the limit above
        sleep(PAUSE).await;
    }
}
