//! R4 for the embedded queue: its process is killed while it publishes and works, again and again. What the system was
//! given it still has, so that nothing is lost without an fsync either.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_queue_conformance::checker::Cause;
use forebay_queue_conformance::history::Record;
use tokio::time::sleep;

use crate::ground::Ground;
use crate::role::{Living, Publishing, Role, Working};
use crate::scenarios::part::judge_part;
use crate::stage::{SKEW, Stage, rules};
use crate::store::Store;
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const KILL: &str = "kill -9";
const CONCURRENCY: u32 = 8;
const PREFETCH: u32 = 8;
const PUBLISHERS: u32 = 2;
const BATCH: usize = 20;
/// How long the rest may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long after it has told how far it is a process lives on, in microseconds.
const ON_US: std::ops::Range<u64> = 0..20_000;

#[derive(Clone, Copy)]
struct Plan {
    messages: u64,
    kills: u64,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (messages, kills) = ground.pick((2_000, 4), (100_000, 50));
    let plan = Plan { messages, kills };
    let mut verdict = Verdict::default();
    for store in Store::ALL {
        for sync in ["always", "never"] {
            let part = format!("{store}, {sync}");
            let folder = ground.folder().join(&part);
            std::fs::create_dir(&folder)?;
            one(&mut verdict, &part, ground, &folder, (*store, sync), plan).await?;
        }
    }
    Ok(verdict)
}

async fn one(
    verdict: &mut Verdict,
    part: &str,
    ground: &Ground,
    folder: &Path,
    (store, sync): (Store, &str),
    plan: Plan,
) -> Result<()> {
    let settings = [
        ("QUEUE_SYNC", sync),
        ("QUEUE_LEASE", "1s"),
        ("QUEUE_CAPACITY", "200000"),
    ];
    let path = folder.join("queue");
    let mut stage = Stage::embedded(folder, store, &path, &settings).await?;
    stage.plan(KILL, plan.kills);
    let mut dice = ground.dice();
    let mut slowest = Duration::ZERO;
    let mut accepted = 0;
    let stretch = plan.messages / (plan.kills + 1);
    for kill in 1..=plan.kills {
        let began = Instant::now();
        let mut process = stage.start(living(u64::MAX)).await?;
        slowest = slowest.max(began.elapsed());
        let goal = kill * stretch - dice.u64(0..stretch / 2);
        let mut here = 0;
        while accepted + here < goal {
            here = process.accepted().await?;
        }
        // tidy: sleep — when it is killed is up to the dice
        sleep(Duration::from_micros(dice.u64(ON_US))).await;
        stage.kill(process).await?;
        stage.fired(KILL);
        accepted += here;
    }
    let rest = plan.messages.saturating_sub(accepted);
    let rest = living(rest.div_ceil(PUBLISHERS.into()));
    let drained = stage.drain_by(rest, PATIENCE).await?;

    let (report, records) = stage.judge(rules(CONCURRENCY, PREFETCH)).await?;
    judge_part(verdict, part, &report);
    let counts = &report.counts;
    let all = Bound::at_least(plan.messages);
    verdict.expect(format!("{part}: accepted"), counts.accepted, all);
    let held = u64::from(CONCURRENCY + PREFETCH);
    let most = Bound::at_most(plan.kills * held);
    verdict.expect(format!("{part}: duplicates"), counts.doubled, most);
    let killed = counts.redelivered.get(&Cause::Kill).copied().unwrap_or(0);
    let some = Bound::at_least(1);
    verdict.expect(
        format!("{part}: held by a process that was killed"),
        killed,
        some,
    );
    verdict.expect(
        format!("{part}: handed out again before the lease was over"),
        early(&records, stage.lease()),
        Bound::exactly(0),
    );
    verdict.tell_span(format!("{part}: slowest start after a kill"), slowest);
    verdict.tell_span(format!("{part}: the rest was done after"), drained);
    Ok(())
}

/// A process with publishers and a worker that do about as much.
fn living(count: u64) -> Role {
    Role::Live(Living {
        publishing: Publishing {
            batch: BATCH,
            pause_ms: 10,
            work_ms: 1,
            ..Publishing::of("work", count)
        },
        publishers: PUBLISHERS,
        working: Working::default(),
        probe: None,
    })
}

/// How many deliveries came while the one before, which nobody had given back, was still leased.
fn early(records: &[Record], lease: Duration) -> u64 {
    let timeline = Timeline::of(records);
    let mut early = 0;
    for story in timeline.stories() {
        for pair in story.windows(2) {
            let [one, next] = pair else { continue };
            let given_back = one.settlement.is_some_and(|settled| !settled.is_ack);
            let after = next.delivered_at.since(one.delivered_at);
            early += u64::from(!given_back && after + SKEW < lease);
        }
    }
    early
}
