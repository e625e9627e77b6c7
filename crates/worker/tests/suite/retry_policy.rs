use std::time::Duration;

use forebay_worker::{Backoff, Decision, GiveUp, RetryPolicy};
use proptest::prelude::*;

fn span(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most).prop_map(Duration::from_millis)
}

proptest! {
    #[test]
    fn a_delay_lies_between_nothing_and_the_doubled_base_or_the_cap(
        base in span(100_000),
        cap in span(10_000_000),
        attempt in 1u32..2_000,
        unit in 0.0..1.0f64,
    ) {
        let policy = RetryPolicy::default().base(base).cap(cap).max_attempts(u32::MAX);
        let doubled = if attempt <= 40 { base * 2u32.pow((attempt - 1).min(20)) } else { cap };
        let decision = policy.decide(attempt, Duration::ZERO, unit);
        let Decision::Retry { after } = decision else {
            panic!("{decision:?}");
        };
        prop_assert!(after <= cap);
        if attempt <= 21 {
            prop_assert!(after <= doubled.min(cap), "{after:?} over {doubled:?}");
        }
    }

    #[test]
    fn it_never_retries_at_the_last_attempt_or_age(
        most in 0u32..50,
        attempt in 1u32..100,
        max_age in span(100_000),
        age in span(200_000),
        unit in 0.0..1.0f64,
    ) {
        let policy = RetryPolicy::default().max_attempts(most).max_age(max_age);
        let over = attempt >= most.max(1) || age >= max_age;
        let dead = matches!(policy.decide(attempt, age, unit), Decision::DeadLetter(_));
        prop_assert_eq!(dead, over);
    }

    #[test]
    fn the_same_question_has_the_same_answer(
        attempt in 1u32..20,
        age in span(1_000),
        unit in 0.0..1.0f64,
    ) {
        let policy = RetryPolicy::default();
        prop_assert_eq!(policy.decide(attempt, age, unit), policy.decide(attempt, age, unit));
    }
}

#[test]
fn the_ceiling_doubles_up_to_the_cap() {
    let backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(15));
    let seconds: Vec<_> = (1..=12).map(|n| backoff.ceiling(n).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    assert_eq!(backoff.ceiling(u32::MAX), Duration::from_mins(15));
    assert_eq!(backoff.delay(3, 0.5), Duration::from_secs(2));
    assert_eq!(backoff.delay(3, 0.0), Duration::ZERO);
}

#[test]
fn the_defaults_are_as_documented() {
    let policy = RetryPolicy::default();
    assert_eq!(
        policy.exhausted(10, Duration::ZERO),
        Some(GiveUp::Attempts { most: 10 })
    );
    assert_eq!(policy.exhausted(9, Duration::ZERO), None);
    let age = Duration::from_hours(72);
    assert_eq!(policy.exhausted(1, age), Some(GiveUp::Age { most: age }));
    assert!(RetryPolicy::never().exhausted(1, Duration::ZERO).is_some());
}
