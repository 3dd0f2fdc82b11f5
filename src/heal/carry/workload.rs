//! The steps on workloads and pods: restarts, rollback, memory, probes, patches. What they change in a template is in `template`.
//! Configuration is `config`'s business.

use super::object::{Trouble, changed};
use super::{Done, FIELD_MANAGER, Healing, owner};
use crate::cluster::request::{REQUEST_BUDGET, retried};
use crate::detect::{Finding, Subject, related};
use crate::heal::action::ActionOutcome;
use crate::heal::{health, template};
use crate::json::At as _;
use crate::observe::index::container::{State, run_length};
use crate::observe::index::text;
use crate::scenario::fault::PatchType;
use crate::scenario::heal::{PatchStep, RelaxProbe, SetMemory};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};
use std::time::Duration;

impl Healing<'_> {
    pub(super) async fn restart_pod(&self, finding: &Finding) -> Done {
        let subject = Subject { container: None, ..finding.subject.clone() };
        if self.index.pod(&subject.uid).is_none_or(|pod| pod.owner.is_none()) {
            return Done::nothing(subject, ActionOutcome::Refused, "the pod has no controller: nothing would create it again");
        }
        match self.delete_pod(&subject).await {
            Ok(()) => {
                let before = Some(json!({ "pod": subject.name, "uid": subject.uid }));
                let replaces = vec![subject.uid.clone()];
                Done { subject, outcome: ActionOutcome::Acted, note: None, before, after: None, replaces }
            }
            Err(trouble) if matches!(trouble.code, 404 | 409) => {
                Done::nothing(subject, ActionOutcome::NoOp, "the pod is gone already")
            }
            Err(trouble) => trouble.on(subject),
        }
    }

    async fn delete_pod(&self, subject: &Subject) -> Result<(), Trouble> {
        let api = self.api("Pod", None).await?;
        let preconditions = Preconditions { uid: Some(subject.uid.clone()), resource_version: None };
        let params = DeleteParams::default().preconditions(preconditions);
        let what = format!("deleting Pod {}", subject.name);
        retried(&what, REQUEST_BUDGET, || api.delete(&subject.name, &params)).await?;
        Ok(())
    }

    pub(super) async fn restart_workload(&self, finding: &Finding) -> Done {
        let Some(now) = self.index.server_now() else {
            return Done::nothing(finding.subject.clone(), ActionOutcome::Refused, "the server's time is not known");
        };
        self.change_template(finding, |workload| template::mark_restart(workload, now)).await
    }

    pub(super) async fn rollback(&self, finding: &Finding) -> Done {
        let older = finding.group.strip_prefix("deployment/").and_then(|name| related::last_good_replica_set(self.index, name));
        let Some(older) = older else {
            return Done::nothing(finding.subject.clone(), ActionOutcome::Refused, "no older revision was available");
        };
        self.change_template(finding, |workload| template::roll_back(workload, older)).await
    }

    pub(super) async fn set_memory(&self, finding: &Finding, step: &SetMemory) -> Done {
        let name = finding.subject.container.clone().unwrap_or_default();
        let Some(first) = self.first_limit(finding, &name) else {
            let note = format!("the first memory limit of container {name} is not known");
            return Done::nothing(finding.subject.clone(), ActionOutcome::Refused, note);
        };
        self.change_template(finding, |workload| template::set_memory(workload, &name, step, first)).await
    }

    pub(super) async fn relax_probe(&self, finding: &Finding, step: &RelaxProbe) -> Done {
        let name = finding.subject.container.clone().unwrap_or_default();
        let starting = self.killed_while_starting(finding, &name);
        self.change_template(finding, |workload| template::relax_probe(workload, &name, &finding.cause, step, starting)).await
    }

    pub(super) async fn patch(&self, finding: &Finding, step: &PatchStep) -> Done {
        let workload = self.workload(finding);
        let subject = match (&step.kind, &step.name) {
            (Some(kind), Some(name)) => self.subject(kind, name, ""),
            (None, Some(name)) => self.subject(&workload.kind, name, ""),
            (Some(kind), None) if *kind != workload.kind => {
                let note = format!("patch gives kind {kind} without a name");
                return Done::nothing(workload, ActionOutcome::Refused, note);
            }
            _ => workload.clone(),
        };
        let result = self.send_patch(&subject, step).await;
        match result {
            Err(trouble) => trouble.on(subject),
            Ok((before, after)) => {
                let same = subject.kind == workload.kind && subject.name == workload.name;
                let replaced = before.at("/spec/template") != after.at("/spec/template") && same;
                let replaces = if replaced { self.pods_of(finding) } else { Vec::new() };
                let subject = Subject { uid: text(&after, "/metadata/uid").to_owned(), ..subject };
                changed(subject, &content(&before), &content(&after), replaces)
            }
        }
    }

    async fn send_patch(&self, subject: &Subject, step: &PatchStep) -> Result<(Value, Value), Trouble> {
        let api = self.api(&subject.kind, step.api_version.as_deref()).await?;
        let patch: Patch<Value> = match step.type_ {
            PatchType::Strategic => Patch::Strategic(step.patch.clone()),
            PatchType::Merge => Patch::Merge(step.patch.clone()),
            PatchType::Json => Patch::Json(
                serde_json::from_value(step.patch.clone())
                    .map_err(|error| Trouble::refused(format!("the patch is no list of JSON patch operations: {error}")))?,
            ),
        };
        let before = self.read(&api, subject).await?;
        if !subject.uid.is_empty() && text(&before, "/metadata/uid") != subject.uid {
            return Err(Trouble::refused(format!("{} {} is another object by now", subject.kind, subject.name)));
        }
        if let Some(why) = owner::refusal(&before, self.run) {
            return Err(Trouble::refused(why));
        }
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let what = format!("patching {} {}", subject.kind, subject.name);
        if self.announce.is_some() {
            let rehearsal = PatchParams { dry_run: true, ..params.clone() };
            let expected = retried(&what, REQUEST_BUDGET, || api.patch(&subject.name, &rehearsal, &patch)).await?;
            self.announced(&before, &serde_json::to_value(expected)?).await?;
        }
        let after = serde_json::to_value(retried(&what, REQUEST_BUDGET, || api.patch(&subject.name, &params, &patch)).await?)?;
        Ok((before, after))
    }

    /// Changes the template of the finding's workload.
    async fn change_template(&self, finding: &Finding, edit: impl FnMut(&mut Value) -> Result<(), String>) -> Done {
        let subject = self.workload(finding);
        if !matches!(subject.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
            let note = format!("{} {} has no template whose change would replace its pods", subject.kind, subject.name);
            return Done::nothing(subject, ActionOutcome::Refused, note);
        }
        match self.change(&subject, edit).await {
            Ok((before, after)) => changed(subject, &content(&before), &content(&after), self.pods_of(finding)),
            Err(trouble) => trouble.on(subject),
        }
    }

    /// The workload of a finding, by the index.
    pub(super) fn workload(&self, finding: &Finding) -> Subject {
        if let Some(pod) = self.index.pod(&finding.subject.uid) {
            let workload = self.index.workload_of(pod);
            return self.subject(&workload.kind, &workload.name, &workload.uid);
        }
        // What is about a ReplicaSet without pods is its Deployment's.
        let (kind, name) = finding.group.split_once('/').unwrap_or_default();
        let kind = ["Deployment", "StatefulSet", "DaemonSet"].into_iter().find(|known| known.to_lowercase() == kind);
        match kind.and_then(|kind| Some((kind, self.index.get(kind, name)?))) {
            Some((kind, object)) => self.subject(kind, name, text(object, "/metadata/uid")),
            None => finding.subject.clone(),
        }
    }

    pub(super) fn pods_of(&self, finding: &Finding) -> Vec<String> {
        health::live_pods(self.index, &finding.group).map(|pod| pod.reference.uid.clone()).collect()
    }

    /// The limit that the workload began with: of the baseline, else of the oldest version seen.
    fn first_limit(&self, finding: &Finding, container: &str) -> Option<u64> {
        let workload = self.workload(finding);
        let baseline = self
            .baseline
            .into_iter()
            .flatten()
            .find(|object| text(object, "/kind") == workload.kind && text(object, "/metadata/name") == workload.name);
        let oldest = || self.index.record(&workload.kind, &workload.name)?.versions.first().map(|(_, object)| object);
        // A limit that was lowered during the trial must not lower the ceiling, nor one that was raised lift it.
        baseline.or_else(oldest).and_then(|object| template::memory_limit(object, container))
    }

    /// Whether every kill came at the first opportunity that the liveness probe had.
    fn killed_while_starting(&self, finding: &Finding, name: &str) -> bool {
        let Some(pod) = self.index.pod(&finding.subject.uid) else { return false };
        let (Some(container), Some(probe)) =
            (pod.containers.get(name), pod.container_spec(name).and_then(|spec| spec.get("livenessProbe")))
        else {
            return false;
        };
        let setting = |name: &str, default: u64| probe.get(name).and_then(Value::as_u64).unwrap_or(default);
        let grace = pod.object().at("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(30);
        let first = setting("initialDelaySeconds", 0)
            + (setting("failureThreshold", 3) + 1) * setting("periodSeconds", 10)
            + setting("timeoutSeconds", 1);
        let most = Duration::from_secs(first + grace + 5);
        let lives = container.exits.iter().filter_map(run_length);
        let present = matches!(container.state, State::Running(_)) && container.exits.is_empty();
        lives.chain(present.then(|| self.index.now().saturating_sub(container.since))).all(|life| life <= most)
    }
}

/// What of an object is content: neither status nor what the server keeps for itself.
pub(super) fn content(object: &Value) -> Value {
    let mut content = object.clone();
    if let Some(fields) = content.as_object_mut() {
        fields.remove("status");
        fields.remove("apiVersion");
        fields.remove("kind");
        let metadata = fields.remove("metadata").unwrap_or_default();
        let kept: serde_json::Map<_, _> =
            ["labels", "annotations"].iter().filter_map(|key| Some(((*key).to_owned(), metadata.get(*key)?.clone()))).collect();
        if !kept.is_empty() {
            fields.insert("metadata".to_owned(), Value::Object(kept));
        }
    }
    content
}
