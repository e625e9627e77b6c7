//! R8: the primary dies and its replica is promoted, again and again; what was accepted had been copied.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use forebay::Timestamp;
use forebay_fault_proxy::FaultProxy;
use forebay_xtask::redis::RedisPair;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::server_kill::back;
use crate::ground::{Ground, until, version};
use crate::role::{Publishing, Role, Working};
use crate::stage::rules;
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_mins(5);
/// How long everybody may take to work again on the promoted server.
const BACK: Duration = Duration::from_secs(10);
const LINK: Duration = Duration::from_secs(10);
const FAULT: &str = "promotion";

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (messages, promotions) = ground.pick((2_000, 1), (50_000, 10));
    let mut pair = RedisPair::start(ground.redis()?)?;
    until_counted(&pair).await?;
    let proxy = FaultProxy::start(address(pair.primary.port())).await?;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let settings = [
        ("QUEUE_LEASE", "2s"),
        ("QUEUE_CAPACITY", "200000"),
        ("QUEUE_DURABILITY", "replicated:1"),
    ];
    let mut stage = ground.stage(&url, &settings).await?;
    let worker = stage.worker(Working::default()).await?;
    let number = worker.number;
    let publishing = Publishing {
        work_ms: 2,
        pause_ms: ground.pick(60, 100),
        ..Publishing::of("work", messages)
    };
    let mut publisher = stage.start(Role::Publish(publishing)).await?;
    stage.plan(FAULT, promotions);
    let mut dice = ground.dice();
    let mut promoted: Vec<Timestamp> = Vec::new();
    for _ in 0..promotions {
        // tidy: sleep — the time between two faults, drawn by the dice
        sleep(Duration::from_millis(dice.u64(500..1_500))).await;
        ensure!(publisher.is_running()?, "all was published before the end");
        stage.store_stopped();
        block_in_place(|| pair.primary.kill())?;
        block_in_place(|| pair.replica.promote())?;
        promoted.push(stage.now());
        proxy.set_upstream(address(pair.replica.port()))?;
        proxy.reset_all();
        stage.store_runs();
        stage.fired(FAULT);
        std::mem::swap(&mut pair.primary, &mut pair.replica);
        // Without a replica nothing is accepted: the old primary comes back as one.
        let port = pair.primary.port();
        block_in_place(|| {
            pair.replica.restart()?;
            pair.replica.follow(port)?;
            pair.wait_until_linked()
        })?;
        until_counted(&pair).await?;
        // tidy: sleep — the time between two faults, drawn by the dice
        sleep(Duration::from_millis(dice.u64(1_000..2_000))).await;
    }
    publisher.succeeded(PATIENCE).await?;
    stage.drain(PATIENCE).await?;
    stage.stop(worker, Duration::from_secs(10)).await?;

    let (report, records) = stage.judge(rules(8, 8)).await?;
    let timeline = Timeline::of(&records);
    let mut verdict = Verdict::on(version(&pair.primary)?);
    verdict.expect(
        "accepted all",
        report.counts.accepted,
        Bound::exactly(messages),
    );
    verdict.judge(&report);
    let mut slowest = Duration::ZERO;
    for at in promoted {
        slowest = slowest.max(back(timeline.first_ack(number, at), at));
        slowest = slowest.max(back(timeline.first_publish(publisher.number, at), at));
    }
    verdict.expect_within("working again", slowest, BACK);
    Ok(verdict)
}

/// A replica is linked a moment before its primary counts it.
async fn until_counted(pair: &RedisPair) -> Result<()> {
    until("the primary counts its replica", LINK, async || {
        let first = pair.primary.info("replication", "slave0")?;
        Ok(first.is_some_and(|first| first.contains("state=online")))
    })
    .await
    .map(drop)
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
