//! R4: a worker is killed while it works, again and again, over a long backlog.

use std::time::Duration;

use anyhow::Result;
use forebay_queue_conformance::checker::Cause;

use crate::ground::{Ground, version};
use crate::role::{Publishing, Working};
use crate::stage::rules;
use crate::verdict::{Bound, Verdict};

const CONCURRENCY: u32 = 8;
const PREFETCH: u32 = 8;
/// How long the backlog may take to come to the next kill.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (messages, kills) = ground.pick((4_000, 5), (100_000, 50));
    let server = ground.redis()?.start()?;
    let settings = [("QUEUE_LEASE", "1s"), ("QUEUE_CAPACITY", "200000")];
    let mut stage = ground.stage(&server.url(), &settings).await?;
    let mut publishing = Publishing::of("work", messages);
    publishing.work_ms = 1;
    stage.publish(publishing, PATIENCE).await?;
    stage.plan("kill -9 of a worker", kills);
    let mut dice = ground.dice();
    let stretch = messages / (kills + 1);
    for kill in 1..=kills {
        let worker = stage.worker(Working::default()).await?;
        let done = kill * stretch - dice.u64(0..stretch / 2);
        stage.until_live(messages - done, PATIENCE).await?;
        stage.kill(worker).await?;
        stage.fired("kill -9 of a worker");
    }
    let worker = stage.worker(Working::default()).await?;
    stage.drain(PATIENCE).await?;
    stage.stop(worker, Duration::from_secs(10)).await?;

    let (report, _) = stage.judge(rules(CONCURRENCY, PREFETCH)).await?;
    let mut verdict = Verdict::on(version(&server)?);
    verdict.expect(
        "accepted all",
        report.counts.accepted,
        Bound::exactly(messages),
    );
    verdict.judge(&report);
    let held = u64::from(CONCURRENCY + PREFETCH);
    let doubled = report.counts.doubled;
    verdict.expect("duplicates", doubled, Bound::at_most(kills * held));
    let killed = report.counts.redelivered.get(&Cause::Kill).copied();
    verdict.expect(
        "of them because of a kill",
        killed.unwrap_or(0),
        Bound::at_least(1),
    );
    Ok(verdict)
}
