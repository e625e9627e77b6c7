//! R14: the way to the server goes bad in seven ways, for a part of the run each.
//!
//! Each way has a server, a proxy and a queue of its own, and they run side by side. A fault holds for some seconds
//! while messages are published and worked on, then it is lifted and everything has to come to its end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use forebay::Timestamp;
use forebay_fault_proxy::{Fault, FaultKind, FaultProxy};
use forebay_queue_conformance::checker::Report;
use forebay_queue_conformance::history::{Ended, Fact, Record};
use forebay_xtask::redis::RedisServer;
use futures_util::future::try_join_all;
use tokio::time::sleep;

use crate::ground::{Ground, version};
use crate::role::{Publishing, Role, Working};
use crate::scenarios::part::judge_part;
use crate::stage::{Stage, rules};
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_mins(2);
/// How many messages are published and done before the fault.
const FIRST: u64 = 100;
const MS: Duration = Duration::from_millis(1);

/// How much there is to do, and for how long it is made hard.
#[derive(Clone, Copy)]
struct Plan {
    messages: u64,
    /// How long a fault holds that hinders only.
    hold: Duration,
    /// How long nothing goes through, each time, in milliseconds.
    holes: &'static [u64],
}

/// What became of one way.
struct Part {
    kind: FaultKind,
    fired: u64,
    /// How many messages were done while it held.
    meanwhile: u64,
    report: Report,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let plan = ground.pick(
        Plan {
            messages: 400,
            hold: Duration::from_secs(3),
            holes: &[1_500],
        },
        Plan {
            messages: 5_000,
            hold: Duration::from_secs(10),
            // One of them is longer than any wait for an answer.
            holes: &[2_000, 8_000, 2_000],
        },
    );
    let mut dice = ground.dice();
    let mut parts = Vec::new();
    for kind in FaultKind::ALL {
        let folder = ground.folder().join(name(kind));
        std::fs::create_dir(&folder)?;
        let server = ground.redis()?.start()?;
        parts.push(one(kind, plan, folder, server, dice.u64(..)));
    }
    let (servers, parts): (Vec<_>, Vec<_>) = try_join_all(parts).await?.into_iter().unzip();
    let server = servers.first().map(version).transpose()?;
    let mut verdict = Verdict::on(server.unwrap_or_default());
    for part in parts {
        let name = name(part.kind);
        judge_part(&mut verdict, name, &part.report);
        let accepted = part.report.counts.accepted;
        let all = Bound::exactly(plan.messages);
        verdict.expect(format!("{name}: accepted all"), accepted, all);
        verdict.tell(format!("{name}: times it took effect"), part.fired);
        let what = format!("{name}: done meanwhile");
        match part.kind {
            // Where nothing goes through, nothing is done.
            FaultKind::BlackHole | FaultKind::HalfOpen => verdict.tell(what, part.meanwhile),
            _ => verdict.expect(what, part.meanwhile, Bound::at_least(1)),
        }
    }
    Ok(verdict)
}

fn name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Latency => "latency",
        FaultKind::Slices => "slices",
        FaultKind::Reset => "resets",
        FaultKind::BlackHole => "black hole",
        FaultKind::HalfOpen => "half-open",
        FaultKind::SlowClose => "slow close",
        FaultKind::Bandwidth => "8 KB per second",
    }
}

/// One way in which the network goes bad, from a good beginning to a good end.
async fn one(
    kind: FaultKind,
    plan: Plan,
    folder: impl AsRef<Path>,
    server: RedisServer,
    seed: u64,
) -> Result<(RedisServer, Part)> {
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    let proxy = FaultProxy::start_with_seed(upstream, seed).await?;
    // Longer than it takes to notice that a path is dead: what a lost answer held is given back then, unseen.
    let settings = [("QUEUE_LEASE", "10s"), ("REDIS_TIMEOUT", "2s")];
    let mut stage = Stage::open(folder.as_ref(), &server.url(), &settings).await?;
    stage.set("REDIS_URL", &format!("redis://127.0.0.1:{}", proxy.port()));
    let worker = stage.worker(Working::default()).await?;
    // It works before it goes bad.
    stage
        .publish(Publishing::of("work", FIRST), PATIENCE)
        .await?;
    stage.until_live(0, PATIENCE).await?;
    let rest = plan.messages - FIRST;
    let batch = 50;
    let publishing = Publishing {
        batch: 50,
        // Over the time in which the fault holds, and some.
        pause_ms: u64::try_from((plan.hold * 5 / 4).as_millis())? / rest.div_ceil(batch),
        ..Publishing::of("work", rest)
    };
    let mut publisher = stage.start(Role::Publish(publishing)).await?;
    let name = name(kind);
    stage.plan(name, 1);
    let from = stage.now();
    trouble(kind, plan, &proxy, &server).await?;
    let to = stage.now();
    proxy.clear();
    let fired = proxy.fired(kind);
    if fired > 0 {
        stage.fired(name);
    }
    let status = publisher.ended(PATIENCE).await?;
    ensure!(status.success(), "a publisher ended: {}", publisher.tail());
    stage.drain(PATIENCE).await?;
    stage.stop(worker, Duration::from_secs(10)).await?;
    let (report, records) = stage.judge(rules(8, 8)).await?;
    let part = Part {
        kind,
        fired,
        meanwhile: done(&records, from, to),
        report,
    };
    Ok((server, part))
}

/// Makes it bad, and waits.
async fn trouble(
    kind: FaultKind,
    plan: Plan,
    proxy: &FaultProxy,
    server: &RedisServer,
) -> Result<()> {
    match kind {
        FaultKind::Latency => proxy.set(Fault::Latency {
            delay: 30 * MS,
            jitter: 30 * MS,
        }),
        FaultKind::Slices => proxy.set(Fault::Slices {
            bytes: 64,
            pause: 2 * MS,
        }),
        FaultKind::Reset => proxy.set(Fault::Reset {
            after: 200,
            spread: 30_000,
        }),
        FaultKind::BlackHole => {
            for hole in plan.holes {
                proxy.set(Fault::BlackHole);
                // tidy: sleep — how long nothing goes through
                sleep(Duration::from_millis(*hole)).await;
                proxy.lift(kind);
                // tidy: sleep — some goes through before the next hole
                sleep(500 * MS).await;
            }
            return Ok(());
        }
        FaultKind::HalfOpen => proxy.set(Fault::HalfOpen {
            after: 200,
            spread: 30_000,
        }),
        FaultKind::SlowClose => {
            proxy.set(Fault::SlowClose { delay: 1_500 * MS });
            let end = tokio::time::Instant::now() + plan.hold;
            while tokio::time::Instant::now() < end {
                // The server hangs up, and they hear of it late.
                server.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])?;
                // tidy: sleep — between two times that it hangs up
                sleep(400 * MS).await;
            }
            return Ok(());
        }
        FaultKind::Bandwidth => proxy.set(Fault::Bandwidth {
            bytes_per_second: 8 * 1024,
        }),
    }
    // tidy: sleep — how long the fault holds
    sleep(plan.hold).await;
    Ok(())
}

/// How many messages were done between two times.
fn done(records: &[Record], from: Timestamp, to: Timestamp) -> u64 {
    let is_done = |fact: &Fact| {
        matches!(
            fact,
            Fact::Processed {
                outcome: Ended::Done,
                ..
            }
        )
    };
    let done = records.iter().filter(|record| is_done(&record.fact));
    done.filter(|record| (from..to).contains(&record.at))
        .count() as u64
}
