//! R27: somebody empties the server, deletes the stream or destroys its group while publishers and a worker are busy.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forebay::{MessageId, Timestamp};
use forebay_queue_conformance::history::{Answered, Asked, Ended, Fact, Mark, Published, Record};
use forebay_xtask::redis::RedisServer;
use tokio::time::sleep;

use crate::ground::{Ground, version};
use crate::role::{Publishing, Role, Working};
use crate::scenarios::part::judge_part;
use crate::stage::{Stage, rules};
use crate::verdict::{Bound, Verdict};

const PATIENCE: Duration = Duration::from_mins(1);
const WORKING_AGAIN: Duration = Duration::from_secs(5);

/// What is done to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Flush,
    DeleteStream,
    DestroyGroup,
}

impl Deed {
    const ALL: [Self; 3] = [Self::Flush, Self::DeleteStream, Self::DestroyGroup];

    fn name(self) -> &'static str {
        match self {
            Self::Flush => "FLUSHALL",
            Self::DeleteStream => "DEL of the stream",
            Self::DestroyGroup => "XGROUP DESTROY",
        }
    }

    /// Does it. Says how many messages were in the stream then.
    fn strike(self, server: &RedisServer) -> Result<u64> {
        const STREAM: &str = "forebay:{faults}:stream";
        let command: &[&str] = match self {
            Self::Flush => &["FLUSHALL"],
            Self::DeleteStream => &["DEL", STREAM],
            Self::DestroyGroup => &["XGROUP", "DESTROY", STREAM, "forebay"],
        };
        let mut client = server.client()?;
        let held = client.call(&["XLEN", STREAM])?.integer();
        let done = client.call(command)?;
        let is_done = done.integer() == Some(1) || done.text() == Some("OK");
        ensure!(is_done, "{}: there was nothing to destroy", self.name());
        Ok(u64::try_from(held.unwrap_or(0))?)
    }
}

/// One deed, done again and again.
struct Part {
    deed: Deed,
    slowest: Duration,
    /// Messages that were accepted and never done.
    gone: u64,
    /// Messages that were said to be lost.
    said: u64,
    /// Errors in the logs that tell of it.
    errors: u64,
    /// Workers that ended by it.
    ended: u64,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let rounds = ground.pick(2, 10);
    let mut verdict = Verdict::default();
    for deed in Deed::ALL {
        let server = ground.redis()?.start()?;
        verdict.server = version(&server)?;
        let part = one(ground, &server, deed, rounds, &mut verdict).await?;
        tell(&mut verdict, &part, rounds);
    }
    Ok(verdict)
}

fn tell(verdict: &mut Verdict, part: &Part, rounds: u64) {
    let name = part.deed.name();
    verdict.expect_within(
        format!("{name}: working again"),
        part.slowest,
        WORKING_AGAIN,
    );
    let mut expect =
        |what: &str, count, bound| verdict.expect(format!("{name}: {what}"), count, bound);
    expect("errors in the log", part.errors, Bound::exactly(rounds));
    expect("workers ended by it", part.ended, Bound::exactly(0));
    match part.deed {
        // What was in it, nobody can tell any more.
        Deed::Flush => verdict.tell(format!("{name}: messages gone with it"), part.gone),
        Deed::DeleteStream => {
            verdict.tell(format!("{name}: messages gone with it"), part.gone);
            let said = format!("{name}: messages said to be lost");
            verdict.expect(said, part.said, Bound::exactly(part.gone));
        }
        Deed::DestroyGroup => {
            verdict.expect(
                format!("{name}: messages gone with it"),
                part.gone,
                Bound::exactly(0),
            );
        }
    }
}

