use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Error, Explanation, Management, MessageId, Reason, State, ThrottleKey, Timestamp,
};

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "explain";

/// Explains otherwise.
struct Explains(fn(Option<Explanation>) -> Option<Explanation>);

#[async_trait]
impl Mutation for Explains {
    async fn explain(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<Explanation>, Error> {
        Ok((self.0)(inner.explain(id).await?))
    }
}

fn changed(explanation: Option<Explanation>, change: fn(&mut Explanation)) -> Option<Explanation> {
    let mut explanation = explanation?;
    change(&mut explanation);
    Some(explanation)
}

#[test]
fn no_reasons() {
    for case in [
        "what_is_scheduled_says_until_when",
        "what_is_leased_says_until_when",
        "a_pause_is_a_reason_for_what_is_not_running",
        "who_is_behind_others_says_how_many",
        "what_lacks_a_token_says_whose_and_until_when",
        "a_key_at_its_limit_says_so",
        "several_reasons_are_all_told",
    ] {
        assert_caught(GROUP, case, || {
            Explains(|found| changed(found, |found| found.reasons.clear()))
        });
    }
}

#[test]
fn a_reason_too_many() {
    for case in [
        "what_is_next_waits_for_nothing",
        "what_is_scheduled_says_until_when",
        "what_is_leased_says_until_when",
        "what_has_ended_waits_for_nothing",
        "who_is_behind_others_says_how_many",
        "what_lacks_a_token_says_whose_and_until_when",
        "what_has_its_token_does_not_lack_it",
        "a_key_at_its_limit_says_so",
        "several_reasons_are_all_told",
    ] {
        assert_caught(GROUP, case, || {
            Explains(|found| {
                changed(found, |found| {
                    let messages = 1_000;
                    found.reasons.push(Reason::Behind { messages });
                })
            })
        });
    }
}

#[test]
fn one_reason_of_several() {
    for case in [
        "a_pause_is_a_reason_for_what_is_not_running",
        "a_key_at_its_limit_says_so",
        "several_reasons_are_all_told",
    ] {
        assert_caught(GROUP, case, || {
            Explains(|found| changed(found, |found| found.reasons.truncate(1)))
        });
    }
}

#[test]
fn a_pause_that_stops_everything() {
    for case in [
        "a_pause_is_a_reason_for_what_is_not_running",
        "what_has_ended_waits_for_nothing",
    ] {
        assert_caught(GROUP, case, || {
            Explains(|found| {
                changed(found, |found| {
                    let is_known = found.reasons.contains(&Reason::Paused);
                    if !is_known && !matches!(found.state, State::Scheduled | State::Ready) {
                        found.reasons.push(Reason::Paused);
                    }
                })
            })
        });
    }
}

#[test]
fn who_stands_behind_itself() {
    assert_caught(GROUP, "who_is_behind_others_says_how_many", || {
        Explains(|found| {
            changed(found, |found| {
                for reason in &mut found.reasons {
                    if let Reason::Behind { messages } = reason {
                        *messages += 1;
                    }
                }
            })
        })
    });
}

fn later(at: Timestamp) -> Timestamp {
    at.after(Duration::from_secs(1))
}

#[test]
fn times_that_are_wrong() {
    for case in [
        "what_is_scheduled_says_until_when",
        "what_is_leased_says_until_when",
        "what_lacks_a_token_says_whose_and_until_when",
    ] {
        assert_caught(GROUP, case, || {
            Explains(|found| {
                changed(found, |found| {
                    for reason in &mut found.reasons {
                        if let Reason::Scheduled { until }
                        | Reason::Leased { until }
                        | Reason::Throttled { until, .. } = reason
                        {
                            *until = later(*until);
                        }
                    }
                })
            })
        });
    }
}

#[test]
fn the_bucket_of_another() {
    let case = "what_lacks_a_token_says_whose_and_until_when";
    assert_caught(GROUP, case, || {
        Explains(|found| {
            changed(found, |found| {
                for reason in &mut found.reasons {
                    if let Reason::Throttled { key, .. } = reason {
                        *key = ThrottleKey::new("other").expect("it is a key");
                    }
                }
            })
        })
    });
}

#[test]
fn a_state_that_is_wrong() {
    for case in [
        "what_is_scheduled_says_until_when",
        "what_is_leased_says_until_when",
        "what_has_ended_waits_for_nothing",
    ] {
        assert_caught(GROUP, case, || {
            Explains(|found| changed(found, |found| found.state = State::Ready))
        });
    }
}

#[test]
fn what_is_over_and_not_explained() {
    assert_caught(GROUP, "what_has_ended_waits_for_nothing", || {
        Explains(|found| found.filter(|found| found.state != State::Dead))
    });
}

#[test]
fn what_nobody_knows_and_is_explained() {
    assert_caught(GROUP, "what_is_unknown_or_gone_is_not_explained", || {
        Explains(|found| {
            let gone = Explanation {
                state: State::Done,
                reasons: Vec::new(),
            };
            Some(found.unwrap_or(gone))
        })
    });
}
