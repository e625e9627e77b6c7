//! R5: the server is killed while messages are published and worked on; what it had acknowledged is on its disk.

use std::time::Duration;

use anyhow::{Result, ensure};
use forebay::Timestamp;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::ground::{Ground, version};
use crate::role::{Publishing, Role, Working};
use crate::stage::rules;
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_mins(5);
/// How long everybody may take to work again once the server answers.
const BACK: Duration = Duration::from_secs(5);
const BATCH: usize = 100;
const WORKERS: usize = 2;

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (messages, kills) = ground.pick((8_000, 2), (100_000, 20));
    let mut server = ground.redis()?.append_only().start()?;
    let settings = [
        // Longer than the server is away: a lease that ends meanwhile is no fault of its kill.
        ("QUEUE_LEASE", "10s"),
        ("QUEUE_CAPACITY", "200000"),
        ("QUEUE_DURABILITY", "fsynced"),
    ];
    let mut stage = ground.stage(&server.url(), &settings).await?;
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(stage.worker(Working::default()).await?);
    }
    let publishing = Publishing {
        work_ms: 2,
        // Through all the kills, at a pace that the workers can keep.
        pause_ms: 90,
        batch: BATCH,
        ..Publishing::of("work", messages)
    };
    let mut publisher = stage.start(Role::Publish(publishing)).await?;
    stage.plan("kill -9 of the server", kills);
    let mut dice = ground.dice();
    let mut answers: Vec<Timestamp> = Vec::new();
    for _ in 0..kills {
        // tidy: sleep — the time between two faults, drawn by the dice
        sleep(Duration::from_millis(dice.u64(300..900))).await;
        ensure!(
            publisher.is_running()?,
            "all was published before the last kill"
        );
        stage.store_stopped();
        block_in_place(|| server.kill())?;
        block_in_place(|| server.restart())?;
        answers.push(stage.now());
        stage.store_runs();
        stage.fired("kill -9 of the server");
        // Long enough for everybody to work again: one more kill before that would be counted as the first one's.
        // tidy: sleep — the time between two faults, drawn by the dice
        sleep(Duration::from_millis(dice.u64(1_500..3_000))).await;
    }
    publisher.succeeded(PATIENCE).await?;
    stage.drain(PATIENCE).await?;
    let mut exits = 0;
    let mut numbers = Vec::new();
    for mut worker in workers {
        numbers.push(worker.number);
        exits += u64::from(!worker.is_running()?);
        stage.stop(worker, Duration::from_secs(10)).await?;
    }

    let (report, records) = stage.judge(rules(8, 8)).await?;
    let timeline = Timeline::of(&records);
    let mut verdict = Verdict::on(version(&server)?);
    verdict.expect(
        "accepted all",
        report.counts.accepted,
        Bound::exactly(messages),
    );
    verdict.judge(&report);
    verdict.expect("workers that ended", exits, Bound::exactly(0));
    let mut slowest = Duration::ZERO;
    for answered in answers {
        for number in &numbers {
            slowest = slowest.max(back(timeline.first_ack(*number, answered), answered));
        }
        let first = timeline.first_publish(publisher.number, answered);
        slowest = slowest.max(back(first, answered));
    }
    verdict.expect_within("working again", slowest, BACK);
    Ok(verdict)
}

/// How long it took to be back; for ever where that never happened.
pub(super) fn back(at: Option<Timestamp>, since: Timestamp) -> Duration {
    at.map_or(Duration::MAX, |at| at.since(since))
}
