//! Pods that found no node, and which news are worth another attempt: the real scheduler's queueing hints.
//! An idle scheduler takes pods out of their back-off early, so the back-off itself does not show.

use super::super::api::ApiServer;
use super::super::controllers::queue::Key;
use super::super::store::Object;
use super::filter::{Plugin, could_ever_fit, selects, tolerates, tolerates_all};
use super::info::{NodeInfo, PodInfo, collide};
use super::{neighbours, spread, volumes};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A pod that waits for news.
#[derive(Debug)]
pub(super) struct Failed {
    /// The pod as it was tried.
    pub pod: Arc<PodInfo>,
    /// Who refused it.
    pub plugins: BTreeSet<Plugin>,
}

/// What happened to another pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PodNews {
    /// It got a node.
    Placed,
    /// Its labels changed.
    Relabelled,
    /// It asks for less.
    Shrunk,
    /// It is gone from its node.
    Gone,
}

/// All pods that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The pods, by key.
    pub failed: BTreeMap<Key, Failed>,
}

impl Waiting {
    fn woken(&self, helps: impl Fn(&Failed, Plugin) -> bool) -> Vec<Key> {
        let hopeful = |failed: &Failed| failed.plugins.is_empty() || failed.plugins.iter().any(|plugin| helps(failed, *plugin));
        self.failed.iter().filter(|(_, failed)| hopeful(failed)).map(|(key, _)| key.clone()).collect()
    }

    /// Who is worth another attempt after news of a placed pod.
    pub(super) fn by_pod(&self, api: &ApiServer, other: &PodInfo, news: PodNews) -> Vec<Key> {
        if self.failed.is_empty() {
            return Vec::new();
        }
        self.woken(|failed, plugin| match plugin {
            Plugin::NodeResourcesFit => matches!(news, PodNews::Gone | PodNews::Shrunk),
            Plugin::NodePorts => {
                let frees = |wanted| other.ports.iter().any(|port| collide(wanted, port));
                news == PodNews::Gone && failed.pod.ports.iter().any(frees)
            }
            Plugin::VolumeRestrictions => news == PodNews::Gone && volumes::uses_any(&other.object),
            Plugin::PodTopologySpread => {
                other.namespace() == failed.pod.namespace()
                    && news != PodNews::Shrunk
                    && spread::could_help(api, &failed.pod, other)
            }
            Plugin::InterPodAffinity => news != PodNews::Shrunk && neighbours::could_help(api, &failed.pod, other),
            Plugin::NodeUnschedulable | Plugin::TaintToleration | Plugin::NodeAffinity | Plugin::VolumeBinding => false,
        })
    }

    /// Who is worth another attempt after a node came, or changed from `before`.
    pub(super) fn by_node(&self, before: Option<&NodeInfo>, now: &NodeInfo) -> Vec<Key> {
        let moved = before.is_none_or(|before| before.labels != now.labels);
        let changed = |test: &dyn Fn(&NodeInfo) -> bool| test(now) && before.is_none_or(|before| !test(before));
        self.woken(|Failed { pod, .. }, plugin| match plugin {
            Plugin::NodeUnschedulable => changed(&|node| {
                let cordon = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
                !node.cordoned || tolerates(pod, &cordon)
            }),
            Plugin::TaintToleration => changed(&|node| tolerates_all(pod, node)),
            Plugin::NodeAffinity => changed(&|node| selects(pod, node)),
            Plugin::NodePorts | Plugin::VolumeRestrictions => before.is_none(),
            Plugin::NodeResourcesFit => could_ever_fit(pod, now) && before.is_none_or(|before| grew(pod, before, now)),
            Plugin::VolumeBinding => moved,
            Plugin::PodTopologySpread => moved || before.is_some_and(|before| before.taints != now.taints),
            Plugin::InterPodAffinity => moved,
        })
    }

    /// Who waits for claims: of one namespace, or, after news of volumes and classes, of any.
    pub(super) fn by_volume(&self, claim: Option<&Object>) -> Vec<Key> {
        use super::super::controllers::object::{name, namespace};
        self.woken(|failed, plugin| {
            plugin == Plugin::VolumeBinding
                && claim.is_none_or(|claim| {
                    namespace(claim) == failed.pod.namespace() && volumes::uses(&failed.pod.object, name(claim))
                })
        })
    }
}

/// Whether a node offers more of what the pod asks for than before.
fn grew(pod: &PodInfo, before: &NodeInfo, now: &NodeInfo) -> bool {
    let (old, new, wanted) = (&before.allocatable, &now.allocatable, &pod.requests);
    let of = |amounts: &super::resources::Bundle, name: &str| amounts.other.get(name).copied().unwrap_or(0);
    wanted.cpu > 0 && new.cpu > old.cpu
        || wanted.memory > 0 && new.memory > old.memory
        || wanted.storage > 0 && new.storage > old.storage
        || now.most_pods > before.most_pods
        || wanted.other.iter().any(|(name, wanted)| *wanted > 0 && of(new, name) > of(old, name))
}
