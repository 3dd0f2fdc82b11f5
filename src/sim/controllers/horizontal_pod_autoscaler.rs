//! The `HorizontalPodAutoscaler` controller: every 15 s, as many pods as the measured use of cpu and memory asks for.
//! What is measured is in `metrics`, how many pods follow from it in `calculator`, how fast they may change in `behavior`.

mod behavior;
mod calculator;
mod metrics;
mod status;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{integer, key, list, namespace, text};
use super::pods::ignore_missing;
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::{self, HORIZONTAL_POD_AUTOSCALERS, PODS};
use crate::sim::api::{ApiError, Resource, Subresource};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::kubelet::Runtime;
use crate::sim::store::Object;
use behavior::Memory;
use metrics::Samples;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often an autoscaler looks (`--horizontal-pod-autoscaler-sync-period`).
const PERIOD: Duration = Duration::from_secs(15);

/// What the controller remembers of one autoscaler.
#[derive(Debug, Default)]
struct Remembered {
    memory: Memory,
    samples: Samples,
}

type Book = Mutex<BTreeMap<Key, Remembered>>;

/// One look of the controller at one autoscaler.
struct Sync<'a> {
    context: &'a Context,
    key: &'a Key,
    runtime: &'a Runtime,
    /// With the status as this look changes it.
    autoscaler: Value,
    remembered: Remembered,
}

/// What an autoscaler scales.
struct Scaled {
    resource: Resource,
    object: Object,
}

/// Starts the controller; what pods use is asked of `runtime`.
pub(super) fn start(context: &Arc<Context>, runtime: &Runtime) {
    context.inform(HORIZONTAL_POD_AUTOSCALERS, |context, item| {
        context.queue.add_after(key(&item.object), PERIOD);
        Vec::new()
    });
    let (runtime, book) = (runtime.clone(), Arc::new(Book::default()));
    context.serve(move |context, key| {
        let (runtime, book) = (runtime.clone(), Arc::clone(&book));
        Box::pin(async move { sync(context, key, &runtime, &book).await })
    });
}

async fn sync(context: &Context, key: &Key, runtime: &Runtime, book: &Book) -> Result<(), ApiError> {
    let kept = book.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    let Ok(stored) = context.api.get(HORIZONTAL_POD_AUTOSCALERS, &key.0, &key.1) else { return Ok(()) };
    let remembered = kept.unwrap_or_default();
    let mut sync = Sync { context, key, runtime, autoscaler: (*stored).clone(), remembered };
    sync.look().await;
    let written = if sync.autoscaler["status"] == stored["status"] {
        Ok(None)
    } else {
        context.before_write(key).await;
        let status = sync.autoscaler["status"].clone();
        ignore_missing(context.api.modify(HORIZONTAL_POD_AUTOSCALERS, &key.0, &key.1, Subresource::Status, |autoscaler| {
            autoscaler["status"] = status;
        }))
    };
    book.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), sync.remembered);
    // Whatever came of it, the next look is a period away.
    context.queue.add_after(key.clone(), PERIOD);
    written.map(|_| ())
}

