//! What ran where and how it ended, in one line each: the same words in every report.
//! Layout is each report's own.

use super::format;
use crate::measure::result::RunResult;

/// `a simulated Kubernetes v1.36 (embedded, 1 node)`.
#[must_use]
pub fn cluster(result: &RunResult) -> String {
    let fingerprint = &result.cluster.fingerprint;
    let simulated = if fingerprint.simulated { "a simulated Kubernetes" } else { "Kubernetes" };
    let provider = &result.cluster.provider;
    let name = if result.cluster.name == *provider { String::new() } else { format!(" {}", format::plain(&result.cluster.name)) };
    format!("{simulated} {} ({provider}{name}, {})", fingerprint.kubernetes, format::count(fingerprint.nodes, "node"))
}

/// `3 of 6 scenarios passed, 1 failed`; of an incomplete run also how many trials were run.
#[must_use]
pub fn sums(result: &RunResult) -> String {
    let summary = &result.summary;
    let mut parts = vec![format!("{} of {} passed", summary.passed, format::count(summary.scenarios, "scenario"))];
    let more = [(summary.failed, "failed"), (summary.inconclusive, "inconclusive"), (summary.skipped, "skipped")];
    parts.extend(more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    if !result.complete {
        let ran: usize = result.scenarios.iter().map(|scenario| scenario.trials.len()).sum();
        parts.push(format!("{ran} of {} were run", format::count(result.expected.trials, "trial")));
    }
    parts.join(", ")
}
