//! R12: the leases of a dead process among very many that are alive.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;

use super::server_kill::back;
use crate::ground::{Ground, version};
use crate::role::{Publishing, Working};
use crate::stage::rules;
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_secs(40);
/// How much longer than its lease a message may be away.
const LATE: Duration = Duration::from_secs(10);

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (alive, dead) = ground.pick((200, 20), (1_000, 100));
    let server = ground.redis()?.start()?;
    let settings = [("QUEUE_LEASE", "2s")];
    let mut stage = ground.stage(&server.url(), &settings).await?;
    let working = |concurrency: u64| Working {
        concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
        prefetch: 0,
        shutdown_ms: 20_000,
        ..Working::default()
    };
    let long = |count, work_ms| Publishing {
        work_ms,
        ..Publishing::of("work", count)
    };
    let holder = stage.worker(working(alive)).await?;
    let holds = holder.number;
    stage
        .publish(long(alive, ground.pick(9_000, 20_000)), PATIENCE)
        .await?;
    stage.until_leased(alive, PATIENCE).await?;
    let doomed = stage.worker(working(dead)).await?;
    let died = doomed.number;
    stage.publish(long(dead, 1_000), PATIENCE).await?;
    stage.until_leased(alive + dead, PATIENCE).await?;
    stage.plan("kill -9 of a worker", 1);
    stage.kill(doomed).await?;
    let killed = stage.now();
    stage.fired("kill -9 of a worker");
    let heir = stage.worker(working(dead)).await?;
    stage.drain(PATIENCE).await?;
    stage.stop(holder, Duration::from_secs(20)).await?;
    stage.stop(heir, Duration::from_secs(20)).await?;

    let most = u32::try_from(alive)?;
    let (report, records) = stage.judge(rules(most, 0)).await?;
    let timeline = Timeline::of(&records);
    let mut verdict = Verdict::on(version(&server)?);
    verdict.judge(&report);
    let (mut returned, mut slowest) = (0, Duration::ZERO);
    let mut extended = HashSet::new();
    for (place, delivery) in timeline.deliveries.iter().enumerate() {
        let next = timeline.next(place);
        if delivery.process == died {
            returned += u64::from(next.is_some());
            slowest = slowest.max(back(next.map(|next| next.delivered_at), killed));
        } else if delivery.process == holds && next.is_none() && delivery.attempt == 1 {
            extended.insert(delivery.id);
        }
    }
    verdict.expect("dead leases back", returned, Bound::exactly(dead));
    verdict.expect_within("back", slowest, stage.lease() + LATE);
    let extended = extended.len() as u64;
    verdict.expect("extended, not redelivered", extended, Bound::exactly(alive));
    Ok(verdict)
}
