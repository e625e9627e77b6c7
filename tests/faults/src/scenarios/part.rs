//! What scenarios of several parts tell of each.

use forebay_queue_conformance::checker::Report;

use crate::verdict::{Bound, Verdict};

/// What the checker found of one part: nothing may be lost, no invariant broken, and every fault fires.
pub(crate) fn judge_part(verdict: &mut Verdict, part: &str, report: &Report) {
    let counts = &report.counts;
    verdict.tell(format!("{part}: acked"), counts.acked);
    verdict.tell(format!("{part}: doubled"), counts.doubled);
    verdict.expect(format!("{part}: lost"), counts.lost, Bound::exactly(0));
    let unexplained = u64::try_from(counts.unexplained.len()).unwrap_or(u64::MAX);
    verdict.expect(
        format!("{part}: without a cause"),
        unexplained,
        Bound::exactly(0),
    );
    let planned = Bound::at_least(counts.faults_planned.max(1));
    verdict.expect(
        format!("{part}: faults fired"),
        counts.faults_fired,
        planned,
    );
    if !report.is_clean() {
        verdict.complain(format!("{part}: {report}"));
    }
}
