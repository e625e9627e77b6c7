use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Backoff;
use crate::gate::{Gate, Pause};
use crate::ledger::Fetched;

/// What was fetched and waits for a slot, by queue in order of priority; and the slots that wait for work.
pub(crate) struct Buffer {
    // Held for a pop or a push, never across an await; each job takes it once.
    inner: Mutex<Inner>,
}

struct Inner {
    /// Highest priority first. What is taken from the front of the first that may be taken from.
    lines: Vec<Line>,
    slots: Vec<SlotState>,
    /// Idle slots, the latest last: it is woken first, its caches are warm.
    idle: Vec<usize>,
    /// Slots that were woken and have not looked yet. As many as the runtime has threads, no more: each slot that finds
    /// work and sees more wakes the next, so that quick jobs do not wake slots that will find nothing.
    waking: usize,
    most_waking: usize,
    closed: bool,
}

struct Line {
    waiting: VecDeque<Fetched>,
    gate: Gate,
    /// At or below so many waiting, the fetcher gets more.
    low_water: usize,
}

#[derive(Default)]
struct SlotState {
    idle: bool,
    woken: bool,
    waker: Option<Waker>,
}

/// What a slot is to run: from which line, beside the deliveries that were put into its hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) line: usize,
    /// It tries whether what was down works again.
    pub(crate) probe: bool,
    /// The fetcher of this line should be told that there is room.
    pub(crate) low: bool,
}

/// How the fetcher of a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appetite {
    /// Enough is waiting, or fetching is paused.
    None,
    /// One message, to probe with.
    One,
    /// Whatever there is room for.
    Any,
}

impl Buffer {
    pub(crate) fn new(
        low_waters: impl Iterator<Item = usize>,
        slots: usize,
        threads: usize,
    ) -> Self {
        let lines = low_waters
            .map(|low_water| Line {
                waiting: VecDeque::new(),
                gate: Gate::default(),
                low_water,
            })
            .collect();
        Self {
            inner: Mutex::new(Inner {
                lines,
                slots: (0..slots).map(|_| SlotState::default()).collect(),
                idle: Vec::with_capacity(slots),
                waking: 0,
                most_waking: threads.max(1),
                closed: false,
            }),
        }
    }

