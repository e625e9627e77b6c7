use std::fmt;
use std::time::Duration;

use forebay_queue_conformance::checker::Report;
use serde::Serialize;

/// What a scenario measured, and whether that is good enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) figures: Vec<Figure>,
    /// What is wrong besides the figures, each with its proof.
    pub(crate) complaints: Vec<String>,
    /// Why it could not be run on this machine.
    pub(crate) skipped: Option<String>,
    /// The server and its version.
    pub(crate) server: String,
}

/// A number, and what it had to be.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    /// What it counts: `s`, `ms`, or nothing where it is a count.
    unit: &'static str,
    /// Nothing where it is only told.
    bound: Option<Bound>,
    pub(crate) pass: bool,
}

/// What a number has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

impl Verdict {
    /// A verdict on what runs on this server.
    pub(crate) fn on(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            ..Self::default()
        }
    }

    /// A scenario that cannot be run on this machine, and why.
    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self {
            skipped: Some(why.into()),
            ..Self::default()
        }
    }

    /// A count and its bound.
    pub(crate) fn expect(&mut self, name: impl Into<String>, count: u64, bound: Bound) {
        self.push(name.into(), float(count), "", Some(bound));
    }

    /// A span of time, told in seconds, and the most it may be.
    pub(crate) fn expect_within(
        &mut self,
        name: impl Into<String>,
        span: Duration,
        limit: Duration,
    ) {
        let bound = Bound::AtMost(limit.as_secs_f64());
        self.push(name.into(), span.as_secs_f64(), "s", Some(bound));
    }

    /// A count that is only told.
    pub(crate) fn tell(&mut self, name: impl Into<String>, count: u64) {
        self.push(name.into(), float(count), "", None);
    }

    /// A span of time that is only told.
    pub(crate) fn tell_span(&mut self, name: impl Into<String>, span: Duration) {
        self.push(name.into(), span.as_secs_f64(), "s", None);
    }

    /// Something is wrong.
    pub(crate) fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
    }

    /// What the checker found: nothing may be lost, and no invariant broken.
    pub(crate) fn judge(&mut self, report: &Report) {
        let counts = &report.counts;
        self.tell("accepted", counts.accepted);
        self.tell("acked", counts.acked);
        self.expect("lost", counts.lost, Bound::exactly(0));
        self.tell("doubled", counts.doubled);
        for (cause, count) in &counts.redelivered {
            self.tell(format!("delivered again: {}", cause.as_str()), *count);
        }
        let unexplained = u64::try_from(counts.unexplained.len()).unwrap_or(u64::MAX);
        self.expect("without a cause", unexplained, Bound::exactly(0));
        self.tell("faults planned", counts.faults_planned);
        self.expect(
            "faults fired",
            counts.faults_fired,
            Bound::at_least(counts.faults_planned),
        );
        if !report.is_clean() {
            self.complain(report.to_string());
        }
    }

    /// Whether everything is as it has to be.
    pub(crate) fn pass(&self) -> bool {
        self.complaints.is_empty() && self.figures.iter().all(|figure| figure.pass)
    }

    fn push(&mut self, name: String, value: f64, unit: &'static str, bound: Option<Bound>) {
        let pass = bound.is_none_or(|bound| bound.holds(value));
        self.figures.push(Figure {
            name,
            value,
            unit,
            bound,
            pass,
        });
    }
}

impl Figure {
    /// Whether it had to be something.
    pub(crate) fn is_bounded(&self) -> bool {
        self.bound.is_some()
    }
}

impl Bound {
    /// Not more than this count.
    pub(crate) fn at_most(count: u64) -> Self {
        Self::AtMost(float(count))
    }

    /// Not less than this count.
    pub(crate) fn at_least(count: u64) -> Self {
        Self::AtLeast(float(count))
    }

    /// This count.
    pub(crate) fn exactly(count: u64) -> Self {
        Self::Exactly(float(count))
    }

    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Exactly(exact) => (value - exact).abs() < f64::EPSILON,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.pass { "" } else { " WRONG" };
        write!(f, "{} {}{}", self.name, Number(self.value), self.unit)?;
        match self.bound {
            Some(bound) => write!(f, " ({bound}{}){mark}", self.unit),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {}", Number(*most)),
            Self::AtLeast(least) => write!(f, "≥ {}", Number(*least)),
            Self::Exactly(exact) => write!(f, "= {}", Number(*exact)),
        }
    }
}

/// Whole numbers whole, others to the thousandth.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.fract() == 0.0 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:.3}", self.0)
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of a run is far below 2^52"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_its_bound_fails_the_verdict() {
        let mut verdict = Verdict::on("none");
        verdict.expect("lost", 0, Bound::exactly(0));
        verdict.expect("kills", 3, Bound::at_least(3));
        verdict.expect_within("back", Duration::from_secs(2), Duration::from_secs(2));
        verdict.tell("acked", 7);
        assert!(verdict.pass());
        for (count, bound) in [
            (1, Bound::exactly(0)),
            (2, Bound::at_least(3)),
            (3, Bound::at_most(2)),
        ] {
            let mut verdict = verdict.clone();
            verdict.expect("more", count, bound);
            assert!(!verdict.pass(), "{bound}");
        }
    }

    #[test]
    fn a_complaint_fails_the_verdict() {
        let mut verdict = Verdict::on("none");
        verdict.complain("a worker ended");
        assert!(!verdict.pass());
    }
}
