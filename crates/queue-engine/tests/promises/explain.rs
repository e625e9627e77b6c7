use forebay_queue_core::{Explanation, MessageId, Reason, State};

use crate::trial::{SECOND, Trial, bucket, of, plain};

fn explain(trial: &mut Trial, id: MessageId) -> Explanation {
    let explanation = trial.engine.explain(trial.now, id);
    explanation.expect("the queue knows it")
}

#[test]
fn every_reason_is_told() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    trial.limit("few", 1);
    let later = trial.publish(plain("later").with_delay(SECOND));
    let due = trial.now.after(SECOND);
    assert_eq!(
        explain(&mut trial, later).reasons,
        [Reason::Scheduled { until: due }]
    );

    let first = trial.publish(of("few").with_throttle_key(bucket("smtp")));
    assert_eq!(explain(&mut trial, first).reasons, []);
    trial.take();
    let until = trial.now.after(30 * SECOND);
    assert_eq!(
        explain(&mut trial, first).reasons,
        [Reason::Leased { until }]
    );

    let second = trial.publish(of("few").with_throttle_key(bucket("smtp")));
    let third = trial.publish(of("few").with_throttle_key(bucket("smtp")));
    let limit = std::num::NonZeroU32::MIN;
    let throttled = Reason::Throttled {
        key: bucket("smtp"),
        until: due,
    };
    let reasons = [throttled.clone(), Reason::LeaseLimit { limit }];
    assert_eq!(explain(&mut trial, second).reasons, reasons);
    let reasons = [
        throttled,
        Reason::LeaseLimit { limit },
        Reason::Behind { messages: 1 },
    ];
    assert_eq!(explain(&mut trial, third).reasons, reasons);

    let ids = trial.fill(3);
    trial.engine.pause();
    let explanation = explain(&mut trial, ids[2]);
    assert_eq!(explanation.state, State::Ready);
    assert!(explanation.reasons.contains(&Reason::Paused));
    assert!(
        explanation
            .reasons
            .contains(&Reason::Behind { messages: 2 })
    );
    assert_eq!(
        trial
            .engine
            .explain(trial.now, MessageId::from_bytes([9; 16])),
        None
    );
}

#[test]
fn what_has_ended_waits_for_nothing() {
    let mut trial = Trial::new();
    let id = trial.kill(plain("x"), "it failed");
    let explanation = explain(&mut trial, id);
    assert_eq!(explanation.state, State::Dead);
    assert_eq!(explanation.reasons, []);
}
