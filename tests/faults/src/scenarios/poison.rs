//! R13: messages that no handler can do, in every way there is, among others that are fine.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use forebay::{Kind, MessageId};
use forebay_queue_conformance::checker::{Attempts, Rules};
use forebay_queue_conformance::history::{Asked, Fact, Mark, Record};
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::ground::{Ground, version};
use crate::role::{Publishing, WORK_ATTEMPTS, Working};
use crate::stage::{Stage, rules};
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long the poison of one kind may take to be dead.
const DEAD: Duration = Duration::from_secs(15);
const MAX_ATTEMPTS: u32 = 4;
/// Of each kind that does not end its process.
const OF_EACH: u64 = 10;
const POLL: Duration = Duration::from_millis(20);
/// Sorts of messages, and how often a handler has to be started for each one.
const SORTS: [(&str, u32); 5] = [
    ("error", MAX_ATTEMPTS),
    ("panic", MAX_ATTEMPTS),
    ("hang", MAX_ATTEMPTS),
    // Rejected at sight.
    ("garbage", 1),
    ("abort", MAX_ATTEMPTS),
];
const FAULT: &str = "abort of a process";

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (others, aborts) = ground.pick((400, 1), (10_000, 5));
    let server = ground.redis()?.start()?;
    let settings = [("QUEUE_LEASE", "500ms"), ("QUEUE_CAPACITY", "200000")];
    let mut stage = ground.stage(&server.url(), &settings).await?;
    let aborted = u64::from(MAX_ATTEMPTS) * aborts;
    stage.plan(FAULT, aborted);
    let mut poison = 0;
    for (kind, _) in &SORTS[..4] {
        let bad = Publishing::of(kind, OF_EACH);
        stage.publish(bad, PATIENCE).await?;
        let fine = Publishing::of("work", others / 4);
        stage.publish(fine, PATIENCE).await?;
        poison += OF_EACH;
    }
    let mut exits = work_on(&mut stage, poison).await?;
    // One after the other: what one of them takes with it must not be another one, whose attempt that would be too.
    for _ in 0..aborts {
        stage.publish(Publishing::of("abort", 1), PATIENCE).await?;
        let fine = Publishing::of("work", others / aborts);
        stage.publish(fine, PATIENCE).await?;
        poison += 1;
        exits += work_on(&mut stage, poison).await?;
    }
    stage.drain(PATIENCE).await?;

    let rules = Rules {
        max_attempts: Attempts {
            by_kind: BTreeMap::from([(Kind::new("work")?, WORK_ATTEMPTS)]),
            ..Attempts::all(MAX_ATTEMPTS)
        },
        ..rules(8, 8)
    };
    let (report, records) = stage.judge(rules).await?;
    let timeline = Timeline::of(&records);
    let mut verdict = Verdict::on(version(&server)?);
    verdict.judge(&report);
    verdict.expect("processes that aborted", exits, Bound::exactly(aborted));
    let sorts = sorts(&records);
    let dead = dead(&records);
    verdict.expect("dead letters", dead.len() as u64, Bound::exactly(poison));
    for (kind, starts) in SORTS {
        let is_one = |id| sorts.get(&id) == Some(&kind);
        let count = if kind == "abort" { aborts } else { OF_EACH };
        let died = dead.iter().filter(|id| is_one(**id)).count() as u64;
        verdict.expect(format!("dead: {kind}"), died, Bound::exactly(count));
        let (least, most) = tries(&timeline, is_one);
        let exactly = Bound::exactly(u64::from(starts));
        verdict.expect(format!("attempts at {kind}, least"), least, exactly);
        verdict.expect(format!("attempts at {kind}, most"), most, exactly);
    }
    // None is left, so whatever is not dead was done.
    let done = report.counts.accepted - dead.len() as u64;
    verdict.expect("others done", done, Bound::exactly(others * 2));
    Ok(verdict)
}

/// Runs a worker, and another one whenever it has ended itself, until all that is left is dead. Returns how many ended.
async fn work_on(stage: &mut Stage, poison: u64) -> Result<u64> {
    let working = Working {
        max_attempts: MAX_ATTEMPTS,
        timeout_ms: Some(200),
        ..Working::default()
    };
    let mut exits = 0;
    let mut worker: Child = stage.worker(working.clone()).await?;
    let began = Instant::now();
    loop {
        if !worker.is_running()? {
            stage.died(&worker);
            stage.fired(FAULT);
            exits += 1;
            worker = stage.worker(working.clone()).await?;
        }
        let stats = stage.stats().await?;
        if stats.live() == 0 && stats.dead == poison {
            break;
        }
        let (live, dead) = (stats.live(), stats.dead);
        ensure!(
            began.elapsed() < DEAD,
            "{live} messages are live and {dead} dead after {DEAD:?}"
        );
        // tidy: sleep — between two looks, under the limit above
        sleep(POLL).await;
    }
    stage.stop(worker, Duration::from_secs(10)).await?;
    Ok(exits)
}

/// Which sort each message is of, by its kind; what cannot be read is of the kind of the others, and known by who
/// published it.
fn sorts(records: &[Record]) -> BTreeMap<MessageId, &'static str> {
    let mut sorts = BTreeMap::new();
    let garbage = garbage_publisher();
    for record in records {
        let Fact::Invoke {
            asked: Asked::Publish(posted),
            ..
        } = &record.fact
        else {
            continue;
        };
        for posted in posted {
            let Some(id) = posted.id else { continue };
            let kind = SORTS
                .iter()
                .map(|(kind, _)| *kind)
                .find(|kind| Kind::new(*kind).is_ok_and(|kind| kind == posted.kind));
            let is_garbage = record.process == garbage;
            if let Some(kind) = kind.or(is_garbage.then_some("garbage")) {
                sorts.insert(id, kind);
            }
        }
    }
    sorts
}

/// Each sort is published by a process, and then some that are fine by another one.
fn garbage_publisher() -> u32 {
    let place = SORTS.iter().position(|(kind, _)| *kind == "garbage");
    u32::try_from(place.unwrap_or_default() * 2 + 1).unwrap_or(u32::MAX)
}

fn dead(records: &[Record]) -> Vec<MessageId> {
    let rest = records.iter().rev().find_map(|record| match &record.fact {
        Fact::Mark(Mark::Rest { dead, .. }) => Some(dead.clone()),
        _ => None,
    });
    rest.unwrap_or_default()
}

/// The least and the most handlers that were started for one of these messages.
fn tries(timeline: &Timeline, is_one: impl Fn(MessageId) -> bool) -> (u64, u64) {
    let counts = timeline.stories().filter_map(|story| {
        let first = story.first()?;
        let started = story.iter().filter(|it| it.started_at.is_some()).count();
        is_one(first.id).then_some(started as u64)
    });
    counts.fold((u64::MAX, 0), |(least, most), count| {
        (least.min(count), most.max(count))
    })
}
