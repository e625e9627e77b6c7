//! No step may cost what the length of the queue costs. A smoke test with generous limits: counted in rounds per
//! second on the same machine, so that only the ratio matters.

use std::time::{Duration, Instant};

use forebay_queue_core::{IdempotencyKey, QueueConfig};

use crate::trial::{MINUTE, SECOND, Trial, config, plain};

const ROUNDS: usize = 2_000;

/// A queue with so many live messages: a third scheduled, a third ready, a third leased.
fn with_live(count: usize) -> Trial {
    let mut trial = Trial::with(QueueConfig {
        capacity: 1_000_000,
        lease: 60 * MINUTE,
        retain_done: SECOND,
        ..config()
    });
    for _ in 0..count / 3 {
        trial.publish(plain("leased").with_time_to_live(600 * MINUTE));
    }
    trial.receive(count / 3);
    for n in 0..count / 3 {
        let key = IdempotencyKey::new(format!("{n}")).expect("valid");
        trial.publish(plain("ready").with_idempotency_key(key));
        trial.publish(plain("later").with_delay(120 * MINUTE));
    }
    trial
}

/// The best of a few runs of every everyday step.
fn time_of(count: usize) -> Duration {
    let mut trial = with_live(count);
    let run = |trial: &mut Trial| {
        let start = Instant::now();
        for round in 0..ROUNDS {
            trial.wait(Duration::from_micros(1));
            let later = trial.publish(plain("x").with_delay(90 * MINUTE));
            trial.publish(plain("y").with_time_to_live(MINUTE));
            let delivery = trial.receive(1).remove(0);
            trial.extend(&delivery);
            match round % 3 {
                0 => trial.ack(&delivery),
                1 => trial.retry(&delivery, SECOND),
                _ => trial.release(&delivery, Duration::ZERO),
            };
            trial.cancel(later);
            trial.get(later);
            trial.stats();
            trial.engine.next_event();
        }
        start.elapsed()
    };
    (0..5).map(|_| run(&mut trial)).min().expect("five runs")
}

#[test]
fn a_hundred_times_the_messages_do_not_make_a_step_three_times_as_dear() {
    // Another process may take the machine for a moment; a cost that grows with the length would fail every time.
    let mut ratios = Vec::new();
    while ratios.len() < 3 {
        let ratio = time_of(100_000).as_secs_f64() / time_of(1_000).as_secs_f64();
        if ratio <= 3.0 {
            return;
        }
        ratios.push(ratio);
    }
    panic!("the cost grows with the length: {ratios:?}");
}
