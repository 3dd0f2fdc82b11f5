//! The steps on configuration: changed values put back, a Service led to its pods again, missing objects created again, all from the baseline.
//! Without a steady state there is no baseline, and both are refused. Values of Secrets never reach the record.

use super::object::{Trouble, changed};
use super::{Done, FIELD_MANAGER, Healing};
use crate::cluster::request::{REQUEST_BUDGET, retried};
use crate::detect::related::{ConfigRead, config_reads};
use crate::detect::{Finding, Subject};
use crate::heal::action::ActionOutcome;
use crate::json::At as _;
use crate::observe::index::text;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use std::sync::Arc;

/// The parts of a ConfigMap or Secret that hold values.
const CONTENT: [&str; 2] = ["data", "binaryData"];
/// The parts of a Service's spec that decide where it leads.
const LEADS: [&str; 2] = ["selector", "ports"];

impl Healing<'_> {
    pub(super) async fn revert_config(&self, finding: &Finding) -> Done {
        let baseline = match self.steady_state() {
            Ok(baseline) => baseline,
            Err(trouble) => return trouble.on(finding.subject.clone()),
        };
        if finding.subject.kind == "Service" {
            return self.lead_back(&finding.subject, baseline).await;
        }
        if self.index.pod(&finding.subject.uid).is_none() && self.is_no_workload(finding) {
            let note = format!("a {} reads no configuration that could be put back", finding.subject.kind);
            return Done::nothing(finding.subject.clone(), ActionOutcome::Refused, note);
        }
        let mut done: Option<Done> = None;
        for read in self.reads(finding) {
            let Some(good) = in_baseline(baseline, &read) else { continue };
            let subject = self.subject(read.kind, &read.name, "");
            match self.put_back(&subject, good).await {
                Ok(one) if one.outcome == ActionOutcome::Acted => merge(&mut done, one),
                Ok(_) => {}
                // What is gone is restoreObject's business.
                Err(trouble) if trouble.code == 404 => {}
                Err(trouble) => return trouble.on(subject),
            }
        }
        done.unwrap_or_else(|| {
            let note = "no ConfigMap or Secret that the pod reads differs from the steady state";
            Done::nothing(finding.subject.clone(), ActionOutcome::NoOp, note)
        })
    }

    /// Whether a finding is about something that is neither a workload nor of one.
    fn is_no_workload(&self, finding: &Finding) -> bool {
        !matches!(self.workload(finding).kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
    }

    /// Makes a Service lead where it led in the steady state.
    async fn lead_back(&self, service: &Subject, baseline: &[Arc<Value>]) -> Done {
        let subject = Subject { container: None, ..service.clone() };
        let known = |object: &&Arc<Value>| text(object, "/kind") == "Service" && text(object, "/metadata/name") == subject.name;
        let Some(good) = baseline.iter().find(known) else {
            let note = format!("the steady state had no Service {}", subject.name);
            return Done::nothing(subject, ActionOutcome::Refused, note);
        };
        let edit = |object: &mut Value| {
            let spec = object.get_mut("spec").and_then(Value::as_object_mut).ok_or_else(|| "it has no spec".to_owned())?;
            for part in LEADS {
                match good.at(&format!("/spec/{part}")) {
                    Some(value) => spec.insert(part.to_owned(), value.clone()),
                    None => spec.remove(part),
                };
            }
            Ok(())
        };
        match self.change(&subject, edit).await {
            Ok((before, after)) => {
                let shown = |object: &Value| json!({ "spec": object.get("spec").cloned().unwrap_or_default() });
                changed(subject, &shown(&before), &shown(&after), Vec::new())
            }
            Err(trouble) => trouble.on(subject),
        }
    }

    pub(super) async fn restore_objects(&self, finding: &Finding) -> Done {
        let baseline = match self.steady_state() {
            Ok(baseline) => baseline,
            Err(trouble) => return trouble.on(finding.subject.clone()),
        };
        let (mut done, mut unknown) = (None, Vec::new());
        for read in self.reads(finding) {
            let subject = self.subject(read.kind, &read.name, "");
            let Some(good) = in_baseline(baseline, &read) else {
                if !read.optional && self.index.get(read.kind, &read.name).is_none() {
                    unknown.push(format!("{} {}", read.kind, read.name));
                }
                continue;
            };
            match self.restore_one(&subject, good).await {
                Ok(one) if one.outcome == ActionOutcome::Acted => merge(&mut done, one),
                Ok(_) => {}
                Err(trouble) => return trouble.on(subject),
            }
        }
        done.unwrap_or_else(|| {
            let subject = finding.subject.clone();
            if unknown.is_empty() {
                Done::nothing(subject, ActionOutcome::NoOp, "everything that the pod reads is there")
            } else {
                let note = format!("the steady state had no {}", unknown.join(", "));
                Done::nothing(subject, ActionOutcome::Refused, note)
            }
        })
    }

    fn steady_state(&self) -> Result<&[Arc<Value>], Trouble> {
        self.baseline.ok_or_else(|| Trouble::refused("there was no steady state to go back to"))
    }

    fn reads(&self, finding: &Finding) -> Vec<ConfigRead> {
        let pod = self.index.pod(&finding.subject.uid);
        let Some(spec) = pod.and_then(|pod| pod.object().get("spec")) else { return Vec::new() };
        let mut reads = config_reads(spec);
        if finding.cause == "image.auth" {
            reads.extend(pull_secrets(spec));
        }
        reads
    }

    /// Creates an object if it is gone; if it is there, puts back what of it is missing.
    async fn restore_one(&self, subject: &Subject, good: &Arc<Value>) -> Result<Done, Trouble> {
        let api = self.api(&subject.kind, None).await?;
        match self.read(&api, subject).await {
            Ok(_) => self.put_back(subject, good).await,
            Err(trouble) if trouble.code == 404 => {
                let plain: DynamicObject = serde_json::from_value(as_new(good, self.namespace)?)?;
                let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
                let what = format!("creating {} {}", subject.kind, subject.name);
                let created = retried(&what, REQUEST_BUDGET, || api.create(&params, &plain)).await?;
                let created = serde_json::to_value(created)?;
                let subject = Subject { uid: text(&created, "/metadata/uid").to_owned(), ..subject.clone() };
                let after = Some(shown(&subject.kind, &created));
                Ok(Done { subject, outcome: ActionOutcome::Acted, note: None, before: None, after, replaces: Vec::new() })
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes an object's values those of the baseline.
    async fn put_back(&self, subject: &Subject, good: &Arc<Value>) -> Result<Done, Trouble> {
        real_content(good)?;
        let edit = |object: &mut Value| {
            let fields = object.as_object_mut().ok_or_else(|| "not an object".to_owned())?;
            for part in CONTENT {
                match good.get(part) {
                    Some(values) => fields.insert(part.to_owned(), values.clone()),
                    None => fields.remove(part),
                };
            }
            Ok(())
        };
        let (before, after) = self.change(subject, edit).await?;
        let subject = Subject { uid: text(&before, "/metadata/uid").to_owned(), ..subject.clone() };
        let mut done = changed(subject, &values(&before), &values(&after), Vec::new());
        if done.subject.kind == "Secret" {
            done.before = done.before.as_ref().map(hidden);
            done.after = done.after.as_ref().map(hidden);
        }
        Ok(done)
    }
}

/// The Secrets that a pod's images are pulled with.
fn pull_secrets(spec: &Value) -> impl Iterator<Item = ConfigRead> + '_ {
    let named = spec.get("imagePullSecrets").and_then(Value::as_array).into_iter().flatten();
    named.map(|secret| ConfigRead { kind: "Secret", name: text(secret, "/name").to_owned(), optional: false })
}

fn in_baseline<'a>(baseline: &'a [Arc<Value>], read: &ConfigRead) -> Option<&'a Arc<Value>> {
    baseline.iter().find(|object| text(object, "/kind") == read.kind && text(object, "/metadata/name") == read.name)
}

