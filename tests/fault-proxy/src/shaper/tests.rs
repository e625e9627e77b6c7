use super::*;
use crate::Fault;

const MS: Duration = Duration::from_millis(1);

/// A shaper with a clock of its own.
struct Lab {
    shaper: Shaper,
    faults: Faults,
    settings: u64,
    tally: Tally,
    start: Instant,
    now: Instant,
}

/// What was handed on: when, since the start, and how many bytes.
type Pieces = Vec<(Duration, usize)>;

impl Lab {
    fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            shaper: Shaper::new(&mut Rng::with_seed(seed)),
            faults: Faults::default(),
            settings: 0,
            tally: Tally::default(),
            start,
            now: start,
        }
    }

    fn with(mut self, fault: Fault) -> Self {
        self.set(fault);
        self
    }

    fn set(&mut self, fault: Fault) {
        self.settings += 1;
        self.faults.set(fault, self.settings);
    }

    fn push(&mut self, length: usize) {
        self.shaper.push(&vec![7; length], self.now);
    }

    fn step(&mut self) -> Step {
        self.shaper.step(self.now, &self.faults, &self.tally)
    }

    fn write(&mut self, length: usize) {
        assert_eq!(self.shaper.head(length).len(), length);
        self.shaper
            .wrote(length, self.now, &self.faults, &self.tally);
    }

    /// Follows the steps, moving the clock, until one is neither to wait nor to write.
    fn run(&mut self) -> (Pieces, Step) {
        let mut pieces = Vec::new();
        loop {
            match self.step() {
                Step::Wait(until) => {
                    assert!(until > self.now);
                    self.now = until;
                }
                Step::Write(length) => {
                    pieces.push((self.now - self.start, length));
                    self.write(length);
                }
                step => return (pieces, step),
            }
        }
    }

    fn fired(&self, kind: FaultKind) -> u64 {
        self.tally.fired(kind)
    }
}

fn latency(delay: u32, jitter: u32) -> Fault {
    Fault::Latency {
        delay: MS * delay,
        jitter: MS * jitter,
    }
}

#[test]
fn without_faults_everything_goes_at_once() {
    let mut lab = Lab::new(0);
    assert_eq!(lab.step(), Step::Rest);
    lab.push(5);
    lab.push(6);
    lab.shaper.finish(lab.now);
    assert!(!lab.shaper.has_room());
    let (pieces, step) = lab.run();
    assert_eq!(pieces, [(Duration::ZERO, 5), (Duration::ZERO, 6)]);
    assert_eq!(step, Step::Finish);
    assert!(FaultKind::ALL.iter().all(|kind| lab.fired(*kind) == 0));
}

#[test]
fn latency_delays_each_run_and_the_end_without_adding_up() {
    let mut lab = Lab::new(0).with(latency(100, 0));
    lab.push(5);
    lab.now += MS;
    lab.push(6);
    lab.now += MS;
    lab.shaper.finish(lab.now);
    let (pieces, step) = lab.run();
    assert_eq!(pieces, [(MS * 100, 5), (MS * 101, 6)]);
    assert_eq!((step, lab.now), (Step::Finish, lab.start + MS * 102));
    assert_eq!(lab.fired(FaultKind::Latency), 3);
}

#[test]
fn jitter_is_within_its_bounds_and_comes_from_the_seed() {
    let waits = |seed| {
        let mut lab = Lab::new(seed).with(latency(10, 20));
        let mut waits = Vec::new();
        for _ in 0..50 {
            lab.push(1);
            let before = lab.now;
            lab.run();
            waits.push(lab.now - before);
        }
        waits
    };
    let first = waits(1);
    assert!(first.iter().all(|wait| (MS * 10..=MS * 30).contains(wait)));
    assert!(first.iter().any(|wait| *wait < MS * 15));
    assert!(first.iter().any(|wait| *wait > MS * 25));
    assert_eq!(first, waits(1));
    assert_ne!(first, waits(2));
}

#[test]
fn jitter_never_changes_the_order() {
    let mut lab = Lab::new(3).with(latency(0, 50));
    for length in 1..=40 {
        lab.push(length);
        lab.now += MS;
    }
    let (pieces, _) = lab.run();
    assert!(pieces.iter().map(|(_, length)| *length).eq(1..=40));
}

#[test]
fn slices_are_cut_and_paused_between() {
    let mut lab = Lab::new(0).with(Fault::Slices {
        bytes: 3,
        pause: MS * 10,
    });
    lab.push(7);
    lab.push(2);
    let (pieces, _) = lab.run();
    let expected = [
        (Duration::ZERO, 3),
        (MS * 10, 3),
        (MS * 20, 1),
        // Another run is another piece.
        (MS * 30, 2),
    ];
    assert_eq!(pieces, expected);
    assert_eq!(lab.fired(FaultKind::Slices), 2);
}

#[test]
fn a_bandwidth_is_never_exceeded_and_is_used() {
    let mut lab = Lab::new(0).with(Fault::Bandwidth {
        bytes_per_second: 8_000,
    });
    lab.push(6_000);
    lab.push(2_000);
    let (pieces, _) = lab.run();
    let mut sum = 0;
    for (when, length) in &pieces {
        sum += *length as u128;
        assert!(sum * 1_000_000 <= when.as_micros() * 8_000);
    }
    assert_eq!((sum, lab.now), (8_000, lab.start + MS * 1_000));
    assert!(pieces.len() >= 40, "it trickles: {}", pieces.len());
    assert_eq!(lab.fired(FaultKind::Bandwidth), pieces.len() as u64);
}

