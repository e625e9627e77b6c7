use crate::checker::clock::{Point, nanos};
use crate::checker::gather::Gather;
use crate::checker::report::Counts;
use crate::checker::run::{Kill, Rest};
use crate::history::{Mark, Party};

impl Gather {
    /// Takes what the test did or saw.
    pub(super) fn mark(&mut self, point: Point, mark: &Mark, counts: &mut Counts) {
        match mark {
            Mark::Killed { process } => {
                counts.kills += 1;
                self.run.kills.push(Kill {
                    process: *process,
                    began: self.began.get(process).copied(),
                    at: point,
                });
            }
            Mark::Restarted {
                party: Party::Process(process),
            } => {
                self.began.insert(*process, point);
            }
            Mark::Stopped {
                party: Party::Store,
            } => self.run.store_stops.push(point),
            Mark::Restarted {
                party: Party::Store,
            } => {
                self.run.store_stops.push(point);
                if self.restart_loses {
                    self.run.losses.push(point);
                }
            }
            Mark::Wiped => {
                self.run.store_stops.push(point);
                self.run.losses.push(point);
            }
            Mark::Lease { queue, lease } => {
                let queue = self.queue(queue);
                let lease = nanos(*lease);
                let known = &mut self.run.queues[usize::from(queue)].lease;
                *known = Some(known.map_or((lease, lease), |(low, high)| {
                    (low.min(lease), high.max(lease))
                }));
            }
            Mark::Drained => self.run.drained = Some(point),
            Mark::Rest {
                queue,
                stats,
                dead,
                live,
            } => {
                let queue = self.queue(queue);
                for id in dead.iter().chain(live.iter().flatten()) {
                    let message = self.message(queue, *id);
                    self.run.messages[message as usize].seen = true;
                }
                self.run.queues[usize::from(queue)].rest = Some(Rest {
                    point,
                    stats: *stats,
                    dead: dead.clone(),
                    live: live.clone(),
                });
            }
            Mark::FaultPlanned { .. } => counts.faults_planned += 1,
            Mark::FaultFired { .. } => counts.faults_fired += 1,
            _ => {}
        }
    }
}
