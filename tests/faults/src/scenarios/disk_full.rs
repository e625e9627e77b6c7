//! R16: the disk runs full while publishers and a worker are busy.
//!
//! With `appendfsync always` the server ends when it cannot write its file, and again as often as it is started; with
//! `everysec` it stays and refuses changes.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forebay::core::Certainty;
use forebay::{Connection, Kind, NewMessage};
use forebay_queue_conformance::checker::Report;
use forebay_xtask::redis::RedisServer;

use crate::child::Child;
use crate::disk::MemoryDisk;
use crate::ground::{Ground, until, version};
use crate::role::{Publishing, Role, Working};
use crate::scenarios::part::judge_part;
use crate::stage::{Stage, rules};
use crate::verdict::{Bound, Verdict};

const FULL: &str = "disk full";
const DISK: u64 = 32 << 20;
const FILLER: usize = 4 << 10;
/// How long readiness may say something untrue.
const TRUTH_LIMIT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(1);

/// What is to be put on the disk.
#[derive(Clone, Copy)]
struct Plan {
    rounds: u64,
    /// What others have on it, and give up in the end.
    others: u64,
    /// More than fits beside that, less than fits without.
    messages: u64,
}

/// What it took, over all rounds.
#[derive(Default)]
struct Found {
    full: u64,
    /// Publishes that were taken although nothing can be written.
    taken: u64,
    /// Publishes of which nobody can say whether they were taken.
    unknown: u64,
    ended: u64,
    /// The least number of messages that were still there when the disk had room again.
    kept: Option<u64>,
    not_ready: Duration,
    ready: Duration,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let plan = |rounds| {
        ground.pick(
            Plan {
                rounds: 1,
                others: 24 << 20,
                messages: 2_000,
            },
            Plan {
                rounds,
                others: 12 << 20,
                messages: 5_500,
            },
        )
    };
    for (fsync, plan) in [("always", plan(5)), ("everysec", plan(3))] {
        let disk = match MemoryDisk::new(DISK)? {
            Ok(disk) => disk,
            Err(refused) => return Ok(Verdict::skipped(refused.to_string())),
        };
        let server = ground.redis()?.append_only().line("appendfsync", fsync);
        let mut server = server.data(&disk.path()).start()?;
        verdict.server = version(&server)?;
        let folder = ground.folder().join(fsync);
        std::fs::create_dir(&folder)?;
        let (found, report) = fill_up(&folder, &disk, &mut server, plan).await?;
        tell(&mut verdict, fsync, plan, &found, &report);
    }
    Ok(verdict)
}

fn tell(verdict: &mut Verdict, fsync: &str, plan: Plan, found: &Found, report: &Report) {
    judge_part(verdict, fsync, report);
    let mut expect =
        |what: &str, count, bound| verdict.expect(format!("{fsync}: {what}"), count, bound);
    let accepted = Bound::exactly(plan.rounds * plan.messages);
    expect("accepted all", report.counts.accepted, accepted);
    expect("times full", found.full, Bound::exactly(plan.rounds));
    expect("publishes taken meanwhile", found.taken, Bound::exactly(0));
    expect(
        "publishes not known to be refused",
        found.unknown,
        Bound::exactly(0),
    );
    expect(
        "least number that waited",
        found.kept.unwrap_or(0),
        Bound::at_least(1),
    );
    verdict.tell(
        format!("{fsync}: times that the server ended by itself"),
        found.ended,
    );
    verdict.expect_within(
        format!("{fsync}: not ready after"),
        found.not_ready,
        TRUTH_LIMIT,
    );
    verdict.expect_within(
        format!("{fsync}: ready again after"),
        found.ready,
        TRUTH_LIMIT,
    );
}

