//! What a history keeps of runs and scenarios, made from plans and from result files. Of a trial it keeps the
//! [`TrialResult`](crate::measure::result::TrialResult) itself. Pure.

use super::time;
use crate::measure::result::{Fingerprint, Outcome, RunResult, ScenarioResult};
use crate::report::style::word;
use crate::scenario::{Plan, Verdict};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: String,
    /// comeback's version.
    pub version: String,
    /// When it began, in microseconds since 1970.
    pub started: i64,
    /// When it ended, in microseconds since 1970; absent while it goes on, or when it never did.
    pub finished: Option<i64>,
    /// Its seed.
    pub seed: u64,
    /// The command line, without passwords.
    pub command: Vec<String>,
    /// `embedded`, `kind` or `context`.
    pub provider: String,
    /// The cluster's name.
    pub cluster: String,
    /// What makes it comparable.
    pub fingerprint: Fingerprint,
    /// Whether it came to its end.
    pub complete: bool,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Its exit code.
    pub exit_code: Option<u8>,
    /// Trials that were to be run.
    pub expected_trials: usize,
    /// Commit, branch, images and whatever else was said of it.
    pub labels: BTreeMap<String, String>,
}

impl RunRecord {
    /// As a result file tells it.
    ///
    /// # Errors
    /// Its start is no time.
    pub fn of(result: &RunResult, labels: BTreeMap<String, String>) -> Result<Self, String> {
        let run = &result.run;
        let moment =
            |text: &String, what: &str| time::micros(text).ok_or_else(|| format!("`run.{what}` is not a time: `{text}`"));
        Ok(Self {
            id: run.id.clone(),
            version: run.version.clone(),
            started: moment(&run.started_at, "startedAt")?,
            finished: run.finished_at.as_ref().map(|text| moment(text, "finishedAt")).transpose()?,
            seed: run.seed,
            command: run.command.iter().map(|word| super::address::without_password(word)).collect(),
            provider: result.cluster.provider.clone(),
            cluster: result.cluster.name.clone(),
            fingerprint: result.cluster.fingerprint.clone(),
            complete: result.complete,
            outcome: result.complete.then_some(result.outcome),
            exit_code: result.complete.then_some(result.exit_code),
            expected_trials: result.expected.trials,
            labels,
        })
    }
}

/// A scenario of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioRecord {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its summary.
    pub summary: String,
    /// The verdicts that pass.
    pub expect: Vec<Verdict>,
    /// The RTO in seconds, where recovery is expected.
    pub rto: Option<f64>,
    /// What must be found, and within how many seconds.
    pub detect: Option<(String, f64)>,
    /// `deployment/pool`: the objects with pods that it puts to the test.
    pub workloads: BTreeSet<String>,
    /// How it ended, and why.
    pub outcome: Option<(Outcome, String)>,
}

/// The label that says what a scenario is about.
const CLASS: &str = "class";

impl ScenarioRecord {
    /// The class, by which RTOs are reported; empty without one.
    #[must_use]
    pub fn class(&self) -> &str {
        self.labels.get(CLASS).map_or("", String::as_str)
    }

    /// The same with how it ended.
    #[must_use]
    pub fn ended(mut self, result: &ScenarioResult) -> Self {
        self.outcome = Some((result.outcome, result.reason.clone()));
        self
    }
}

impl From<&Plan> for ScenarioRecord {
    fn from(plan: &Plan) -> Self {
        Self {
            name: plan.name.clone(),
            file: plan.file.clone(),
            labels: plan.labels.clone(),
            summary: plan.summary.clone(),
            expect: plan.expect.clone(),
            rto: plan.recover.rto.filter(|_| plan.expects_recovery()).map(|rto| rto.as_secs_f64()),
            detect: plan.detect.as_ref().map(|detect| (detect.cause.clone(), detect.within.as_secs_f64())),
            workloads: plan.manifests.iter().filter_map(|manifest| workload(&manifest.object)).collect(),
            outcome: None,
        }
    }
}

/// Without its plan, what a scenario put to the test is known from its findings alone, and not kept.
impl From<&ScenarioResult> for ScenarioRecord {
    fn from(scenario: &ScenarioResult) -> Self {
        Self {
            name: scenario.name.clone(),
            file: scenario.file.clone(),
            labels: scenario.labels.clone(),
            summary: scenario.summary.clone(),
            expect: scenario.expect.clone(),
            rto: scenario.rto.filter(|_| scenario.within_rto.is_some()),
            detect: scenario.detect.as_ref().map(|detect| (detect.cause.clone(), detect.within)),
            workloads: BTreeSet::new(),
            outcome: Some((scenario.outcome, scenario.reason.clone())),
        }
    }
}

/// `deployment/pool` for an object that has pods or is one.
fn workload(object: &Value) -> Option<String> {
    let kind = object.get("kind")?.as_str()?;
    let name = object.pointer("/metadata/name")?.as_str()?;
    let has_pods = kind == "Pod"
        || object.pointer("/spec/template/spec/containers").is_some()
        || object.pointer("/spec/jobTemplate/spec/template/spec/containers").is_some();
    has_pods.then(|| format!("{}/{name}", kind.to_lowercase()))
}

/// The name of a fingerprint: equal ones have equal names.
#[must_use]
pub fn fingerprint_id(fingerprint: &Fingerprint) -> String {
    // The maps of a fingerprint are sorted, and so is its text.
    let text = serde_json::to_string(fingerprint).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// `passed`, as the contract writes an outcome.
#[must_use]
pub const fn outcome_word(outcome: Outcome) -> &'static str {
    word(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use serde_json::json;

    #[test]
    fn a_run_is_told_without_passwords() {
        let mut result = fixture::run();
        result.run.command = vec!["comeback".into(), "--history".into(), "postgres://ci:secret@db/x".into()];
        let record = RunRecord::of(&result, BTreeMap::new()).unwrap();
        assert_eq!(record.command[2], "postgres://ci@db/x");
        result.run.started_at = "today".into();
        assert!(RunRecord::of(&result, BTreeMap::new()).unwrap_err().contains("startedAt"));
    }

    #[test]
    fn workloads_are_objects_with_pods() {
        let pods = json!({ "template": { "spec": { "containers": [] } } });
        let deployment = json!({ "kind": "Deployment", "metadata": { "name": "pool" }, "spec": pods });
        let cron = json!({ "kind": "CronJob", "metadata": { "name": "c" }, "spec": { "jobTemplate": { "spec": pods } } });
        assert_eq!(workload(&deployment).as_deref(), Some("deployment/pool"));
        assert_eq!(workload(&cron).as_deref(), Some("cronjob/c"));
        assert_eq!(workload(&json!({ "kind": "Service", "metadata": { "name": "pool" }, "spec": {} })), None);
    }

    #[test]
    fn equal_fingerprints_have_equal_names() {
        let one = Fingerprint { kubernetes: "v1.36".into(), nodes: 3, ..Fingerprint::default() };
        assert_eq!(fingerprint_id(&one), fingerprint_id(&one.clone()));
        assert_ne!(fingerprint_id(&one), fingerprint_id(&Fingerprint { nodes: 2, ..one.clone() }));
        assert_eq!(fingerprint_id(&one).len(), 16);
    }
}
