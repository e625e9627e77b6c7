use std::collections::{HashMap, HashSet, VecDeque};

use crate::checker::clock::{Effect, Span};
use crate::checker::run::{Answer, Cancel, NONE, Run};
use crate::history::Tag;

/// A cancel by idempotency key.
pub(crate) type KeyedCancel = (Span, u16, Tag, Effect);

/// A message that must have been accepted, and that nobody ever saw.
pub(crate) struct Missing {
    pub(crate) span: Span,
    pub(crate) queue: u16,
    pub(crate) expires: u64,
}

/// Publishes without an answer and without an id of the sender's, oldest first, by what tells them apart.
#[derive(Default)]
struct Pool {
    contents: HashMap<(u16, u64), VecDeque<u32>>,
    keys: HashMap<(u16, Tag), VecDeque<u32>>,
    queues: HashMap<u16, VecDeque<u32>>,
}

/// Finds out which of the publishes without an answer took effect: those whose message somebody saw. Answers with the
/// publishes that must have happened, because the rest of their batch did, and whose message nobody ever saw.
pub(crate) fn resolve(run: &mut Run, keyed_cancels: Vec<KeyedCancel>) -> Vec<Missing> {
    let mut pool = Pool::of(run);
    let alone = |list: &VecDeque<u32>| list.len() == 1;
    let unique: HashMap<(u16, u64), bool> = pool
        .contents
        .iter()
        .map(|(content, list)| (*content, alone(list)))
        .collect();
    let mut origins = origins(run);
    let guessed = claim(run, &mut pool, &mut origins);
    for (entry, origins) in run.messages.iter_mut().zip(&origins) {
        entry.accepted |= entry.seen && *origins > 0;
    }
    let missing = whole_batches(run, &unique, &origins, &guessed);
    tell_apart(run, keyed_cancels);
    missing
}

/// How many publishes may have made each message.
fn origins(run: &Run) -> Vec<u32> {
    let mut origins = vec![0; run.messages.len()];
    for post in &run.posts {
        if post.message != NONE && post.is_origin() {
            origins[post.message as usize] += 1;
        }
    }
    origins
}

impl Pool {
    fn of(run: &Run) -> Self {
        let mut pool = Self::default();
        for (place, post) in (0..).zip(&run.posts) {
            if post.answer != Answer::Unknown || post.message != NONE {
                continue;
            }
            let by_content = pool.contents.entry((post.queue, post.content));
            by_content.or_default().push_back(place);
            if let Some(key) = post.key {
                let by_key = pool.keys.entry((post.queue, key));
                by_key.or_default().push_back(place);
            }
            let by_queue = pool.queues.entry(post.queue);
            by_queue.or_default().push_back(place);
        }
        pool
    }
}

/// Gives a message to the oldest of these publishes that has none yet, if it began before the message was seen.
fn take(
    run: &mut Run,
    list: Option<&mut VecDeque<u32>>,
    message: u32,
    seen: Option<Span>,
) -> Option<()> {
    let list = list?;
    while let Some(place) = list.front() {
        let post = &run.posts[*place as usize];
        if post.message == NONE {
            let early = seen.is_none_or(|seen| !run.clocks.before(seen.to, post.span.from));
            return early.then(|| run.posts[*place as usize].message = message);
        }
        list.pop_front();
    }
    None
}

