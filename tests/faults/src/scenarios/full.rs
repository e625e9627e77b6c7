//! R15: the queue is full, and the server's memory is full.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use forebay::{Connection, Connector, Environment, Kind, NewMessage, Settings};
use forebay_queue_conformance::checker::{Checker, Report};
use forebay_queue_conformance::history::History;
use forebay_xtask::redis::RedisServer;

use crate::ground::{Ground, until, version};
use crate::role::{Publishing, Role, Working};
use crate::scenarios::part::judge_part;
use crate::scenarios::refusals::Refusals;
use crate::stage::{Setting, Stage, rules};
use crate::verdict::{Bound, Verdict};

/// The number of the scenario's own hand among the processes.
const HAND: u32 = 1_000;
const REFUSAL_LIMIT: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_mins(2);
/// More than the server's memory goes up and down by without a change of the queue.
const SPARE: u64 = 2 << 20;
const MEMORY: &str = "the server's memory";
const CAPACITY: &str = "the queue";

/// The scenario's own way to the queue, with what went over it.
struct Hand {
    connection: Connection,
    history: History,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut part = |name: &str, server: &RedisServer, found: (Refusals, Report), asked| {
        let (mut refusals, report) = found;
        verdict.server = version(server)?;
        judge_part(&mut verdict, name, &report);
        let full = format!("{name}: refused as full");
        verdict.expect(full, refusals.clean, Bound::exactly(asked));
        verdict.expect(format!("{name}: taken"), refusals.taken, Bound::exactly(0));
        let usual = format!("{name}: 99 of 100 refusals");
        verdict.expect_within(usual, refusals.usual(), REFUSAL_LIMIT);
        let slowest = format!("{name}: slowest refusal");
        verdict.tell_span(slowest, refusals.slowest());
        anyhow::Ok(())
    };
    let asked = ground.pick(200, 2_000);

    let server = ground.redis()?.start()?;
    let found = queue_full(ground, &server, asked).await?;
    part(CAPACITY, &server, found, asked)?;

    let server = ground.redis()?.start()?;
    let found = memory_full(ground, &server, asked).await?;
    part(MEMORY, &server, found, asked)?;
    Ok(verdict)
}

/// As many messages as fit, refusals, a worker, and as many messages again.
async fn queue_full(
    ground: &Ground,
    server: &RedisServer,
    asked: u64,
) -> Result<(Refusals, Report)> {
    let capacity = ground.pick(2_000, 20_000_u64);
    let text = capacity.to_string();
    let settings = [("QUEUE_LEASE", "5s"), ("QUEUE_CAPACITY", text.as_str())];
    let folder = ground.folder().join("queue");
    std::fs::create_dir(&folder)?;
    let mut stage = Stage::open(&folder, &server.url(), &settings).await?;
    let hand = Hand::reach(&server.url(), &settings).await?;
    stage.plan(CAPACITY, 1);
    stage
        .publish(Publishing::of("work", capacity), PATIENCE)
        .await?;
    let refusals = hand.knock(asked, 0).await?;
    if refusals.clean > 0 {
        stage.fired(CAPACITY);
    }
    // Over the capacity: they wait for the room that the worker makes.
    let more = Role::Publish(Publishing::of("work", capacity));
    let mut publisher = stage.start(more).await?;
    let worker = stage.worker(Working::default()).await?;
    let status = publisher.ended(PATIENCE).await?;
    ensure!(status.success(), "a publisher ended: {}", publisher.tail());
    stage.drain(PATIENCE).await?;
    stage.stop(worker, Duration::from_secs(10)).await?;
    let report = hand.judge(&stage, 2 * capacity).await?;
    Ok((refusals, report))
}

