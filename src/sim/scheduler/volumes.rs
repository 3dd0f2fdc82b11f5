//! The volumes of a pod: which nodes they allow, and what is to be bound or provisioned on the node that was chosen.
//! Binding claims to volumes is the volume controller's; here a node is only chosen with them in mind.

use super::super::api::ApiServer;
use super::super::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES};
use super::super::controllers::object::{annotation, is_deleting, list, name, namespace, text};
use super::super::controllers::volumes::{class_of, fits, is_bound, owned_by};
use super::super::store::Object;
use super::cache::Cache;
use super::filter::{Plugin, Refusal, matches_terms};
use super::info::{NodeInfo, PodInfo};
use crate::json::At as _;
use serde_json::Value;

/// The node that a claim's volume is to be made for.
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const REQUIRED: &str = "/spec/nodeAffinity/required/nodeSelectorTerms";
/// Labels of volumes that name where they can be used.
const ZONES: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// What the claims of a pod ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Volumes {
    /// The volumes of bound claims; none for one that does not exist.
    bound: Vec<Option<Object>>,
    /// Claims that are bound once a node is chosen, with their classes.
    delayed: Vec<(Object, Object)>,
    /// Volumes that a delayed claim might take.
    available: Vec<Object>,
    /// Whether a claim that one pod alone may use is in use.
    taken: bool,
}

/// What to do for a claim when its pod goes to a node.
#[derive(Clone, Debug)]
pub(super) enum Decision {
    /// Bind it to this volume.
    Bind(Object, String),
    /// Have a volume made.
    Provision(Object),
}

/// The claims of a pod, by name; and whether the claim is made for the pod.
pub(crate) fn claims(pod: &Value) -> impl Iterator<Item = (String, bool)> {
    list(pod, "/spec/volumes").iter().filter_map(|volume| {
        if let Some(claim) = volume.at("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
            return Some((claim.to_owned(), false));
        }
        volume.get("ephemeral").map(|_| (format!("{}-{}", name(pod), name_of(volume)), true))
    })
}

fn name_of(volume: &Value) -> &str {
    text(volume, "/name")
}

/// Whether a pod uses a claim.
pub(crate) fn uses(pod: &Value, claim: &str) -> bool {
    claims(pod).any(|(used, _)| used == claim)
}

/// Whether a pod uses any claim.
pub(super) fn uses_any(pod: &Value) -> bool {
    claims(pod).next().is_some()
}

