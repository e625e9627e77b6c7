//! R10: processes are suspended (SIGSTOP) for longer than their leases, and go on as if nothing had been.

use std::time::Duration;

use anyhow::{Context, Result};
use forebay::Timestamp;
use forebay_queue_conformance::history::Settled;
use tokio::time::sleep;

use crate::child::Child;
use crate::ground::{Ground, version};
use crate::role::{Consuming, Publishing, Role, Working};
use crate::stage::{Stage, rules};
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_mins(1);
/// How much longer than its lease a message may be away.
const LATE: Duration = Duration::from_secs(2);
/// How much longer than the lease a process is suspended.
const BEYOND: Duration = Duration::from_millis(300);
/// How long whoever receives by hand holds a message.
const HOLD_MS: u64 = 400;
const FAULT: &str = "SIGSTOP past the lease";

/// A process, and when it was suspended and went on.
struct Suspension {
    process: u32,
    from: Timestamp,
    to: Timestamp,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    // By hand in rounds of ten at once, and workers one after the other.
    let (rounds, hands, workers) = ground.pick((2, 3, 2), (15, 10, 50));
    let server = ground.redis()?.start()?;
    let mut stage = ground
        .stage(&server.url(), &[("QUEUE_LEASE", "1s")])
        .await?;
    stage.plan(FAULT, rounds * hands + workers);
    let by_hand = suspend_by_hand(&mut stage, rounds, hands).await?;
    let of_workers = suspend_workers(&mut stage, workers).await?;

    let (report, records) = stage.judge(rules(4, 4)).await?;
    let timeline = Timeline::of(&records);
    let mut verdict = Verdict::on(version(&server)?);
    verdict.judge(&report);
    let mut tally = Tally::default();
    for suspension in by_hand.iter().chain(&of_workers) {
        tally.add(&timeline, suspension);
    }
    let all = rounds * hands + workers;
    verdict.expect("suspensions in work", tally.in_work, Bound::exactly(all));
    verdict.tell("messages held by them", tally.held);
    verdict.expect_within("back", tally.slowest, stage.lease() + LATE);
    verdict.expect(
        "late acks",
        tally.late_acks,
        Bound::at_least(rounds * hands),
    );
    verdict.expect("late acks that succeeded", tally.done, Bound::exactly(0));
    Ok(verdict)
}

/// Each of them receives a message and is suspended while it holds it; then one that is not takes what comes back.
async fn suspend_by_hand(stage: &mut Stage, rounds: u64, hands: u64) -> Result<Vec<Suspension>> {
    let consume = |hold_ms| Role::Consume(Consuming { hold_ms });
    let mut consumers = Vec::new();
    for _ in 0..hands {
        consumers.push(stage.start(consume(HOLD_MS)).await?);
    }
    let mut heir = stage.start(consume(0)).await?;
    let mut suspensions = Vec::new();
    for _ in 0..rounds {
        stage
            .publish(Publishing::of("work", hands), PATIENCE)
            .await?;
        for consumer in &mut consumers {
            consumer.next().await?;
            consumer.says("holding").await?;
            suspensions.push(suspend(stage, consumer)?);
        }
        for _ in &consumers {
            heir.next().await?;
            heir.says("holding").await?;
            heir.says("done").await?;
        }
        // What they hold has been taken by the heir: past the lease, whenever each was suspended.
        for (consumer, suspension) in consumers.iter().zip(last(&mut suspensions, hands)) {
            resume(stage, consumer, suspension)?;
        }
        for consumer in &mut consumers {
            consumer.says("lost").await?;
        }
    }
    for consumer in consumers {
        stage.dismiss(consumer).await?;
    }
    stage.dismiss(heir).await?;
    Ok(suspensions)
}

/// Two workers take turns: while one is suspended, the other gets what it held.
async fn suspend_workers(stage: &mut Stage, times: u64) -> Result<Vec<Suspension>> {
    let working = Working {
        concurrency: 4,
        prefetch: 4,
        ..Working::default()
    };
    let workers = [
        stage.worker(working.clone()).await?,
        stage.worker(working).await?,
    ];
    let mut suspensions = Vec::new();
    let span = stage.lease() + BEYOND;
    for (_, worker) in (0..times).zip(workers.iter().cycle()) {
        let publishing = Publishing {
            work_ms: 300,
            ..Publishing::of("work", 40)
        };
        stage.publish(publishing, PATIENCE).await?;
        stage.until_leased(16, PATIENCE).await?;
        let mut suspension = suspend(stage, worker)?;
        // tidy: sleep — this is the fault itself
        sleep(span).await;
        resume(stage, worker, &mut suspension)?;
        suspensions.push(suspension);
        stage.until_live(0, PATIENCE).await?;
    }
    stage.drain(PATIENCE).await?;
    for worker in workers {
        stage.stop(worker, Duration::from_secs(10)).await?;
    }
    Ok(suspensions)
}

fn suspend(stage: &Stage, child: &Child) -> Result<Suspension> {
    child.suspend()?;
    stage.fired(FAULT);
    let from = stage.now();
    Ok(Suspension {
        process: child.number,
        from,
        to: from,
    })
}

fn resume(stage: &Stage, child: &Child, suspension: &mut Suspension) -> Result<()> {
    suspension.to = stage.now();
    child.resume().context("a suspended process is gone")
}

fn last(suspensions: &mut [Suspension], count: u64) -> &mut [Suspension] {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let from = suspensions.len().saturating_sub(count);
    &mut suspensions[from..]
}

/// What came of the messages that were held.
#[derive(Default)]
struct Tally {
    /// Suspensions of a process that held something.
    in_work: u64,
    held: u64,
    slowest: Duration,
    /// Acks begun after the suspension for what was held in it.
    late_acks: u64,
    /// Those that were answered as if they had been in time.
    done: u64,
}

impl Tally {
    fn add(&mut self, timeline: &Timeline, suspension: &Suspension) {
        let before = self.held;
        for (place, handling) in timeline.deliveries.iter().enumerate() {
            if handling.process != suspension.process || !handling.is_held(suspension.from) {
                continue;
            }
            let is_of_this = handling
                .settlement
                .is_none_or(|settlement| settlement.asked_at >= suspension.to);
            let next = timeline.next(place);
            // What it held at another suspension, and what it gave up before this one, is not this one's.
            if !is_of_this || next.is_some_and(|next| next.delivered_at < suspension.from) {
                continue;
            }
            self.held += 1;
            let back = next.map(|next| next.delivered_at);
            let took = super::server_kill::back(back, suspension.from);
            self.slowest = self.slowest.max(took);
            if let Some(settlement) = handling.settlement.filter(|it| it.is_ack) {
                self.late_acks += 1;
                let answered = settlement.answered.map(|(answer, _)| answer);
                self.done += u64::from(answered == Some(Settled::Done));
            }
        }
        self.in_work += u64::from(self.held > before);
    }
}
