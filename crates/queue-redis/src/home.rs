//! One queue as this process uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue_core::{Error, QueueConfig};
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::{Notify, watch};

use crate::call::Call;
use crate::failure::{Advice, Failure};
use crate::gate::Gate;
use crate::handle::{Handle, Made};
use crate::link::Link;
use crate::publisher::Publisher;
use crate::script::{self, LAYOUT, Script};
use crate::settler::Settler;
use crate::watch::Watch;

/// One queue as this process uses it: shared by all sessions that the process has with it.
pub(crate) struct Shared {
    pub(crate) home: Arc<Home>,
    pub(crate) publisher: Publisher,
    pub(crate) settler: Settler,
}

impl Shared {
    /// Of a queue that is there, and how it was made. Needs a runtime: publishes and settlements are gathered by a
    /// task each, which end with the last session.
    pub(crate) fn new(handle: Handle, made: Made) -> Arc<Self> {
        let home = Arc::new(Home {
            handle,
            lease: AtomicU64::new(micros(made.config.lease)),
            config: Mutex::new(made.config),
            room: Notify::new(),
            watch: Watch::new(),
            ended: watch::Sender::new(false),
            repairing: tokio::sync::Mutex::new(()),
        });
        Arc::new(Self {
            publisher: Publisher::start(Arc::clone(&home)),
            settler: Settler::start(Arc::clone(&home)),
            home,
        })
    }
}

/// The way to a queue, what is known of it here, and its repair.
pub(crate) struct Home {
    pub(crate) handle: Handle,
    lease: AtomicU64,
    /// To make the queue again when the server has lost it.
    config: Mutex<QueueConfig>,
    /// Something was settled here: whoever waits for room may look.
    pub(crate) room: Notify,
    pub(crate) watch: Watch,
    ended: watch::Sender<bool>,
    repairing: tokio::sync::Mutex<()>,
}

impl Home {
    pub(crate) fn link(&self) -> &Link {
        &self.handle.link
    }

    /// How long a delivery lasts, as last heard from the server.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_micros(self.lease.load(Ordering::Relaxed))
    }

    /// The configuration is another one from now on.
    pub(crate) fn update(&self, config: QueueConfig) {
        self.lease.store(micros(config.lease), Ordering::Relaxed);
        *self.config.lock() = config;
    }

    /// All sessions end: the queue was deleted, or the backend is closed.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
        self.room.notify_one();
    }

    pub(crate) fn is_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Returns when all sessions end.
    pub(crate) async fn until_ended(&self) {
        // The sender lives as long as this.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(crate) fn closed(&self) -> Error {
        Error::Closed {
            queue: self.handle.name.clone(),
        }
    }

    /// A script with its arguments, as a call.
    pub(crate) fn script<A: AsRef<[u8]>>(&self, script: &'static Script, arguments: &[A]) -> Call {
        let layout = std::iter::once(LAYOUT.as_bytes());
        let arguments = arguments.iter().map(AsRef::as_ref);
        Call::script(script, &self.handle.keys, layout.chain(arguments))
    }

    /// Runs a script that changes something, again after a repair where that is what it takes.
    pub(crate) async fn call<A: AsRef<[u8]>>(
        &self,
        script: &'static Script,
        arguments: &[A],
    ) -> Result<Value, Failure> {
        let answer = self.link().one(self.script(script, arguments)).await;
        match answer {
            Err(failure) if self.repaired(&failure).await => {
                self.link().one(self.script(script, arguments)).await
            }
            answer => answer,
        }
    }

    /// Lets time pass on the server, over the shared connection.
    pub(crate) async fn pass_time(&self) -> Result<Gate, Failure> {
        let call = self.script::<&[u8]>(&script::GATE, &[]).unconfirmed();
        let gate = Gate::read(self.link().one(call).await?)?;
        self.observe(&gate);
        Ok(gate)
    }

    /// Learns from what a gate has answered.
    pub(crate) fn observe(&self, gate: &Gate) {
        if self.watch.learn(gate) {
            self.lease.store(gate.lease, Ordering::Relaxed);
        }
        let queue = self.handle.name.as_str();
        if gate.lost > 0 {
            let lost = gate.lost;
            tracing::error!(
                queue,
                lost,
                "the server has no longer had messages that were handed out: they are lost"
            );
        }
        self.handle.warn_of_dropped(gate.dropped);
    }

    /// Repairs what a failure tells to be missing; answers whether it is worth trying again.
    pub(crate) async fn repaired(&self, failure: &Failure) -> bool {
        match failure.advice() {
            Advice::Gone => {
                self.end();
                false
            }
            Advice::Lost => self.made_again().await,
            Advice::NoGroup => self.mended().await,
            _ => false,
        }
    }

    async fn made_again(&self) -> bool {
        let _turn = self.repairing.lock().await;
        if self.is_ended() {
            return false;
        }
        let config = self.config.lock().clone();
        let made = Made::new(&config, &self.handle.environment);
        match self.handle.make(&made).await {
            Ok(true) => {
                // Its name may be lost as well. Where this fails the queue works and is not listed.
                let _ = self.handle.registry.add(&self.handle.name).await;
                let queue = self.handle.name.as_str();
                tracing::error!(
                    queue,
                    "the server has lost the queue with all that was in it; it was made again"
                );
                true
            }
            Ok(false) => true,
            Err(_) => false,
        }
    }

    async fn mended(&self) -> bool {
        let mended = {
            let _turn = self.repairing.lock().await;
            self.handle.mend().await
        };
        match mended {
            Ok(_) => true,
            // More is missing than the read could tell.
            Err(failure) if failure.advice() == Advice::Lost => self.made_again().await,
            Err(failure) => {
                if failure.advice() == Advice::Gone {
                    self.end();
                }
                false
            }
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
