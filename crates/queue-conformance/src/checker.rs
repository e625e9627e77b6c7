//! Judges a history: what must hold of every run, whatever was done to it.
//!
//! [`Checker::check`] takes the records of a [`History`](crate::history::History) and answers with a [`Report`]: what was
//! lost, doubled (with the cause of each), early, how much there was, and for every broken [`Invariant`] the lines that
//! prove it.
//!
//! A call takes effect somewhere between its beginning and its answer, and one without an answer some time after its
//! beginning or never. What an order of overlapping calls could explain is no violation. What the history does not show
//! is not judged, and [`Report::judged`] says so: a run without a single redelivery proves nothing about redeliveries.
//!
//! Time is n log n in the number of records. The memory needed is about 300 bytes for each message, publish, delivery
//! and ack together; [`Checker::check_with`] reads a history from files, so that the records themselves need none.

mod balance;
mod clock;
mod conduct;
mod deliveries;
mod evidence;
mod fate;
mod gather;
mod judge;
mod keys;
mod receipts;
mod report;
mod resolve;
mod rules;
mod run;
mod violation;

use std::borrow::Borrow;

use crate::checker::balance::Balances;
use crate::checker::conduct::Conduct;
use crate::checker::evidence::Evidence;
use crate::checker::gather::Gather;
use crate::checker::judge::Judge;
use crate::checker::keys::Renewals;
use crate::checker::run::Run;
use crate::history::Record;

pub use report::{Cause, Counts, Report};
pub use rules::{Attempts, Rules};
pub use violation::{Invariant, Violation};

/// Judges histories by one set of rules.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    rules: Rules,
}

impl Checker {
    /// A checker with these rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }

    /// Judges a history. The records must be in order: those of one history are, several are put in order by
    /// [`History::merge`](crate::history::History::merge).
    pub fn check(&self, records: &[Record]) -> Report {
        self.check_with(|| records.iter())
    }

    /// Judges a history that is read anew each time `read` is called: once to judge, and once more for the lines of the
    /// violations, if there are any.
    pub fn check_with<R, I>(&self, mut read: impl FnMut() -> I) -> Report
    where
        R: Borrow<Record>,
        I: IntoIterator<Item = R>,
    {
        let mut report = Report::default();
        let mut gather = Gather::new(&self.rules);
        let mut conduct = Conduct::new(&self.rules);
        for record in read() {
            gather.feed(record.borrow(), &mut report.counts);
            conduct.feed(record.borrow(), &mut report);
        }
        conduct.finish(&mut report);
        self.judge(gather, &mut report);
        if let Some(mut evidence) = Evidence::of(&report.violations) {
            for record in read() {
                evidence.feed(record.borrow(), &mut report.violations);
            }
        }
        report
    }

    fn judge(&self, gather: Gather, report: &mut Report) {
        let (mut run, keyed_cancels) = gather.finish(&mut report.counts);
        let missing = resolve::resolve(&mut run, keyed_cancels);
        run.sort();
        let judge = Judge::new(&run, &self.rules);
        let mut balances = Balances::new(&judge);
        let mut renewals = Renewals::default();
        for story in run.stories() {
            report.counts.accepted += u64::from(story.entry.accepted);
            deliveries::unaltered(&judge, &story, report);
            deliveries::again(&judge, &story, report);
            deliveries::ended(&judge, &story, report);
            deliveries::on_time(&judge, &story, report);
            receipts::fenced(&judge, &story, report);
            renewals.note(&judge, &story);
            balances.add(&judge, &story, report);
        }
        balances.finish(&judge, &missing, report);
        keys::one_per_key(&judge, &renewals, report);
        self.duplicates(&run, report);
        for span in &run.orphans {
            let text = "a receipt succeeded that nobody was given".to_owned();
            let lines = vec![span.from.line, span.to.line];
            report.add(Invariant::Fenced, Vec::new(), lines, text);
        }
    }

    /// What kills and unknown acks may cost, and no more.
    fn duplicates(&self, run: &Run, report: &mut Report) {
        let held = u64::from(self.rules.concurrency) + u64::from(self.rules.prefetch);
        let allowed = report.counts.kills * held + run.unknown_acks;
        let count = |cause| report.counts.redelivered.get(&cause).copied().unwrap_or(0);
        let unexplained = count(Cause::Unexplained);
        let doubled = count(Cause::Kill) + count(Cause::UnknownAck) + unexplained;
        if doubled > allowed {
            let text = format!(
                "{doubled} duplicates, {unexplained} of them without any cause; kills and unknown acks allow {allowed}"
            );
            let ids = report.counts.unexplained.clone();
            report.add(Invariant::Explained, ids, Vec::new(), text);
        }
    }
}
