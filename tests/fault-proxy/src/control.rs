use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::faults::{Faults, require_sense};
use crate::tally::Tally;
use crate::{Direction, Fault, FaultKind, PerDirection};

/// What the proxy, its connections and their directions share.
#[derive(Debug)]
pub(crate) struct Control {
    plan: watch::Sender<Plan>,
    pub(crate) tally: Tally,
}

/// What every connection has to go by at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) upstream: SocketAddr,
    pub(crate) faults: PerDirection<Faults>,
    pub(crate) orders: Orders,
    /// How many faults were set.
    settings: u64,
    /// How many connections are open.
    open: usize,
}

/// How often it was ordered, so that each connection knows which orders came after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) resets: u64,
    pub(crate) half_opens: u64,
}

/// A connection among the open ones, until it is dropped.
pub(crate) struct Seat {
    control: Arc<Control>,
    /// The orders that came before it.
    pub(crate) past: Orders,
}

impl Control {
    pub(crate) fn new(upstream: SocketAddr) -> Self {
        let plan = Plan {
            upstream,
            faults: PerDirection::default(),
            orders: Orders::default(),
            settings: 0,
            open: 0,
        };
        Self {
            plan: watch::Sender::new(plan),
            tally: Tally::default(),
        }
    }

    /// Sees each change of the plan from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Plan> {
        self.plan.subscribe()
    }

    pub(crate) fn open(&self) -> usize {
        self.plan.borrow().open
    }

    pub(crate) fn set(&self, directions: &[Direction], fault: Fault) {
        require_sense(fault);
        self.plan.send_modify(|plan| {
            plan.settings += 1;
            for direction in directions {
                let faults = plan.faults.get_mut(*direction);
                faults.set(fault, plan.settings);
            }
        });
    }

    pub(crate) fn lift(&self, kinds: &[FaultKind]) {
        self.plan.send_modify(|plan| {
            for kind in kinds {
                plan.faults.to_upstream.lift(*kind);
                plan.faults.to_client.lift(*kind);
            }
        });
    }

    pub(crate) fn set_upstream(&self, upstream: SocketAddr) {
        self.plan.send_modify(|plan| plan.upstream = upstream);
    }

    /// How many connections are concerned.
    pub(crate) fn order(&self, give: impl FnOnce(&mut Orders)) -> usize {
        let mut open = 0;
        self.plan.send_modify(|plan| {
            give(&mut plan.orders);
            open = plan.open;
        });
        open
    }

    /// An accepted connection.
    pub(crate) fn seat(self: &Arc<Self>) -> Seat {
        self.tally.accept();
        let mut past = Orders::default();
        self.plan.send_if_modified(|plan| {
            plan.open += 1;
            past = plan.orders;
            false
        });
        let control = Arc::clone(self);
        Seat { control, past }
    }
}

impl Seat {
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.control.plan.send_if_modified(|plan| {
            plan.open -= 1;
            false
        });
    }
}
