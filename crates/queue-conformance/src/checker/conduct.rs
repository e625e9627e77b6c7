//! What the processes must keep to: I10 to I13, the faults, and what workers say of their handlers (I3, I6).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::checker::clock::nanos;
use crate::checker::report::Report;
use crate::checker::rules::Rules;
use crate::checker::violation::Invariant;
use crate::history::{Ended, Fact, Mark, Party, Record, Tag};

/// Follows the processes through a history, line by line.
pub(crate) struct Conduct<'a> {
    rules: &'a Rules,
    line: u32,
    started: HashSet<(u32, Tag)>,
    /// Processes that are shutting down, with the line and the end that they have to keep.
    ending: BTreeMap<u32, (u32, u64)>,
    ended: HashSet<u32>,
    planned: BTreeMap<String, Fault>,
    lease: u64,
    healed: Option<(u32, u64)>,
    /// When the queues had drained after that.
    drained: Option<u64>,
    ready: HashMap<u32, Readiness>,
    last: u64,
}

#[derive(Default)]
struct Fault {
    planned: u64,
    fired: u64,
    lines: Vec<u32>,
}

/// What a process said of its readiness since the truth last changed.
struct Readiness {
    truth: bool,
    says: bool,
    at: u64,
    /// For how long it was wrong.
    wrong: u64,
    since: u32,
    told: bool,
}

