//! What ran where and how it ended, in one line each: the same words in every report.
//! Layout is each report's own.

use super::format;
use crate::measure::result::RunResult;
use crate::scenario::Verdict;

/// `a simulated Kubernetes v1.36 (embedded, 1 node)`.
#[must_use]
pub fn cluster(result: &RunResult) -> String {
    let fingerprint = &result.cluster.fingerprint;
    let simulated = if fingerprint.simulated { "a simulated Kubernetes" } else { "Kubernetes" };
    let provider = &result.cluster.provider;
    let name = if result.cluster.name == *provider { String::new() } else { format!(" {}", format::plain(&result.cluster.name)) };
    format!("{simulated} {} ({provider}{name}, {})", fingerprint.kubernetes, format::count(fingerprint.nodes, "node"))
}

/// What the trials did that the run's success rate counts: where a scenario that expects recovery accepts other verdicts too,
/// its trials did not all recover.
#[must_use]
pub fn succeeded(result: &RunResult) -> &'static str {
    let recovering = result.scenarios.iter().filter(|scenario| scenario.expects_recovery());
    let only = recovering.into_iter().all(|scenario| scenario.expect.iter().all(|verdict| *verdict == Verdict::Recovered));
    if only { "recovered" } else { "ended as expected" }
}

/// `3 of 6 scenarios passed, 1 failed`; of an incomplete run also how many trials were run.
#[must_use]
pub fn sums(result: &RunResult) -> String {
    let summary = &result.summary;
    let mut parts = vec![format!("{} of {} passed", summary.passed, format::count(summary.scenarios, "scenario"))];
    let more = [(summary.failed, "failed"), (summary.inconclusive, "inconclusive"), (summary.skipped, "skipped")];
    parts.extend(more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    if summary.flaky > 0 {
        parts.push(format!("{} flaky", format::count(summary.flaky, "trial")));
    }
    if !result.complete {
        let ran: usize = result.scenarios.iter().map(|scenario| scenario.trials.len()).sum();
        parts.push(format!("{ran} of {} were run", format::count(result.expected.trials, "trial")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_ended_otherwise_as_expected_is_not_called_recovered() {
        let mut result = fixture::run();
        assert_eq!(succeeded(&result), "recovered");
        result.scenarios[0].expect = vec![Verdict::Recovered, Verdict::Unrecovered];
        assert_eq!(succeeded(&result), "ended as expected");
    }
}
