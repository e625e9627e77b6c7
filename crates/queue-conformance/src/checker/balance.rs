//! Nothing is lost, and the counts add up: I1 and I9.

use std::collections::HashSet;

use forebay_queue_core::MessageId;

use crate::checker::clock::{Effect, Point};
use crate::checker::fate::Fate;
use crate::checker::judge::Judge;
use crate::checker::report::Report;
use crate::checker::resolve::Missing;
use crate::checker::run::{Cancel, Mass, NONE, Post, QueueEvents, Rest, Story};
use crate::checker::violation::Invariant;

/// What the messages of each queue come to.
pub(crate) struct Balances(Vec<Option<Balance>>);

/// One queue at rest, and what its messages may come to.
struct Balance {
    rest: Point,
    /// Which are dead letters; `None` where nobody has looked.
    dead: Option<HashSet<MessageId>>,
    /// Which are live; `None` where only their number is known.
    live: Option<HashSet<MessageId>>,
    must_live: Vec<MessageId>,
    may_live: u64,
    missing_dead: Vec<MessageId>,
    only_purged: Vec<MessageId>,
    /// Purged, or dropped from the dead letters.
    purged_or_dropped: u64,
}

/// How many ids of lost messages the report lists.
const LISTED: usize = 20;

impl Balances {
    /// From what was at rest: a queue's own last word, or that all of them have drained.
    pub(crate) fn new(judge: &Judge<'_>) -> Self {
        let balance = |queue: &QueueEvents| {
            let rest = match &queue.rest {
                Some(rest) => rest.point,
                None => judge.run.drained?,
            };
            let listed = |ids: &Vec<MessageId>| ids.iter().copied().collect::<HashSet<_>>();
            let live = match &queue.rest {
                Some(rest) if rest.live.is_none() && rest.stats.live() > 0 => None,
                Some(rest) => Some(listed(rest.live.as_ref().unwrap_or(&Vec::new()))),
                None => Some(HashSet::new()),
            };
            Some(Balance {
                rest,
                dead: queue.rest.as_ref().map(|rest| listed(&rest.dead)),
                live,
                must_live: Vec::new(),
                may_live: 0,
                missing_dead: Vec::new(),
                only_purged: Vec::new(),
                purged_or_dropped: 0,
            })
        };
        Self(judge.run.queues.iter().map(balance).collect())
    }

    /// Takes one message.
    pub(crate) fn add(&mut self, judge: &Judge<'_>, story: &Story<'_>, report: &mut Report) {
        let Some(balance) = &mut self.0[usize::from(story.entry.queue)] else {
            return;
        };
        let Some(accepted) = story.accepted_from() else {
            return;
        };
        if judge.clocks.before(balance.rest, accepted) {
            return;
        }
        if !story.entry.accepted {
            // It may be there, it may never have been.
            balance.may_live += 1;
            return;
        }
        report.judge(Invariant::Kept, 1);
        balance.take(Fate::of(judge, story, balance.rest), story.entry.id, report);
    }

    /// Judges the sums.
    pub(crate) fn finish(self, judge: &Judge<'_>, missing: &[Missing], report: &mut Report) {
        for missing in missing {
            let queue = usize::from(missing.queue);
            if let Some(balance) = &self.0[queue]
                && balance.has_lost(judge, &judge.run.queues[queue], missing)
            {
                report.counts.lost += 1;
                let text =
                    "a message of a batch is lost: the rest of the batch was taken".to_owned();
                let lines = vec![missing.span.from.line];
                report.add(Invariant::Kept, Vec::new(), lines, text);
            }
        }
        for (balance, queue) in self.0.into_iter().zip(&judge.run.queues) {
            if let Some(balance) = balance {
                balance.finish(judge, queue, report);
            }
        }
    }
}

impl Balance {
    fn take(&mut self, fate: Fate, id: MessageId, report: &mut Report) {
        let is_dead = self.dead.as_ref().map(|dead| dead.contains(&id));
        let is_live = self.live.as_ref().map(|live| live.contains(&id));
        let mut wrong = |text: &str| {
            let text = format!("{id} {text}");
            report.add(Invariant::AddsUp, vec![id], Vec::new(), text);
        };
        match (is_dead, is_live) {
            (Some(true), Some(true)) => wrong("is live and among the dead letters at once"),
            (Some(true), _) => {
                if !fate.dead {
                    wrong("is among the dead letters, and nobody sent it there");
                }
            }
            (_, Some(true)) => {
                if !fate.live {
                    wrong("is still there after its confirmed end");
                }
            }
            // Nobody has looked at the dead letters.
            (None, _) if fate.dead => {}
            (_, known) => self.must_be_somewhere(fate, known.is_some(), id, report),
        }
    }

    /// It is not among the dead letters, nor in a list of the live ones.
    fn must_be_somewhere(
        &mut self,
        fate: Fate,
        not_live: bool,
        id: MessageId,
        report: &mut Report,
    ) {
        let may_live = fate.live && !not_live;
        self.may_live += u64::from(may_live);
        if fate.gone {
            return;
        }
        match (fate.live, fate.purged) {
            (_, true) if fate.dead => self.purged_or_dropped += 1,
            (_, true) => self.only_purged.push(id),
            // As a dead letter it may have been dropped over the limit.
            (false, false) => self.missing_dead.push(id),
            (true, false) if fate.dead && !may_live => self.missing_dead.push(id),
            (true, false) if may_live => self.must_live.push(id),
            (true, false) => lost(
                1,
                vec![id],
                format!("{id} was accepted and is lost"),
                report,
            ),
        }
    }

