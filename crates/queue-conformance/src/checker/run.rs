use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use forebay_queue_core::{Kind, MessageId, QueueName, Timestamp};

use crate::checker::clock::{Clocks, Effect, Point, Span};
use crate::history::{RestStats, Tag};

/// No message, no delivery.
pub(crate) const NONE: u32 = u32::MAX;

/// What the checker keeps of a history: who published, got and settled what, and when. Compact, because there may be
/// millions of each.
pub(crate) struct Run {
    pub(crate) clocks: Clocks,
    pub(crate) queues: Vec<QueueEvents>,
    pub(crate) messages: Vec<MessageEntry>,
    pub(crate) by_id: HashMap<(u16, MessageId), u32>,
    pub(crate) posts: Vec<Post>,
    pub(crate) handouts: Vec<Handout>,
    pub(crate) settles: Vec<Settle>,
    pub(crate) cancels: Vec<Cancel>,
    /// Settlements that succeeded with a receipt that nobody was given.
    pub(crate) orphans: Vec<Span>,
    /// Who was killed, and when.
    pub(crate) kills: Vec<Kill>,
    /// What a process itself held for lost: message, process, attempt.
    pub(crate) given_up: HashSet<(u32, u32, u32)>,
    /// When the store was stopped, started or emptied.
    pub(crate) store_stops: Vec<Point>,
    /// When the store lost what it held.
    pub(crate) losses: Vec<Point>,
    pub(crate) drained: Option<Point>,
    pub(crate) unknown_acks: u64,
}

/// One message that the history names.
#[derive(Clone, Copy)]
pub(crate) struct MessageEntry {
    pub(crate) id: MessageId,
    pub(crate) queue: u16,
    /// Somebody saw it, so it was accepted whatever its publish was answered.
    pub(crate) seen: bool,
    /// A publish was answered with it, or it was seen.
    pub(crate) accepted: bool,
}

/// What happened to a queue as a whole.
pub(crate) struct QueueEvents {
    pub(crate) name: QueueName,
    /// Receives without an answer: each may have counted attempts that nobody saw. From and to, in nanoseconds.
    pub(crate) hidden_from: Vec<u64>,
    pub(crate) hidden_to: Vec<u64>,
    pub(crate) purges: Vec<Mass>,
    pub(crate) redrives: Vec<Mass>,
    pub(crate) deletes: Vec<Mass>,
    pub(crate) pauses: Vec<Span>,
    /// The shortest and longest lease that it was configured with.
    pub(crate) lease: Option<(u64, u64)>,
    pub(crate) rest: Option<Rest>,
}

/// A verb over many messages; `count` is `None` where it was not answered.
#[derive(Clone, Copy)]
pub(crate) struct Mass {
    pub(crate) span: Span,
    pub(crate) count: Option<u64>,
}

/// A queue at rest.
pub(crate) struct Rest {
    pub(crate) point: Point,
    pub(crate) stats: RestStats,
    pub(crate) dead: Vec<MessageId>,
    pub(crate) live: Option<Vec<MessageId>>,
}

/// What a publish was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its message is the post's own.
    Accepted,
    /// Its message is the first one with that key.
    Duplicate { same_fingerprint: bool },
    /// Nothing: it may have happened.
    Unknown,
    /// It did not happen.
    Void,
}

/// One message of a publish.
pub(crate) struct Post {
    pub(crate) span: Span,
    pub(crate) content: u64,
    pub(crate) key: Option<Tag>,
    pub(crate) fingerprint: Option<Tag>,
    /// Not due before this; 0 is at once.
    pub(crate) due: u64,
    /// Expires at the earliest at this; the maximum is never.
    pub(crate) expires: u64,
    /// The message it made, may have made, or was answered with.
    pub(crate) message: u32,
    /// Posts of one publish have the same number.
    pub(crate) batch: u32,
    pub(crate) queue: u16,
    pub(crate) answer: Answer,
}

impl Post {
    /// Whether it made its message, or may have.
    pub(crate) fn is_origin(&self) -> bool {
        matches!(self.answer, Answer::Accepted | Answer::Unknown)
    }
}

/// The end of a process without a word.
pub(crate) struct Kill {
    pub(crate) process: u32,
    /// When it had begun; `None` where it was there from the start.
    pub(crate) began: Option<Point>,
    pub(crate) at: Point,
}

/// One delivery.
pub(crate) struct Handout {
    /// The receive.
    pub(crate) span: Span,
    pub(crate) content: u64,
    /// By the store's clock.
    pub(crate) delivered_at: u64,
    pub(crate) published_at: u64,
    pub(crate) lease: u64,
    pub(crate) due: u64,
    pub(crate) expires: u64,
    pub(crate) attempt: u32,
    pub(crate) message: u32,
}

/// What was to become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Ack,
    Extend,
    Retry(u64),
    Release(u64),
    DeadLetter,
}

/// One settlement, or extension.
pub(crate) struct Settle {
    pub(crate) span: Span,
    /// The place of its delivery in [`Run::handouts`].
    pub(crate) handout: u32,
    pub(crate) verb: Verb,
    pub(crate) effect: Effect,
}

