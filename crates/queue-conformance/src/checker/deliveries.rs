//! What the deliveries of one message must keep to: I2, I3, I5, I6 and I7.

use std::time::Duration;

use crate::checker::clock::{Effect, Point, nanos};
use crate::checker::judge::Judge;
use crate::checker::report::{Cause, Report};
use crate::checker::run::{Handout, Settle, Story, Verb};
use crate::checker::violation::Invariant;

/// How many ids of one sort are kept for the report.
const LISTED: usize = 20;

/// Nothing delivered was never published, or is altered.
pub(crate) fn unaltered(judge: &Judge<'_>, story: &Story<'_>, report: &mut Report) {
    let invariant = Invariant::Unaltered;
    let id = story.entry.id;
    report.judge(invariant, story.handouts.len() as u64);
    if story.origins().next().is_none() {
        if story.entry.seen && !moved_here(judge, story) {
            let seen = if story.handouts.is_empty() {
                "seen"
            } else {
                "delivered"
            };
            let text = format!("{id} was {seen} but never published");
            report.add(invariant, vec![id], lines(story.handouts), text);
        }
        return;
    }
    for handout in story.handouts {
        let lines = vec![handout.span.to.line];
        let same = |post: &crate::checker::run::Post| post.content == handout.content;
        if !story.origins().any(same) {
            let text =
                format!("{id} was delivered with another content than it was published with");
            report.add(invariant, vec![id], lines, text);
        } else if story
            .origins()
            .all(|post| judge.clocks.before(handout.span.to, post.span.from))
        {
            let text = format!("{id} was delivered before it was published");
            report.add(invariant, vec![id], lines, text);
        }
    }
}

/// Whether it is a dead letter of another queue.
fn moved_here(judge: &Judge<'_>, story: &Story<'_>) -> bool {
    let Some(takes) = &judge.rules.dead_letter_queue else {
        return false;
    };
    let queues = u16::try_from(judge.run.queues.len()).unwrap_or(u16::MAX);
    *takes == story.queue.name
        && (0..queues).any(|queue| {
            queue != story.entry.queue && judge.run.by_id.contains_key(&(queue, story.entry.id))
        })
}

/// Every delivery after the first has a cause, comes after no confirmed end, and counts its attempt.
pub(crate) fn again(judge: &Judge<'_>, story: &Story<'_>, report: &mut Report) {
    let Some(first) = story.handouts.first() else {
        return;
    };
    let accepted = story.accepted_from().map_or(0, |point| point.at);
    report.judge(Invariant::Attempts, story.handouts.len() as u64);
    let most = judge.hidden(story, accepted, first.delivered_at);
    if first.attempt == 0 || first.attempt - 1 > most {
        let text = format!(
            "{} came as attempt {} the first time, after at most {most} deliveries that nobody saw",
            story.entry.id, first.attempt
        );
        let lines = vec![first.span.to.line];
        report.add(Invariant::Attempts, vec![story.entry.id], lines, text);
    }
    report.judge(Invariant::Explained, story.handouts.len() as u64 - 1);
    let mut doubled = false;
    for place in 0..story.handouts.len() - 1 {
        let pair = [&story.handouts[place], &story.handouts[place + 1]];
        if over(judge, story, place, pair, report) {
            continue;
        }
        let cause = cause(judge, story, place, pair);
        *report.counts.redelivered.entry(cause).or_default() += 1;
        doubled |= !cause.is_given_back();
        if cause == Cause::Unexplained && report.counts.unexplained.len() < LISTED {
            report.counts.unexplained.push(story.entry.id);
        }
        attempt(judge, story, place, pair, report);
    }
    report.counts.doubled += u64::from(doubled);
}

/// Whether a delivery followed the confirmed end of the one before it.
fn over(
    judge: &Judge<'_>,
    story: &Story<'_>,
    place: usize,
    [_, next]: [&Handout; 2],
    report: &mut Report,
) -> bool {
    let Some(end) = Judge::settled(story, place) else {
        return false;
    };
    let what = match end.verb {
        Verb::Ack => "acked",
        Verb::DeadLetter if !redriven(judge, story, end, next) => "made a dead letter",
        _ => return false,
    };
    let id = story.entry.id;
    let lines = vec![end.span.from.line, end.span.to.line, next.span.to.line];
    // The order of the two is clear only if the settlement began when the next delivery was out.
    if judge.handed_before(next, end.span.from) {
        if judge.rules.fencing {
            let text = format!("{id} was {what} by a receipt when a later delivery was out");
            report.add(Invariant::Fenced, vec![id], lines, text);
        }
    } else {
        let text = format!("{id} was delivered again although it was {what}");
        report.add(Invariant::Over, vec![id], lines, text);
    }
    true
}

