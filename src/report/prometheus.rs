//! Prometheus' text exposition format: for the textfile collector of the node exporter, or a Pushgateway. Gauges of one run, each
//! with its help; names and labels are kept by later versions. No time stamps: both receivers refuse or ignore them.

use super::exporter::{ExportError, Exporter};
use super::format;
use super::style::word;
use crate::measure::result::{Measured, Outcome, Rate, RunResult, ScenarioResult};
use crate::scenario::Verdict;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// `--report prometheus`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prometheus;

impl Exporter for Prometheus {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        let mut page = Page::default();
        run(&mut page, result);
        gate(&mut page, result);
        scenarios(&mut page, result);
        trials(&mut page, result);
        Ok(page.text.into_bytes())
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

/// A sample's labels, in order.
type Labels<'a> = Vec<(&'a str, String)>;

impl Page {
    /// A family of gauges; one without samples is left out.
    fn family<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, f64)>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.text, "{name}{labels} {value}");
        }
    }
}

/// A label's value as the format has it.
fn escaped(value: &str) -> String {
    format::plain(value).replace('\\', "\\\\").replace('"', "\\\"")
}

fn run(page: &mut Page, result: &RunResult) {
    let fingerprint = &result.cluster.fingerprint;
    let info = vec![
        ("run", result.run.id.clone()),
        ("version", result.run.version.clone()),
        ("provider", result.cluster.provider.clone()),
        ("kubernetes", fingerprint.kubernetes.clone()),
        ("nodes", fingerprint.nodes.to_string()),
        ("simulated", fingerprint.simulated.to_string()),
    ];
    page.family("comeback_run_info", "What ran where; always 1.", [(info, 1.0)]);
    page.family("comeback_run_complete", "Whether the run came to its end.", [(vec![], f64::from(u8::from(result.complete)))]);
    page.family(
        "comeback_run_exit_code",
        "The exit code of the run; 0: every objective was met.",
        [(vec![], f64::from(result.exit_code))],
    );
    let finished = result.run.finished_at.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    page.family(
        "comeback_run_finished_timestamp_seconds",
        "When the run ended, in seconds since 1970.",
        finished.map(|at| (vec![], at.as_duration().as_secs_f64())),
    );
    let summary = &result.summary;
    let counts = [
        (Outcome::Passed, summary.passed),
        (Outcome::Failed, summary.failed),
        (Outcome::Inconclusive, summary.inconclusive),
        (Outcome::Skipped, summary.skipped),
    ];
    page.family(
        "comeback_scenarios",
        "Scenarios of the run by outcome.",
        counts.map(|(outcome, n)| (vec![("outcome", word(outcome).to_owned())], count(n))),
    );
}

/// What came of the gate: as a whole, and of each objective.
fn gate(page: &mut Page, result: &RunResult) {
    let outcomes = [Outcome::Passed, Outcome::Failed, Outcome::Inconclusive];
    let gate = result.gate.as_ref();
    page.family(
        "comeback_gate_outcome",
        "1 for the gate's outcome, 0 for the others.",
        gate.into_iter().flat_map(|gate| {
            outcomes.map(|outcome| (vec![("outcome", word(outcome).to_owned())], f64::from(u8::from(outcome == gate.outcome))))
        }),
    );
    let mut objectives: BTreeMap<(String, String, String, &str), usize> = BTreeMap::new();
    for one in gate.iter().flat_map(|gate| &gate.objectives) {
        let kind = serde_json::to_value(one.objective).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        let key = (kind, one.scenario.clone().unwrap_or_default(), one.class.clone().unwrap_or_default(), word(one.outcome));
        *objectives.entry(key).or_default() += 1;
    }
    page.family(
        "comeback_gate_objectives",
        "Objectives of the gate by kind, scenario or class, and outcome.",
        objectives.into_iter().map(|((kind, scenario, class, outcome), n)| {
            let labels = vec![("objective", kind), ("scenario", scenario), ("class", class), ("outcome", outcome.to_owned())];
            (labels, count(n))
        }),
    );
}

fn labels(scenario: &ScenarioResult) -> Labels<'static> {
    let class = scenario.labels.get("class").cloned().unwrap_or_default();
    vec![("scenario", scenario.name.clone()), ("class", class)]
}