/// One cancel that took effect, or may have.
pub(crate) struct Cancel {
    pub(crate) span: Span,
    pub(crate) message: u32,
    pub(crate) effect: Effect,
}

/// Everything about one message, in order.
pub(crate) struct Story<'a> {
    pub(crate) message: u32,
    pub(crate) entry: MessageEntry,
    pub(crate) queue: &'a QueueEvents,
    /// By line.
    pub(crate) posts: &'a [Post],
    /// By the time of the hand-out.
    pub(crate) handouts: &'a [Handout],
    /// By delivery, then by line.
    settles: &'a [Settle],
    pub(crate) cancels: &'a [Cancel],
    first: u32,
}

impl Story<'_> {
    /// The settlements and extensions of one delivery, by line.
    pub(crate) fn settles(&self, handout: usize) -> &[Settle] {
        let place = self.first as usize + handout;
        let from = self
            .settles
            .partition_point(|s| (s.handout as usize) < place);
        let to = self
            .settles
            .partition_point(|s| (s.handout as usize) <= place);
        &self.settles[from..to]
    }

    /// The publishes that made this message, or may have.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Post> {
        self.posts.iter().filter(|post| post.is_origin())
    }

    /// When it was accepted at the earliest.
    pub(crate) fn accepted_from(&self) -> Option<Point> {
        self.origins()
            .map(|post| post.span.from)
            .min_by_key(|p| p.line)
    }

    /// Whether dead letters may have been redriven after one line and before a time.
    pub(crate) fn redriven(&self, clocks: Clocks, after: Point, before: u64) -> bool {
        self.queue.redrives.iter().any(|redrive| {
            redrive.count != Some(0)
                && !clocks.before(redrive.span.to, after)
                && !clocks.earlier(before, redrive.span.from.at)
        })
    }
}

impl Run {
    /// Puts everything in the order of the stories.
    pub(crate) fn sort(&mut self) {
        let mut order: Vec<u32> = (0..).take(self.handouts.len()).collect();
        order.sort_unstable_by_key(|at| {
            let handout = &self.handouts[*at as usize];
            (handout.message, handout.delivered_at, handout.span.to.line)
        });
        let mut rank = vec![0; order.len()];
        for (place, old) in (0..).zip(&order) {
            rank[*old as usize] = place;
        }
        drop(order);
        for settle in &mut self.settles {
            settle.handout = rank[settle.handout as usize];
        }
        drop(rank);
        self.handouts
            .sort_unstable_by_key(|h| (h.message, h.delivered_at, h.span.to.line));
        self.settles
            .sort_by_key(|settle| (settle.handout, settle.span.from.line));
        self.posts
            .sort_by_key(|post| (post.message, post.span.from.line));
        self.cancels.sort_by_key(|cancel| cancel.message);
        for queue in &mut self.queues {
            queue.hidden_from.sort_unstable();
            queue.hidden_to.sort_unstable();
        }
    }

    /// The stories of all messages; after [`Run::sort`].
    pub(crate) fn stories(&self) -> impl Iterator<Item = Story<'_>> {
        let (mut post, mut handout, mut settle, mut cancel) = (0, 0, 0, 0);
        (0..).zip(&self.messages).map(move |(message, entry)| {
            let posts = run(&self.posts, &mut post, |p| p.message <= message);
            let first = u32::try_from(handout).unwrap_or(NONE);
            let handouts = run(&self.handouts, &mut handout, |h| h.message <= message);
            let end = handout;
            let settles = run(&self.settles, &mut settle, |s| (s.handout as usize) < end);
            let cancels = run(&self.cancels, &mut cancel, |c| c.message <= message);
            Story {
                message,
                entry: *entry,
                queue: &self.queues[usize::from(entry.queue)],
                posts,
                handouts,
                settles,
                cancels,
                first,
            }
        })
    }

    /// The last line at which the store may have lost a message that was last seen at this line or time.
    pub(crate) fn may_be_lost(&self, last_seen: Point, last_delivered: Option<u64>) -> bool {
        self.losses.iter().any(|loss| match last_delivered {
            Some(at) => !self.clocks.earlier(loss.at, at),
            None => !self.clocks.before(*loss, last_seen),
        })
    }

    /// Whether the store was stopped, started or emptied between two times.
    pub(crate) fn store_stopped(&self, from: u64, to: u64) -> bool {
        self.store_stops
            .iter()
            .any(|stop| !self.clocks.earlier(stop.at, from) && !self.clocks.earlier(to, stop.at))
    }
}

/// The next part of a sorted list.
fn run<'a, T>(list: &'a [T], place: &mut usize, belongs: impl Fn(&T) -> bool) -> &'a [T] {
    let from = *place;
    while *place < list.len() && belongs(&list[*place]) {
        *place += 1;
    }
    &list[from..*place]
}

/// One number for what must not change between publish and delivery.
pub(crate) fn content(kind: &Kind, payload: Tag, headers: Tag, key: Option<Tag>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, payload, headers, key).hash(&mut hasher);
    hasher.finish()
}

/// Nanoseconds, or a number that stands for none.
pub(crate) fn or(time: Option<Timestamp>, none: u64) -> u64 {
    time.map_or(none, Timestamp::as_nanos)
}