/// A Secret of a timeline holds only hashes; writing them would destroy it.
fn real_content(good: &Value) -> Result<(), Trouble> {
    if good.get("dataHash").is_some() {
        return Err(Trouble::refused("the steady state holds only hashes of this Secret's values"));
    }
    Ok(())
}

fn values(object: &Value) -> Value {
    CONTENT
        .iter()
        .filter_map(|part| Some(((*part).to_owned(), object.get(*part)?.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn shown(kind: &str, object: &Value) -> Value {
    let values = values(object);
    if kind == "Secret" { hidden(&values) } else { values }
}

/// The same keys, without the values.
fn hidden(values: &Value) -> Value {
    match values {
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), hidden(value))).collect::<serde_json::Map<_, _>>().into()
        }
        _ => json!("(secret)"),
    }
}

/// The object as one would create it: nothing of what the server adds.
fn as_new(good: &Value, namespace: &str) -> Result<Value, Trouble> {
    real_content(good)?;
    let mut object = good.clone();
    let mut metadata = serde_json::Map::new();
    for key in ["name", "labels", "annotations"] {
        if let Some(value) = good.at(&format!("/metadata/{key}")) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    metadata.insert("namespace".to_owned(), json!(namespace));
    let kind = text(good, "/kind").to_owned();
    let fields = object.as_object_mut().ok_or_else(|| Trouble::refused("the steady state holds something that is no object"))?;
    fields.insert("metadata".to_owned(), Value::Object(metadata));
    fields.insert("apiVersion".to_owned(), json!("v1"));
    fields.insert("kind".to_owned(), json!(kind));
    fields.remove("status");
    Ok(object)
}

/// Several objects in one record: the first is its subject, the others follow by kind and name.
fn merge(done: &mut Option<Done>, one: Done) {
    let Some(first) = done else {
        *done = Some(one);
        return;
    };
    let key = format!("{} {}", one.subject.kind, one.subject.name);
    for (mine, other) in [(&mut first.before, one.before), (&mut first.after, one.after)] {
        if let Some(other) = other {
            mine.get_or_insert_with(|| json!({}))[key.as_str()] = other;
        }
    }
    first.note = Some(match &first.note {
        Some(note) => format!("{note}, {key}"),
        None => format!("also {key}"),
    });
}
