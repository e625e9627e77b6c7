use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes};
use fastrand::Rng;
use tokio::time::Instant;

use crate::FaultKind;
use crate::connection::End;
use crate::faults::{Cut, Faults};
use crate::tally::Tally;

/// The most that is under way in one direction of a connection, in bytes, but for the last read.
const WINDOW: usize = 1024 * 1024;
/// How many pieces a second a wire of limited bandwidth carries, unless they are single bytes or cut smaller.
const TICKS: u64 = 50;
/// What a wire of limited bandwidth may catch up on when the proxy itself was late.
const LATENESS: Duration = Duration::from_millis(100);

/// What is under way in one direction of a connection, and when it may go on. It knows neither sockets nor a clock.
#[derive(Debug)]
pub(crate) struct Shaper {
    runs: VecDeque<Run>,
    /// Of all runs.
    bytes: usize,
    tail: Option<Tail>,
    /// Bytes that went on so far.
    carried: u64,
    reset: Trap,
    half_open: Trap,
    /// No slice before.
    quiet_until: Option<Instant>,
    /// Since when the first piece is on the wire of limited bandwidth.
    on_wire: Option<Instant>,
    /// When that wire is free again.
    wire_free: Option<Instant>,
    jitter: Rng,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing until something is read or the plan is changed.
    Rest,
    /// Nothing until then either.
    Wait(Instant),
    /// Hand on up to this many bytes of the [head](Shaper::head).
    Write(usize),
    /// Pass the end of the stream on.
    Finish,
    /// End the connection.
    End(End),
}

/// Bytes that were read at once, or the end of the stream.
#[derive(Debug)]
struct Run {
    bytes: Bytes,
    held: Held,
}

/// Since when something waits, and for what it was counted.
#[derive(Debug)]
struct Held {
    since: Instant,
    /// Its share of the jitter, from 0 to 1.
    roll: f64,
    delayed: bool,
    in_hole: bool,
}

/// The end of the stream.
#[derive(Debug)]
struct Tail {
    held: Held,
    broken: bool,
    /// When it would have been passed on.
    ready: Option<Instant>,
}

/// After how many bytes the connection is cut.
#[derive(Debug)]
struct Trap {
    /// The setting that it belongs to, and the number of bytes carried at which it is sprung.
    armed: Option<(u64, u64)>,
    dice: Rng,
}

impl Shaper {
    pub(crate) fn new(dice: &mut Rng) -> Self {
        Self {
            runs: VecDeque::new(),
            bytes: 0,
            tail: None,
            carried: 0,
            reset: Trap::new(dice),
            half_open: Trap::new(dice),
            quiet_until: None,
            on_wire: None,
            wire_free: None,
            jitter: dice.fork(),
        }
    }

    /// Whether to read on.
    pub(crate) fn has_room(&self) -> bool {
        self.tail.is_none() && self.bytes < WINDOW
    }

