use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use forebay_queue_core::MessageId;

use crate::checker::{Invariant, Violation};

/// What the checker found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was broken; of each invariant the first 50.
    pub violations: Vec<Violation>,
    /// How often each was broken.
    pub broken: BTreeMap<Invariant, u64>,
    /// What there was.
    pub counts: Counts,
    /// How many things each invariant had to judge.
    pub(crate) judged: BTreeMap<Invariant, u64>,
}

/// What there was in a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines.
    pub records: u64,
    /// Messages that a publish asked for.
    pub published: u64,
    /// Messages accepted for certain.
    pub accepted: u64,
    /// Publishes answered with `Duplicate`.
    pub refused_duplicates: u64,
    /// Messages whose publish was never answered.
    pub unknown_publishes: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Deliveries after the first one of a message, by cause.
    pub redelivered: BTreeMap<Cause, u64>,
    /// Messages that may have been worked on twice: delivered again without having been given back.
    pub doubled: u64,
    /// The first of those without a cause.
    pub unexplained: Vec<MessageId>,
    /// Confirmed acks.
    pub acked: u64,
    /// Acks without an answer.
    pub unknown_acks: u64,
    /// Settlements answered with `LeaseLost`.
    pub leases_lost: u64,
    /// Confirmed dead-letterings.
    pub dead_lettered: u64,
    /// Confirmed cancels.
    pub cancelled: u64,
    /// Messages removed by purges.
    pub purged: u64,
    /// Handlers started.
    pub started: u64,
    /// Processes killed.
    pub kills: u64,
    /// Messages lost.
    pub lost: u64,
    /// The first of those.
    pub lost_ids: Vec<MessageId>,
    /// Deliveries that came too early.
    pub early: u64,
    /// Deliveries that came too late to a receiver that waited.
    pub late: u64,
    /// Faults planned.
    pub faults_planned: u64,
    /// Faults that fired.
    pub faults_fired: u64,
}

/// Why a message was delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It was given back for another attempt.
    Retry,
    /// It was given back untried.
    Release,
    /// It was redriven from the dead letters.
    Redrive,
    /// Its lease had ended.
    LeaseExpiry,
    /// Its holder was killed.
    Kill,
    /// Its ack was never answered.
    UnknownAck,
    /// The store was stopped or restarted meanwhile.
    StoreRestart,
    /// None that the history shows.
    Unexplained,
}

impl Cause {
    /// The cause in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Release => "release",
            Self::Redrive => "redrive",
            Self::LeaseExpiry => "lease expiry",
            Self::Kill => "kill",
            Self::UnknownAck => "unknown ack",
            Self::StoreRestart => "restart of the store",
            Self::Unexplained => "unexplained",
        }
    }

    /// Whether the message was given back, so that nothing is done twice.
    pub const fn is_given_back(self) -> bool {
        matches!(self, Self::Retry | Self::Release | Self::Redrive)
    }
}

/// How many violations of one invariant are kept in full.
const KEPT: u64 = 50;

impl Report {
    /// Whether nothing was broken.
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    /// The invariants that were broken.
    pub fn broken(&self) -> BTreeSet<Invariant> {
        self.broken.keys().copied().collect()
    }

    /// How many things an invariant had to judge. Zero: the history says nothing about it, and proves nothing.
    pub fn judged(&self, invariant: Invariant) -> u64 {
        self.judged.get(&invariant).copied().unwrap_or(0)
    }

    /// Fails a test with the whole report unless it is clean.
    ///
    /// # Panics
    /// When an invariant was broken.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }

    pub(crate) fn judge(&mut self, invariant: Invariant, things: u64) {
        *self.judged.entry(invariant).or_default() += things;
    }

    pub(crate) fn add(
        &mut self,
        invariant: Invariant,
        ids: Vec<MessageId>,
        lines: Vec<u32>,
        text: String,
    ) {
        let times = self.broken.entry(invariant).or_default();
        *times += 1;
        if *times <= KEPT {
            self.violations.push(Violation {
                invariant,
                ids,
                text,
                evidence: Vec::new(),
                lines,
            });
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "published {} ({} accepted, {} known keys, {} unknown) · delivered {} · started {} · acked {} ({} unknown)",
            self.published,
            self.accepted,
            self.refused_duplicates,
            self.unknown_publishes,
            self.delivered,
            self.started,
            self.acked,
            self.unknown_acks,
        )?;
        writeln!(
            f,
            "dead-lettered {} · cancelled {} · purged {} · leases lost {} · kills {} · faults {} of {}",
            self.dead_lettered,
            self.cancelled,
            self.purged,
            self.leases_lost,
            self.kills,
            self.faults_fired,
            self.faults_planned,
        )?;
        writeln!(
            f,
            "lost {}{} · early {} · late {} · doubled {}",
            self.lost,
            Listed(&self.lost_ids),
            self.early,
            self.late,
            self.doubled,
        )?;
        write!(f, "delivered again:")?;
        if self.redelivered.is_empty() {
            write!(f, " nothing")?;
        }
        for (cause, count) in &self.redelivered {
            write!(f, " {} {count}", cause.as_str())?;
        }
        write!(f, "{}", Listed(&self.unexplained))
    }
}

struct Listed<'a>(&'a [MessageId]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " (")?;
        for (place, id) in self.0.iter().enumerate() {
            write!(f, "{}{id}", if place == 0 { "" } else { ", " })?;
        }
        write!(f, ")")
    }
}

impl fmt::Display for Report {
    /// Everything: verdict, counts, what each invariant judged, violations with their lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_clean() { "clean" } else { "BROKEN" };
        writeln!(f, "{verdict}: {} records", self.counts.records)?;
        writeln!(f, "{}", self.counts)?;
        for invariant in Invariant::ALL {
            let judged = self.judged(invariant);
            match self.broken.get(&invariant) {
                Some(times) => writeln!(f, "{invariant}: broken {times} times ({judged} judged)")?,
                None if judged == 0 => writeln!(f, "{invariant}: nothing to judge")?,
                None => writeln!(f, "{invariant}: holds ({judged} judged)")?,
            }
        }
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        Ok(())
    }
}