    /// Adds what was fetched. The fetchers end before the buffer is closed.
    pub(crate) fn push(&self, line: usize, fetched: Vec<Fetched>) {
        let mut inner = self.inner.lock();
        inner.lines[line].waiting.extend(fetched);
        let wakers = inner.wake_some();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Puts the next jobs into a slot's empty hand: at least one, at most `most`, all of one line; `None` when there
    /// will be none.
    pub(crate) async fn next(
        &self,
        slot: usize,
        most: usize,
        hand: &mut VecDeque<Fetched>,
    ) -> Option<Taken> {
        poll_fn(|context| self.poll_next(slot, most, hand, context)).await
    }

    /// Takes back what a slot has in its hand and cannot start soon; it is next again. After the end it stays in the hand.
    pub(crate) fn give_back(&self, line: usize, hand: &mut VecDeque<Fetched>) {
        let mut inner = self.inner.lock();
        if inner.closed {
            return;
        }
        while let Some(fetched) = hand.pop_back() {
            inner.lines[line].waiting.push_front(fetched);
        }
        let wakers = inner.wake_some();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn poll_next(
        &self,
        slot: usize,
        most: usize,
        hand: &mut VecDeque<Fetched>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Taken>> {
        let mut inner = self.inner.lock();
        if std::mem::take(&mut inner.slots[slot].woken) {
            inner.waking -= 1;
        }
        if let Some(taken) = inner.take(most, hand) {
            inner.leave_idle(slot);
            let waker = inner.wake_one();
            drop(inner);
            // Outside the lock, so that the woken slot does not run into it.
            if let Some(waker) = waker {
                waker.wake();
            }
            return Poll::Ready(Some(taken));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        inner.enter_idle(slot, context.waker());
        Poll::Pending
    }

    pub(crate) fn appetite(&self, line: usize) -> Appetite {
        let inner = self.inner.lock();
        let line = &inner.lines[line];
        match &line.gate {
            Gate::Open if line.waiting.len() <= line.low_water => Appetite::Any,
            Gate::Probing { permit: true, .. } if line.waiting.is_empty() => Appetite::One,
            _ => Appetite::None,
        }
    }

    /// A handler says that something is down.
    pub(crate) fn pause(
        &self,
        line: usize,
        probe: bool,
        backoff: &Backoff,
        unit_random: f64,
    ) -> Pause {
        let now = Instant::now();
        self.inner.lock().lines[line]
            .gate
            .pause(probe, backoff, unit_random, now)
    }

    /// When the pause of a line ends.
    pub(crate) fn paused_until(&self, line: usize) -> Option<Instant> {
        self.inner.lock().lines[line].gate.paused_until()
    }

    /// One job may try whether it works again, if the pause is over.
    pub(crate) fn let_probe(&self, line: usize) {
        let mut inner = self.inner.lock();
        inner.lines[line].gate.let_probe(Instant::now());
        let wakers = inner.wake_some();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// It works again. Says whether it had been down.
    pub(crate) fn resume(&self, line: usize) -> bool {
        let mut inner = self.inner.lock();
        let resumed = inner.lines[line].gate.resume();
        let wakers = inner.wake_some();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        resumed
    }

    /// Takes out everything that has not started and lets the slots end once they have nothing to do.
    pub(crate) fn close(&self) -> Vec<(usize, Fetched)> {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let mut left = Vec::new();
        for (index, line) in inner.lines.iter_mut().enumerate() {
            left.extend(line.waiting.drain(..).map(|fetched| (index, fetched)));
        }
        let wakers: Vec<_> = inner.slots.iter_mut().map(|s| s.waker.take()).collect();
        drop(inner);
        wakers.into_iter().flatten().for_each(Waker::wake);
        left
    }
}

impl Inner {
    fn take(&mut self, most: usize, hand: &mut VecDeque<Fetched>) -> Option<Taken> {
        // The other threads' slots get their share.
        let threads = self.most_waking;
        for (index, line) in self.lines.iter_mut().enumerate() {
            let probe = match &mut line.gate {
                Gate::Open => false,
                Gate::Probing { permit: true, .. } => true,
                _ => continue,
            };
            let before = line.waiting.len();
            let count = match before {
                0 => continue,
                _ if probe => 1,
                _ => most.min(before.div_ceil(2 * threads)),
            };
            if probe {
                line.gate.probing();
            }
            hand.extend(line.waiting.drain(..count));
            let after = line.waiting.len();
            return Some(Taken {
                line: index,
                probe,
                low: before > line.low_water && after <= line.low_water,
            });
        }
        None
    }

    /// How many jobs could start.
    fn work(&self) -> usize {
        let open = self.lines.iter().filter(|line| line.gate.lets_through());
        open.map(|line| line.waiting.len()).sum()
    }

    fn wake_one(&mut self) -> Option<Waker> {
        if self.idle.is_empty() || self.waking >= self.most_waking || self.waking >= self.work() {
            return None;
        }
        let slot = &mut self.slots[self.idle.pop()?];
        slot.idle = false;
        slot.woken = true;
        self.waking += 1;
        slot.waker.take()
    }

    fn wake_some(&mut self) -> Vec<Waker> {
        std::iter::from_fn(|| self.wake_one()).collect()
    }

    fn enter_idle(&mut self, index: usize, waker: &Waker) {
        let slot = &mut self.slots[index];
        match &mut slot.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        if !slot.idle {
            slot.idle = true;
            self.idle.push(index);
        }
    }

    /// A slot that was polled for another reason found work.
    fn leave_idle(&mut self, index: usize) {
        if std::mem::take(&mut self.slots[index].idle) {
            self.idle.retain(|&i| i != index);
        }
    }
}