/// Messages until the server has no memory for more, refusals, a worker, and the rest of the messages.
async fn memory_full(
    ground: &Ground,
    server: &RedisServer,
    asked: u64,
) -> Result<(Refusals, Report)> {
    let (room, messages) = ground.pick((8 << 20, 3_000), (64 << 20, 24_000_u64));
    let settings = [("QUEUE_LEASE", "5s"), ("QUEUE_CAPACITY", "1000000")];
    let folder = ground.folder().join("memory");
    std::fs::create_dir(&folder)?;
    let mut stage = Stage::open(&folder, &server.url(), &settings).await?;
    let hand = Hand::reach(&server.url(), &settings).await?;
    let limit = used(server)? + room;
    server.call(&["CONFIG", "SET", "maxmemory", &limit.to_string()])?;
    stage.plan(MEMORY, 1);
    // More than there is room for; the publisher tries the rest again and again.
    let publishing = Publishing {
        filler: 4 << 10,
        keyed: false,
        ..Publishing::of("work", messages)
    };
    let mut publisher = stage.start(Role::Publish(publishing)).await?;
    until("the memory is full", PATIENCE, async || {
        Ok(used(server)? > limit)
    })
    .await?;
    // What the server needs besides comes and goes by some kilobytes: not even one message more is to fit.
    let limit = (limit - SPARE).to_string();
    server.call(&["CONFIG", "SET", "maxmemory", &limit])?;
    stage.fired(MEMORY);
    let refusals = hand.knock(asked, 4 << 10).await?;
    ensure!(
        publisher.is_running()?,
        "all of it was published: {}",
        publisher.tail()
    );
    let worker = stage.worker(Working::default()).await?;
    let status = publisher.ended(PATIENCE).await?;
    ensure!(status.success(), "a publisher ended: {}", publisher.tail());
    stage.drain(PATIENCE).await?;
    stage.stop(worker, Duration::from_secs(10)).await?;
    let report = hand.judge(&stage, messages).await?;
    Ok((refusals, report))
}

fn used(server: &RedisServer) -> Result<u64> {
    match server.info("memory", "used_memory")? {
        Some(bytes) => Ok(bytes.parse()?),
        None => bail!("the server does not tell how much memory it uses"),
    }
}

impl Hand {
    async fn reach(url: &str, settings: &[Setting<'_>]) -> Result<Self> {
        let own = [("QUEUE_BACKEND", "redis"), ("REDIS_URL", url)];
        let settings: Settings = own.iter().chain(settings).copied().collect();
        let environment = Environment::system();
        let history = History::new(&environment);
        let connector = Connector::new(settings)
            .environment(environment)
            .observe(history.for_process(HAND));
        Ok(Self {
            connection: connector.connect("faults").await?,
            history,
        })
    }

    /// Publishes so many single messages, which should all be refused.
    async fn knock(&self, times: u64, filler: usize) -> Result<Refusals> {
        let mut refusals = Refusals::default();
        let kind = Kind::new("work")?;
        for number in 0..times {
            let id = self.connection.environment().next_id();
            let filler = "x".repeat(filler);
            let payload = format!(r#"{{"number":{number},"ms":0,"filler":"{filler}"}}"#);
            let message = NewMessage::new(kind.clone(), payload).with_id(id);
            let began = Instant::now();
            let answer = self
                .connection
                .queue()
                .publish(vec![message], Duration::ZERO);
            let answer = answer.await;
            refusals.times.push(began.elapsed());
            match answer {
                Ok(_) => refusals.taken += 1,
                Err(error) if error.is_full() => refusals.clean += 1,
                Err(error) => bail!("not refused as full: {error}"),
            }
        }
        Ok(refusals)
    }

    /// What became of everything, that of the hand included.
    async fn judge(self, stage: &Stage, asked: u64) -> Result<Report> {
        let (_, records) = stage.judge(rules(8, 8)).await?;
        let records = History::merge(vec![records, self.history.records()]);
        let report = Checker::new(rules(8, 8)).check(&records);
        let accepted = report.counts.accepted;
        ensure!(
            accepted >= asked,
            "{accepted} of {asked} messages were accepted"
        );
        Ok(report)
    }
}
