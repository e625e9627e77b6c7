use crate::checker::clock::{Effect, Point, nanos};
use crate::checker::judge::Judge;
use crate::checker::run::{Settle, Story, Verb};

/// What may have become of a message, by the end. More than one where an answer is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of four possibilities, not a state"
)]
pub(crate) struct Fate {
    /// Scheduled, ready or leased.
    pub(crate) live: bool,
    /// Among the dead letters.
    pub(crate) dead: bool,
    /// Acked, cancelled, expired, deleted, or lost with the store.
    pub(crate) gone: bool,
    /// Purged.
    pub(crate) purged: bool,
}

impl Fate {
    /// What may have become of a message until the queue was at rest.
    pub(crate) fn of(judge: &Judge<'_>, story: &Story<'_>, rest: Point) -> Self {
        let mut fate = Self::default();
        let death = fate.settled(story);
        if let Some(death) = death {
            fate.dead_at_rest(judge, story, death, rest);
        }
        if fate.live {
            fate.live_at_rest(judge, story, rest);
        }
        let last = story.handouts.last();
        if let Some(seen) = story.accepted_from()
            && judge.run.may_be_lost(seen, last.map(|h| h.delivered_at))
        {
            fate.gone = true;
        }
        fate
    }

    /// What the settlement of the last delivery says. An earlier receipt was stale when the last delivery was out.
    fn settled<'s>(&mut self, story: &'s Story<'_>) -> Option<&'s Settle> {
        let Some(last) = story.handouts.len().checked_sub(1) else {
            self.live = true;
            return None;
        };
        let settles = story
            .settles(last)
            .iter()
            .filter(|s| s.verb != Verb::Extend);
        if let Some(done) = settles.clone().find(|s| s.effect == Effect::Done) {
            match done.verb {
                Verb::Ack => self.gone = true,
                Verb::DeadLetter => self.dead = true,
                Verb::Retry(_) | Verb::Release(_) | Verb::Extend => self.live = true,
            }
            return self.dead.then_some(done);
        }
        self.live = true;
        let mut unknown = settles.filter(|s| s.effect == Effect::Unknown);
        self.gone = unknown.clone().any(|s| s.verb == Verb::Ack);
        let death = unknown.find(|s| s.verb == Verb::DeadLetter);
        self.dead = death.is_some();
        death
    }

    fn dead_at_rest(&mut self, judge: &Judge<'_>, story: &Story<'_>, death: &Settle, rest: Point) {
        let from = death.span.from;
        if story.redriven(judge.clocks, from, rest.at) {
            self.live = true;
        }
        let deleted = story
            .queue
            .deletes
            .iter()
            .any(|d| d.count != Some(0) && !judge.clocks.before(d.span.to, from));
        let kept = nanos(judge.rules.dead_letter_retention);
        let over = !judge.clocks.earlier(rest.at, from.at.saturating_add(kept));
        let elsewhere = judge.rules.dead_letter_queue.is_some();
        // Given back after its end of life, a message is gone, whatever it was given back for.
        let expired = may_have_expired(judge, story, death.span.to.at);
        self.gone |= deleted || over || elsewhere || expired;
    }

    fn live_at_rest(&mut self, judge: &Judge<'_>, story: &Story<'_>, rest: Point) {
        let last = story.handouts.last();
        for cancel in story.cancels {
            let before = last.is_some_and(|last| judge.handed_after(last, cancel.span.to));
            match cancel.effect {
                Effect::Done if before => {}
                Effect::Done => (self.gone, self.live) = (true, false),
                Effect::Unknown => self.gone = true,
                Effect::Refused => {}
            }
        }
        self.gone |= may_have_expired(judge, story, rest.at);
        self.purged = story.queue.purges.iter().any(|purge| {
            let since = story.accepted_from().unwrap_or(purge.span.to);
            purge.count != Some(0)
                && !judge.clocks.before(purge.span.to, since)
                && last.is_none_or(|last| !judge.handed_after(last, purge.span.to))
                && !held_throughout(judge, story, purge.span.from, purge.span.to)
        });
    }
}

/// Whether the end of a message's life may have come by some time.
pub(crate) fn may_have_expired(judge: &Judge<'_>, story: &Story<'_>, at: u64) -> bool {
    let asked = story.origins().map(|p| p.expires).min().unwrap_or(u64::MAX);
    let last = story.handouts.last();
    let expires = last.map_or(asked, |last| last.expires.min(asked));
    expires != u64::MAX && !judge.clocks.earlier(at, expires)
}

/// Whether the last delivery was certainly leased from one line to another.
fn held_throughout(judge: &Judge<'_>, story: &Story<'_>, from: Point, to: Point) -> bool {
    let Some(place) = story.handouts.len().checked_sub(1) else {
        return false;
    };
    let given_back = |s: &Settle| {
        s.verb != Verb::Extend && s.effect.possible() && !judge.clocks.before(to, s.span.from)
    };
    let until = judge.lease_at_least(story, place, |s| judge.clocks.before(s.span.to, from));
    judge.handed_before(&story.handouts[place], from)
        && judge.clocks.earlier(to.at, until)
        && !story.settles(place).iter().any(given_back)
}
