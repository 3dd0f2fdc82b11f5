//! What every notification says of a run, before a receiver gives it its form. Pure: from a result to texts.

use super::template;
use crate::measure::result::{Outcome, RunResult, ScenarioResult};
use crate::report::format;
use crate::report::style::{mark, word};
use crate::report::summary::{cluster, sums};
use crate::scenario::Verdict;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// How many scenarios a message names.
const MOST_NAMED: usize = 10;
/// The longest reason that a message repeats, in characters.
const LONGEST: usize = 300;

/// What is told of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// How the run ended.
    pub outcome: Outcome,
    /// The process exit code.
    pub exit_code: u8,
    /// `comeback: failed: 3 of 6 scenarios passed, 1 failed`.
    pub title: String,
    /// Several lines of plain text.
    pub text: String,
    /// Whether the user wrote the text.
    pub own_text: bool,
    /// Names and values in a line each: success rate, cluster, run.
    pub facts: Vec<(&'static str, String)>,
    /// The scenarios.
    pub scenarios: Vec<Told>,
    /// The run's id.
    pub run: String,
    /// The cluster's name.
    pub cluster: String,
    /// Whether times are simulated.
    pub simulated: bool,
    /// When it began and ended.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Faults and recoveries on real time; empty where time is simulated.
    pub windows: Vec<Window>,
    /// Where more is to be seen: the page of the CI job.
    pub link: Option<String>,
    /// The same for each run of these scenarios on this cluster.
    pub group: String,
    pub(super) values: BTreeMap<&'static str, String>,
}

/// What is told of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Its class; empty without one.
    pub class: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
}

/// A stretch of a trial on real time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The scenario.
    pub scenario: String,
    /// Its class; empty without one.
    pub class: String,
    /// `fault` or `recovery`.
    pub what: &'static str,
    /// What it says.
    pub text: String,
    /// The trial's verdict.
    pub verdict: Verdict,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Message {
    /// What is told of a run. `windows` are those of its trials on real time; `link` is a page that shows more.
    #[must_use]
    pub fn of(result: &RunResult, windows: Vec<Window>, link: Option<String>) -> Self {
        let outcome = if result.complete { result.outcome } else { Outcome::Inconclusive };
        let shown = if result.complete { word(outcome) } else { "incomplete" };
        let simulated = result.cluster.fingerprint.simulated;
        let also = if simulated { " (simulated)" } else { "" };
        let title = format!("{} comeback: {shown}{also}: {}", mark(outcome).0, sums(result));
        let scenarios: Vec<Told> = result.scenarios.iter().map(told).collect();
        let reasons: Vec<String> =
            result.exit_reasons.iter().map(|reason| format!("exit code {}: {}", reason.code, short(&reason.reason))).collect();
        let summary = &result.summary;
        let mut facts = vec![("cluster", cluster(result))];
        if summary.within_rto.n > 0 {
            facts.push(("within the RTO", format::rate(&summary.within_rto, "recovered within it")));
        } else if summary.success_rate.n > 0 {
            facts.push(("success rate", format::rate(&summary.success_rate, "ended as expected")));
        }
        if let Some(gate) = &result.gate {
            facts.push(("gate", crate::report::gate::headline(gate)));
        }
        facts.push(("run", format!("{}, seed {}", result.run.id, result.run.seed)));
        let moment = |text: Option<&String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let window = moment(Some(&result.run.started_at)).zip(moment(result.run.finished_at.as_ref()));
        let failed: Vec<&str> = scenarios.iter().filter(|one| is_bad(one.outcome)).map(|one| one.name.as_str()).collect();
        let values = BTreeMap::from([
            ("outcome", shown.to_owned()),
            ("summary", sums(result)),
            ("reasons", reasons.join("\n")),
            ("failed", failed.join(", ")),
            ("cluster", cluster(result)),
            ("run", result.run.id.clone()),
            ("seed", result.run.seed.to_string()),
            ("exitCode", result.exit_code.to_string()),
            ("startedAt", result.run.started_at.clone()),
            ("finishedAt", result.run.finished_at.clone().unwrap_or_default()),
            ("link", link.clone().unwrap_or_default()),
        ]);
        Self {
            outcome,
            exit_code: result.exit_code,
            text: text(&scenarios, &reasons),
            own_text: false,
            title,
            facts,
            run: result.run.id.clone(),
            cluster: result.cluster.name.clone(),
            simulated,
            window,
            windows,
            link,
            group: group(result),
            scenarios,
            values,
        }
    }

    /// The same with a title and a text of the user's own.
    pub(super) fn with(&self, title: Option<&str>, text: Option<&str>) -> Self {
        let fill = |template: &str| template::fill(template, &self.values);
        Self {
            title: title.map_or_else(|| self.title.clone(), |title| format::plain(&fill(title))),
            text: text.map_or_else(|| self.text.clone(), fill),
            own_text: text.is_some(),
            ..self.clone()
        }
    }

    /// The facts as lines of text.
    pub(super) fn facts_text(&self) -> String {
        self.facts.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }
}

/// Whether somebody has to look at a scenario.
pub(super) const fn is_bad(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Inconclusive)
}

fn told(scenario: &ScenarioResult) -> Told {
    Told {
        name: format::plain(&scenario.name),
        class: scenario.labels.get("class").map(|class| format::plain(class)).unwrap_or_default(),
        outcome: scenario.outcome,
        reason: short(&scenario.reason),
    }
}

fn short(text: &str) -> String {
    crate::report::layout::cut(&format::plain(text), LONGEST)
}

/// The scenarios that did not pass, and the reasons that are not theirs.
fn text(scenarios: &[Told], reasons: &[String]) -> String {
    let bad: Vec<&Told> = scenarios.iter().filter(|one| is_bad(one.outcome)).collect();
    let mut lines: Vec<String> =
        bad.iter().take(MOST_NAMED).map(|one| format!("{} {}: {}", mark(one.outcome).0, one.name, one.reason)).collect();
    if bad.len() > MOST_NAMED {
        lines.push(format!("and {} that did not pass", format::count(bad.len() - MOST_NAMED, "more scenario")));
    }
    let of_scenarios = |reason: &&String| bad.iter().any(|one| reason.contains(&format!(": {}: ", one.name)));
    lines.extend(reasons.iter().filter(|reason| !of_scenarios(reason)).take(MOST_NAMED).cloned());
    if lines.is_empty() { "Every objective was met.".to_owned() } else { lines.join("\n") }
}

/// A name for the same scenarios on the same cluster: alerts of one run end with a good run of the same.
fn group(result: &RunResult) -> String {
    let mut names: Vec<&str> = result.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    names.sort_unstable();
    let digest = Sha256::digest(names.join("\n").as_bytes());
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("comeback/{}/{}/{short}", result.cluster.provider, format::plain(&result.cluster.name))
}
