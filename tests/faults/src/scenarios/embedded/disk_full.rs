//! R16 for the embedded queue: its disk runs full, once by itself and once by others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use forebay_queue_conformance::checker::Report;
use forebay_queue_conformance::history::Mark;
use tokio::time::sleep;

use super::resident::{Answer, Resident, Settling};
use super::small_disk::{SmallDisk, Sort};
use crate::ground::{Ground, until};
use crate::scenarios::part::judge_part;
use crate::scenarios::refusals::Refusals;
use crate::store::Store;
use crate::verdict::{Bound, Verdict};

const FULL: &str = "disk full";
const PAYLOAD: usize = 4 << 10;
const BATCH: u64 = 20;
/// More than any of the disks has room for.
const MOST: u64 = 100_000;
const REFUSAL_LIMIT: Duration = Duration::from_millis(50);
/// How long readiness may say something untrue, and how long publishes may still be refused when there is room.
const TRUTH_LIMIT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two tries.
const POLL: Duration = Duration::from_millis(5);

/// Who fills the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The queue itself. When it is drained there is room.
    Itself,
    /// Somebody else, who gives it back.
    Others,
}

/// What it took, over all rounds.
#[derive(Default)]
struct Found {
    refusals: Refusals,
    settling: Settling,
    /// The least that was there when it was full.
    kept: Option<u64>,
    not_ready: Duration,
    /// How often it said that it is ready after a publish was tried.
    wrongly_ready: u64,
    ready: Duration,
    resumed: Duration,
    /// How long some hundred kilobytes took after what was drained had filled the disk.
    room: Duration,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (rounds, knocks) = ground.pick((1, 50), (3, 500));
    let sorts: &[Sort] = ground.pick(&[Sort::Tmpfs][..], &[Sort::Tmpfs, Sort::Ext4]);
    let mut verdict = Verdict::default();
    for store in Store::ALL {
        for sort in sorts {
            let disk = match SmallDisk::new(*sort)? {
                Ok(disk) => disk,
                Err(refused) => return Ok(Verdict::skipped(refused.to_string())),
            };
            let part = format!("{store} on {sort}");
            let filled = fill_up(*store, &disk, rounds, knocks).await;
            let (found, report) = filled.with_context(|| part.clone())?;
            let asked = 2 * rounds * knocks;
            tell(&mut verdict, &part, *store, found, &report, asked);
        }
    }
    Ok(verdict)
}

fn tell(
    verdict: &mut Verdict,
    part: &str,
    store: Store,
    mut found: Found,
    report: &Report,
    asked: u64,
) {
    judge_part(verdict, part, report);
    let refusals = &mut found.refusals;
    let answered = refusals.clean + refusals.taken;
    verdict.expect(
        format!("{part}: refused as full, or taken because there was room in the files"),
        answered,
        Bound::exactly(asked),
    );
    verdict.expect(
        format!("{part}: refused as full"),
        refusals.clean,
        Bound::at_least(asked / 2),
    );
    verdict.expect(
        format!("{part}: said to be ready although publishes were refused"),
        found.wrongly_ready.saturating_sub(refusals.taken),
        Bound::exactly(0),
    );
    verdict.expect(
        format!("{part}: least number that waited"),
        found.kept.unwrap_or(0),
        Bound::at_least(1),
    );
    let mut within = |what: &str, span, limit| {
        verdict.expect_within(format!("{part}: {what}"), span, limit);
    };
    within("99 of 100 refusals", refusals.usual(), REFUSAL_LIMIT);
    within(
        "slowest ack",
        found.settling.slowest,
        store.pause_when_full(),
    );
    within(
        "nothing handed out for",
        found.settling.idle,
        store.pause_when_full(),
    );
    within("not ready after", found.not_ready, TRUTH_LIMIT);
    within("publishes again after", found.resumed, TRUTH_LIMIT);
    within("room for 200 messages after", found.room, PATIENCE);
    within("ready again after", found.ready, TRUTH_LIMIT);
    verdict.tell_span(format!("{part}: slowest refusal"), found.refusals.slowest());
    verdict.tell(
        format!("{part}: calls repeated to settle"),
        found.settling.refused,
    );
    verdict.tell(
        format!("{part}: acked while it was full"),
        found.settling.acked,
    );
}

async fn fill_up(
    store: Store,
    disk: &SmallDisk,
    rounds: u64,
    knocks: u64,
) -> Result<(Found, Report)> {
    let settings = [("QUEUE_CAPACITY", "1000000"), ("QUEUE_LEASE", "1m")];
    let path = disk.path().join("queue");
    let mut resident = Resident::open(store, &path, &settings).await?;
    let mut found = Found::default();
    for _ in 0..rounds {
        for by in [By::Itself, By::Others] {
            let round = round(&mut resident, disk, by, knocks, &mut found).await;
            round.with_context(|| format!("filled by {by:?}"))?;
        }
    }
    resident.mark(Mark::Healed);
    resident.settle(0, PATIENCE).await?;
    resident.mark(Mark::Drained);
    let report = resident.judge().await?;
    Ok((found, report))
}

