use std::time::Duration;

use anyhow::{Result, bail};
use forebay::{Connection, SettleOutcome};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::time::{Instant, sleep};

use super::say;
use crate::role::Consuming;

/// How long a receive waits.
const WAIT: Duration = Duration::from_secs(1);
/// How long there may be nothing to receive.
const LIMIT: Duration = Duration::from_secs(30);

/// For each line that it reads it receives one message, says `holding`, holds it without extending its lease, acks it,
/// and says what was answered: `done` or `lost`. It ends with its input.
pub(super) async fn consume(connection: &Connection, consuming: &Consuming) -> Result<()> {
    let session = connection.session().await?;
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        let began = Instant::now();
        let delivery = loop {
            if let Some(delivery) = session.receive(1, WAIT).await?.pop() {
                break delivery;
            }
            if began.elapsed() > LIMIT {
                bail!("there was nothing to receive");
            }
        };
        say("holding");
        // tidy: sleep — the work
        sleep(Duration::from_millis(consuming.hold_ms)).await;
        let outcomes = session.ack(std::slice::from_ref(&delivery.receipt)).await?;
        say(match outcomes.first() {
            Some(SettleOutcome::Done) => "done",
            Some(SettleOutcome::LeaseLost) => "lost",
            None => "nothing",
        });
    }
    Ok(session.close().await?)
}