fn scenarios(page: &mut Page, result: &RunResult) {
    let all = || result.scenarios.iter();
    let outcomes = [Outcome::Passed, Outcome::Failed, Outcome::Inconclusive, Outcome::Skipped];
    page.family(
        "comeback_scenario_outcome",
        "1 for the scenario's outcome, 0 for the others.",
        all().flat_map(|scenario| {
            outcomes.map(|outcome| {
                let mut labels = labels(scenario);
                labels.push(("outcome", word(outcome).to_owned()));
                (labels, f64::from(u8::from(outcome == scenario.outcome)))
            })
        }),
    );
    page.family(
        "comeback_scenario_trials",
        "Trials of the scenario by verdict.",
        all().flat_map(|scenario| {
            Verdict::ALL.into_iter().map(move |verdict| {
                let mut labels = labels(scenario);
                labels.push(("verdict", verdict.to_string()));
                (labels, count(scenario.counts.get(&verdict).copied().unwrap_or_default()))
            })
        }),
    );
    page.family(
        "comeback_scenario_planned_trials",
        "Trials of the scenario that were to be run, at most.",
        all().filter_map(|scenario| Some((labels(scenario), count(scenario.planned?)))),
    );
    page.family(
        "comeback_scenario_flaky_trials",
        "Trials of the scenario that passed only when they were tried again; where any was.",
        all().filter_map(|scenario| Some((labels(scenario), count(scenario.retried?.flaky)))),
    );
    rate(page, result, "success", "valid trials had an expected verdict", |scenario| Some(&scenario.success_rate));
    rate(page, result, "within_rto", "valid trials recovered within the RTO", |scenario| scenario.within_rto.as_ref());
    page.family(
        "comeback_scenario_rto_seconds",
        "The recovery time objective.",
        all().filter_map(|scenario| Some((labels(scenario), scenario.rto?))),
    );
}

/// A rate as its two counts and its interval: ratios of several runs must be made from counts.
fn rate(page: &mut Page, result: &RunResult, name: &str, what: &str, of: fn(&ScenarioResult) -> Option<&Rate>) {
    let rates = || result.scenarios.iter().filter_map(|scenario| Some((scenario, of(scenario)?)));
    page.family(
        &format!("comeback_scenario_{name}_trials"),
        &format!("How many {what}."),
        rates().map(|(scenario, rate)| (labels(scenario), count(rate.successes))),
    );
    page.family(
        &format!("comeback_scenario_{name}_valid_trials"),
        "How many valid trials that count is of.",
        rates().map(|(scenario, rate)| (labels(scenario), count(rate.n))),
    );
    page.family(
        &format!("comeback_scenario_{name}_ratio_bound"),
        "The bounds of the ratio's confidence interval (Wilson).",
        rates().filter(|(_, rate)| rate.n > 0).flat_map(|(scenario, rate)| {
            [("lower", rate.lower), ("upper", rate.upper)].map(|(bound, value)| {
                let mut labels = labels(scenario);
                labels.extend([("bound", bound.to_owned()), ("confidence", rate.confidence.to_string())]);
                (labels, value)
            })
        }),
    );
}

fn trials(page: &mut Page, result: &RunResult) {
    let times = |what: fn(&crate::measure::result::Durations) -> Option<&Measured>| {
        result.scenarios.iter().flat_map(move |scenario| {
            scenario.trials.iter().filter(|trial| trial.verdict.is_valid()).filter_map(move |trial| {
                let time = what(&trial.durations)?;
                let mut labels = labels(scenario);
                labels.push(("trial", trial.index.to_string()));
                labels.push(("censored", time.censored.to_string()));
                Some((labels, time.value))
            })
        })
    };
    page.family(
        "comeback_trial_recovery_seconds",
        "Recovery time from the fault's effect, of valid trials; censored: known only to be longer.",
        times(|durations| durations.to_recover.as_ref()),
    );
    page.family(
        "comeback_trial_detection_seconds",
        "Time to detect from the fault's effect, of valid trials; negative: found before it.",
        times(|durations| durations.to_detect.as_ref()),
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use std::collections::BTreeSet;

    fn written(result: &RunResult) -> String {
        String::from_utf8(Prometheus.serialize(result).unwrap()).unwrap()
    }

    #[test]
    fn names_and_labels_are_kept() {
        insta::assert_snapshot!("prometheus", written(&fixture::run()));
    }

    #[test]
    fn a_gate_has_its_outcome_and_its_objectives() {
        let mut result = fixture::run();
        assert!(!written(&result).contains("comeback_gate"));
        result.gate = Some(fixture::gate());
        let text = written(&result);
        for sample in [
            "comeback_gate_outcome{outcome=\"failed\"} 1\n",
            "comeback_gate_outcome{outcome=\"passed\"} 0\n",
            "comeback_gate_objectives{objective=\"recoveryRegression\",scenario=\"crash-after-rollout\",class=\"\",outcome=\"failed\"} 1\n",
            "comeback_gate_objectives{objective=\"withinRto\",scenario=\"\",class=\"crash\",outcome=\"passed\"} 1\n",
        ] {
            assert!(text.contains(sample), "{sample}{text}");
        }
    }

    #[test]
    fn no_sample_stands_twice_and_each_family_is_in_one_piece() {
        let mut result = fixture::run();
        result.gate = Some(fixture::gate());
        let text = written(&result);
        let samples: Vec<&str> =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(samples.iter().collect::<BTreeSet<_>>().len(), samples.len());
        let mut families: Vec<&str> = samples.iter().map(|sample| sample.split('{').next().unwrap()).collect();
        families.dedup();
        assert_eq!(families.iter().collect::<BTreeSet<_>>().len(), families.len());
    }

    #[test]
    fn a_name_with_quotes_and_line_breaks_stays_one_label() {
        let mut result = fixture::run();
        result.scenarios.truncate(1);
        result.scenarios[0].name = "a\"} 1\nb\\".into();
        assert!(written(&result).contains(r#"{scenario="a\"} 1 b\\",class="crash""#));
    }
}
