//! What faults do by themselves, where that can be told without asking whether the good state was lost: pods that go, containers
//! that end, endpoints that are taken away, taints, refused creations. Each is seen in the cluster, none is the API's acceptance.

use super::plural;
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::PodRecord;
use crate::observe::index::container::State;
use crate::observe::index::pod::condition_of;
use crate::observe::index::text;
use crate::observe::timeline::{FaultRecord, Reference};
use crate::scenario::fault::{TaintEffect, TaintNode};
use crate::scenario::{Fault, Target};
use serde_json::Value;
use std::time::Duration;

/// The taint of a cordoned node.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// What a container waits for whose image cannot be pulled.
const UNPULLED: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

/// The effect of one fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Own {
    /// These pods are seen being deleted.
    Deleted(Vec<Reference>),
    /// A container of each of these pods is seen ended or restarted since the request.
    Ended { pods: Vec<Reference>, container: Option<String>, since: Duration },
    /// So many pods of the workload are there.
    Scaled { target: Target, pods: usize },
    /// The Service has no endpoint at all: pods that another fault took away would still be there, not ready or terminating.
    NoEndpoints(String),
    /// The nodes are seen with the taint.
    Tainted { nodes: Vec<Reference>, key: String, effect: &'static str },
    /// The nodes are seen not Ready.
    NotReady(Vec<Reference>),
    /// A container of each of these pods is seen ended since the request, or the nodes are seen not Ready.
    Rebooted { nodes: Vec<Reference>, pods: Vec<Reference>, since: Duration },
    /// A container on each of these nodes waits because its image cannot be pulled, since the request.
    Unpulled { nodes: Vec<Reference>, since: Duration },
    /// Something was measured by whoever injected the fault at this position.
    Measured(usize),
    /// An object could not be created for this quota.
    Refused { quota: String, since: Duration },
}

impl Own {
    /// What a fault does by itself; none where only its consequences can be seen.
    pub(super) fn of(fault: &Fault, record: &FaultRecord, since: Duration, index: &Index) -> Option<Self> {
        let of_kind = |kind: &str| record.targets.iter().filter(|target| target.kind == kind).cloned().collect::<Vec<_>>();
        Some(match fault {
            Fault::DeletePods(_) | Fault::EvictPods(_) | Fault::DrainNode(_) => Self::Deleted(of_kind("Pod")),
            Fault::KillContainer(fault) => Self::Ended { pods: of_kind("Pod"), container: fault.container.clone(), since },
            Fault::SetReplicas(fault) => Self::Scaled { target: fault.target()?, pods: fault.replicas as usize },
            Fault::StopDependency(fault) => Self::Scaled { target: fault.target()?, pods: 0 },
            Fault::BreakService(fault) => Self::NoEndpoints(fault.service.clone()),
            Fault::CordonNode(_) => {
                Self::Tainted { nodes: of_kind("Node"), key: UNSCHEDULABLE.to_owned(), effect: TaintEffect::NoSchedule.name() }
            }
            Fault::TaintNode(fault) => match evicted_by(fault, &of_kind("Node"), index) {
                pods if pods.is_empty() => {
                    Self::Tainted { nodes: of_kind("Node"), key: fault.key.clone(), effect: fault.effect.name() }
                }
                pods => Self::Deleted(pods),
            },
            Fault::PauseNode(_) | Fault::StopKubelet(_) | Fault::StopContainerRuntime(_) | Fault::PartitionNode(_) => {
                Self::NotReady(of_kind("Node"))
            }
            Fault::RebootNode(_) => {
                let nodes = of_kind("Node");
                let there = |pod: &&PodRecord| nodes.iter().any(|node| node.name == pod.node.as_str());
                let pods = index.pods().filter(there).map(|pod| pod.reference.clone()).collect();
                Self::Rebooted { nodes, pods, since }
            }
            Fault::BlockRegistry(_) => Self::Unpulled { nodes: of_kind("Node"), since },
            Fault::PauseApiServer(_) | Fault::ExpireToken(_) => Self::Measured(record.fault),
            Fault::Quota(fault) => Self::Refused { quota: fault.name.clone(), since },
            _ => return None,
        })
    }

    /// What is said while nothing was seen.
    pub(super) fn missing(&self) -> String {
        self.look(&Index::default()).1
    }

