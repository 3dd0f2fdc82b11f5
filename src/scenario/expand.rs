//! From a scenario as written to its plan: every default of the contract filled in.
//! Mistakes have been found before; nothing here reports any.

use super::condition::{Condition, Ready};
use super::fault::Fault;
use super::log_patterns::LogPatterns;
use super::manifest::Object;
use super::model::{Need, ScenarioSpec};
use super::plan::{DetectPlan, EffectPlan, Plan, RecoverPlan, SteadyPlan, ThroughoutPlan};
use super::strategy::Ladder;
use super::thresholds::Thresholds;
use super::verdict::Verdict;
use super::{Healer, Scenario, duration};
use serde_json::Value;
use std::time::Duration;

const STEADY_WITHIN: Duration = Duration::from_mins(5);
const STEADY_HOLD: Duration = Duration::from_secs(5);
/// A control watches at least so long where nothing is said: four starts of a crash loop (10, 20, 40 s apart), and most of the
/// minutes in which a kubelet brings a changed ConfigMap.
const CONTROL_HOLD: Duration = Duration::from_mins(2);
const EFFECT_WITHIN: Duration = Duration::from_mins(2);
const DETECT_WITHIN: Duration = Duration::from_mins(2);
/// `recover.hold` where none is given.
pub const RECOVER_HOLD: Duration = Duration::from_secs(30);
const RECOVER_WITHIN: Duration = Duration::from_mins(5);

/// What a suite or the command line gives to a scenario that leaves it out.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Trials where the scenario says nothing (a suite's `defaults`).
    pub trials: Option<u32>,
    /// Trials in any case (`--trials`).
    pub trials_override: Option<u32>,
    /// Retries where the scenario says nothing (a suite's `defaults`).
    pub retries: Option<u32>,
    /// Retries in any case (`--retries`).
    pub retries_override: Option<u32>,
    /// The RTO of the scenario's class.
    pub rto: Option<Duration>,
    /// The log patterns of the files that the scenario names.
    pub patterns: Vec<LogPatterns>,
    /// The ladders of the strategies that the scenario names.
    pub ladders: Vec<Ladder>,
}

/// The plan of a scenario that has no mistakes.
#[must_use]
pub fn plan(file: &str, scenario: Scenario, objects: &[Object], given: &Given) -> Plan {
    let ScenarioSpec {
        summary,
        description: _,
        parameters: _,
        matrix: _,
        needs,
        workload,
        steady,
        fault,
        effect,
        detect,
        thresholds,
        detectors,
        patterns,
        pattern_files: _,
        heal,
        recover,
        throughout,
        expect,
        trials,
        retries,
    } = scenario.spec;
    let expect = expect.map_or_else(|| vec![Verdict::Recovered], |expect| expect.0);
    let is_control = expect.contains(&Verdict::Quiet);
    let thresholds = thresholds.unwrap_or_default();
    let existing = workload.existing;
    let every_workload = existing.as_ref().map_or_else(|| ready(objects), |existing| vec![ready_pods(&existing.selector)]);
    let steady = (steady.is_some() || !fault.is_empty() || is_control || existing.is_some()).then(|| {
        let written = steady.unwrap_or_default();
        SteadyPlan {
            until: written.until.unwrap_or_else(|| every_workload.clone()),
            within: written.within.unwrap_or(STEADY_WITHIN),
            hold: written.hold.unwrap_or(if is_control { control_hold(&thresholds) } else { STEADY_HOLD }),
        }
    });
    let effect = effect.unwrap_or_default();
    let recover = recover.unwrap_or_default();
    let rto = recover.rto.or(given.rto);
    let mut plan = Plan {
        name: scenario.metadata.name,
        file: file.to_owned(),
        labels: scenario.metadata.labels,
        summary,
        needs: Vec::new(),
        manifests: objects.iter().map(|object| object.manifest.clone()).collect(),
        existing,
        render: workload.render,
        registry: workload.registry,
        images: workload.images,
        effect: EffectPlan { until: effect.until, within: effect.within.unwrap_or(EFFECT_WITHIN) },
        detect: detect.map(|detect| DetectPlan {
            cause: detect.cause,
            within: detect.within.or(rto).unwrap_or(DETECT_WITHIN),
            alert: detect.alert,
            second_opinion: detect.second_opinion,
        }),
        thresholds,
        detectors,
        patterns: patterns.into_iter().chain(given.patterns.iter().cloned()).collect(),
        heal: heal.unwrap_or_default(),
        ladders: given.ladders.clone(),
        recover: RecoverPlan {
            until: recover
                .until
                .or_else(|| is_control.then(|| steady.as_ref().map(|steady| steady.until.clone())).flatten())
                .unwrap_or(every_workload),
            rto,
            hold: recover.hold.unwrap_or(RECOVER_HOLD),
            within: recover.within.unwrap_or_else(|| default_within(rto)),
        },
        steady,
        faults: fault,
        throughout: throughout.map(|written| ThroughoutPlan { until: written.until, allow: written.allow.unwrap_or_default() }),
        expect,
        first_trial: 0,
        comparison: None,
        trials: given.trials_override.or(trials).or(given.trials).unwrap_or(1),
        retries: given.retries_override.or(retries).or(given.retries).unwrap_or(0),
    };
    plan.needs = all_needs(needs, &plan);
    plan
}

