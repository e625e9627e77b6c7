//! One message for each idempotency key and window: I8.

use std::collections::{HashMap, HashSet};

use forebay_queue_core::MessageId;

use crate::checker::clock::{Point, Span, nanos};
use crate::checker::fate::may_have_expired;
use crate::checker::judge::Judge;
use crate::checker::report::Report;
use crate::checker::run::{Answer, NONE, Post, Story, Verb};
use crate::checker::violation::Invariant;

/// When the windows of keyed messages began anew, by message.
#[derive(Default)]
pub(crate) struct Renewals(HashMap<u32, Vec<Span>>);

/// One message with a key: accepted at some time between two.
struct Acceptance<'a> {
    post: &'a Post,
    /// The earliest and the latest line.
    from: Point,
    to: Point,
}

impl Renewals {
    /// A retry and a dead-lettering begin the window anew. After its end of life a message is not retried but gone.
    pub(crate) fn note(&mut self, judge: &Judge<'_>, story: &Story<'_>) {
        if judge.rules.window.is_zero() || !story.origins().any(|post| post.key.is_some()) {
            return;
        }
        for place in 0..story.handouts.len() {
            if let Some(settle) = Judge::settled(story, place)
                && matches!(settle.verb, Verb::Retry(_) | Verb::DeadLetter)
                && !judge.may_be_over(story, place, settle)
                && !may_have_expired(judge, story, settle.span.to.at)
            {
                self.0.entry(story.message).or_default().push(settle.span);
            }
        }
    }
}

/// Judges every key by itself.
pub(crate) fn one_per_key(judge: &Judge<'_>, renewals: &Renewals, report: &mut Report) {
    if judge.rules.window.is_zero() {
        return;
    }
    let seen = first_seen(judge);
    let mut keyed: Vec<&Post> = judge.run.posts.iter().filter(|p| p.key.is_some()).collect();
    keyed.sort_by_key(|post| (post.queue, post.key, post.span.from.line));
    for posts in keyed.chunk_by(|a, b| (a.queue, a.key) == (b.queue, b.key)) {
        report.judge(Invariant::OnePerKey, 1);
        let accepted = acceptances(judge, posts, &seen);
        windows(judge, posts, &accepted, renewals, report);
        for post in posts {
            duplicate(judge, posts, post, report);
        }
    }
}

/// When each message was first handed out; after that it was accepted.
fn first_seen(judge: &Judge<'_>) -> HashMap<u32, Point> {
    let keyed = |post: &&Post| post.key.is_some() && post.answer == Answer::Unknown;
    let mut seen: HashMap<u32, Point> = judge
        .run
        .posts
        .iter()
        .filter(keyed)
        .map(|post| (post.message, Point::END))
        .collect();
    if seen.is_empty() {
        return seen;
    }
    for handout in &judge.run.handouts {
        if let Some(point) = seen.get_mut(&handout.message)
            && handout.span.to.line < point.line
        {
            *point = handout.span.to;
        }
    }
    for post in &judge.run.posts {
        if matches!(post.answer, Answer::Duplicate { .. })
            && let Some(point) = seen.get_mut(&post.message)
            && post.span.to.line < point.line
        {
            *point = post.span.to;
        }
    }
    seen
}

/// The messages that were accepted with one key, by their earliest lines.
fn acceptances<'a>(
    judge: &Judge<'_>,
    posts: &[&'a Post],
    seen: &HashMap<u32, Point>,
) -> Vec<Acceptance<'a>> {
    let mut accepted: Vec<Acceptance<'a>> = Vec::new();
    for post in posts {
        let to = match post.answer {
            Answer::Accepted => post.span.to,
            Answer::Unknown
                if post.message != NONE && judge.run.messages[post.message as usize].accepted =>
            {
                seen.get(&post.message).copied().unwrap_or(Point::END)
            }
            _ => continue,
        };
        // The same message published again after an answer was lost is one acceptance.
        if let Some(same) = accepted.iter_mut().find(|a| a.post.message == post.message) {
            if to.line < same.to.line {
                same.to = to;
            }
            continue;
        }
        accepted.push(Acceptance {
            post,
            from: post.span.from,
            to,
        });
    }
    accepted
}

/// No two acceptances within one window.
fn windows(
    judge: &Judge<'_>,
    posts: &[&Post],
    accepted: &[Acceptance<'_>],
    renewals: &Renewals,
    report: &mut Report,
) {
    let names = posts.iter().filter(|post| post.is_origin());
    let has_third = names.map(|post| post.message).collect::<HashSet<_>>().len() > 2;
    for pair in accepted.windows(2) {
        let [one, other] = pair else { continue };
        let in_order = !judge
            .clocks
            .earlier(other.to.at, end(judge, has_third, [one, other], renewals));
        let may_be_reversed = !judge.clocks.before(one.to, other.from)
            && !judge
                .clocks
                .earlier(one.to.at, end(judge, has_third, [other, one], renewals));
        let lost = judge.run.losses.iter().any(|loss| {
            !judge.clocks.before(*loss, one.from) && !judge.clocks.before(other.to, *loss)
        });
        if in_order || may_be_reversed || lost {
            continue;
        }
        let ids = [one, other].map(|a| judge.run.messages[a.post.message as usize].id);
        let text = format!(
            "{} and {} were accepted with one key within its window",
            ids[0], ids[1]
        );
        let lines = vec![one.from.line, one.to.line, other.from.line, other.to.line];
        report.add(Invariant::OnePerKey, ids.to_vec(), lines, text);
    }
}

/// When the window of one message ends at the earliest, as it matters to another.
///
/// A retry in the window begins it anew. One after its end does so only where the key cannot have gone over to a third
/// message.
fn end(
    judge: &Judge<'_>,
    has_third: bool,
    [one, other]: [&Acceptance<'_>; 2],
    renewals: &Renewals,
) -> u64 {
    let window = nanos(judge.rules.window);
    let mut begun = one.from.at.max(one.post.due);
    for span in renewals.0.get(&one.post.message).into_iter().flatten() {
        let holds = judge
            .clocks
            .earlier(span.to.at, begun.saturating_add(window));
        if judge.clocks.before(span.to, other.from) && (holds || !has_third) {
            begun = begun.max(span.from.at);
        }
    }
    begun.saturating_add(window)
}

/// A duplicate names a message that was published with that key, and tells the truth about the fingerprint.
fn duplicate(judge: &Judge<'_>, posts: &[&Post], post: &Post, report: &mut Report) {
    let Answer::Duplicate { same_fingerprint } = post.answer else {
        return;
    };
    let mut first = posts
        .iter()
        .filter(|p| p.message == post.message && p.is_origin())
        .peekable();
    let id = judge.run.messages[post.message as usize].id;
    let mut add = |ids: Vec<MessageId>, text: String| {
        let lines = vec![post.span.from.line, post.span.to.line];
        report.add(Invariant::OnePerKey, ids, lines, text);
    };
    let Some(origin) = first.peek() else {
        add(
            vec![id],
            format!(
                "a publish was called a duplicate of {id}, which was never published with its key"
            ),
        );
        return;
    };
    if judge.clocks.before(post.span.to, origin.span.from) {
        add(
            vec![id],
            format!("a publish was called a duplicate of {id}, which was not yet published"),
        );
    } else if first.all(|p| (p.fingerprint == post.fingerprint) != same_fingerprint) {
        let said = if same_fingerprint {
            "the same"
        } else {
            "another"
        };
        add(
            vec![id],
            format!("a duplicate of {id} was said to have {said} fingerprint, and has not"),
        );
    }
}
