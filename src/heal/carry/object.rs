//! Reading and writing single objects of any kind, with conflicts retried and errors put into words.
//! Which objects, and what to write, is the steps' business.

use super::{Done, FIELD_MANAGER, Healing};
use crate::detect::Subject;
use crate::heal::action::ActionOutcome;
use crate::heal::diff;
use crate::observe::index::text;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::Value;

/// How often a write is tried again after a conflict.
const CONFLICTS: usize = 5;

/// What went wrong, as an audit record says it.
pub(super) struct Trouble {
    pub outcome: ActionOutcome,
    pub text: String,
    /// The server's code, 0 without an answer.
    pub code: u16,
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                // Too busy, or a conflict that outlasted the retries, may pass; any other refusal is one.
                let passing = status.code >= 500 || matches!(status.code, 408 | 409 | 429);
                let outcome = if passing { ActionOutcome::Failed } else { ActionOutcome::Refused };
                Self { outcome, text: format!("the server answered {}: {}", status.code, status.message), code: status.code }
            }
            other => Self { outcome: ActionOutcome::Failed, text: format!("the request failed: {other}"), code: 0 },
        }
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Self { outcome: ActionOutcome::Failed, text: format!("an object could not be read: {error}"), code: 0 }
    }
}

impl Trouble {
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self { outcome: ActionOutcome::Refused, text: text.into(), code: 0 }
    }

    pub(super) fn on(self, subject: Subject) -> Done {
        Done::nothing(subject, self.outcome, self.text)
    }
}

/// The resource of a kind; `api_version` may be empty for Kubernetes' own kinds.
pub(super) fn resource(kind: &str, api_version: &str) -> Result<ApiResource, Trouble> {
    let api_version = match (api_version, kind) {
        ("", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") => "apps/v1",
        ("", "Job" | "CronJob") => "batch/v1",
        ("", "NetworkPolicy" | "Ingress") => "networking.k8s.io/v1",
        ("", "HorizontalPodAutoscaler") => "autoscaling/v2",
        ("", "PodDisruptionBudget") => "policy/v1",
        (
            "",
            "Pod"
            | "Service"
            | "ConfigMap"
            | "Secret"
            | "ServiceAccount"
            | "PersistentVolumeClaim"
            | "ResourceQuota"
            | "LimitRange"
            | "Endpoints",
        ) => "v1",
        ("", other) => {
            return Err(Trouble::refused(format!("give the apiVersion of kind {other}; it is none of Kubernetes' own")));
        }
        (given, _) => given,
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Ok(ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
}

impl Healing<'_> {
    pub(super) fn api(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace, resource)
    }

    /// The subject of an object in the trial's namespace.
    pub(super) fn subject(&self, kind: &str, name: &str, uid: &str) -> Subject {
        Subject {
            cluster: self.index.cluster().to_owned(),
            namespace: self.namespace.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            container: None,
        }
    }

    /// Reads, changes and writes an object under its resourceVersion; a conflict reads it again. A `uid` that is given must be the
    /// object's: another object of the same name is left alone.
    pub(super) async fn change(
        &self,
        subject: &Subject,
        resource: &ApiResource,
        mut edit: impl FnMut(&mut Value) -> Result<(), String>,
    ) -> Result<(Value, Value), Trouble> {
        let api = self.api(resource);
        let mut conflicts = 0;
        loop {
            let before = serde_json::to_value(api.get(&subject.name).await?)?;
            if !subject.uid.is_empty() && text(&before, "/metadata/uid") != subject.uid {
                return Err(Trouble::refused(format!("{} {} is another object by now", subject.kind, subject.name)));
            }
            let mut after = before.clone();
            edit(&mut after).map_err(Trouble::refused)?;
            if after == before {
                return Ok((before.clone(), before));
            }
            let object: DynamicObject = serde_json::from_value(after.clone())?;
            let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
            match api.replace(&subject.name, &params, &object).await {
                Ok(_) => return Ok((before, after)),
                Err(kube::Error::Api(status)) if status.code == 409 && conflicts < CONFLICTS => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The record of a change: nothing differs means nothing had to be done.
pub(super) fn changed(subject: Subject, before: &Value, after: &Value, replaces: Vec<String>) -> Done {
    match diff::changed(before, after) {
        None => Done::nothing(subject, ActionOutcome::NoOp, "it is as it should be already"),
        Some((before, after)) => {
            Done { subject, outcome: ActionOutcome::Acted, note: None, before: Some(before), after: Some(after), replaces }
        }
    }
}
