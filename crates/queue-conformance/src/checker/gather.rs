mod marks;

use std::collections::{HashMap, HashSet};

use forebay_queue_core::{MessageId, QueueName};

use crate::checker::clock::{Clocks, Effect, Point, Span, nanos};
use crate::checker::report::Counts;
use crate::checker::rules::Rules;
use crate::checker::run::{
    Answer, Cancel, Handout, Mass, MessageEntry, NONE, Post, QueueEvents, Run, Settle, Verb,
    content, or,
};
use crate::history::{
    Action, Answered, Asked, CancelBy, Cancelled, Ended, Fact, Handed, Posted, Published, Record,
    Settled, Tag, When,
};

/// Reads a history once, line by line, and keeps what the judges need.
pub(crate) struct Gather {
    run: Run,
    restart_loses: bool,
    line: u32,
    queues: HashMap<QueueName, u16>,
    open: HashMap<(u32, u64), Open>,
    receipts: HashMap<(u16, Tag), u32>,
    keyed_cancels: Vec<(Span, u16, Tag, Effect)>,
    /// When each process was last started.
    began: HashMap<u32, Point>,
}

/// A call under way.
#[derive(Clone, Copy)]
struct Open {
    from: Point,
    queue: u16,
    pending: Pending,
}

#[derive(Clone, Copy)]
enum Pending {
    /// Posts from a place on.
    Publish(usize, usize),
    Receive,
    /// Settlements from a place on.
    Settle(usize),
    Cancel(CancelBy),
    Purge,
    Redrive,
    Delete,
    Pause,
    Other,
}