fn redriven(judge: &Judge<'_>, story: &Story<'_>, end: &Settle, next: &Handout) -> bool {
    story.redriven(judge.clocks, end.span.from, next.delivered_at)
}

/// Why a message was delivered again.
fn cause(judge: &Judge<'_>, story: &Story<'_>, place: usize, pair: [&Handout; 2]) -> Cause {
    let [one, next] = pair;
    let settles = story.settles(place);
    let had = |effect: Effect, verb: fn(Verb) -> bool| {
        settles
            .iter()
            .any(|s| s.effect == effect && verb(s.verb) && !judge.handed_before(next, s.span.from))
    };
    let retry = |verb: Verb| matches!(verb, Verb::Retry(_));
    let release = |verb: Verb| matches!(verb, Verb::Release(_));
    let dead = |s: &Settle| s.verb == Verb::DeadLetter && s.effect.possible();
    // A lease that had run out before the kill is not the kill's.
    let held = judge.lease_at_least(story, place, |_| true);
    // Nor is what its predecessor under the same number left behind when it was stopped, nor what it had given up itself.
    let process = one.span.from.process;
    let given_up = (story.message, process, one.attempt);
    let killed = !judge.run.given_up.contains(&given_up)
        && judge.run.kills.iter().any(|kill| {
            let at = kill.at.at;
            kill.process == process
                && kill
                    .began
                    .is_none_or(|began| !judge.clocks.before(one.span.to, began))
                && !judge.clocks.earlier(at, one.delivered_at)
                && !judge.clocks.earlier(next.delivered_at, at)
                && !judge.clocks.earlier(held, at)
        });
    let ended = judge.lease_at_least(story, place, |s| !judge.handed_before(next, s.span.from));
    if had(Effect::Done, retry) {
        Cause::Retry
    } else if had(Effect::Done, release) {
        Cause::Release
    } else if settles
        .iter()
        .any(|s| dead(s) && redriven(judge, story, s, next))
    {
        Cause::Redrive
    } else if killed {
        Cause::Kill
    } else if had(Effect::Unknown, |verb| verb == Verb::Ack) {
        Cause::UnknownAck
    } else if had(Effect::Unknown, retry) {
        Cause::Retry
    } else if had(Effect::Unknown, release) {
        Cause::Release
    } else if next.delivered_at >= ended {
        Cause::LeaseExpiry
    } else if judge.run.store_stopped(one.delivered_at, next.delivered_at) {
        Cause::StoreRestart
    } else {
        Cause::Unexplained
    }
}

/// Attempts grow by one for each delivery that was not released, and begin anew with a redrive.
fn attempt(
    judge: &Judge<'_>,
    story: &Story<'_>,
    place: usize,
    [one, next]: [&Handout; 2],
    report: &mut Report,
) {
    let hidden = judge.hidden(story, one.delivered_at, next.delivered_at);
    // What a stale receipt did says nothing of the next delivery.
    let in_time = |s: &&Settle| s.effect.possible() && !judge.handed_before(next, s.span.from);
    let settles = || story.settles(place).iter().filter(in_time);
    let confirmed = settles()
        .find(|s| s.verb != Verb::Extend && s.effect == Effect::Done)
        .map(|s| s.verb);
    let release = |s: &Settle| matches!(s.verb, Verb::Release(_));
    let dead = settles().any(|s| s.verb == Verb::DeadLetter && redriven(judge, story, s, next));
    let (mut least, mut most) = match confirmed {
        Some(Verb::Release(_)) => (one.attempt, one.attempt),
        Some(Verb::DeadLetter) if dead => (1, 1),
        None if settles().any(release) => (one.attempt, one.attempt + 1),
        _ => (one.attempt + 1, one.attempt + 1),
    };
    most = most.saturating_add(hidden);
    if judge.run.store_stopped(one.delivered_at, next.delivered_at) {
        least = least.saturating_sub(1);
    }
    if dead {
        least = 1;
    }
    if !(least..=most).contains(&next.attempt) {
        let (was, is) = (one.attempt, next.attempt);
        let text = format!(
            "{} came as attempt {is} after attempt {was}; {least} to {most} would be right",
            story.entry.id
        );
        let lines = vec![one.span.to.line, next.span.to.line];
        report.add(Invariant::Attempts, vec![story.entry.id], lines, text);
    }
}

