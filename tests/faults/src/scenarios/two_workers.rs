//! Two processes share a queue, and nobody does anything to them.

use std::time::Duration;

use anyhow::Result;
use forebay_queue_conformance::history::Ended;

use crate::ground::{Ground, version};
use crate::role::{Publishing, Role, Working};
use crate::stage::rules;
use crate::timeline::Timeline;
use crate::verdict::{Bound, Verdict};

const HANDLERS: usize = 32;
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let messages = ground.pick(8_000, 200_000);
    let server = ground.redis()?.start()?;
    let settings = [("QUEUE_CAPACITY", "300000")];
    let mut stage = ground.stage(&server.url(), &settings).await?;
    let working = Working {
        concurrency: HANDLERS,
        prefetch: HANDLERS,
        ..Working::default()
    };
    let workers = [
        stage.worker(working.clone()).await?,
        stage.worker(working).await?,
    ];
    let numbers = [workers[0].number, workers[1].number];
    let half = |_| Role::Publish(Publishing::of("work", messages / 2));
    let mut publishers = [stage.start(half(0)).await?, stage.start(half(1)).await?];
    for publisher in &mut publishers {
        publisher.succeeded(PATIENCE).await?;
    }
    stage.drain(PATIENCE).await?;
    for worker in workers {
        stage.stop(worker, Duration::from_secs(10)).await?;
    }

    let held = u32::try_from(HANDLERS)?;
    let (report, records) = stage.judge(rules(held, held)).await?;
    let timeline = Timeline::of(&records);
    let mut verdict = Verdict::on(version(&server)?);
    let done = |process: Option<u32>| {
        let ended = timeline.deliveries.iter().filter(|delivery| {
            process.is_none_or(|process| process == delivery.process)
                && matches!(delivery.ended, Some((Ended::Done, _)))
        });
        ended.count() as u64
    };
    verdict.expect("processed", done(None), Bound::exactly(messages));
    verdict.judge(&report);
    verdict.expect("doubled", report.counts.doubled, Bound::exactly(0));
    for number in numbers {
        let name = format!("processed by process {number}");
        verdict.expect(name, done(Some(number)), Bound::at_least(1));
    }
    Ok(verdict)
}
