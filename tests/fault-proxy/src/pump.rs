use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::task::consume_budget;
use tokio::time::{Instant, sleep_until};

use crate::Direction;
use crate::connection::End;
use crate::control::Control;
use crate::shaper::{Shaper, Step};

/// The most that is read at once, in bytes.
pub(crate) const READ: usize = 16 * 1024;

/// One direction of a connection: moves what the shaper says when it says so.
pub(crate) struct Pump<'a> {
    pub(crate) control: &'a Control,
    pub(crate) direction: Direction,
    pub(crate) from: ReadHalf<'a>,
    /// The other direction has found out that the source takes no more. Its kernel tells that once only, to whoever
    /// asks first; what is read from then on ends like an ordinary stream.
    pub(crate) from_is_gone: &'a AtomicBool,
    pub(crate) to: WriteHalf<'a>,
    /// Where the other direction is told so.
    pub(crate) to_is_gone: &'a AtomicBool,
    pub(crate) shaper: Shaper,
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The end of the stream was passed on.
    Finished,
    /// The destination takes no more.
    Deaf,
    /// The whole connection ends.
    Ended(End),
}

impl Pump<'_> {
    pub(crate) async fn run(mut self) -> Outcome {
        let mut plan = self.control.watch();
        let mut buffer = vec![0; READ];
        loop {
            // Ready sockets alone never let other tasks run.
            consume_budget().await;
            let faults = *plan.borrow_and_update().faults.get(self.direction);
            let step = self
                .shaper
                .step(Instant::now(), &faults, &self.control.tally);
            let (mut write, mut until) = (None, None);
            match step {
                Step::Rest => {}
                Step::Wait(moment) => until = Some(moment),
                Step::Write(length) => write = Some(length),
                Step::Finish => return self.pass_on_end().await,
                Step::End(end) => return Outcome::Ended(end),
            }
            tokio::select! {
                biased;
                changed = plan.changed() => if changed.is_err() {
                    return Outcome::Ended(End::Closed);
                },
                // An error shows in the attempt.
                _ = self.to.writable(), if write.is_some() => {
                    let length = write.unwrap_or_default();
                    match self.to.try_write(self.shaper.head(length)) {
                        Ok(written) => {
                            self.shaper.wrote(written, Instant::now(), &faults, &self.control.tally);
                            self.control.tally.forward(self.direction, written);
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        Err(_) => return self.give_up(),
                    }
                }
                () = pause(until), if until.is_some() => {}
                _ = self.from.readable(), if self.shaper.has_room() => self.read(&mut buffer),
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) {
        let now = Instant::now();
        match self.from.try_read(buffer) {
            Ok(0) if !self.from_is_gone.load(Relaxed) => self.shaper.finish(now),
            Ok(length @ 1..) => self.shaper.push(&buffer[..length], now),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.shaper.break_off(now),
        }
    }

    async fn pass_on_end(mut self) -> Outcome {
        match self.to.shutdown().await {
            Ok(()) => Outcome::Finished,
            Err(_) => self.give_up(),
        }
    }

    fn give_up(self) -> Outcome {
        self.to_is_gone.store(true, Relaxed);
        Outcome::Deaf
    }
}

async fn pause(until: Option<Instant>) {
    if let Some(moment) = until {
        // tidy: sleep — this is the fault itself.
        sleep_until(moment).await;
    }
}