/// From an empty queue to a queue in which messages can be published again.
async fn round(
    resident: &mut Resident,
    disk: &SmallDisk,
    by: By,
    knocks: u64,
    found: &mut Found,
) -> Result<()> {
    let fault = || FULL.to_owned();
    resident.mark(Mark::FaultPlanned { fault: fault() });
    if by == By::Others {
        // What was drained before gives its room back, at the latest behind the scenes.
        let room = publish_all(resident, 10 * BATCH).await?;
        found.room = found.room.max(room);
        disk.fill()?;
    }
    publish(resident, MOST).await?;
    resident.mark(Mark::FaultFired { fault: fault() });
    let not_ready = run_full(resident).await?;
    found.not_ready = found.not_ready.max(not_ready);
    for _ in 0..knocks {
        knock(resident, &mut found.refusals).await?;
        found.wrongly_ready += u64::from(resident.is_up().await);
    }
    if by == By::Itself {
        // A start needs no room.
        resident.restart().await?;
        knock(resident, &mut Refusals::default()).await?;
    }
    let live = resident.live().await?;
    found.kept = Some(found.kept.map_or(live, |least| least.min(live)));
    let left = match by {
        By::Itself => 0,
        By::Others => live.saturating_sub(4 * BATCH),
    };
    let settling = resident.settle(left, PATIENCE).await?;
    found.settling.acked += settling.acked;
    found.settling.refused += settling.refused;
    found.settling.idle = found.settling.idle.max(settling.idle);
    found.settling.slowest = found.settling.slowest.max(settling.slowest);
    if by == By::Others {
        disk.make_room()?;
    }
    let began = Instant::now();
    while !matches!(resident.publish(1, PAYLOAD).await?, Answer::Taken) {
        if began.elapsed() > PATIENCE {
            bail!("there is room, and publishes are refused");
        }
        // tidy: sleep — between two tries, under the limit above
        sleep(POLL).await;
    }
    found.resumed = found.resumed.max(began.elapsed());
    let is_up = until("it is ready", PATIENCE, async || Ok(resident.is_up().await));
    is_up.await?;
    found.ready = found.ready.max(began.elapsed());
    // As many as there is room for; where others had filled it, that may soon be the end again.
    publish(resident, 5 * BATCH).await?;
    resident.settle(0, PATIENCE).await?;
    Ok(())
}

/// Where a batch has no room, a message may have. Publishes until that is over too and says how long it then takes until
/// the queue says that it is not ready; at most for twice as long as it may.
async fn run_full(resident: &mut Resident) -> Result<Duration> {
    let mut since = None;
    for _ in 0..MOST {
        match resident.publish(1, PAYLOAD).await? {
            Answer::Taken => since = None,
            Answer::DiskFull => {
                let since = since.get_or_insert_with(Instant::now);
                if !resident.is_up().await || since.elapsed() > 2 * TRUTH_LIMIT {
                    return Ok(since.elapsed());
                }
            }
            Answer::Other(error) => bail!("not refused as full: {error}"),
        }
    }
    bail!("the disk is never full")
}

/// Publishes so many, or until the disk is full.
async fn publish(resident: &mut Resident, count: u64) -> Result<()> {
    for _ in 0..count / BATCH {
        match resident.publish(BATCH, PAYLOAD).await? {
            Answer::Taken => {}
            Answer::DiskFull => return Ok(()),
            Answer::Other(error) => bail!("a publish failed: {error}"),
        }
    }
    if count == MOST {
        bail!("the disk is never full");
    }
    Ok(())
}

/// Publishes so many, however often it is refused meanwhile, and says how long it took.
async fn publish_all(resident: &mut Resident, count: u64) -> Result<Duration> {
    let began = Instant::now();
    let mut left = count / BATCH;
    while left > 0 {
        match resident.publish(BATCH, PAYLOAD).await? {
            Answer::Taken => left -= 1,
            Answer::DiskFull if began.elapsed() < PATIENCE => {
                // tidy: sleep — between two tries, under the limit above
                sleep(POLL).await;
            }
            Answer::DiskFull => bail!("room is not given back"),
            Answer::Other(error) => bail!("a publish failed: {error}"),
        }
    }
    Ok(began.elapsed())
}

async fn knock(resident: &mut Resident, refusals: &mut Refusals) -> Result<()> {
    let began = Instant::now();
    let answer = resident.publish(1, PAYLOAD).await?;
    match answer {
        Answer::Taken => refusals.taken += 1,
        Answer::DiskFull => {
            refusals.clean += 1;
            refusals.times.push(began.elapsed());
        }
        Answer::Other(error) => bail!("not refused as full: {error}"),
    }
    Ok(())
}
