//! What the receipts of one message must keep to: I4.

use crate::checker::clock::Effect;
use crate::checker::judge::Judge;
use crate::checker::report::Report;
use crate::checker::run::{Settle, Story, Verb};
use crate::checker::violation::Invariant;

/// A stale receipt never succeeds; a live one is not refused.
pub(crate) fn fenced(judge: &Judge<'_>, story: &Story<'_>, report: &mut Report) {
    for place in 0..story.handouts.len() {
        let settles = story.settles(place);
        if settles.is_empty() {
            continue;
        }
        report.judge(Invariant::Fenced, settles.len() as u64);
        once(judge, story, settles, report);
        not_after_the_next(judge, story, place, settles, report);
        within_the_lease(judge, story, place, settles, report);
        for settle in settles {
            if settle.effect == Effect::Refused && was_live(judge, story, place, settle) {
                let text = format!(
                    "a receipt of {} was refused within its lease",
                    story.entry.id
                );
                add(story, &[settle], text, report);
            }
        }
    }
}

/// A receipt settles once, and does nothing after that.
fn once(judge: &Judge<'_>, story: &Story<'_>, settles: &[Settle], report: &mut Report) {
    let mut first: Option<&Settle> = None;
    for settle in settles.iter().filter(|s| s.effect == Effect::Done) {
        match first {
            None if settle.verb == Verb::Extend => {}
            None => first = Some(settle),
            Some(first) => {
                let extend = settle.verb == Verb::Extend;
                if !extend || judge.clocks.before(first.span.to, settle.span.from) {
                    let text = format!(
                        "a receipt of {} succeeded after it had settled",
                        story.entry.id
                    );
                    add(story, &[first, settle], text, report);
                }
            }
        }
    }
}

/// A receipt does nothing once the next delivery is out. An ack, or an end among the dead letters, is judged where the
/// next delivery is.
fn not_after_the_next(
    judge: &Judge<'_>,
    story: &Story<'_>,
    place: usize,
    settles: &[Settle],
    report: &mut Report,
) {
    let Some(next) = story.handouts.get(place + 1) else {
        return;
    };
    if !judge.rules.fencing {
        return;
    }
    let stale = settles.iter().find(|s| {
        matches!(s.verb, Verb::Extend | Verb::Retry(_) | Verb::Release(_))
            && s.effect == Effect::Done
            && judge.handed_before(next, s.span.from)
    });
    if let Some(stale) = stale {
        let text = format!(
            "a receipt of {} succeeded when a later delivery was out",
            story.entry.id
        );
        let lines = vec![next.span.to.line, stale.span.from.line, stale.span.to.line];
        report.add(Invariant::Fenced, vec![story.entry.id], lines, text);
    }
}

/// A receipt does nothing once its lease has certainly run out, even if nobody took the message.
fn within_the_lease(
    judge: &Judge<'_>,
    story: &Story<'_>,
    place: usize,
    settles: &[Settle],
    report: &mut Report,
) {
    let handout = &story.handouts[place];
    let longest = Judge::longest_lease(story, handout);
    let mut end = handout.delivered_at.saturating_add(handout.lease);
    for settle in settles {
        // With a next delivery, an end or a receipt that is stale by it is judged already.
        let judged = story.handouts.get(place + 1).is_some_and(|next| {
            matches!(settle.verb, Verb::Ack | Verb::DeadLetter)
                || judge.handed_before(next, settle.span.from)
        });
        let late = judge.clocks.earlier(end, settle.span.from.at);
        if settle.effect == Effect::Done && late && !judged {
            let text = format!(
                "a receipt of {} succeeded after its lease had run out",
                story.entry.id
            );
            add(story, &[settle], text, report);
            return;
        }
        if settle.verb == Verb::Extend && settle.effect.possible() {
            let to = match settle.effect {
                Effect::Done => settle.span.to.at,
                _ => u64::MAX,
            };
            let until = to.saturating_add(longest).saturating_add(judge.clocks.skew);
            end = end.max(until);
        }
    }
}

/// Whether a refused receipt was certainly in force all the while.
fn was_live(judge: &Judge<'_>, story: &Story<'_>, place: usize, refused: &Settle) -> bool {
    let handout = &story.handouts[place];
    let confirmed = |s: &Settle| judge.clocks.before(s.span.to, refused.span.from);
    let until = judge.lease_at_least(story, place, confirmed);
    let settled = |s: &&Settle| {
        s.verb != Verb::Extend && s.effect.possible() && s.span.from.line < refused.span.to.line
    };
    let taken = story.handouts.get(place + 1);
    judge.clocks.earlier(refused.span.to.at, until)
        && !story.settles(place).iter().any(|s| settled(&s))
        && story.cancels.is_empty()
        && taken.is_none_or(|next| judge.handed_after(next, refused.span.to))
        && !judge
            .run
            .store_stopped(handout.delivered_at, refused.span.to.at)
}

fn add(story: &Story<'_>, settles: &[&Settle], text: String, report: &mut Report) {
    let lines = settles
        .iter()
        .flat_map(|s| [s.span.from.line, s.span.to.line])
        .collect();
    report.add(Invariant::Fenced, vec![story.entry.id], lines, text);
}
