use std::any::Any;
use std::time::Duration;

use forebay_queue_core::{BoxError, NackAction, ProcessOutcome};

use crate::failure::{FailureError, FailureVerdict, chain};
use crate::settlement::Answer;
use crate::{Decision, Outcome, RetryPolicy};

/// How a handler's run ended, as the slot sees it.
pub(crate) enum Ended {
    /// The service answered.
    Answered(Result<Outcome, BoxError>),
    /// It panicked.
    Panicked(Box<dyn Any + Send>),
    /// It took longer than it may.
    TimedOut(Duration),
    /// There is no handler for the kind.
    Unknown,
}

/// What is known of the message when it is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) policy: RetryPolicy,
    pub(crate) attempt: u32,
    pub(crate) age: Duration,
    pub(crate) unit_random: f64,
}

/// What is to become of the message.
pub(crate) struct Verdict {
    pub(crate) answer: Answer,
    pub(crate) outcome: ProcessOutcome,
}

impl Verdict {
    /// Finished.
    pub(crate) const DONE: Self = Self {
        answer: Answer::Ack,
        outcome: ProcessOutcome::Done,
    };

    /// The lease is lost: there is nothing to settle.
    pub(crate) const LOST: Self = Self {
        answer: Answer::Drop,
        outcome: ProcessOutcome::LeaseLost,
    };

    /// Given back unstarted or unfinished, at shutdown.
    pub(crate) fn released() -> Self {
        Self::release(Duration::ZERO, ProcessOutcome::Released)
    }

    /// The attempts had run out before this delivery: its worker died each time.
    pub(crate) fn over_attempts(attempt: u32) -> Self {
        let cause = format!(
            "not run: delivery {attempt} is one too many, the workers of those before did not answer"
        );
        Self::dead_letter(cause, ProcessOutcome::Dead)
    }

    fn release(after: Duration, outcome: ProcessOutcome) -> Self {
        Self {
            answer: Answer::Nack {
                action: NackAction::Release { after },
                cause: None,
            },
            outcome,
        }
    }

    fn dead_letter(cause: String, outcome: ProcessOutcome) -> Self {
        Self {
            answer: Answer::Nack {
                action: NackAction::DeadLetter,
                cause: Some(cause.into()),
            },
            outcome,
        }
    }
}

/// Decides about a run. `pause` is asked for when the handler said "unavailable", and answers for how long the
/// message is given back.
pub(crate) fn judge(ended: Ended, case: Case, pause: impl FnOnce() -> Duration) -> Verdict {
    let error = match ended {
        Ended::Answered(Ok(Outcome::Done)) => return Verdict::DONE,
        Ended::Answered(Ok(Outcome::Snooze { after })) => {
            return Verdict::release(after, ProcessOutcome::Snooze);
        }
        Ended::Answered(Err(error)) => error,
        Ended::Panicked(payload) => return failed(panic_text(&*payload), None, case),
        Ended::TimedOut(limit) => return failed(format!("timed out after {limit:?}"), None, case),
        Ended::Unknown => {
            return failed("no handler takes this kind here".into(), None, case);
        }
    };
    let failure = match error.downcast::<FailureError>() {
        Ok(failure) => failure.0,
        Err(foreign) => return failed(chain(&*foreign), None, case),
    };
    match failure.verdict {
        FailureVerdict::Retry {
            error,
            after,
            policy,
        } => {
            let policy = policy.unwrap_or(case.policy);
            failed(chain(&*error), after, Case { policy, ..case })
        }
        FailureVerdict::Reject { reason } => {
            Verdict::dead_letter(chain(&*reason), ProcessOutcome::Reject)
        }
        FailureVerdict::Snooze { after } => Verdict::release(after, ProcessOutcome::Snooze),
        FailureVerdict::Unavailable { error, policy } => {
            let after = pause();
            match policy.unwrap_or(case.policy).too_old(case.age) {
                Some(reason) => {
                    let text = format!("{}; {reason}", chain(&*error));
                    Verdict::dead_letter(text, ProcessOutcome::Dead)
                }
                None => Verdict::release(after, ProcessOutcome::Unavailable),
            }
        }
    }
}

fn failed(text: String, fixed: Option<Duration>, case: Case) -> Verdict {
    match case.policy.decide(case.attempt, case.age, case.unit_random) {
        Decision::Retry { after } => Verdict {
            answer: Answer::Nack {
                action: NackAction::Retry {
                    after: fixed.unwrap_or(after),
                },
                cause: Some(text.into()),
            },
            outcome: ProcessOutcome::Retry,
        },
        Decision::DeadLetter(reason) => {
            Verdict::dead_letter(format!("{text}; {reason}"), ProcessOutcome::Dead)
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    match text {
        Some(text) => format!("panicked: {text}"),
        None => "panicked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    fn case(attempt: u32) -> Case {
        Case {
            policy: RetryPolicy::default().max_attempts(3),
            attempt,
            age: Duration::from_secs(5),
            unit_random: 0.5,
        }
    }

    fn judged(failure: Failure, case: Case) -> (Option<NackAction>, Option<String>) {
        let error: BoxError = Box::new(FailureError(failure));
        let verdict = judge(Ended::Answered(Err(error)), case, || Duration::from_secs(7));
        match verdict.answer {
            Answer::Nack { action, cause } => (Some(action), cause.map(Into::into)),
            Answer::Ack | Answer::Drop => (None, None),
        }
    }

    #[test]
    fn an_error_is_told_with_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("sending failed")]
        struct Outer(#[source] std::fmt::Error);
        let (action, cause) = judged(Outer(std::fmt::Error).into(), case(1));
        let half = Duration::from_millis(500);
        assert_eq!(action, Some(NackAction::Retry { after: half }));
        let text = cause.unwrap();
        assert!(text.starts_with("sending failed: an error"), "{text}");
    }

    #[test]
    fn a_fixed_delay_still_ends_with_the_attempts() {
        let failure = || Failure::retry_after("slow down", Duration::from_mins(1));
        let (action, _) = judged(failure(), case(2));
        let after = Duration::from_mins(1);
        assert_eq!(action, Some(NackAction::Retry { after }));
        let (action, cause) = judged(failure(), case(3));
        assert_eq!(action, Some(NackAction::DeadLetter));
        assert_eq!(cause.unwrap(), "slow down; no attempt is left of 3");
    }

    #[test]
    fn the_policy_of_an_error_goes_before_the_handlers() {
        let failure = Failure::retry("no").with_policy(RetryPolicy::never());
        assert_eq!(judged(failure, case(1)).0, Some(NackAction::DeadLetter));
    }

    #[test]
    fn only_age_ends_what_is_unavailable() {
        let after = Duration::from_secs(7);
        let (action, _) = judged(Failure::unavailable("down"), case(99));
        assert_eq!(action, Some(NackAction::Release { after }));
        let old = Case {
            age: Duration::from_hours(72),
            ..case(1)
        };
        let (action, cause) = judged(Failure::unavailable("down"), old);
        assert_eq!(action, Some(NackAction::DeadLetter));
        assert!(cause.unwrap().starts_with("down; older than"));
    }

    #[test]
    fn errors_of_layers_and_panics_are_failed_attempts() {
        let foreign = Ended::Answered(Err("from a layer".into()));
        for ended in [
            foreign,
            Ended::Panicked(Box::new("ouch")),
            Ended::TimedOut(Duration::from_secs(1)),
            Ended::Unknown,
        ] {
            let verdict = judge(ended, case(1), || Duration::ZERO);
            assert_eq!(verdict.outcome, ProcessOutcome::Retry);
        }
    }
}
