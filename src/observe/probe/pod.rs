//! The pod from which Services are asked: one for each trial that asks, in its namespace, no part of what is observed or broken.
//! What is run in it is `probe`'s.

use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::{kinds, wait};
use crate::engine::labels::{FIELD_MANAGER, PROBE};
use crate::observe::index::text;
use crate::scenario::{Condition, Plan, images};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Its name.
pub const NAME: &str = "comeback-probe";
/// Its image.
pub const IMAGE: &str = "busybox:1.37";
/// Its image where the plan has a registry of its own.
#[must_use]
pub fn image(plan: &Plan) -> String {
    plan.registry.as_ref().map_or_else(|| IMAGE.to_owned(), |registry| images::moved(IMAGE, registry))
}

/// Its image pull secrets: those of the plan's own pods.
fn secrets(plan: &Plan) -> Vec<Value> {
    let mut secrets = Vec::new();
    for manifest in &plan.manifests {
        let of_pods = manifest.object.pointer("/spec/template/spec/imagePullSecrets").and_then(Value::as_array);
        for secret in of_pods.into_iter().flatten().filter(|_| plan.registry.is_some()) {
            if !secrets.contains(secret) {
                secrets.push(secret.clone());
            }
        }
    }
    secrets
}

/// How long it may take to start.
const STARTED_WITHIN: Duration = Duration::from_mins(2);

/// Whether some of a plan's conditions are tried from it.
#[must_use]
pub fn is_needed(plan: &Plan) -> bool {
    plan.tried().iter().any(Condition::is_asked_from_a_pod)
}

/// The selector of the pods that a trial observes, where it does not observe all: those of `workload.existing`, and never this.
#[must_use]
pub fn observed_pods(plan: &Plan) -> Option<String> {
    let existing = plan.existing.as_ref().map(|existing| existing.selector.clone());
    existing.or_else(|| is_needed(plan).then(|| format!("!{PROBE}")))
}

/// Its labels.
#[must_use]
pub fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([(PROBE.to_owned(), "true".to_owned())])
}

/// Creates it, and waits until it is ready.
///
/// # Errors
/// It was refused, or did not start in time.
pub async fn start(client: &kube::Client, namespace: &str, plan: &Plan) -> Result<(), RequestError> {
    create(&Api::namespaced(client.clone(), namespace), &Taken::of(plan)).await?;
    let kind = kinds::resolve(client, None, "Pod").await?;
    let ready = |pod: Option<&DynamicObject>| {
        let conditions = pod.and_then(|pod| pod.data.pointer("/status/conditions")?.as_array());
        conditions.into_iter().flatten().any(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True")
    };
    if wait::until(&kind.api(client, namespace), NAME, STARTED_WITHIN, ready).await? {
        return Ok(());
    }
    let message = format!("it was not ready within {} s; can image {} be pulled?", STARTED_WITHIN.as_secs(), image(plan));
    Err(RequestError::of(&format!("starting pod {NAME}, from which Services are asked"), message))
}

/// Where it takes its image from.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    image: String,
    secrets: Vec<Value>,
}

impl Taken {
    /// As the pods of a plan do.
    pub(super) fn of(plan: &Plan) -> Self {
        Self { image: image(plan), secrets: secrets(plan) }
    }
}

/// Creates it, if it is not there.
pub(super) async fn create(pods: &Api<Pod>, taken: &Taken) -> Result<(), RequestError> {
    match request(pods, Some(65_534), taken).await {
        // OpenShift gives each namespace users of its own, and takes no other.
        Err(error) if error.code == 403 && error.message.contains("security context constraint") => {
            request(pods, None, taken).await
        }
        other => other,
    }
}

async fn request(pods: &Api<Pod>, user: Option<i64>, taken: &Taken) -> Result<(), RequestError> {
    let what = format!("creating pod {NAME}, from which Services are asked");
    let pod: Pod = serde_json::from_value(manifest(user, taken)).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match retried(&what, REQUEST_BUDGET, || pods.create(&parameters, &pod)).await {
        Err(error) if !error.is_already_there() => Err(error),
        _ => Ok(()),
    }
}

/// It meets the Pod Security level `restricted`.
fn manifest(user: Option<i64>, taken: &Taken) -> Value {
    let script = "trap 'exit 0' TERM; while :; do sleep 1; done";
    let mut security = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    if let Some(user) = user {
        security["runAsUser"] = user.into();
    }
    // Away from the nodes that faults choose, where there is such a node.
    let control_plane = json!({ "matchExpressions": [{ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists" }] });
    json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": NAME, "labels": labels() },
        "spec": {
            "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
            // Taints of nodes are the workload's business, not that of what measures it.
            "tolerations": [{ "operator": "Exists" }],
            "affinity": { "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 100, "preference": control_plane }] } },
            "securityContext": security,
            "imagePullSecrets": taken.secrets,
            "containers": [{ "name": "probe", "image": taken.image, "command": ["sh", "-c", script],
                "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "cpu": "200m", "memory": "64Mi" } },
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }],
        } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requirements of <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
    #[test]
    fn it_meets_the_restricted_level_with_and_without_a_user_of_our_choice() {
        for user in [Some(65_534), None] {
            let pod = manifest(user, &Taken::default());
            assert_eq!(pod["spec"]["securityContext"].get("runAsUser"), user.map(Value::from).as_ref());
            assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            let own = &pod["spec"]["containers"][0]["securityContext"];
            assert_eq!((&own["allowPrivilegeEscalation"], &own["capabilities"]["drop"]), (&json!(false), &json!(["ALL"])));
            let host = ["hostNetwork", "hostPID", "hostIPC", "volumes"];
            assert!(host.iter().all(|key| pod["spec"].get(key).is_none()));
        }
    }
}