    /// Whether nothing can have ended a message that was never handed out, and it is not there.
    fn has_lost(&self, judge: &Judge<'_>, queue: &QueueEvents, missing: &Missing) -> bool {
        let from = missing.span.from;
        let purged =
            |purge: &Mass| purge.count != Some(0) && !judge.clocks.before(purge.span.to, from);
        let may_be_cancelled = |cancel: &Cancel| cancel.effect == Effect::Unknown;
        self.live.as_ref().is_some_and(HashSet::is_empty)
            && judge.clocks.before(from, self.rest)
            && (missing.expires == u64::MAX || judge.clocks.earlier(self.rest.at, missing.expires))
            && !queue.purges.iter().any(purged)
            && !judge.run.cancels.iter().any(may_be_cancelled)
            && !judge.run.may_be_lost(from, None)
    }

    fn finish(mut self, judge: &Judge<'_>, queue: &QueueEvents, report: &mut Report) {
        let Some(rest) = &queue.rest else {
            return self.purged(queue, 0, 0, report);
        };
        let name = &queue.name;
        let dropped = usize::try_from(rest.stats.dead_dropped).unwrap_or(usize::MAX);
        let spare = dropped.saturating_sub(self.missing_dead.len()) as u64;
        if self.missing_dead.len() > dropped {
            let ids = std::mem::take(&mut self.missing_dead);
            let text = format!(
                "{} dead letters of {name} are missing, and {dropped} were dropped over the limit",
                ids.len()
            );
            lost(ids.len() as u64, ids, text, report);
        }
        let live = rest.stats.live();
        if self.live.is_none() && (self.must_live.len() as u64) > live {
            let ids = std::mem::take(&mut self.must_live);
            let text = format!(
                "{} messages should still be in {name}, and {live} are",
                ids.len()
            );
            lost(ids.len() as u64 - live, ids, text, report);
        }
        self.sums(judge, queue, rest, report);
        let others = self.purged_or_dropped.saturating_sub(spare);
        self.purged(queue, others, live, report);
    }

    /// No more messages can have been purged than purges said.
    fn purged(self, queue: &QueueEvents, others: u64, live: u64, report: &mut Report) {
        let count = |purge: &Mass| purge.count;
        let Some(purged): Option<u64> = queue.purges.iter().map(count).sum() else {
            return;
        };
        let ids = self.only_purged;
        let count = ids.len() as u64 + others;
        if count > purged + live {
            let text = format!(
                "{count} messages of {} can only have been purged, and {purged} were",
                queue.name
            );
            lost(count - purged - live, ids, text, report);
        }
    }

    fn sums(&self, judge: &Judge<'_>, queue: &QueueEvents, rest: &Rest, report: &mut Report) {
        let Rest { stats, .. } = rest;
        let name = &queue.name;
        let mut wrong = |text: String| {
            report.add(Invariant::AddsUp, Vec::new(), vec![rest.point.line], text);
        };
        let live = stats.live();
        if let Some(listed) = &rest.live
            && listed.len() as u64 != live
        {
            wrong(format!(
                "{name} counts {live} live messages and lists {}",
                listed.len()
            ));
        }
        if stats.dead != rest.dead.len() as u64 {
            wrong(format!(
                "{name} counts {} dead letters and lists {}",
                stats.dead,
                rest.dead.len()
            ));
        }
        // What was published without an id and never seen may be there too.
        let unseen = judge.run.posts.iter().filter(|p| p.message == NONE).count() as u64;
        if self.live.is_none() && live > self.may_live + self.only_purged.len() as u64 + unseen {
            let most = self.may_live + unseen;
            wrong(format!(
                "{name} counts {live} live messages, and there can be {most}"
            ));
        }
        let stays_empty = |drained: Point| {
            let added = |post: &Post| post.span.to.line > drained.line;
            drained.line < rest.point.line && !judge.run.posts.iter().any(added)
        };
        if live > 0 && judge.run.drained.is_some_and(stays_empty) {
            wrong(format!(
                "{name} had drained, and counts {live} live messages"
            ));
        }
        let keys: HashSet<_> = judge
            .run
            .posts
            .iter()
            .filter(|post| judge.run.queues[usize::from(post.queue)].name == *name)
            .filter_map(|post| post.key)
            .collect();
        if stats.idempotency_keys > keys.len() as u64 {
            let (counted, known) = (stats.idempotency_keys, keys.len());
            wrong(format!(
                "{name} counts {counted} idempotency keys, and {known} were published"
            ));
        }
        report.judge(Invariant::AddsUp, 1);
        let mut once = HashSet::new();
        for id in &rest.dead {
            if !once.insert(id) {
                let text = format!("{id} is a dead letter twice");
                report.add(Invariant::Attempts, vec![*id], vec![rest.point.line], text);
            }
        }
    }
}

fn lost(count: u64, mut ids: Vec<MessageId>, text: String, report: &mut Report) {
    report.counts.lost += count;
    ids.truncate(LISTED);
    let room = LISTED.saturating_sub(report.counts.lost_ids.len());
    report.counts.lost_ids.extend(ids.iter().take(room));
    report.add(Invariant::Kept, ids, Vec::new(), text);
}
