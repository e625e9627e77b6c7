//! R7: the power is cut while publishers and a worker are busy, again and again.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forebay_xtask::redis::RedisServer;
use tokio::time::sleep;

use crate::disk::PoweredDisk;
use crate::ground::{Ground, until, version};
use crate::role::{Publishing, Role, Working};
use crate::stage::{Stage, rules};
use crate::verdict::{Bound, Verdict};

const CUT: &str = "power cut";
const DISK: u64 = 512 << 20;
const PUBLISHERS: u64 = 2;
const PATIENCE: Duration = Duration::from_mins(2);
/// How long the publishers take at least.
const SPAN_MS: u64 = 1_200;
/// When the power is cut, after the publishers have begun. They take longer than that.
const CUT_AFTER_MS: std::ops::Range<u64> = 50..700;

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let mut disk = match PoweredDisk::new(DISK)? {
        Ok(disk) => disk,
        Err(refused) => return Ok(Verdict::skipped(refused.to_string())),
    };
    let (cuts, messages) = ground.pick((3, 300), (20, 1_000));
    let mut dice = ground.dice();
    let data = disk.path().join("redis");
    fs::create_dir(&data)?;
    // It has been there for long.
    File::open(disk.path())?.sync_all()?;
    let mut server = ground.redis()?.append_only().data(&data).start()?;
    let settings = [
        ("QUEUE_LEASE", "10s"),
        ("QUEUE_CAPACITY", "200000"),
        ("QUEUE_DURABILITY", "fsynced"),
    ];
    let mut stage = ground.stage(&server.url(), &settings).await?;
    let mut worker = stage.worker(Working::default()).await?;
    stage.plan(CUT, cuts);
    let mut slowest = Duration::ZERO;
    let mut kept = u64::MAX;
    for cut in 0..cuts {
        let is_rewriting = cut % 2 == 1;
        let (took, waiting) = cycle(
            &mut stage,
            &mut disk,
            &mut server,
            messages,
            is_rewriting,
            &mut dice,
        )
        .await?;
        slowest = slowest.max(took);
        kept = kept.min(waiting);
    }
    stage.drain(PATIENCE).await?;
    let is_alive = worker.is_running()?;
    stage.stop(worker, Duration::from_secs(10)).await?;

    let (report, _) = stage.judge(rules(8, 8)).await?;
    let mut verdict = Verdict::on(version(&server)?);
    let asked = cuts * PUBLISHERS * messages;
    verdict.expect(
        "accepted all",
        report.counts.accepted,
        Bound::exactly(asked),
    );
    verdict.judge(&report);
    verdict.expect(
        "workers ended by it",
        u64::from(!is_alive),
        Bound::exactly(0),
    );
    verdict.expect("least number that waited", kept, Bound::at_least(1));
    verdict.tell_span("slowest start after a cut", slowest);
    Ok(verdict)
}

/// Publishers at work, a cut in the midst of it, and their end. Says how long the start after it took, and how many
/// messages were there then.
async fn cycle(
    stage: &mut Stage,
    disk: &mut PoweredDisk,
    server: &mut RedisServer,
    messages: u64,
    is_rewriting: bool,
    dice: &mut fastrand::Rng,
) -> Result<(Duration, u64)> {
    let mut publishers = Vec::new();
    for _ in 0..PUBLISHERS {
        publishers.push(stage.start(Role::Publish(paced(messages))).await?);
    }
    until("something waits", PATIENCE, async || {
        Ok(stage.stats().await?.live() > 0)
    })
    .await?;
    // tidy: sleep — when the power is cut is up to the dice
    sleep(Duration::from_millis(dice.u64(CUT_AFTER_MS))).await;
    if is_rewriting {
        // Files come and go under the hands of the server too.
        server.call(&["BGREWRITEAOF"])?;
        // tidy: sleep — how far it has come with that is up to the dice
        sleep(Duration::from_millis(dice.u64(0..60))).await;
    }
    let mut is_busy = true;
    for publisher in &mut publishers {
        is_busy &= publisher.is_running()?;
    }
    let took = cut_power(stage, disk, server)?;
    if is_busy {
        stage.fired(CUT);
    }
    let waiting = stage.stats().await?.live();
    for mut publisher in publishers {
        let status = publisher.ended(PATIENCE).await?;
        ensure!(status.success(), "a publisher ended: {}", publisher.tail());
    }
    // No more is left to the end than drains in its time.
    stage.until_live(messages, PATIENCE).await?;
    Ok((took, waiting))
}

/// Publishes for longer than it takes until the cut.
fn paced(messages: u64) -> Publishing {
    let batch = 20;
    let batches = messages.div_ceil(batch);
    let slots = Working::default().concurrency as u64;
    Publishing {
        batch: 20,
        pause_ms: (SPAN_MS / batches).max(1),
        // Twice as much as the worker can do: some wait at each cut.
        work_ms: slots * SPAN_MS * 2 / (PUBLISHERS * messages),
        filler: 200,
        ..Publishing::of("work", messages)
    }
}

/// Cuts the power, and starts everything again. Says how long file system and server took for that.
fn cut_power(stage: &Stage, disk: &mut PoweredDisk, server: &mut RedisServer) -> Result<Duration> {
    stage.store_stopped();
    // A machine without power says nothing any more. Without this the server may still tell somebody of a flush that
    // came too late: one that is under way when the file system is shut down succeeds, and nothing is on the disk.
    server.pause()?;
    disk.cut()?;
    server.kill()?;
    let began = Instant::now();
    disk.power_up()?;
    server.restart().context("the store does not open")?;
    stage.store_runs();
    Ok(began.elapsed())
}