    /// Bytes that were read.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.bytes += bytes.len();
        let held = self.hold(now);
        self.runs.push_back(Run { bytes, held });
    }

    /// The source sends no more.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.end(now, false);
    }

    /// The source is gone.
    pub(crate) fn break_off(&mut self, now: Instant) {
        self.end(now, true);
    }

    /// The next bytes.
    pub(crate) fn head(&self, length: usize) -> &[u8] {
        self.runs.front().map_or(&[], |run| &run.bytes[..length])
    }

    /// What to do now. It may be asked as often as one likes.
    pub(crate) fn step(&mut self, now: Instant, faults: &Faults, tally: &Tally) -> Step {
        self.reset.arm(faults.reset, self.carried);
        self.half_open.arm(faults.half_open, self.carried);
        if faults.bandwidth.is_none() {
            (self.on_wire, self.wire_free) = (None, None);
        }
        let Some(head) = self.runs.front_mut() else {
            return self.step_at_end(now, faults, tally);
        };
        let due = match head.held.due(now, faults, tally) {
            Ok(due) => due,
            Err(step) => return step,
        };
        let length = head.bytes.len();
        if self.reset.is_sprung(self.carried) {
            return Step::End(End::Reset);
        }
        if self.half_open.is_sprung(self.carried) {
            return Step::End(End::HalfOpen);
        }
        if let Some(moment) = self.quiet_until.filter(|moment| now < *moment)
            && faults.slices.is_some()
        {
            return Step::Wait(moment);
        }
        let piece = self.piece(length, faults);
        let Some(rate) = faults.bandwidth else {
            return Step::Write(piece);
        };
        let arrival = self.enter_wire(now, due) + on_wire(piece, rate);
        if now < arrival {
            return Step::Wait(arrival);
        }
        Step::Write(piece)
    }

    /// Bytes of the head were handed on.
    pub(crate) fn wrote(&mut self, length: usize, now: Instant, faults: &Faults, tally: &Tally) {
        let Some(head) = self.runs.front_mut() else {
            return;
        };
        if let Some(slices) = faults.slices {
            if head.bytes.len() > slices.bytes {
                tally.fire(FaultKind::Slices);
            }
            self.quiet_until = Some(now + slices.pause);
        }
        if let (Some(entered), Some(rate)) = (self.on_wire.take(), faults.bandwidth) {
            self.wire_free = Some(entered + on_wire(length, rate));
            tally.fire(FaultKind::Bandwidth);
        }
        head.bytes.advance(length);
        if head.bytes.is_empty() {
            self.runs.pop_front();
        }
        self.bytes -= length;
        self.carried += length as u64;
    }

    fn hold(&mut self, now: Instant) -> Held {
        Held {
            since: now,
            roll: self.jitter.f64(),
            delayed: false,
            in_hole: false,
        }
    }

    fn end(&mut self, now: Instant, broken: bool) {
        let held = self.hold(now);
        self.tail = Some(Tail {
            held,
            broken,
            ready: None,
        });
    }

    fn step_at_end(&mut self, now: Instant, faults: &Faults, tally: &Tally) -> Step {
        let Some(tail) = &mut self.tail else {
            return Step::Rest;
        };
        if let Err(step) = tail.held.due(now, faults, tally) {
            return step;
        }
        if let Some(delay) = faults.slow_close {
            if tail.ready.is_none() {
                tally.fire(FaultKind::SlowClose);
            }
            let due = *tail.ready.get_or_insert(now) + delay;
            if now < due {
                return Step::Wait(due);
            }
        }
        if tail.broken {
            Step::End(End::Broken)
        } else {
            Step::Finish
        }
    }

    /// How much of the head may go at once.
    fn piece(&self, length: usize, faults: &Faults) -> usize {
        let mut piece = length;
        if let Some(slices) = faults.slices {
            piece = piece.min(slices.bytes);
        }
        if let Some(rate) = faults.bandwidth {
            let in_tick = usize::try_from(rate / TICKS).unwrap_or(usize::MAX);
            piece = piece.min(in_tick.max(1));
        }
        for trap in [&self.reset, &self.half_open] {
            if let Some((_, at)) = trap.armed {
                piece = piece.min(usize::try_from(at - self.carried).unwrap_or(usize::MAX));
            }
        }
        piece
    }

    /// Since when the head is on the wire: no sooner than it was there, and than the wire was free.
    fn enter_wire(&mut self, now: Instant, due: Instant) -> Instant {
        let free = self.wire_free.unwrap_or(now).max(due);
        let latest = now.checked_sub(LATENESS).unwrap_or(now);
        *self.on_wire.get_or_insert(free.max(latest))
    }
}

impl Held {
    /// Since when it may go on, as far as latency and black hole are concerned; else what to do.
    fn due(&mut self, now: Instant, faults: &Faults, tally: &Tally) -> Result<Instant, Step> {
        if faults.black_hole {
            if !self.in_hole {
                tally.fire(FaultKind::BlackHole);
            }
            self.in_hole = true;
            return Err(Step::Rest);
        }
        let Some(latency) = faults.latency else {
            return Ok(self.since);
        };
        let due = self.since + latency.delay + latency.jitter.mul_f64(self.roll);
        if !self.delayed && due > self.since {
            tally.fire(FaultKind::Latency);
            self.delayed = true;
        }
        if now < due {
            return Err(Step::Wait(due));
        }
        Ok(due)
    }
}

impl Trap {
    fn new(dice: &mut Rng) -> Self {
        let dice = dice.fork();
        Self { armed: None, dice }
    }

    fn arm(&mut self, cut: Option<Cut>, carried: u64) {
        let Some(cut) = cut else {
            self.armed = None;
            return;
        };
        if self.armed.is_none_or(|(setting, _)| setting != cut.setting) {
            let after = cut.after.saturating_add(self.dice.u64(0..=cut.spread));
            self.armed = Some((cut.setting, carried.saturating_add(after)));
        }
    }

    fn is_sprung(&self, carried: u64) -> bool {
        self.armed.is_some_and(|(_, at)| at <= carried)
    }
}

/// How long so many bytes take.
fn on_wire(bytes: usize, rate: u64) -> Duration {
    Duration::from_nanos((bytes as u64 * 1_000_000_000).div_ceil(rate))
}

#[cfg(test)]
mod tests;