impl Volumes {
    /// Looks up the claims of `pod`.
    ///
    /// # Errors
    /// What keeps the pod from every node.
    pub(super) fn of(cache: &Cache, pod: &PodInfo) -> Result<Self, (Plugin, String)> {
        let api = cache.api();
        let mut found = Self::default();
        let refuse = |why: String| Err((Plugin::VolumeBinding, why));
        let mut immediate = false;
        for (claim_name, made_for_pod) in claims(&pod.object) {
            let Ok(claim) = api.get(PERSISTENT_VOLUME_CLAIMS, pod.namespace(), &claim_name) else {
                return refuse(if made_for_pod {
                    format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{claim_name}\"")
                } else {
                    format!("persistentvolumeclaim \"{claim_name}\" not found")
                });
            };
            let volume = text(&claim, "/spec/volumeName");
            if text(&claim, "/status/phase") == "Lost" {
                return refuse(format!(
                    "persistentvolumeclaim \"{claim_name}\" bound to non-existent persistentvolume \"{volume}\""
                ));
            }
            if is_deleting(&claim) {
                return refuse(format!("persistentvolumeclaim \"{claim_name}\" is being deleted"));
            }
            if made_for_pod && !owned_by(&claim, &pod.object) {
                return refuse(format!("PVC {}/{claim_name} was not created for pod {}", pod.namespace(), name(&pod.object)));
            }
            found.taken |= list(&claim, "/spec/accessModes").iter().any(|mode| mode == "ReadWriteOncePod")
                && cache.nodes.iter().flat_map(|node| node.pods.values()).any(|other| {
                    other.namespace() == pod.namespace() && other.uid() != pod.uid() && uses(&other.object, &claim_name)
                });
            if is_bound(&claim) {
                found.bound.push(api.get(PERSISTENT_VOLUMES, "", volume).ok());
                continue;
            }
            let class = class_of(&claim).and_then(|class| api.get(STORAGE_CLASSES, "", class).ok());
            match class.filter(|class| class["volumeBindingMode"] == "WaitForFirstConsumer" && volume.is_empty()) {
                Some(class) => found.delayed.push((claim, class)),
                None => immediate = true,
            }
        }
        if immediate {
            return refuse("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
        if !found.delayed.is_empty() {
            found.available = api.list(PERSISTENT_VOLUMES, None);
        }
        Ok(found)
    }

    /// What the volumes have against a node, or nothing.
    pub(super) fn refusal(&self, node: &NodeInfo) -> Option<Refusal> {
        if self.taken {
            let why = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";
            return Some(Refusal::for_now(Plugin::VolumeRestrictions, why));
        }
        let mut reasons = Vec::new();
        for volume in &self.bound {
            match volume {
                None => {
                    reasons.push("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
                }
                Some(volume) if !reaches(volume, node) => reasons.push("node(s) didn't match PersistentVolume's node affinity"),
                Some(_) => {}
            }
        }
        if self.decide(node).is_none() {
            reasons.push("node(s) didn't find available persistent volumes to bind");
        }
        reasons.dedup();
        if !reasons.is_empty() {
            let reasons = reasons.into_iter().map(std::borrow::Cow::Borrowed).collect();
            return Some(Refusal { plugin: Plugin::VolumeBinding, reasons, resolvable: false });
        }
        let elsewhere = |volume: &Object| {
            ZONES.iter().any(|zone| {
                let label = volume.at("/metadata/labels").and_then(|labels| labels.get(*zone)).and_then(Value::as_str);
                label.is_some_and(|values| node.label(zone).is_none_or(|own| !values.split("__").any(|value| value == own)))
            })
        };
        let wrong = self.bound.iter().flatten().any(elsewhere);
        wrong.then(|| Refusal::final_(Plugin::VolumeBinding, "node(s) had no available volume zone"))
    }

    /// What to do with the delayed claims on a node; none when it cannot be done there.
    pub(super) fn decide(&self, node: &NodeInfo) -> Option<Vec<Decision>> {
        let mut taken: Vec<&str> = Vec::new();
        let mut decisions = Vec::new();
        for (claim, class) in &self.delayed {
            if annotation(claim, SELECTED_NODE).is_some_and(|selected| selected != node.name()) {
                return None;
            }
            let free = |volume: &&Object| !taken.contains(&name(volume)) && fits(claim, volume) && reaches(volume, node);
            let smallest =
                self.available.iter().filter(free).min_by_key(|volume| super::super::controllers::volumes::capacity(volume));
            if let Some(volume) = smallest {
                taken.push(name(volume));
                decisions.push(Decision::Bind(Object::clone(claim), name(volume).to_owned()));
            } else if makes(class, node) {
                decisions.push(Decision::Provision(Object::clone(claim)));
            } else {
                return None;
            }
        }
        Some(decisions)
    }

    /// Whether all claims are bound already.
    pub(super) fn is_settled(&self) -> bool {
        self.delayed.is_empty()
    }
}

/// Whether a volume can be used on a node.
fn reaches(volume: &Value, node: &NodeInfo) -> bool {
    volume.at(REQUIRED).is_none() || matches_terms(list(volume, REQUIRED), node)
}

/// Whether a class makes volumes for a node.
fn makes(class: &Value, node: &NodeInfo) -> bool {
    let provisioner = text(class, "/provisioner");
    let terms = list(class, "/allowedTopologies");
    let met = |term: &Value| {
        list(term, "/matchLabelExpressions").iter().all(|expression| {
            let own = node.label(text(expression, "/key"));
            own.is_some_and(|own| list(expression, "/values").iter().any(|value| value == own))
        })
    };
    !provisioner.is_empty() && provisioner != "kubernetes.io/no-provisioner" && (terms.is_empty() || terms.iter().any(met))
}

/// Whether all claims of a pod are bound by now.
pub(super) fn all_bound(api: &ApiServer, pod: &Value) -> bool {
    claims(pod).all(|(claim, _)| api.get(PERSISTENT_VOLUME_CLAIMS, namespace(pod), &claim).is_ok_and(|claim| is_bound(&claim)))
}