/// Gives every message that somebody saw and no known publish made to a publish without an answer: the surest signs
/// first. Answers with the messages whose publish had to be guessed.
fn claim(run: &mut Run, pool: &mut Pool, origins: &mut [u32]) -> Vec<bool> {
    let mut guessed = vec![false; run.messages.len()];
    let mut delivered = guessed.clone();
    for place in 0..run.handouts.len() {
        let handout = &run.handouts[place];
        let (message, span, content) = (handout.message, handout.span, handout.content);
        let first = !std::mem::replace(&mut delivered[message as usize], true);
        let list = pool
            .contents
            .get_mut(&(run.messages[message as usize].queue, content));
        if first && origins[message as usize] == 0 && take(run, list, message, Some(span)).is_some()
        {
            origins[message as usize] = 1;
        }
    }
    for place in 0..run.posts.len() {
        let post = &run.posts[place];
        let (message, span, key, queue) = (post.message, post.span, post.key, post.queue);
        if !matches!(post.answer, Answer::Duplicate { .. }) {
            continue;
        }
        run.messages[message as usize].seen = true;
        let Some(key) = key else { continue };
        let list = pool.keys.get_mut(&(queue, key));
        if origins[message as usize] == 0 && take(run, list, message, Some(span)).is_some() {
            origins[message as usize] = 1;
            guessed[message as usize] = true;
        }
    }
    for message in 0..run.messages.len() {
        let entry = run.messages[message];
        let number = u32::try_from(message).unwrap_or(NONE);
        let list = pool.queues.get_mut(&entry.queue);
        if entry.seen
            && origins[message] == 0
            && !delivered[message]
            && take(run, list, number, None).is_some()
        {
            origins[message] = 1;
            guessed[message] = true;
        }
    }
    guessed
}

/// A batch is taken as a whole: where one message of it was seen, the others were accepted too.
fn whole_batches(
    run: &mut Run,
    unique: &HashMap<(u16, u64), bool>,
    origins: &[u32],
    guessed: &[bool],
) -> Vec<Missing> {
    let mut missing = Vec::new();
    // Which publish was guessed wrongly may be just the one that seems to be missing.
    let guessed_in: HashSet<u16> = run
        .messages
        .iter()
        .zip(guessed)
        .filter_map(|(entry, guessed)| guessed.then_some(entry.queue))
        .collect();
    let mut keys: HashMap<(u16, Tag), u32> = HashMap::new();
    if run.posts.iter().any(|post| post.answer == Answer::Unknown) {
        for post in &run.posts {
            if let Some(key) = post.key {
                *keys.entry((post.queue, key)).or_default() += 1;
            }
        }
    }
    let Run {
        posts, messages, ..
    } = run;
    for batch in posts.chunk_by(|a, b| a.batch == b.batch) {
        if batch.len() < 2 || batch.iter().any(|post| post.answer != Answer::Unknown) {
            continue;
        }
        let was_seen = |post: &crate::checker::run::Post| {
            post.message != NONE
                && messages[post.message as usize].seen
                && origins[post.message as usize] == 1
                && !guessed[post.message as usize]
        };
        if !batch.iter().any(was_seen) {
            continue;
        }
        for post in batch {
            // With a key that others used too it may have been a duplicate.
            let new = post.key.is_none_or(|key| keys[&(post.queue, key)] == 1);
            let only = unique.get(&(post.queue, post.content)) == Some(&true)
                && !guessed_in.contains(&post.queue);
            match post.message {
                NONE if new && only => missing.push(Missing {
                    span: post.span,
                    queue: post.queue,
                    expires: post.expires,
                }),
                NONE => {}
                message => messages[message as usize].accepted |= new,
            }
        }
    }
    missing
}

/// Finds the message that a cancel by key meant: certain where only one message had the key.
fn tell_apart(run: &mut Run, keyed_cancels: Vec<KeyedCancel>) {
    if keyed_cancels.is_empty() {
        return;
    }
    let mut by_key: HashMap<(u16, Tag), Vec<u32>> = HashMap::new();
    for post in &run.posts {
        if let Some(key) = post.key
            && post.is_origin()
        {
            let list = by_key.entry((post.queue, key)).or_default();
            list.push(post.message);
        }
    }
    for list in by_key.values_mut() {
        list.sort_unstable();
        list.dedup();
    }
    for (span, queue, key, effect) in keyed_cancels {
        let Some(list) = by_key.get(&(queue, key)) else {
            continue;
        };
        let effect = if list.len() == 1 {
            effect
        } else {
            Effect::Unknown
        };
        // One that nobody ever saw counts for the doubt, and needs no excuse.
        for message in list.iter().filter(|message| **message != NONE) {
            run.cancels.push(Cancel {
                span,
                message: *message,
                effect,
            });
        }
    }
}
