//! Waiting until a change survives what it has to.

use std::time::Duration;

use bytes::Bytes;
use redis::{Pipeline, Value};

use crate::call::Call;
use crate::failure::{Advice, Failure};

/// How long a key that only marks a place in the replication lives.
const MARK_LIFE: Duration = Duration::from_mins(1);

/// What a change waits for before it counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// So many replicas have it.
    Replicas(u8),
    /// The server's own disk has it.
    Disk,
}

/// What the changes of one queue wait for.
#[derive(Clone)]
pub(crate) struct Confirm {
    level: Level,
    mark: Option<Bytes>,
    patience: Duration,
}

impl Confirm {
    /// `mark` is a key in the queue's slot that may be written at will.
    ///
    /// A publish that finds its key taken writes nothing itself, and newer servers wait for the writes of the same
    /// connection only. The mark is a write behind the one of the other connection, so whoever has it has that as well.
    pub(crate) fn new(level: Level, mark: Option<Bytes>, patience: Duration) -> Self {
        Self {
            level,
            mark,
            patience,
        }
    }

    /// Adds the question to what is sent.
    pub(crate) fn ask(&self, pipeline: &mut Pipeline) {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if let Some(mark) = &self.mark {
            let mark: &[u8] = mark;
            pipeline.cmd("SET").arg(mark).arg("");
            pipeline.arg("PX").arg(millis(MARK_LIFE));
        }
        match self.level {
            Level::Replicas(replicas) => pipeline.cmd("WAIT").arg(replicas),
            Level::Disk => pipeline.cmd("WAITAOF").arg(1).arg(0),
        };
        pipeline.arg(millis(self.patience).max(1));
    }

    /// Turns the answers of changes that are not confirmed into failures: nobody knows whether they will last.
    pub(crate) fn judge(
        &self,
        calls: &[&Call],
        answers: &mut [Result<Value, Failure>],
        confirmations: Vec<Result<Value, Failure>>,
    ) {
        let mut confirmations = confirmations.into_iter();
        let is_marked =
            self.mark.is_none() || confirmations.next().is_some_and(|mark| is_made(&mark));
        let answer = confirmations.next().filter(|_| is_marked);
        let Some(text) = self.missing(answer) else {
            return;
        };
        for (call, answer) in calls.iter().zip(answers) {
            if call.is_confirmed() && answer.is_ok() {
                *answer = Err(Failure::unknown(Advice::Retry, text.clone()));
            }
        }
    }

    fn missing(&self, answer: Option<Result<Value, Failure>>) -> Option<String> {
        let count = match answer {
            Some(Ok(Value::Int(count))) => count,
            Some(Ok(Value::Array(counts))) => match counts.first() {
                Some(Value::Int(count)) => *count,
                _ => 0,
            },
            Some(Err(failure)) => {
                return Some(format!("the server does not confirm the change: {failure}"));
            }
            _ => 0,
        };
        match self.level {
            Level::Replicas(wanted) if count < i64::from(wanted) => Some(format!(
                "{count} of {wanted} replicas have confirmed the change"
            )),
            Level::Disk if count < 1 => {
                Some("the server's disk has not confirmed the change".to_owned())
            }
            _ => None,
        }
    }
}

/// A full server takes no mark. Nor does it take a publish then, and what settles writes itself.
fn is_made(mark: &Result<Value, Failure>) -> bool {
    mark.as_ref()
        .map_or_else(|failure| failure.advice() == Advice::Full, |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(level: Level, mark: Option<Advice>, answer: Value) -> Vec<bool> {
        let confirm = Confirm::new(level, Some(Bytes::from("k")), Duration::from_secs(1));
        let look = Call::command(redis::cmd("PING"));
        let change = Call::command(redis::cmd("PING")).confirmed();
        let mut answers = vec![
            Ok(Value::Okay),
            Ok(Value::Okay),
            Err(Failure::not_done(Advice::Full, "full")),
        ];
        let mark = match mark {
            None => Ok(Value::Okay),
            Some(advice) => Err(Failure::not_done(advice, "no mark")),
        };
        confirm.judge(
            &[&look, &change, &change],
            &mut answers,
            vec![mark, Ok(answer)],
        );
        assert_eq!(answers[2].as_ref().unwrap_err().advice(), Advice::Full);
        answers.iter().map(Result::is_ok).collect()
    }

    #[test]
    fn only_changes_that_are_not_confirmed_fail() {
        let both = |local, remote| Value::Array(vec![Value::Int(local), Value::Int(remote)]);
        let replicas = Level::Replicas(2);
        assert_eq!(judged(replicas, None, Value::Int(2)), [true, true, false]);
        assert_eq!(judged(replicas, None, Value::Int(1)), [true, false, false]);
        let unmarked = Some(Advice::Fatal);
        assert_eq!(
            judged(replicas, unmarked, Value::Int(2)),
            [true, false, false]
        );
        let full = Some(Advice::Full);
        assert_eq!(judged(replicas, full, Value::Int(2)), [true, true, false]);
        assert_eq!(judged(replicas, None, Value::Nil), [true, false, false]);
        assert_eq!(judged(Level::Disk, None, both(1, 0)), [true, true, false]);
        assert_eq!(judged(Level::Disk, None, both(0, 1)), [true, false, false]);
    }
}