impl Gather {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            run: Run {
                clocks: Clocks {
                    skew: nanos(rules.skew),
                },
                queues: Vec::new(),
                messages: Vec::new(),
                by_id: HashMap::new(),
                posts: Vec::new(),
                handouts: Vec::new(),
                settles: Vec::new(),
                cancels: Vec::new(),
                orphans: Vec::new(),
                kills: Vec::new(),
                given_up: HashSet::new(),
                store_stops: Vec::new(),
                losses: Vec::new(),
                drained: None,
                unknown_acks: 0,
            },
            restart_loses: rules.restart_loses,
            line: 0,
            queues: HashMap::new(),
            open: HashMap::new(),
            receipts: HashMap::new(),
            keyed_cancels: Vec::new(),
            began: HashMap::new(),
        }
    }

    /// Takes the next line.
    pub(crate) fn feed(&mut self, record: &Record, counts: &mut Counts) {
        let point = Point {
            at: record.at.as_nanos(),
            line: self.line,
            process: record.process,
        };
        self.line += 1;
        counts.records += 1;
        match &record.fact {
            Fact::Invoke { call, queue, asked } => self.invoke(point, *call, queue, asked, counts),
            Fact::Ok { call, answered } => {
                if let Some(open) = self.open.remove(&(point.process, *call)) {
                    self.answered(&open, point, answered, counts);
                }
            }
            Fact::Fail { call, .. } => {
                if let Some(open) = self.open.remove(&(point.process, *call)) {
                    self.failed(&open);
                }
            }
            Fact::Unknown { call, error } => {
                if let Some(open) = self.open.remove(&(point.process, *call)) {
                    // A dropped call ends there. One whose answer was lost may still be on its way.
                    let to = if error == "dropped" {
                        point
                    } else {
                        Point::END
                    };
                    self.unanswered(&open, to, counts);
                }
            }
            Fact::Started { .. } => counts.started += 1,
            Fact::Processed {
                queue,
                id,
                attempt,
                outcome: Ended::LeaseLost,
                ..
            } => {
                let queue = self.queue(queue);
                let message = self.message(queue, *id);
                let given_up = (message, point.process, *attempt);
                self.run.given_up.insert(given_up);
            }
            Fact::Processed { .. } | Fact::Paused { .. } | Fact::Resumed { .. } => {}
            Fact::Mark(mark) => self.mark(point, mark, counts),
        }
    }

    /// What was gathered, with cancels by key still to be told apart.
    pub(crate) fn finish(mut self, counts: &mut Counts) -> (Run, Vec<(Span, u16, Tag, Effect)>) {
        let mut open: Vec<((u32, u64), Open)> =
            std::mem::take(&mut self.open).into_iter().collect();
        open.sort_unstable_by_key(|(_, open)| open.from.line);
        for ((process, _), call) in open {
            let killed = self
                .run
                .kills
                .iter()
                .filter(|kill| kill.process == process && kill.at.line > call.from.line)
                .map(|kill| kill.at)
                .min_by_key(|at| at.line);
            match killed {
                // Its acks are in what a kill may cost.
                Some(at) => {
                    let acks = self.run.unknown_acks;
                    self.unanswered(&call, at, counts);
                    self.run.unknown_acks = acks;
                }
                None => self.unanswered(&call, Point::END, counts),
            }
        }
        self.run.settles.retain(|s| s.handout != NONE);
        self.run.posts.retain(|p| p.answer != Answer::Void);
        (self.run, self.keyed_cancels)
    }

    fn queue(&mut self, name: &QueueName) -> u16 {
        if let Some(queue) = self.queues.get(name) {
            return *queue;
        }
        let number = u16::try_from(self.run.queues.len()).expect("fewer than 65,536 queues");
        self.queues.insert(name.clone(), number);
        self.run.queues.push(QueueEvents {
            name: name.clone(),
            hidden_from: Vec::new(),
            hidden_to: Vec::new(),
            purges: Vec::new(),
            redrives: Vec::new(),
            deletes: Vec::new(),
            pauses: Vec::new(),
            lease: None,
            rest: None,
        });
        number
    }

    fn message(&mut self, queue: u16, id: MessageId) -> u32 {
        let messages = &mut self.run.messages;
        *self.run.by_id.entry((queue, id)).or_insert_with(|| {
            messages.push(MessageEntry {
                id,
                queue,
                seen: false,
                accepted: false,
            });
            u32::try_from(messages.len() - 1).expect("fewer than 2^32 messages")
        })
    }

    fn invoke(
        &mut self,
        from: Point,
        call: u64,
        queue: &QueueName,
        asked: &Asked,
        counts: &mut Counts,
    ) {
        let queue = self.queue(queue);
        let pending = match asked {
            Asked::Publish(posted) => {
                let first = self.run.posts.len();
                for item in posted {
                    self.post(from, queue, first, item);
                }
                counts.published += posted.len() as u64;
                Pending::Publish(first, posted.len())
            }
            Asked::Receive { .. } => Pending::Receive,
            Asked::Ack(receipts) => {
                self.settle(from, queue, receipts.iter().map(|r| (*r, Verb::Ack)))
            }
            Asked::Extend(receipts) => {
                self.settle(from, queue, receipts.iter().map(|r| (*r, Verb::Extend)))
            }
            Asked::Nack(nacks) => {
                let verb = |action| match action {
                    Action::Retry(after) => Verb::Retry(nanos(after)),
                    Action::Release(after) => Verb::Release(nanos(after)),
                    Action::DeadLetter => Verb::DeadLetter,
                };
                self.settle(
                    from,
                    queue,
                    nacks.iter().map(|n| (n.receipt, verb(n.action))),
                )
            }
            Asked::Cancel(by) => Pending::Cancel(*by),
            Asked::Purge => Pending::Purge,
            Asked::Redrive => Pending::Redrive,
            Asked::DeleteDeadLetters => Pending::Delete,
            Asked::Pause => Pending::Pause,
            Asked::Resume | Asked::Close => Pending::Other,
        };
        let open = Open {
            from,
            queue,
            pending,
        };
        // A process that was killed and started again counts its calls from one.
        if let Some(left) = self.open.insert((from.process, call), open) {
            self.unanswered(&left, from, counts);
        }
    }

    fn post(&mut self, from: Point, queue: u16, batch: usize, item: &Posted) {
        // By which clock a span counts is the store's affair: a bound that holds by both.
        let at = |when| match when {
            When::At(at) => at.as_nanos(),
            When::After(span) => (from.at + nanos(span)).saturating_sub(self.run.clocks.skew),
        };
        let (due, expires) = (
            item.deliver.map_or(0, at),
            item.expires.map_or(u64::MAX, at),
        );
        let message = item.id.map_or(NONE, |id| self.message(queue, id));
        self.run.posts.push(Post {
            span: Span {
                from,
                to: Point::END,
            },
            content: content(&item.kind, item.payload, item.headers, item.key),
            key: item.key,
            fingerprint: item.fingerprint,
            due,
            expires,
            message,
            batch: u32::try_from(batch).unwrap_or(NONE),
            queue,
            answer: Answer::Unknown,
        });
    }

    fn settle(
        &mut self,
        from: Point,
        queue: u16,
        receipts: impl Iterator<Item = (Tag, Verb)>,
    ) -> Pending {
        let first = self.run.settles.len();
        for (receipt, verb) in receipts {
            let handout = self.receipts.get(&(queue, receipt));
            self.run.settles.push(Settle {
                span: Span {
                    from,
                    to: Point::END,
                },
                handout: handout.copied().unwrap_or(NONE),
                verb,
                effect: Effect::Unknown,
            });
        }
        Pending::Settle(first)
    }

    fn answered(&mut self, open: &Open, to: Point, answered: &Answered, counts: &mut Counts) {
        let span = Span {
            from: open.from,
            to,
        };
        let queue = usize::from(open.queue);
        match (open.pending, answered) {
            (Pending::Publish(first, len), Answered::Published(answers)) => {
                for (place, answer) in (first..first + len).zip(answers) {
                    self.published(place, to, *answer, counts);
                }
            }
            (Pending::Receive, Answered::Delivered(handed)) => {
                for item in handed {
                    self.handed(span, open.queue, item);
                }
                counts.delivered += handed.len() as u64;
            }
            (Pending::Settle(first), Answered::Settled(answers)) => {
                for (place, answer) in (first..).zip(answers) {
                    self.settled(place, to, *answer, counts);
                }
            }
            (Pending::Cancel(by), Answered::Cancelled(Cancelled::Cancelled)) => {
                counts.cancelled += 1;
                self.cancel(span, open.queue, by, Effect::Done);
            }
            (Pending::Purge, Answered::Done(count)) => {
                counts.purged += count;
                let count = Some(*count);
                self.run.queues[queue].purges.push(Mass { span, count });
            }
            (Pending::Redrive, Answered::Redriven { redriven, .. }) => {
                let count = Some(*redriven);
                self.run.queues[queue].redrives.push(Mass { span, count });
            }
            (Pending::Delete, Answered::Done(count)) => {
                let count = Some(*count);
                self.run.queues[queue].deletes.push(Mass { span, count });
            }
            (Pending::Pause, _) => self.run.queues[queue].pauses.push(span),
            _ => {}
        }
    }

    fn published(&mut self, place: usize, to: Point, answer: Published, counts: &mut Counts) {
        let queue = self.run.posts[place].queue;
        let (id, answer) = match answer {
            Published::Accepted(id) => (id, Answer::Accepted),
            Published::Duplicate {
                id,
                same_fingerprint,
            } => {
                counts.refused_duplicates += 1;
                (id, Answer::Duplicate { same_fingerprint })
            }
        };
        let message = self.message(queue, id);
        if answer == Answer::Accepted {
            self.run.messages[message as usize].accepted = true;
        }
        let post = &mut self.run.posts[place];
        (post.span.to, post.answer, post.message) = (to, answer, message);
    }

    fn handed(&mut self, span: Span, queue: u16, item: &Handed) {
        let message = self.message(queue, item.id);
        self.run.messages[message as usize].seen = true;
        let place = u32::try_from(self.run.handouts.len()).expect("fewer than 2^32 deliveries");
        self.receipts.insert((queue, item.receipt), place);
        self.run.handouts.push(Handout {
            span,
            content: content(&item.kind, item.payload, item.headers, item.key),
            delivered_at: item.delivered_at.as_nanos(),
            published_at: item.published_at.as_nanos(),
            lease: nanos(item.lease),
            due: or(item.deliver_at, 0),
            expires: or(item.expires_at, u64::MAX),
            attempt: item.attempt,
            message,
        });
    }

    fn settled(&mut self, place: usize, to: Point, answer: Settled, counts: &mut Counts) {
        let Some(settle) = self.run.settles.get_mut(place) else {
            return;
        };
        settle.span.to = to;
        match answer {
            Settled::LeaseLost => {
                counts.leases_lost += 1;
                settle.effect = Effect::Refused;
            }
            Settled::Done => {
                settle.effect = Effect::Done;
                match settle.verb {
                    Verb::Ack => counts.acked += 1,
                    Verb::DeadLetter => counts.dead_lettered += 1,
                    _ => {}
                }
                if settle.handout == NONE {
                    let span = settle.span;
                    self.run.orphans.push(span);
                }
            }
        }
    }

    fn cancel(&mut self, span: Span, queue: u16, by: CancelBy, effect: Effect) {
        match by {
            CancelBy::Id(id) => {
                let message = self.message(queue, id);
                if effect == Effect::Done {
                    self.run.messages[message as usize].seen = true;
                }
                self.run.cancels.push(Cancel {
                    span,
                    message,
                    effect,
                });
            }
            CancelBy::Key(key) => self.keyed_cancels.push((span, queue, key, effect)),
        }
    }

    fn failed(&mut self, open: &Open) {
        match open.pending {
            Pending::Publish(first, len) => {
                for post in &mut self.run.posts[first..first + len] {
                    post.answer = Answer::Void;
                }
            }
            Pending::Settle(first) => {
                let same_call = |s: &&mut Settle| s.span.from.line == open.from.line;
                for settle in self.run.settles[first..].iter_mut().take_while(same_call) {
                    settle.handout = NONE;
                }
            }
            _ => {}
        }
    }

    fn unanswered(&mut self, open: &Open, to: Point, counts: &mut Counts) {
        let span = Span {
            from: open.from,
            to,
        };
        // What changes many messages, or one that nobody holds, may arrive late even when its caller is gone.
        let late = Span {
            from: open.from,
            to: Point::END,
        };
        let mass = Mass {
            span: late,
            count: None,
        };
        let line = open.from.line;
        let queue = &mut self.run.queues[usize::from(open.queue)];
        match open.pending {
            Pending::Publish(_, len) => counts.unknown_publishes += len as u64,
            Pending::Receive => {
                queue.hidden_from.push(open.from.at);
                queue.hidden_to.push(to.at);
            }
            Pending::Settle(first) => {
                let acks = self.run.settles[first..]
                    .iter()
                    .take_while(|s| s.span.from.line == line)
                    .filter(|s| s.verb == Verb::Ack)
                    .count() as u64;
                counts.unknown_acks += acks;
                self.run.unknown_acks += acks;
            }
            Pending::Cancel(by) => self.cancel(late, open.queue, by, Effect::Unknown),
            Pending::Purge => queue.purges.push(mass),
            Pending::Redrive => queue.redrives.push(mass),
            Pending::Delete => queue.deletes.push(mass),
            Pending::Pause => queue.pauses.push(span),
            Pending::Other => {}
        }
    }
}
