//! How many pods a metric asks for: use against target, with care for pods that are not ready or not measured. Pure.
//! Limits on the change are `behavior`'s.

use super::super::object::{condition, is_deleting, list, name, text, time};
use super::metrics::{Measured, Use};
use crate::sim::api::quantity;
use crate::sim::store::Object;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How far the ratio of use to target may be from 1 without a change.
const TOLERANCE: f64 = 0.1;
/// For so long after a pod's start its processor use counts only while it is ready.
const CPU_INITIALIZATION: SignedDuration = SignedDuration::from_secs(300);
/// A pod that became unready within this time of its start has never been ready.
const INITIAL_READINESS: SignedDuration = SignedDuration::from_secs(30);
/// What a measurement covers.
const WINDOW: SignedDuration = SignedDuration::from_secs(15);

/// What a metric asks for.
pub(super) struct Proposal {
    /// How many pods.
    pub(super) replicas: i64,
    /// The metric in words.
    pub(super) name: String,
    /// Its entry in the status.
    pub(super) status: Value,
}

/// Why a metric says nothing.
pub(super) struct Failure {
    /// Reason of event and condition.
    pub(super) reason: &'static str,
    /// What went wrong.
    pub(super) what: String,
    /// The same with the metric's name.
    pub(super) wrapped: String,
}

struct Groups {
    ready: i64,
    unready: BTreeSet<String>,
    missing: BTreeSet<String>,
}

/// What one entry of `spec.metrics` asks for.
pub(super) fn evaluate(
    autoscaler: &Value,
    metric: &Value,
    current: i64,
    pods: &[Object],
    measured: &Measured,
    now: Timestamp,
) -> Result<Proposal, Failure> {
    let tolerances = (tolerance(autoscaler, "scaleDown"), tolerance(autoscaler, "scaleUp"));
    match text(metric, "/type") {
        kind @ ("Resource" | "ContainerResource") => {
            let (field, reason) = if kind == "Resource" {
                ("resource", "FailedGetResourceMetric")
            } else {
                ("containerResource", "FailedGetContainerResourceMetric")
            };
            let source = &metric[field];
            let resource = text(source, "/name");
            let asked = Asked { resource, container: text(source, "/container"), target: &source["target"], current, tolerances };
            asked.evaluate(pods, measured, now, kind).map_err(|what| {
                let wrapped = if kind == "Resource" {
                    format!("failed to get {resource} resource metric value: {what}")
                } else {
                    format!("failed to get {} container metric value: {what}", asked.container)
                };
                Failure { reason, what, wrapped }
            })
        }
        // As on any cluster without an adapter for them.
        "Pods" => Err(unserved("FailedGetPodsMetric", "pods", &metric["pods"], "custom")),
        "Object" => Err(unserved("FailedGetObjectMetric", "object", &metric["object"], "custom")),
        "External" => Err(unserved("FailedGetExternalMetric", "external", &metric["external"], "external")),
        other => {
            let what = format!("unknown metric source type \"{other}\"");
            Err(Failure { reason: "InvalidMetricSourceType", wrapped: what.clone(), what })
        }
    }
}

fn unserved(reason: &'static str, kind: &str, source: &Value, api: &str) -> Failure {
    let metric = text(source, "/metric/name");
    let what = format!(
        "unable to get metric {metric}: unable to fetch metrics from {api} metrics API: no {api} metrics API ({api}.metrics.k8s.io) registered"
    );
    Failure { reason, wrapped: format!("failed to get {kind} metric value: {what}"), what }
}

fn tolerance(autoscaler: &Value, direction: &str) -> f64 {
    let given = text(autoscaler, &format!("/spec/behavior/{direction}/tolerance")).to_owned();
    quantity::parse(&given).map_or(TOLERANCE, |milli| approximate(i64::try_from(milli).unwrap_or(i64::MAX)) / 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "the real controller computes in doubles")]
fn approximate(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "counts of pods, far below the limit")]
fn ceiling(number: f64) -> i64 {
    number.ceil() as i64
}

struct Asked<'a> {
    resource: &'a str,
    container: &'a str,
    target: &'a Value,
    current: i64,
    tolerances: (f64, f64),
}

