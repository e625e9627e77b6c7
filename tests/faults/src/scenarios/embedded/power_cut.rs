//! R7 for the embedded queue: the power of its disk is cut while its process publishes and works, again and again.
//!
//! A run without any fsync has to lose something in the same way, or the cuts cut nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_queue_conformance::checker::{Invariant, Report};
use tokio::time::sleep;

use crate::disk::{NotPermitted, PoweredDisk};
use crate::ground::Ground;
use crate::role::{Living, Publishing, Role, Working};
use crate::scenarios::part::judge_part;
use crate::stage::{Stage, rules};
use crate::store::Store;
use crate::verdict::{Bound, Verdict};

const CUT: &str = "power cut";
const DISK: u64 = 512 << 20;
const PUBLISHERS: u32 = 2;
const PATIENCE: Duration = Duration::from_mins(2);
/// When the power is cut, after the first messages are accepted.
const CUT_AFTER_MS: std::ops::Range<u64> = 50..700;
/// How long the process goes on without its disk.
const ON_MS: std::ops::Range<u64> = 0..100;
/// How often the power is cut in the run that has to lose something.
const CONTROLS: u64 = 6;

/// What some cuts have done.
struct Found {
    report: Report,
    slowest: Duration,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let cuts = ground.pick(3, 20);
    let mut verdict = Verdict::default();
    for store in Store::ALL {
        let found = match run_on(ground, *store, "always", cuts).await? {
            Ok(found) => found,
            Err(refused) => return Ok(Verdict::skipped(refused.to_string())),
        };
        let counts = &found.report.counts;
        judge_part(&mut verdict, store.name(), &found.report);
        let some = Bound::at_least(cuts);
        verdict.expect(format!("{store}: accepted"), counts.accepted, some);
        let slowest = format!("{store}: slowest start after a cut");
        verdict.tell_span(slowest, found.slowest);

        let control = run_on(ground, *store, "never", CONTROLS).await?;
        let Ok(Found { report, .. }) = control else {
            continue;
        };
        verdict.expect(
            format!("{store}: lost without fsync"),
            report.counts.lost,
            Bound::at_least(1),
        );
        let over = report.broken.get(&Invariant::Over).copied();
        let back = format!("{store}: back after an ack without fsync");
        verdict.tell(back, over.unwrap_or(0));
    }
    Ok(verdict)
}

async fn run_on(
    ground: &Ground,
    store: Store,
    sync: &str,
    cuts: u64,
) -> Result<Result<Found, NotPermitted>> {
    let mut disk = match PoweredDisk::new(DISK)? {
        Ok(disk) => disk,
        Err(refused) => return Ok(Err(refused)),
    };
    let folder = ground.folder().join(format!("{store}-{sync}"));
    fs::create_dir(&folder)?;
    let probe = disk.path().join("probe");
    fs::write(&probe, "p")?;
    fs::File::open(&probe)?.sync_all()?;
    fs::File::open(disk.path())?.sync_all()?;
    let found = cut_again_and_again(ground, &folder, &mut disk, (store, sync, cuts)).await;
    found.map(Ok)
}

async fn cut_again_and_again(
    ground: &Ground,
    folder: &Path,
    disk: &mut PoweredDisk,
    (store, sync, cuts): (Store, &str, u64),
) -> Result<Found> {
    let settings = [
        ("QUEUE_SYNC", sync),
        ("QUEUE_LEASE", "1s"),
        ("QUEUE_CAPACITY", "200000"),
    ];
    let probe = disk.path().join("probe");
    let queue = disk.path().join("queue");
    let mut stage = Stage::embedded(folder, store, &queue, &settings).await?;
    stage.plan(CUT, cuts);
    let mut dice = ground.dice();
    let mut slowest = Duration::ZERO;
    let mut powered = Instant::now();
    for cut in 0..cuts {
        let mut process = stage.start(living(u64::MAX, &probe)).await?;
        if cut > 0 {
            slowest = slowest.max(powered.elapsed());
        }
        process.accepted().await?;
        // tidy: sleep — when the power is cut is up to the dice
        sleep(Duration::from_millis(dice.u64(CUT_AFTER_MS))).await;
        stage.store_stopped();
        disk.cut()?;
        stage.fired(CUT);
        // tidy: sleep — how long the process goes on is up to the dice
        sleep(Duration::from_millis(dice.u64(ON_MS))).await;
        stage.kill(process).await?;
        powered = Instant::now();
        disk.power_up()?;
        stage.store_runs();
    }
    stage.drain_by(living(0, &probe), PATIENCE).await?;
    let (report, _) = stage.judge(rules(8, 8)).await?;
    Ok(Found { report, slowest })
}

fn living(count: u64, probe: &Path) -> Role {
    Role::Live(Living {
        publishing: Publishing {
            batch: 20,
            pause_ms: 10,
            // The worker is slower than the publishers: something waits at each cut.
            work_ms: 4,
            filler: 200,
            ..Publishing::of("work", count)
        },
        publishers: PUBLISHERS,
        working: Working::default(),
        probe: Some(probe.to_owned()),
    })
}
