//! Who a pod of a `StatefulSet` is: ordinal, name, labels, host name, volumes of its claims. Pure.
//! The claims themselves are in `claims`.

use super::super::object::{integer, list, name, text};
use super::super::{pods, revisions};
use super::Sync;
use crate::json::At as _;
use crate::sim::store::Object;
use serde_json::{Value, json};

/// The label with a pod's own name, for Services that lead to one pod.
pub(super) const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// The label with a pod's ordinal.
pub(super) const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
/// The label with the name of a pod's revision.
const REVISION_LABEL: &str = "controller-revision-hash";

/// The name of the set and the ordinal that a pod's name is made of.
fn parts(pod: &Value) -> Option<(&str, i64)> {
    let (set, ordinal) = name(pod).rsplit_once('-')?;
    let digits = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    Some((set, i64::from(ordinal.parse::<i32>().ok().filter(|_| digits)?)))
}

/// A pod's ordinal, if its name has one.
pub(super) fn ordinal(pod: &Value) -> Option<i64> {
    parts(pod).map(|(_, ordinal)| ordinal)
}

/// Whether a pod's name makes it one of the set's.
pub(super) fn is_member(set: &Value, pod: &Value) -> bool {
    parts(pod).is_some_and(|(parent, _)| parent == name(set))
}

/// The name of a pod's revision.
pub(super) fn revision(pod: &Value) -> &str {
    pod.at("/metadata/labels").map_or("", |labels| labels[REVISION_LABEL].as_str().unwrap_or_default())
}

/// The first ordinal of a set.
pub(super) fn first_ordinal(set: &Value) -> i64 {
    integer(set, "/spec/ordinals/start")
}

/// Whether the set wants a pod with this ordinal.
pub(super) fn is_in_range(set: &Value, ordinal: i64) -> bool {
    let start = first_ordinal(set);
    (start..start + integer(set, "/spec/replicas")).contains(&ordinal)
}

/// The name of the claim of a template for an ordinal.
pub(super) fn claim_name(set: &Value, template: &Value, ordinal: i64) -> String {
    format!("{}-{}-{ordinal}", name(template), name(set))
}

/// Whether a pod carries its own name as a label.
pub(super) fn matches(pod: &Value) -> bool {
    pod.at("/metadata/labels").is_some_and(|labels| labels[POD_NAME_LABEL] == name(pod))
}

impl Sync<'_> {
    /// The pod that belongs at an ordinal, not yet created.
    pub(super) fn plan(&self, ordinal: i64) -> Object {
        let of_current = text(self.set, "/spec/updateStrategy/type") == "RollingUpdate" && {
            let kept = match self.set.at("/spec/updateStrategy/rollingUpdate").filter(|rolling| rolling.is_object()) {
                Some(rolling) => integer(rolling, "/partition"),
                None => integer(self.set, "/status/currentReplicas"),
            };
            ordinal < first_ordinal(self.set) + kept
        };
        let revision = if of_current { &self.current } else { &self.update };
        let mut pod = pods::from_template(self.set, &revisions::template_of(revision));
        let own = format!("{}-{ordinal}", name(self.set));
        pod["metadata"]["name"] = json!(own);
        pod["metadata"]["namespace"] = json!(self.key.0);
        if !pod["metadata"]["labels"].is_object() {
            pod["metadata"]["labels"] = json!({});
        }
        pod["metadata"]["labels"][POD_NAME_LABEL] = json!(own);
        pod["metadata"]["labels"][INDEX_LABEL] = json!(ordinal.to_string());
        pod["metadata"]["labels"][REVISION_LABEL] = json!(name(revision));
        pod["spec"]["hostname"] = json!(own);
        let service = text(self.set, "/spec/serviceName");
        if !service.is_empty() {
            pod["spec"]["subdomain"] = json!(service);
        }
        let templates = list(self.set, "/spec/volumeClaimTemplates");
        if !templates.is_empty() {
            let is_claim = |volume: &&Value| templates.iter().any(|template| volume["name"] == template["metadata"]["name"]);
            let others: Vec<_> = list(&pod, "/spec/volumes").iter().filter(|volume| !is_claim(volume)).cloned().collect();
            let claims = templates.iter().map(|template| {
                let claim = claim_name(self.set, template, ordinal);
                json!({"name": name(template), "persistentVolumeClaim": {"claimName": claim}})
            });
            pod["spec"]["volumes"] = claims.chain(others).collect();
        }
        Object::new(pod)
    }
}