impl Asked<'_> {
    fn evaluate(&self, pods: &[Object], measured: &Measured, now: Timestamp, kind: &str) -> Result<Proposal, String> {
        let average = self.target.get("averageValue").and_then(Value::as_str).and_then(quantity::parse);
        let average = average.map(|average| i64::try_from(average).unwrap_or(i64::MAX));
        let utilization = self.target.get("averageUtilization").and_then(Value::as_i64);
        let what = if average.is_some() { "usage" } else { "utilization" };
        let failed = |why: String| format!("failed to get {} {what}: {why}", self.resource);
        let uses = self.uses(measured).map_err(failed)?;
        if pods.is_empty() {
            return Err(failed("no pods returned by selector while calculating replica count".to_owned()));
        }
        let groups = self.group(pods, &uses, now);
        let is_counted = |pod: &&Object| {
            let ended = is_deleting(pod) || text(pod, "/status/phase") == "Failed";
            !ended && !groups.unready.contains(name(pod))
        };
        let counted: BTreeSet<&str> = pods.iter().filter(is_counted).map(|pod| name(pod)).collect();
        let uses: BTreeMap<_, _> = uses.into_iter().filter(|(pod, _)| counted.contains(pod.as_str())).collect();
        if uses.is_empty() {
            return Err(failed("did not receive metrics for targeted pods (pods might be unready)".to_owned()));
        }
        let requests = match (average, utilization) {
            (None, None) => {
                let why = "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set";
                return Err(why.to_owned());
            }
            (Some(_), _) => None,
            (None, Some(_)) => Some(self.requests(pods).map_err(failed)?),
        };
        let goal = average.or(utilization).unwrap_or(1).max(1);
        let ratio = |uses: &BTreeMap<String, i64>| ratio(uses, requests.as_ref(), goal);
        let (first, shown, raw) = ratio(&uses);
        let replicas = self.replicas(&groups, uses, first, requests.as_ref(), &ratio, goal);
        let label = match (average, kind) {
            (Some(_), _) => format!("{} resource", self.resource),
            (None, "Resource") => format!("{} resource utilization (percentage of request)", self.resource),
            (None, _) => format!("{} container resource utilization (percentage of request)", self.resource),
        };
        let written = if self.resource == "memory" { (raw / 1000).to_string() } else { format!("{raw}m") };
        let mut value = json!({"averageValue": quantity::canonical(&written).unwrap_or(written)});
        if average.is_none() {
            value["averageUtilization"] = json!(shown);
        }
        let mut source = json!({"name": self.resource, "current": value});
        let field = if kind == "Resource" { "resource" } else { "containerResource" };
        if kind != "Resource" {
            source["container"] = json!(self.container);
        }
        Ok(Proposal { replicas, name: label, status: json!({"type": kind, field: source}) })
    }

    /// The use of each measured pod.
    fn uses(&self, measured: &Measured) -> Result<BTreeMap<String, i64>, String> {
        let of = |usage: &Use| if self.resource == "memory" { usage.memory } else { usage.cpu };
        let wanted = |container: &String| self.container.is_empty() || container == self.container;
        let sum = |containers: &BTreeMap<String, Use>| -> Option<i64> {
            let mut chosen = containers.iter().filter(|(container, _)| wanted(container)).peekable();
            chosen.peek()?;
            Some(chosen.map(|(_, usage)| of(usage)).sum())
        };
        let uses: BTreeMap<_, _> = measured.iter().filter_map(|(pod, all)| Some((pod.clone(), sum(all)?))).collect();
        if uses.is_empty() {
            let why = "no metrics returned from resource metrics API";
            return Err(format!("unable to get metrics for resource {}: {why}", self.resource));
        }
        Ok(uses)
    }

    fn group(&self, pods: &[Object], uses: &BTreeMap<String, i64>, now: Timestamp) -> Groups {
        let mut groups = Groups { ready: 0, unready: BTreeSet::new(), missing: BTreeSet::new() };
        for pod in pods.iter().filter(|pod| !is_deleting(pod) && text(pod, "/status/phase") != "Failed") {
            if text(pod, "/status/phase") == "Pending"
                || self.resource == "cpu" && uses.contains_key(name(pod)) && is_young(pod, now)
            {
                groups.unready.insert(name(pod).to_owned());
            } else if uses.contains_key(name(pod)) {
                groups.ready += 1;
            } else {
                groups.missing.insert(name(pod).to_owned());
            }
        }
        groups
    }

    fn requests(&self, pods: &[Object]) -> Result<BTreeMap<String, i64>, String> {
        let mut requests = BTreeMap::new();
        for pod in pods {
            let sidecars = list(pod, "/spec/initContainers").iter().filter(|container| container["restartPolicy"] == "Always");
            let mut total = 0;
            let mut found = self.container.is_empty();
            for container in list(pod, "/spec/containers").iter().chain(sidecars) {
                let own = text(container, "/name");
                if !self.container.is_empty() && own != self.container {
                    continue;
                }
                found = true;
                let request = text(container, &format!("/resources/requests/{}", self.resource)).to_owned();
                let milli = quantity::parse(&request)
                    .ok_or_else(|| format!("missing request for {} in container {own} of Pod {}", self.resource, name(pod)))?;
                total += i64::try_from(milli).unwrap_or(i64::MAX);
            }
            if !found {
                return Err(format!("container {} not found in Pod {}", self.container, name(pod)));
            }
            requests.insert(name(pod).to_owned(), total);
        }
        Ok(requests)
    }

    fn is_near(&self, ratio: f64) -> bool {
        (1.0 - self.tolerances.0..=1.0 + self.tolerances.1).contains(&ratio)
    }

    /// The number that a ratio asks for; pods without a measurement count against a change in either direction.
    fn replicas(
        &self,
        groups: &Groups,
        mut uses: BTreeMap<String, i64>,
        first: f64,
        requests: Option<&BTreeMap<String, i64>>,
        ratio: &dyn Fn(&BTreeMap<String, i64>) -> (f64, i64, i64),
        goal: i64,
    ) -> i64 {
        let grows_with_unready = !groups.unready.is_empty() && first > 1.0;
        if !grows_with_unready && groups.missing.is_empty() {
            return if self.is_near(first) { self.current } else { ceiling(first * approximate(groups.ready)) };
        }
        for pod in &groups.missing {
            let assumed = match requests {
                _ if first > 1.0 => 0,
                Some(requests) => requests.get(pod).copied().unwrap_or(0) * goal.max(100) / 100,
                None => goal,
            };
            if (first - 1.0).abs() > f64::EPSILON {
                uses.insert(pod.clone(), assumed);
            }
        }
        if grows_with_unready {
            uses.extend(groups.unready.iter().map(|pod| (pod.clone(), 0)));
        }
        let (second, ..) = ratio(&uses);
        let turned = first < 1.0 && second > 1.0 || first > 1.0 && second < 1.0;
        let count = ceiling(second * approximate(i64::try_from(uses.len()).unwrap_or(i64::MAX)));
        let contrary = second < 1.0 && count > self.current || second > 1.0 && count < self.current;
        if self.is_near(second) || turned || contrary { self.current } else { count }
    }
}

/// Use against goal, what the status shows, and the average use.
fn ratio(uses: &BTreeMap<String, i64>, requests: Option<&BTreeMap<String, i64>>, goal: i64) -> (f64, i64, i64) {
    let total: i64 = uses.values().sum();
    let raw = total / i64::try_from(uses.len()).unwrap_or(i64::MAX).max(1);
    let Some(requests) = requests else { return (approximate(raw) / approximate(goal), raw, raw) };
    let requested: i64 = uses.keys().filter_map(|pod| requests.get(pod)).sum();
    let shown = total.saturating_mul(100) / requested.max(1);
    (approximate(shown) / approximate(goal), shown, raw)
}

/// Whether a pod's processor use says nothing yet: it starts up, or was never ready.
fn is_young(pod: &Value, now: Timestamp) -> bool {
    let (Some(ready), Some(started)) = (condition(&pod["status"], "Ready"), time(pod, "/status/startTime")) else { return true };
    let changed = time(ready, "/lastTransitionTime").unwrap_or(started);
    let is_unready = ready["status"] == "False";
    if now.duration_since(started) < CPU_INITIALIZATION {
        return is_unready || now.duration_since(changed) < WINDOW;
    }
    is_unready && changed.duration_since(started) < INITIAL_READINESS
}