async fn one(
    ground: &Ground,
    server: &RedisServer,
    deed: Deed,
    rounds: u64,
    verdict: &mut Verdict,
) -> Result<Part> {
    let folder = ground.folder().join(format!("{deed:?}"));
    fs::create_dir(&folder)?;
    let mut stage = Stage::open(&folder, &server.url(), &[("QUEUE_LEASE", "5s")]).await?;
    let mut worker = stage.worker(Working::default()).await?;
    stage.plan(deed.name(), rounds);
    let mut dice = ground.dice();
    let mut times = Vec::new();
    for round in 0..rounds {
        // With messages under way, and with a worker that waits for some.
        let is_busy = round % 2 == 0;
        let mut publisher = None;
        if is_busy {
            publisher = Some(stage.start(Role::Publish(paced(ground))).await?);
            // tidy: sleep — when it happens is up to the dice
            sleep(Duration::from_millis(dice.u64(100..500))).await;
        }
        times.push(strike(&stage, server, deed, is_busy)?);
        let mut publisher = match publisher {
            Some(publisher) => publisher,
            None => stage.start(Role::Publish(paced(ground))).await?,
        };
        let status = publisher.ended(PATIENCE).await?;
        ensure!(status.success(), "a publisher ended: {}", publisher.tail());
        stage.until_live(0, PATIENCE).await?;
    }
    stage.drain(PATIENCE).await?;
    let ended = u64::from(!worker.is_running()?);
    stage.stop(worker, Duration::from_secs(10)).await?;
    let (report, records) = stage.judge(rules(8, 8)).await?;
    judge_part(verdict, deed.name(), &report);
    let seen = Seen::of(&records);
    let slowest = times.iter().map(|time| seen.working_again(*time));
    let slowest = slowest.collect::<Option<Vec<_>>>();
    let (errors, said) = logged(&folder)?;
    Ok(Part {
        deed,
        slowest: slowest
            .and_then(|all| all.into_iter().max())
            .context("it never worked again")?,
        gone: seen.gone(),
        said,
        errors,
        ended,
    })
}

fn paced(ground: &Ground) -> Publishing {
    Publishing {
        batch: 20,
        pause_ms: 8,
        work_ms: 8,
        ..Publishing::of("work", ground.pick(600, 2_000))
    }
}

/// Does the deed. Says when.
fn strike(stage: &Stage, server: &RedisServer, deed: Deed, is_busy: bool) -> Result<Timestamp> {
    if deed == Deed::DestroyGroup {
        stage.store_stopped();
    }
    let held = deed.strike(server)?;
    let time = stage.now();
    if deed == Deed::DestroyGroup {
        stage.store_runs();
    } else {
        stage.mark(Mark::Wiped);
    }
    if held > 0 || !is_busy {
        stage.fired(deed.name());
    }
    Ok(time)
}

/// What the histories tell of messages.
struct Seen {
    /// When each was first asked to be published.
    asked: HashMap<MessageId, Timestamp>,
    accepted: HashSet<MessageId>,
    done: HashMap<MessageId, Timestamp>,
}

impl Seen {
    fn of(records: &[Record]) -> Self {
        let mut seen = Self {
            asked: HashMap::new(),
            accepted: HashSet::new(),
            done: HashMap::new(),
        };
        for record in records {
            seen.add(record);
        }
        seen
    }

    fn add(&mut self, record: &Record) {
        match &record.fact {
            Fact::Invoke {
                asked: Asked::Publish(messages),
                ..
            } => {
                for id in messages.iter().filter_map(|message| message.id) {
                    self.asked.entry(id).or_insert(record.at);
                }
            }
            Fact::Ok {
                answered: Answered::Published(outcomes),
                ..
            } => {
                let accepted = outcomes.iter().filter_map(|outcome| match outcome {
                    Published::Accepted(id) => Some(*id),
                    Published::Duplicate { .. } => None,
                });
                self.accepted.extend(accepted);
            }
            Fact::Processed {
                id,
                outcome: Ended::Done,
                ..
            } => {
                self.done.entry(*id).or_insert(record.at);
            }
            _ => {}
        }
    }

    /// How long after that time the first message was done that was published later.
    fn working_again(&self, time: Timestamp) -> Option<Duration> {
        let later = self.done.iter().filter(|(id, _)| {
            let asked = self.asked.get(*id);
            asked.is_some_and(|asked| *asked >= time)
        });
        later.map(|(_, done)| done.since(time)).min()
    }

    fn gone(&self) -> u64 {
        let gone = self
            .accepted
            .iter()
            .filter(|id| !self.done.contains_key(*id));
        gone.count() as u64
    }
}

/// The errors in the logs of all processes that tell of something lost, and how many messages they say are.
fn logged(folder: &Path) -> Result<(u64, u64)> {
    let (mut errors, mut said) = (0, 0);
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_none_or(|ending| ending != "log") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        for line in text.lines().filter(|line| line.contains("ERROR")) {
            let is_about_it = ["was made again", "they are lost"];
            if !is_about_it.iter().any(|words| line.contains(words)) {
                continue;
            }
            errors += 1;
            let lost = line.split_once("lost=").map(|(_, rest)| rest);
            let lost = lost.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
            said += lost.unwrap_or(0);
        }
    }
    Ok((errors, said))
}
