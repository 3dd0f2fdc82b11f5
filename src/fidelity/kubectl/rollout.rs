//! `kubectl rollout restart` and `rollout undo`.

use super::names::Target;
use super::{JSON_PATCH, Kubectl, STRATEGIC, refusal};
use crate::fidelity::Error;
use serde_json::{Value, json};

const REVISION: &str = "deployment.kubernetes.io/revision";
/// Annotations that `undo` leaves as the Deployment has them.
const KEPT: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
];

impl Kubectl {
    /// Stamps the template.
    pub(super) async fn restart(&self, target: &Target) -> Result<(), Error> {
        let object = self.get(&target.path()).await.map_err(refusal(format!("reading {}", target.path())))?;
        // kubectl stamps its own clock; any new text makes a new template.
        let stamp = format!("after resourceVersion {}", object.pointer("/metadata/resourceVersion").unwrap_or(&Value::Null));
        let annotations = json!({"kubectl.kubernetes.io/restartedAt": stamp});
        self.changed(&target.path(), STRATEGIC, &json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})).await
    }

    /// Goes back to the template of the revision before the newest.
    pub(super) async fn undo(&self, target: &Target) -> Result<(), Error> {
        if target.resource.kind != "Deployment" {
            return Err(Error::new(format!("rollout undo of a {} cannot be replayed yet", target.resource.kind)));
        }
        let deployment = self.get(&target.path()).await.map_err(refusal(format!("reading {}", target.path())))?;
        let sets = format!("/apis/apps/v1/namespaces/{}/replicasets", target.namespace);
        let sets = self.get(&sets).await.map_err(refusal("listing replicasets"))?;
        let revision =
            |set: &Value| -> Option<u64> { set.pointer("/metadata/annotations")?.get(REVISION)?.as_str()?.parse().ok() };
        let owned = |set: &&Value| {
            let owners = set.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            owners.into_iter().flatten().any(|owner| owner["uid"] == deployment["metadata"]["uid"])
        };
        let mut sets: Vec<&Value> = sets["items"].as_array().into_iter().flatten().filter(owned).collect();
        sets.sort_by_key(|set| revision(set));
        let Some(previous) = sets.len().checked_sub(2).and_then(|place| sets.get(place)) else {
            return Err(Error::new(format!("no rollout history found for deployment {:?}", target.name)));
        };
        let mut template = previous["spec"]["template"].clone();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove("pod-template-hash");
        }
        let annotations =
            |object: &Value| object.pointer("/metadata/annotations").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut kept = annotations(&deployment);
        kept.retain(|name, _| KEPT.contains(&name.as_str()));
        kept.extend(annotations(previous).into_iter().filter(|(name, _)| !KEPT.contains(&name.as_str())));
        let patch = json!([
            {"op": "replace", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/metadata/annotations", "value": kept},
        ]);
        self.changed(&target.path(), JSON_PATCH, &patch).await
    }
}
