use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{Direction, FaultKind, PerDirection};

/// What has happened since the proxy was started. The counts only grow.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: AtomicU64,
    unreachable: AtomicU64,
    forwarded: PerDirection<AtomicU64>,
    fired: [AtomicU64; FaultKind::ALL.len()],
}

impl Tally {
    pub(crate) fn accept(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    pub(crate) fn miss_upstream(&self) {
        self.unreachable.fetch_add(1, Relaxed);
    }

    pub(crate) fn unreachable(&self) -> u64 {
        self.unreachable.load(Relaxed)
    }

    pub(crate) fn forward(&self, direction: Direction, bytes: usize) {
        let count = self.forwarded.get(direction);
        count.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn forwarded(&self) -> PerDirection<u64> {
        let count = |direction| self.forwarded.get(direction).load(Relaxed);
        PerDirection {
            to_upstream: count(Direction::ToUpstream),
            to_client: count(Direction::ToClient),
        }
    }

    pub(crate) fn fire(&self, kind: FaultKind) {
        self.fired[kind as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn fired(&self, kind: FaultKind) -> u64 {
        self.fired[kind as usize].load(Relaxed)
    }
}
