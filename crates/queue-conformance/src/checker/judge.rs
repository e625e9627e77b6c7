use crate::checker::clock::{Clocks, Effect, Point, nanos};
use crate::checker::rules::Rules;
use crate::checker::run::{Handout, Run, Settle, Story, Verb};

/// What the judges of one message look things up in.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) run: &'a Run,
    pub(crate) rules: &'a Rules,
    pub(crate) clocks: Clocks,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(run: &'a Run, rules: &'a Rules) -> Self {
        Self {
            run,
            rules,
            clocks: run.clocks,
        }
    }

    /// Whether a delivery was certainly handed out before a line.
    pub(crate) fn handed_before(&self, handout: &Handout, point: Point) -> bool {
        self.clocks.before(handout.span.to, point)
            || self.clocks.earlier(handout.delivered_at, point.at)
    }

    /// Whether a delivery was certainly handed out after a line.
    pub(crate) fn handed_after(&self, handout: &Handout, point: Point) -> bool {
        self.clocks.before(point, handout.span.from)
            || self.clocks.earlier(point.at, handout.delivered_at)
    }

    /// Until when a lease lasts at least, by the confirmed extensions that count.
    pub(crate) fn lease_at_least(
        &self,
        story: &Story<'_>,
        place: usize,
        counts: impl Fn(&Settle) -> bool,
    ) -> u64 {
        let handout = &story.handouts[place];
        let given = handout.delivered_at.saturating_add(handout.lease);
        let length = story
            .queue
            .lease
            .map_or(handout.lease, |(least, _)| least.min(handout.lease));
        let shorter = length < handout.lease;
        let extended = |until: u64, extension: &Settle| {
            let from_then = extension.span.from.at.saturating_add(length);
            let from_then = from_then.saturating_sub(self.clocks.skew);
            match extension.effect == Effect::Done && counts(extension) {
                // The lease lasts from the extension: where the queue's became shorter, that may be less.
                true if shorter => from_then,
                true => until.max(from_then),
                false if shorter && extension.effect.possible() => until.min(from_then),
                false => until,
            }
        };
        let extensions = story.settles(place).iter();
        extensions
            .filter(|s| s.verb == Verb::Extend)
            .fold(given, extended)
    }

    /// The longest lease that this one can be extended to, from the time of the extension.
    pub(crate) fn longest_lease(story: &Story<'_>, handout: &Handout) -> u64 {
        story
            .queue
            .lease
            .map_or(handout.lease, |(_, most)| most.max(handout.lease))
    }

    /// How many deliveries of a message nobody may have seen between two times: receives without an answer.
    pub(crate) fn hidden(&self, story: &Story<'_>, from: u64, to: u64) -> u32 {
        let lease = story.queue.lease.map_or(0, |(_, most)| most);
        // A request may go on in the store after its caller gave up.
        let slack = lease.max(nanos(self.rules.lease)) + self.clocks.skew;
        let begun = story
            .queue
            .hidden_from
            .partition_point(|at| *at <= to.saturating_add(self.clocks.skew));
        let over = story
            .queue
            .hidden_to
            .partition_point(|at| at.saturating_add(slack) < from);
        u32::try_from(begun.saturating_sub(over)).unwrap_or(u32::MAX)
    }

    /// Whether a settlement may have come when the message had expired: then it only removed it.
    pub(crate) fn may_be_over(&self, story: &Story<'_>, place: usize, settle: &Settle) -> bool {
        let posted = story.origins().map(|p| p.expires).min();
        let expires = story.handouts[place]
            .expires
            .min(posted.unwrap_or(u64::MAX));
        expires != u64::MAX && !self.clocks.earlier(settle.span.to.at, expires)
    }

    /// The settlement of a delivery that was confirmed, if any.
    pub(crate) fn settled<'s>(story: &'s Story<'_>, place: usize) -> Option<&'s Settle> {
        story
            .settles(place)
            .iter()
            .find(|s| s.verb != Verb::Extend && s.effect == Effect::Done)
    }
}
