//! R11: handlers that take ten times the lease; and what becomes of them when their leases cannot be extended.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use forebay::Timestamp;
use forebay_fault_proxy::{Fault, FaultKind, FaultProxy};
use forebay_queue_conformance::history::Ended;
use tokio::time::sleep;

use crate::ground::{Ground, version};
use crate::role::{Publishing, Working};
use crate::stage::rules;
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long all the work may take, in leases: each piece takes ten, and is begun anew once.
const LEASES: u32 = 25;
const TIMES: u32 = 10;

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (jobs, lease) = ground.pick((20, 400), (100, 1_000));
    let server = ground.redis()?.start()?;
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    let proxy = FaultProxy::start(upstream).await?;
    let text = format!("{lease}ms");
    let mut stage = ground
        .stage(&server.url(), &[("QUEUE_LEASE", &text)])
        .await?;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    stage.set("REDIS_URL", &url);
    let concurrency = usize::try_from(jobs)?;
    let worker = stage
        .worker(Working {
            concurrency,
            prefetch: 0,
            ..Working::default()
        })
        .await?;
    let publishing = Publishing {
        work_ms: lease * u64::from(TIMES),
        ..Publishing::of("work", jobs)
    };
    stage.publish(publishing.clone(), PATIENCE).await?;
    stage.until_leased(jobs, PATIENCE).await?;
    stage.until_live(0, stage.lease() * LEASES).await?;
    let calm = stage.now();

    // The same again, cut off in the middle.
    stage.plan("cut", 1);
    stage.publish(publishing, PATIENCE).await?;
    stage.until_leased(jobs, PATIENCE).await?;
    // tidy: sleep — into the work, past some extensions
    sleep(stage.lease() * 2).await;
    let cut = stage.now();
    proxy.set(Fault::BlackHole);
    // tidy: sleep — this is the fault itself
    sleep(stage.lease() * 2).await;
    proxy.clear();
    if proxy.fired(FaultKind::BlackHole) > 0 {
        stage.fired("cut");
    }
    stage.drain(PATIENCE).await?;
    stage.stop(worker, Duration::from_secs(10)).await?;

    let (report, records) = stage.judge(rules(u32::try_from(jobs)?, 0)).await?;
    let timeline = Timeline::of(&records);
    let mut verdict = Verdict::on(version(&server)?);
    verdict.judge(&report);
    verdict.expect(
        "redeliveries without a fault",
        again(&timeline, calm),
        Bound::exactly(0),
    );
    let (cancelled, slowest) = cancelled(&timeline, cut);
    verdict.expect("handlers cancelled", cancelled, Bound::exactly(jobs));
    verdict.expect_within("cancelled after the cut", slowest, stage.lease());
    Ok(verdict)
}

/// Deliveries until this time that were not the first of their message.
fn again(timeline: &Timeline, until: Timestamp) -> u64 {
    let again = timeline
        .deliveries
        .iter()
        .filter(|delivery| delivery.attempt > 1 && delivery.delivered_at < until);
    again.count() as u64
}

/// How many handlers that ran at the cut were cancelled, and the longest that one took.
fn cancelled(timeline: &Timeline, cut: Timestamp) -> (u64, Duration) {
    let ends = timeline.deliveries.iter().filter_map(|delivery| {
        let (ended, at) = delivery.ended?;
        let was_running = delivery.received_at <= cut && at > cut;
        (was_running && ended == Ended::LeaseLost).then(|| at.since(cut))
    });
    ends.fold((0, Duration::ZERO), |(count, slowest), took| {
        (count + 1, slowest.max(took))
    })
}