/// How long a control watches where nothing is said: twice as long as the slowest detector waits, so that it could have spoken.
fn control_hold(thresholds: &Thresholds) -> Duration {
    CONTROL_HOLD.max(thresholds.not_ready_for.max(thresholds.unschedulable_for).saturating_mul(2))
}

/// The budget of recovery where none is given: the larger of 5 minutes and three times the RTO.
#[must_use]
pub fn default_within(rto: Option<Duration>) -> Duration {
    RECOVER_WITHIN.max(rto.map_or(Duration::ZERO, |rto| rto.saturating_mul(3)))
}

/// "Every workload is ready": each Deployment, `StatefulSet` and Job that wants pods, each `DaemonSet`, and each bare pod.
#[must_use]
pub fn ready(objects: &[Object]) -> Vec<Condition> {
    let condition = |object: &Object| {
        let name = Some(object.name().to_owned());
        let wants = |field: &str| object.manifest.object.pointer(field).and_then(Value::as_u64) != Some(0);
        match object.kind() {
            "Deployment" if wants("/spec/replicas") => Some(Ready { deployment: name, ..none() }),
            "StatefulSet" if wants("/spec/replicas") => Some(Ready { stateful_set: name, ..none() }),
            "DaemonSet" => Some(Ready { daemon_set: name, ..none() }),
            "Job" if wants("/spec/parallelism") => Some(Ready { job: name, ..none() }),
            "Pod" => Some(Ready { pod: name, ..none() }),
            _ => None,
        }
    };
    objects.iter().filter_map(condition).map(Condition::Ready).collect()
}

const fn none() -> Ready {
    Ready { deployment: None, stateful_set: None, daemon_set: None, job: None, pod: None, selector: None, at_least: None }
}

/// The pods of a workload that is there already are ready.
fn ready_pods(selector: &str) -> Condition {
    Condition::Ready(Ready { selector: Some(selector.to_owned()), ..none() })
}

fn all_needs(mut needs: Vec<Need>, plan: &Plan) -> Vec<Need> {
    needs.extend(plan.tried().iter().map(|tried| match tried {
        Condition::Prometheus(_) | Condition::Alert(_) => Need::Prometheus,
        Condition::Metric(_) => Need::Metrics,
        _ => Need::Exec,
    }));
    if plan.tried().iter().any(|tried| tried.route().is_some() || tried.asks_the_clusters_own()) {
        needs.push(Need::Openshift);
    }
    if plan.heal.by.0.iter().any(|healer| matches!(healer, Healer::Webhook | Healer::External)) {
        // Whoever heals from outside must reach the cluster.
        needs.push(Need::Programs);
    }
    for fault in plan.single_faults() {
        match fault {
            Fault::Exec(_) | Fault::KillContainer(_) => needs.push(Need::Exec),
            fault if fault.holding().is_some() => needs.push(Need::Exec),
            Fault::DenyNetwork(_) | Fault::BreakDns(_) => needs.push(Need::NetworkPolicy),
            Fault::Command(_) => needs.push(Need::Programs),
            Fault::ChaosMesh(_) => needs.push(Need::ChaosMesh),
            fault if fault.is_about_a_machine() => needs.push(Need::NodeControl),
            _ => {}
        }
    }
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// A duration of the tree, if it is one.
#[must_use]
pub fn duration_of(node: Option<&super::node::Node>) -> Option<Duration> {
    node.and_then(super::node::Node::text).and_then(|text| duration::parse(text).ok())
}
