//! Twenty seeds in the ordinary tests; the gate runs two thousand. The same seed gives the same run.

use forebay_simulation::{Batch, Simulation};

#[test]
fn twenty_seeds_are_clean() {
    let batch = Batch {
        start: 1_000_000,
        seeds: 20,
        enough: 5,
    };
    let outcome = batch.run(|_| {});
    assert_eq!(outcome.runs, 20, "{}", outcome.failures.join("\n"));
    assert!(outcome.is_clean(), "{}", outcome.failures.join("\n"));
}

fn trace(seed: u64) -> String {
    Simulation::new(seed).run().expect("it runs").trace()
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let mut before = String::new();
    for seed in 0..12 {
        let (once, again) = (trace(seed), trace(seed));
        assert!(once.lines().count() > 50, "seed {seed} does something");
        if let Some((line, (a, b))) = once
            .lines()
            .zip(again.lines())
            .enumerate()
            .find(|(_, (a, b))| a != b)
        {
            panic!("seed {seed} differs in line {line}:\n{a}\n{b}");
        }
        assert_eq!(once.len(), again.len(), "seed {seed}");
        assert_ne!(once, before, "seed {seed} is another than the one before");
        before = once;
    }
}