async fn fill_up(
    folder: &std::path::Path,
    disk: &MemoryDisk,
    server: &mut RedisServer,
    plan: Plan,
) -> Result<(Found, Report)> {
    let settings = [
        ("QUEUE_LEASE", "10s"),
        ("QUEUE_CAPACITY", "100000"),
        ("REDIS_CONNECT_TIMEOUT", "500ms"),
    ];
    let mut stage = Stage::open(folder, &server.url(), &settings).await?;
    let worker = stage.worker(Working::default()).await?;
    stage.plan(FULL, plan.rounds);
    let mut found = Found::default();
    for _ in 0..plan.rounds {
        // The server deletes its old files in its own time.
        let mut left = plan.others;
        until(
            "there is room for the files of others",
            PATIENCE,
            async || {
                left -= disk.take(left)?;
                Ok(left == 0)
            },
        )
        .await?;
        let publishing = Publishing {
            batch: 20,
            // More than the worker can do: some wait when the disk is full.
            work_ms: 10,
            filler: FILLER,
            ..Publishing::of("work", plan.messages)
        };
        let publisher = stage.start(Role::Publish(publishing)).await?;
        round(&stage, disk, server, &mut found).await?;
        finish(publisher).await?;
        stage.until_live(0, PATIENCE).await?;
        shrink(server).await?;
    }
    stage.drain(PATIENCE).await?;
    stage.stop(worker, Duration::from_secs(10)).await?;
    let (report, _) = stage.judge(rules(8, 8)).await?;
    Ok((found, report))
}

/// From the moment the publisher begins to the one in which the disk has room again.
async fn round(
    stage: &Stage,
    disk: &MemoryDisk,
    server: &mut RedisServer,
    found: &mut Found,
) -> Result<()> {
    until("the disk is full", PATIENCE, async || cannot_write(server)).await?;
    stage.store_stopped();
    stage.fired(FULL);
    found.full += 1;
    let connection = stage.connection()?;
    let health = connection.backend();
    let not_ready = until("it is not ready", PATIENCE, async || {
        Ok(!health.health().await.is_up())
    });
    found.not_ready = found.not_ready.max(not_ready.await?);
    refuse(connection, found).await?;
    if !server.is_running()? {
        found.ended += 1;
        // Whoever looks after it starts it again, and nothing has changed: the next change ends it.
        if server.restart().is_ok() {
            until(
                "it ends again",
                PATIENCE,
                async || Ok(!server.is_running()?),
            )
            .await?;
        }
        found.ended += 1;
        refuse(connection, found).await?;
    }
    disk.make_room()?;
    if !server.is_running()? {
        server.restart().context("the store does not open")?;
    }
    stage.store_runs();
    let ready = until("it is ready", PATIENCE, async || {
        Ok(health.health().await.is_up())
    });
    found.ready = found.ready.max(ready.await?);
    let kept = stage.stats().await?.live();
    found.kept = Some(found.kept.map_or(kept, |least| least.min(kept)));
    Ok(())
}

/// The server has ended, or says that it cannot write its file.
fn cannot_write(server: &mut RedisServer) -> Result<bool> {
    if !server.is_running()? {
        return Ok(true);
    }
    // It may end meanwhile.
    let status = server.info("persistence", "aof_last_write_status");
    Ok(matches!(status, Ok(Some(status)) if status == "err"))
}

/// Nothing may be taken now.
async fn refuse(connection: &Connection, found: &mut Found) -> Result<()> {
    for _ in 0..3 {
        let id = connection.environment().next_id();
        let message = NewMessage::new(Kind::new("work")?, "{}").with_id(id);
        match connection
            .queue()
            .publish(vec![message], Duration::ZERO)
            .await
        {
            Ok(_) => found.taken += 1,
            Err(error) if error.certainty() == Certainty::Unknown => found.unknown += 1,
            Err(error) if error.is_retryable() => {}
            Err(error) => bail!("refused for good: {error}"),
        }
    }
    Ok(())
}

async fn finish(mut publisher: Child) -> Result<()> {
    let status = publisher.ended(PATIENCE).await?;
    ensure!(status.success(), "a publisher ended: {}", publisher.tail());
    Ok(())
}

/// Lets the server write its file anew, with no more in it than there is.
async fn shrink(server: &RedisServer) -> Result<()> {
    server.call(&["BGREWRITEAOF"])?;
    let limit = Duration::from_secs(30);
    until("the file is written anew", limit, async || {
        let line = |name| server.info("persistence", name);
        let is_over = line("aof_rewrite_in_progress")?.as_deref() == Some("0")
            && line("aof_rewrite_scheduled")?.as_deref() == Some("0");
        Ok(is_over)
    })
    .await
    .map(drop)
}