#[test]
fn a_late_proxy_makes_up_for_a_little_only() {
    let mut lab = Lab::new(0).with(Fault::Bandwidth {
        bytes_per_second: 1_000,
    });
    lab.push(2_000);
    let at_once = |lab: &mut Lab| {
        let mut bytes = 0;
        while let Step::Write(length) = lab.step() {
            bytes += length;
            lab.write(length);
        }
        bytes
    };
    assert_eq!(at_once(&mut lab), 0);
    lab.now += MS * 20;
    assert_eq!(at_once(&mut lab), 20);
    // The receiver would not take anything for a second: 100 ms of it are made up for, and the piece on the wire.
    lab.now += MS * 1_000;
    assert_eq!(at_once(&mut lab), 120);
}

#[test]
fn a_single_byte_may_take_long() {
    let mut lab = Lab::new(0).with(Fault::Bandwidth {
        bytes_per_second: 1,
    });
    lab.push(3);
    let (pieces, _) = lab.run();
    assert_eq!(pieces, [(MS * 1_000, 1), (MS * 2_000, 1), (MS * 3_000, 1)]);
}

#[test]
fn a_cut_comes_after_exactly_so_many_bytes() {
    for (fault, end) in [
        (
            Fault::Reset {
                after: 8,
                spread: 0,
            },
            End::Reset,
        ),
        (
            Fault::HalfOpen {
                after: 8,
                spread: 0,
            },
            End::HalfOpen,
        ),
    ] {
        let mut lab = Lab::new(0);
        lab.push(100);
        lab.run();
        lab.set(fault);
        assert_eq!(lab.step(), Step::Rest);
        lab.push(5);
        lab.push(5);
        let (pieces, step) = lab.run();
        assert_eq!(pieces, [(Duration::ZERO, 5), (Duration::ZERO, 3)]);
        assert_eq!(step, Step::End(end));
    }
}

#[test]
fn a_cut_that_is_set_anew_counts_anew_and_a_lifted_one_not_at_all() {
    let cut = Fault::Reset {
        after: 8,
        spread: 0,
    };
    let mut lab = Lab::new(0).with(cut);
    for _ in 0..3 {
        lab.push(8);
        assert_eq!(lab.run().1, Step::Rest);
        lab.set(cut);
    }
    lab.faults.lift(FaultKind::Reset);
    lab.push(100);
    assert_eq!(lab.run().1, Step::Rest);
}

#[test]
fn the_spread_of_a_cut_comes_from_the_seed() {
    let carried = |seed| {
        let mut lab = Lab::new(seed).with(Fault::Reset {
            after: 100,
            spread: 50,
        });
        lab.push(1_000);
        assert_eq!(lab.run().1, Step::End(End::Reset));
        lab.shaper.carried
    };
    let all: Vec<_> = (0..50).map(carried).collect();
    assert!(all.iter().all(|bytes| (100..=150).contains(bytes)));
    assert!(all.iter().any(|bytes| *bytes != all[0]));
    assert!((0..50).map(carried).eq(all));
}

#[test]
fn a_black_hole_holds_bytes_and_the_end_and_gives_them_back() {
    let mut lab = Lab::new(0).with(Fault::BlackHole);
    lab.push(5);
    lab.shaper.finish(lab.now);
    for _ in 0..3 {
        assert_eq!(lab.run(), (vec![], Step::Rest));
        lab.now += MS;
    }
    assert_eq!(lab.fired(FaultKind::BlackHole), 1);
    lab.faults.lift(FaultKind::BlackHole);
    assert_eq!(lab.run(), (vec![(MS * 3, 5)], Step::Finish));
    lab.set(Fault::BlackHole);
    assert_eq!(lab.step(), Step::Rest);
    assert_eq!(lab.fired(FaultKind::BlackHole), 2);
}

#[test]
fn a_slow_close_delays_the_end_and_not_the_data() {
    for broken in [false, true] {
        let mut lab = Lab::new(0).with(Fault::SlowClose { delay: MS * 50 });
        lab.set(latency(10, 0));
        lab.push(5);
        lab.shaper.end(lab.now, broken);
        let (pieces, step) = lab.run();
        assert_eq!(pieces, [(MS * 10, 5)]);
        let end = if broken {
            Step::End(End::Broken)
        } else {
            Step::Finish
        };
        assert_eq!((step, lab.now), (end, lab.start + MS * 60));
        assert_eq!(lab.fired(FaultKind::SlowClose), 1);
    }
}

#[test]
fn what_is_held_back_has_a_limit() {
    let mut lab = Lab::new(0).with(Fault::BlackHole);
    let mut bytes = 0;
    while lab.shaper.has_room() {
        lab.push(16 * 1024);
        bytes += 16 * 1024;
    }
    assert_eq!(bytes, WINDOW);
    lab.faults.lift(FaultKind::BlackHole);
    lab.step();
    lab.write(1);
    assert!(lab.shaper.has_room());
}