impl<'a> Conduct<'a> {
    pub(crate) fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            line: 0,
            started: HashSet::new(),
            ending: BTreeMap::new(),
            ended: HashSet::new(),
            planned: BTreeMap::new(),
            lease: 0,
            healed: None,
            drained: None,
            ready: HashMap::new(),
            last: 0,
        }
    }

    /// Takes the next line.
    pub(crate) fn feed(&mut self, record: &Record, report: &mut Report) {
        let line = self.line;
        self.line += 1;
        self.last = self.last.max(record.at.as_nanos());
        match &record.fact {
            Fact::Mark(mark) => self.mark(mark, line, record.at.as_nanos(), report),
            Fact::Started { .. } | Fact::Processed { .. } => self.worker(record, line, report),
            _ => {}
        }
    }

    /// Judges what never came.
    pub(crate) fn finish(self, report: &mut Report) {
        for (process, (line, until)) in &self.ending {
            if self.last > *until {
                let text = format!("process {process} was asked to end and never did");
                report.add(Invariant::Shutdown, Vec::new(), vec![*line], text);
            }
        }
        for (fault, seen) in &self.planned {
            report.judge(Invariant::Faults, seen.planned);
            if seen.fired < seen.planned {
                let (planned, fired) = (seen.planned, seen.fired);
                let text = format!(
                    "the fault {fault:?} was planned {planned} times and fired {fired} times"
                );
                report.add(Invariant::Faults, Vec::new(), seen.lines.clone(), text);
            }
        }
        self.drains(report);
    }

    fn drains(&self, report: &mut Report) {
        let Some((line, healed)) = self.healed else {
            return;
        };
        report.judge(Invariant::Drains, 1);
        let lease = self.lease.max(if self.lease == 0 {
            nanos(self.rules.lease)
        } else {
            0
        });
        let limit = lease.saturating_add(nanos(self.rules.drain));
        let text = match self.drained {
            None => "the backlog never drained after the last fault".to_owned(),
            Some(at) if at.saturating_sub(healed) > limit => format!(
                "the backlog took {:?} to drain after the last fault; {:?} is the limit",
                Duration::from_nanos(at - healed),
                Duration::from_nanos(limit)
            ),
            Some(_) => return,
        };
        report.add(Invariant::Drains, Vec::new(), vec![line], text);
    }

    fn worker(&mut self, record: &Record, line: u32, report: &mut Report) {
        let invariant = Invariant::Attempts;
        match &record.fact {
            Fact::Started {
                id,
                kind,
                attempt,
                receipt,
                ..
            } => {
                let most = self.rules.max_attempts.of(kind);
                report.judge(invariant, u64::from(most.is_some()));
                if most.is_some_and(|most| *attempt > most) {
                    let text = format!(
                        "a handler was started for {id} at attempt {attempt}, over the maximum"
                    );
                    report.add(invariant, vec![*id], vec![line], text);
                }
                if !self.started.insert((record.process, *receipt)) {
                    let text = format!("two handlers were started for one delivery of {id}");
                    report.add(Invariant::Explained, vec![*id], vec![line], text);
                }
                if self.ended.contains(&record.process) {
                    let (process, text) = (record.process, "started a handler after its end");
                    let text = format!("process {process} {text}");
                    report.add(Invariant::Shutdown, vec![*id], vec![line], text);
                }
            }
            Fact::Processed {
                id,
                kind,
                attempt,
                outcome,
                ..
            } => {
                let Some(most) = self.rules.max_attempts.of(kind) else {
                    return;
                };
                report.judge(invariant, 1);
                let what = match outcome {
                    Ended::Retry if *attempt >= most => "retried at or over the maximum",
                    Ended::Dead if *attempt < most && !self.rules.max_age => {
                        "given up before the maximum"
                    }
                    _ => return,
                };
                let text = format!("{id} was {what}, at attempt {attempt} of {most}");
                report.add(invariant, vec![*id], vec![line], text);
            }
            _ => {}
        }
    }

    fn mark(&mut self, mark: &Mark, line: u32, at: u64, report: &mut Report) {
        match mark {
            Mark::FaultPlanned { fault } => {
                let seen = self.planned.entry(fault.clone()).or_default();
                seen.planned += 1;
                seen.lines.push(line);
            }
            Mark::FaultFired { fault } => {
                self.planned.entry(fault.clone()).or_default().fired += 1;
            }
            Mark::Healed => (self.healed, self.drained) = (Some((line, at)), None),
            Mark::Drained => {
                self.drained.get_or_insert(at);
            }
            Mark::Lease { lease, .. } => self.lease = self.lease.max(nanos(*lease)),
            Mark::Killed { process }
            | Mark::Stopped {
                party: Party::Process(process),
            } => {
                self.ending.remove(process);
                self.ready.remove(process);
            }
            Mark::Restarted {
                party: Party::Process(process),
            } => {
                self.ended.remove(process);
                self.ready.remove(process);
            }
            Mark::ShutdownBegan { process, limit } => {
                let limit = nanos(*limit).saturating_add(nanos(self.rules.shutdown_slack));
                self.ending
                    .insert(*process, (line, at.saturating_add(limit)));
            }
            Mark::ShutdownEnded {
                process,
                took,
                limit,
            } => {
                report.judge(Invariant::Shutdown, 1);
                self.ending.remove(process);
                self.ended.insert(*process);
                if *took > *limit + self.rules.shutdown_slack {
                    let text =
                        format!("process {process} took {took:?} to end; {limit:?} is its limit");
                    report.add(Invariant::Shutdown, Vec::new(), vec![line], text);
                }
            }
            Mark::Memory { process, bytes } => self.memory(*process, *bytes, line, report),
            Mark::Readiness {
                process,
                says,
                truth,
            } => self.readiness(*process, [*says, *truth], line, at, report),
            _ => {}
        }
    }

    fn memory(&self, process: u32, bytes: u64, line: u32, report: &mut Report) {
        let Some(limit) = self.rules.memory else {
            return;
        };
        report.judge(Invariant::Memory, 1);
        if bytes > limit {
            let text = format!("process {process} holds {bytes} bytes; {limit} is the limit");
            report.add(Invariant::Memory, Vec::new(), vec![line], text);
        }
    }

    /// Wrong for longer than allowed since the truth last changed, in one go or in pieces.
    fn readiness(
        &mut self,
        process: u32,
        [says, truth]: [bool; 2],
        line: u32,
        at: u64,
        report: &mut Report,
    ) {
        report.judge(Invariant::Ready, 1);
        let fresh = Readiness {
            truth,
            says,
            at,
            wrong: 0,
            since: line,
            told: false,
        };
        let state = self.ready.entry(process).or_insert(fresh);
        if state.truth != truth {
            (state.truth, state.wrong, state.since, state.told) = (truth, 0, line, false);
        } else if state.says != truth {
            state.wrong += at.saturating_sub(state.at);
        }
        (state.says, state.at) = (says, at);
        if state.wrong > nanos(self.rules.readiness) && !state.told {
            state.told = true;
            let said = if truth { "not ready" } else { "ready" };
            let text = format!(
                "process {process} was said to be {said} for {:?}, and was not so",
                Duration::from_nanos(state.wrong)
            );
            let lines = vec![state.since, line];
            report.add(Invariant::Ready, Vec::new(), lines, text);
        }
    }
}
