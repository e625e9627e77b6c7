use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// Counts each message of a round by its number: what never came is lost, what came again is a duplicate.
///
/// Counting is on the path of every message, on both sides of a comparison. So neighbouring numbers, which are counted at the
/// same time, share no cache line: there are many counters, and none that all messages touch.
#[derive(Debug)]
pub struct Tally {
    messages: u32,
    /// Whether each number has come.
    seen: Box<[AtomicBool]>,
    /// Numbers of each stripe that have not come.
    missing: Box<[Stripe]>,
    /// Stripes that have missing numbers.
    open: AtomicU32,
    duplicates: AtomicU64,
    done: Notify,
}

impl Tally {
    /// For messages numbered from 0; nothing has come.
    pub fn new(messages: u32) -> Self {
        let slots = STRIPES * messages.div_ceil(STRIPES);
        let tally = Self {
            messages,
            seen: (0..slots).map(|_| AtomicBool::default()).collect(),
            missing: (0..STRIPES).map(|_| Stripe::default()).collect(),
            open: AtomicU32::default(),
            duplicates: AtomicU64::default(),
            done: Notify::new(),
        };
        tally.reset();
        tally
    }

    /// Nothing has come. Not while messages are counted.
    pub fn reset(&self) {
        for seen in &self.seen {
            seen.store(false, Ordering::Relaxed);
        }
        for (index, stripe) in (0..).zip(&self.missing) {
            let size = (self.messages + STRIPES - 1 - index) / STRIPES;
            stripe.0.store(size, Ordering::Relaxed);
        }
        let open = self.messages.min(STRIPES);
        self.open.store(open, Ordering::Relaxed);
        self.duplicates.store(0, Ordering::Relaxed);
    }

    /// One message has come. A number that nobody published counts as a duplicate.
    pub fn count(&self, number: u32) {
        let (stripe, row) = (number % STRIPES, number / STRIPES);
        let slot = stripe as usize * (self.seen.len() / STRIPES as usize) + row as usize;
        if number >= self.messages || self.seen[slot].swap(true, Ordering::Relaxed) {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let missing = &self.missing[stripe as usize].0;
        // The last message makes what all others did visible to who waits.
        if missing.fetch_sub(1, Ordering::AcqRel) == 1
            && self.open.fetch_sub(1, Ordering::AcqRel) == 1
        {
            self.done.notify_one();
        }
    }

    /// Whether every number has come.
    pub fn is_done(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// How many numbers have come.
    pub fn seen(&self) -> u32 {
        self.messages - self.lost()
    }

    /// How many numbers have not come (yet).
    pub fn lost(&self) -> u32 {
        let missing = self.missing.iter();
        missing.map(|s| s.0.load(Ordering::Acquire)).sum()
    }

    /// How often a number came that had come before.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Acquire)
    }

    /// Waits until every number has come, or nothing new has come for [`Tally::STALLED`]. For one waiter.
    pub async fn done_or_stalled(&self) {
        while !self.is_done() {
            let before = self.seen();
            tokio::select! {
                () = self.done.notified() => {}
                () = sleep(Self::STALLED) => if self.seen() == before { return },
            }
        }
    }

    /// After this long without a new message the rest is given up for lost.
    pub const STALLED: Duration = Duration::from_secs(30);
}

const STRIPES: u32 = 64;

/// Alone on its cache lines (processors fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_counts_once() {
        for messages in [1, 63, 64, 65, 1_000] {
            let tally = Tally::new(messages);
            for round in 0..2 {
                assert!(!tally.is_done());
                for number in (0..messages).rev() {
                    assert_eq!(tally.lost(), number + 1, "round {round}");
                    tally.count(number);
                }
                assert!(tally.is_done());
                assert_eq!((tally.lost(), tally.duplicates()), (0, 0));
                tally.reset();
            }
        }
    }

    #[test]
    fn what_came_again_is_no_other_message() {
        let tally = Tally::new(100);
        for number in 0..99 {
            tally.count(number);
        }
        tally.count(7);
        tally.count(7);
        tally.count(100);
        tally.count(u32::MAX);
        assert!(!tally.is_done());
        assert_eq!((tally.seen(), tally.lost()), (99, 1));
        assert_eq!(tally.duplicates(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_last_number() {
        let tally = Tally::new(2);
        let count = async {
            // Slower than a stall, but never without a new message for as long.
            sleep(Tally::STALLED / 2).await;
            tally.count(0);
            sleep(Tally::STALLED * 9 / 10).await;
            tally.count(1);
        };
        tokio::join!(tally.done_or_stalled(), count);
        assert!(tally.is_done());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_nothing_comes() {
        let tally = Tally::new(2);
        tally.count(0);
        let start = tokio::time::Instant::now();
        tally.done_or_stalled().await;
        assert_eq!(start.elapsed(), Tally::STALLED);
        assert_eq!(tally.lost(), 1);
    }
}