/// Nothing is delivered after a confirmed cancel, or when it has expired.
pub(crate) fn ended(judge: &Judge<'_>, story: &Story<'_>, report: &mut Report) {
    let id = story.entry.id;
    report.judge(Invariant::Over, story.handouts.len() as u64);
    for (place, handout) in story.handouts.iter().enumerate() {
        let line = handout.span.to.line;
        let cancelled = story
            .cancels
            .iter()
            .find(|c| c.effect == Effect::Done && judge.handed_after(handout, c.span.to));
        if let Some(cancel) = cancelled {
            let text = format!("{id} was delivered although it was cancelled");
            let lines = vec![cancel.span.from.line, cancel.span.to.line, line];
            report.add(Invariant::Over, vec![id], lines, text);
        }
        // A redrive lifts the end of life.
        let since = story.accepted_from().unwrap_or(handout.span.from);
        if handout.expires <= handout.delivered_at
            && (place == 0 || !story.redriven(judge.clocks, since, handout.delivered_at))
        {
            let text = format!("{id} was delivered although it had expired");
            report.add(Invariant::Over, vec![id], vec![line], text);
        }
    }
}

/// Never early, and where the rules say so hardly late.
pub(crate) fn on_time(judge: &Judge<'_>, story: &Story<'_>, report: &mut Report) {
    for (place, handout) in story.handouts.iter().enumerate() {
        report.judge(Invariant::NotEarly, 1);
        let before = place
            .checked_sub(1)
            .map(|place| (place, &story.handouts[place]));
        let due = match before {
            None => first_due(story, handout),
            Some((place, _)) => due_again(judge, story, place, handout),
        };
        let Some((earliest, latest)) = due else {
            continue;
        };
        let id = story.entry.id;
        let line = vec![handout.span.to.line];
        if handout.delivered_at < earliest {
            report.counts.early += 1;
            let text = format!(
                "{id} was delivered {:?} before it was due",
                Duration::from_nanos(earliest - handout.delivered_at)
            );
            report.add(Invariant::NotEarly, vec![id], line, text);
        } else if is_late(judge, story, handout, latest) {
            report.counts.late += 1;
            let text = format!(
                "{id} was handed to a waiting receiver {:?} after it was due",
                Duration::from_nanos(handout.delivered_at - latest)
            );
            report.add(Invariant::NotEarly, vec![id], line, text);
        }
    }
}

/// When a first delivery was due at the earliest, and at the latest.
fn first_due(story: &Story<'_>, handout: &Handout) -> Option<(u64, u64)> {
    let asked = story.origins().map(|post| post.due).min()?;
    let latest = handout.due.max(handout.published_at);
    Some((asked.max(handout.due), latest))
}

/// When a delivery after a confirmed retry or release was due.
fn due_again(
    judge: &Judge<'_>,
    story: &Story<'_>,
    place: usize,
    next: &Handout,
) -> Option<(u64, u64)> {
    let given_back = Judge::settled(story, place)?;
    let (Verb::Retry(after) | Verb::Release(after)) = given_back.verb else {
        return None;
    };
    // What a stale receipt did is another invariant's.
    if judge.handed_before(next, given_back.span.from) {
        return None;
    }
    let earliest = given_back.span.from.at.saturating_add(after);
    let latest = given_back.span.to.at.saturating_add(after);
    Some((earliest.saturating_sub(judge.clocks.skew), latest))
}

/// Whether a receiver that waited when a message was due got it too late.
fn is_late(judge: &Judge<'_>, story: &Story<'_>, handout: &Handout, due: u64) -> bool {
    let Some(lateness) = judge.rules.lateness else {
        return false;
    };
    let Point { at: waiting, .. } = handout.span.from;
    let limit = due.saturating_add(nanos(lateness));
    let paused = || {
        let pauses = &story.queue.pauses;
        pauses
            .iter()
            .any(|pause| pause.from.at <= handout.delivered_at)
    };
    waiting.saturating_add(judge.clocks.skew) <= due
        && judge.clocks.earlier(limit, handout.delivered_at)
        && !judge.run.store_stopped(due, handout.delivered_at)
        && !paused()
}

fn lines(handouts: &[Handout]) -> Vec<u32> {
    handouts
        .iter()
        .take(LISTED)
        .map(|h| h.span.to.line)
        .collect()
}