    /// Whether it is seen now, and what is seen.
    pub(super) fn look(&self, index: &Index) -> (bool, String) {
        match self {
            Self::Deleted(pods) => {
                let going =
                    |pod: &&Reference| index.pod(&pod.uid).is_some_and(|pod| pod.terminating.is_some() || pod.deleted.is_some());
                all(pods, going, "seen being deleted")
            }
            Self::Ended { pods, container, since } => {
                let ended = |pod: &&Reference| {
                    index.pod(&pod.uid).is_some_and(|pod| {
                        let mut meant = pod
                            .containers
                            .values()
                            .filter(|one| container.as_ref().map_or(!one.is_init, |wanted| *wanted == one.name));
                        pod.deleted.is_some()
                            || meant.any(|one| {
                                let over = matches!(one.state, State::Terminated(_)) && one.since >= *since;
                                over || one.risen_since(*since) > 0 || one.exits.iter().any(|exit| exit.at >= *since)
                            })
                    })
                };
                let (holds, text) = all(pods, ended, "seen with an ended container");
                let hint =
                    if holds { "" } else { "; the first process of a container ignores a signal that it has no handler for" };
                (holds, format!("{text}{hint}"))
            }
            Self::Scaled { target, pods } => {
                let there = index.pods_of(target).into_iter().filter(|pod| pod.is_live() && !pod.is_finished()).count();
                (there == *pods, format!("{target} has {} of {pods}", plural(there, "pod")))
            }
            Self::NoEndpoints(service) => {
                let slices: Vec<_> = index
                    .objects("EndpointSlice")
                    .filter(|slice| text(slice, "/metadata/labels/kubernetes.io~1service-name") == service)
                    .collect();
                let endpoints = slices.iter().filter_map(|slice| slice.get("endpoints")?.as_array()).flatten();
                let count = endpoints.count();
                (count == 0 && index.is_watched("EndpointSlice"), format!("service/{service} has {}", plural(count, "endpoint")))
            }
            Self::Tainted { nodes, key, effect } => {
                let tainted = |node: &&Reference| {
                    let taints = index.get("Node", &node.name).and_then(|node| node.at("/spec/taints")?.as_array());
                    taints.into_iter().flatten().any(|taint| text(taint, "/key") == key && text(taint, "/effect") == *effect)
                };
                all(nodes, tainted, &format!("seen with the taint {key}:{effect}"))
            }
            Self::NotReady(nodes) => {
                let lost = |node: &&Reference| {
                    let ready = index.get("Node", &node.name).and_then(|node| condition_of(node, "Ready"));
                    ready.is_some_and(|ready| text(ready, "/status") != "True")
                };
                all(nodes, lost, "seen not Ready")
            }
            Self::Rebooted { nodes, pods, since } => {
                let lost = Self::NotReady(nodes.clone()).look(index);
                let ended = Self::Ended { pods: pods.clone(), container: None, since: *since }.look(index);
                if lost.0 || pods.is_empty() { lost } else { (ended.0, ended.1.split(';').next().unwrap_or_default().to_owned()) }
            }
            Self::Unpulled { nodes, since } => {
                let waits = |node: &&Reference| {
                    let mut there = index.pods().filter(|pod| pod.node.as_str() == node.name);
                    there.any(|pod| {
                        let mut seen = pod.containers.values().flat_map(|container| &container.waits);
                        seen.any(|(at, reason, _)| *at >= *since && UNPULLED.contains(&reason.as_str()))
                    })
                };
                all(nodes, waits, "seen with a container whose image cannot be pulled")
            }
            Self::Measured(fault) => match index.measured(*fault) {
                Some(text) => (true, text.to_owned()),
                None => (false, "nothing was measured of it".to_owned()),
            },
            Self::Refused { quota, since } => {
                let wanted = format!("exceeded quota: {quota},");
                let refused = index.events().find(|event| {
                    event.sort.reason == "FailedCreate" && event.last_seen >= *since && event.message.contains(&wanted)
                });
                let text = refused.map_or_else(
                    || format!("no creation was seen refused for quota {quota}"),
                    |event| format!("{} {}: {}", event.regarding.kind.to_lowercase(), event.regarding.name, event.message),
                );
                (refused.is_some(), text)
            }
        }
    }
}

/// Whether something is seen of all of them, and of which it is not.
fn all(these: &[Reference], seen: impl Fn(&&Reference) -> bool, what: &str) -> (bool, String) {
    let kind = these.first().map_or_else(|| "target".to_owned(), |one| one.kind.to_lowercase());
    match these.iter().find(|one| !seen(one)) {
        Some(left) => (false, format!("{kind} {} was not {what}", left.name)),
        None => (!these.is_empty(), format!("{} {what}", plural(these.len(), &kind))),
    }
}

/// The pods that a taint evicts from these nodes: those that do not tolerate it for good.
fn evicted_by(fault: &TaintNode, nodes: &[Reference], index: &Index) -> Vec<Reference> {
    if fault.effect != TaintEffect::NoExecute {
        return Vec::new();
    }
    let stays = |toleration: &Value| {
        let field = |name: &str| toleration.get(name).and_then(Value::as_str).unwrap_or_default();
        let value = field("operator") == "Exists" || field("value") == fault.value.as_deref().unwrap_or_default();
        let key = field("key").is_empty() && field("operator") == "Exists" || field("key") == fault.key;
        key && value && matches!(field("effect"), "" | "NoExecute") && toleration.get("tolerationSeconds").is_none()
    };
    let on_them = index.pods().filter(|pod| {
        let node = pod.node.as_str();
        let tolerations = pod.object().at("/spec/tolerations").and_then(Value::as_array);
        nodes.iter().any(|tainted| tainted.name == node) && !tolerations.into_iter().flatten().any(stays)
    });
    on_them.map(|pod| pod.reference.clone()).collect()
}