impl Sync<'_> {
    async fn look(&mut self) {
        let scaled = match self.scaled() {
            Ok(scaled) => scaled,
            Err(why) => {
                self.say(EventType::Warning, "FailedGetScale", &why);
                let message = format!("the HPA controller was unable to get the target's current scale: {why}");
                self.note("AbleToScale", false, "FailedGetScale", &message);
                return;
            }
        };
        let message = "the HPA controller was able to get the target's current scale";
        self.note("AbleToScale", true, "SucceededGetScale", message);
        let current = scaled.object.at("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        let now = self.context.api.clock.now();
        self.remembered.memory.begin(current, now);
        let least = self.autoscaler.at("/spec/minReplicas").and_then(Value::as_i64).unwrap_or(1);
        let most = integer(&self.autoscaler, "/spec/maxReplicas");
        if current == 0 && least != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            self.note("ScalingActive", false, "ScalingDisabled", message);
            self.report(0, 0, None);
            return;
        }
        let mut shown = None;
        let (wanted, reason) = if current > most {
            (most, "Current number of replicas above Spec.MaxReplicas".to_owned())
        } else if current < least {
            (least, "Current number of replicas below Spec.MinReplicas".to_owned())
        } else {
            let (proposed, metric, statuses) = match self.propose(&scaled, current) {
                Ok(proposal) => proposal,
                Err((why, statuses)) => {
                    let desired = integer(&self.autoscaler, "/status/desiredReplicas");
                    self.report(current, desired, Some(statuses));
                    self.say(EventType::Warning, "FailedComputeMetricsReplicas", &why);
                    return;
                }
            };
            shown = Some(statuses);
            let reason =
                if proposed > current { format!("{metric} above target") } else { "All metrics below target".to_owned() };
            (self.normalize(current, proposed, least, most, now), reason)
        };
        let mut rescaled = false;
        if wanted != current {
            rescaled = self.rescale(&scaled, current, wanted, &reason).await;
            if !rescaled {
                let desired = integer(&self.autoscaler, "/status/desiredReplicas");
                self.report(current, desired, shown);
                return;
            }
        }
        self.report(current, wanted, shown);
        if rescaled {
            self.autoscaler["status"]["lastScaleTime"] = json!(self.context.api.clock.seconds());
        }
    }

    /// The object that is to be scaled.
    fn scaled(&self) -> Result<Scaled, String> {
        let reference = &self.autoscaler["spec"]["scaleTargetRef"];
        let (api_version, kind) = (text(reference, "/apiVersion"), text(reference, "/kind"));
        let resource = resource::by_kind(api_version, kind).ok_or_else(|| {
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            format!("no matches for kind \"{kind}\" in group \"{group}\"")
        })?;
        if !resource.has_scale() {
            return Err("the server could not find the requested resource".to_owned());
        }
        let found = self.context.api.get(resource, &self.key.0, text(reference, "/name"));
        found.map(|object| Scaled { resource, object }).map_err(|error| error.to_string())
    }

    /// The pods of what is scaled.
    fn pods(&self, scaled: &Scaled) -> Vec<Object> {
        let wanted = scaled.object.at("/spec/selector");
        let is_plain = scaled.object["kind"] == resource::REPLICATION_CONTROLLERS.kind;
        let selects = |pod: &Object| {
            let labels = pod.at("/metadata/labels");
            if is_plain { selector::matches_map(wanted, labels) } else { selector::matches(wanted, labels) }
        };
        self.context.api.list(PODS, Some(namespace(&scaled.object))).into_iter().filter(selects).collect()
    }

    /// The number that the metrics ask for, the metric that asks for most, and what each showed.
    fn propose(&mut self, scaled: &Scaled, current: i64) -> Result<(i64, String, Value), (String, Value)> {
        let pods = self.pods(scaled);
        let now = self.context.api.clock.now();
        let measured = self.remembered.samples.take(self.runtime, &pods, now);
        let metrics = list(&self.autoscaler, "/spec/metrics").to_vec();
        let (mut statuses, mut best): (Vec<Value>, Option<(i64, String)>) = (Vec::new(), None);
        let mut invalid: Option<(String, String, String)> = None;
        let mut failures = 0;
        for metric in &metrics {
            match calculator::evaluate(&self.autoscaler, metric, current, &pods, &measured, now) {
                Ok(proposal) => {
                    statuses.push(proposal.status);
                    if best.as_ref().is_none_or(|(replicas, _)| proposal.replicas > *replicas) {
                        best = Some((proposal.replicas, proposal.name));
                    }
                }
                Err(failure) => {
                    self.say(EventType::Warning, failure.reason, &failure.what);
                    statuses.push(json!({"type": ""}));
                    failures += 1;
                    let message = format!("the HPA was unable to compute the replica count: {}", failure.what);
                    invalid.get_or_insert((failure.reason.to_owned(), message, failure.wrapped));
                }
            }
        }
        let statuses = json!(statuses);
        // With some metrics missing the autoscaler may grow, never shrink.
        match (best, invalid) {
            (Some((replicas, name)), invalid) if invalid.is_none() || replicas >= current => {
                let message = format!("the HPA was able to successfully calculate a replica count from {name}");
                self.note("ScalingActive", true, "ValidMetricFound", &message);
                Ok((replicas, name, statuses))
            }
            (_, Some((reason, message, first))) => {
                self.note("ScalingActive", false, &reason, &message);
                let why = format!("invalid metrics ({failures} invalid out of {}), first error is: {first}", metrics.len());
                Err((why, statuses))
            }
            (_, None) => Ok((current, String::new(), statuses)),
        }
    }

    async fn rescale(&mut self, scaled: &Scaled, current: i64, wanted: i64, reason: &str) -> bool {
        self.context.before_write(self.key).await;
        let own = text(&scaled.object, "/metadata/name");
        let changed = self.context.api.modify(scaled.resource, &self.key.0, own, Subresource::Main, |object| {
            object["spec"]["replicas"] = json!(wanted);
        });
        if let Err(error) = changed {
            let message = format!("New size: {wanted}; reason: {reason}; error: {error}");
            self.say(EventType::Warning, "FailedRescale", &message);
            let message = format!("the HPA controller was unable to update the target scale: {error}");
            self.note("AbleToScale", false, "FailedUpdateScale", &message);
            return false;
        }
        let message = format!("the HPA controller was able to update the target scale to {wanted}");
        self.note("AbleToScale", true, "SucceededRescale", &message);
        self.say(EventType::Normal, "SuccessfulRescale", &format!("New size: {wanted}; reason: {reason}"));
        self.remembered.memory.scaled(&self.autoscaler, current, wanted, self.context.api.clock.now());
        true
    }

    fn say(&self, kind: EventType, reason: &str, message: &str) {
        self.context.recorder.event(&ObjectRef::of(&self.autoscaler), kind, reason, message);
    }
}
