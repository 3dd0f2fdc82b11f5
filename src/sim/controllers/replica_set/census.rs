//! What a replica set's pods are, counted as they change: a sync costs what has changed since the last one, not all pods.
//! Whoever needs the pods themselves (to claim, make or delete some) lists them; that is decided in `replica_set`.

use super::super::object::{controller_of, integer, is_deleting, is_pod_active, is_pod_finished, is_pod_ready, name, text, uid};
use super::super::pods;
use super::super::selector;
use crate::json::At as _;
use crate::sim::api::ApiServer;
use crate::sim::api::resource::PODS;
use crate::sim::store::{ChangeKind, Object};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// The counts of which a replica set's status is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Pods that count as replicas.
    pub active: usize,
    /// Pods that are being deleted and have not ended.
    pub terminating: usize,
    /// Active pods with all labels of the template.
    pub labelled: usize,
    /// Active pods that are ready.
    pub ready: usize,
    /// Active pods that have been ready for as long as the set asks for.
    pub available: usize,
}

impl Tally {
    /// Counts the pods of a set one by one.
    pub(super) fn of(set: &Value, active: &[Object], terminating: usize, now: Timestamp) -> Self {
        let minimum = integer(set, "/spec/minReadySeconds");
        let count = |test: &dyn Fn(&Value) -> bool| active.iter().filter(|pod| test(pod)).count();
        Self {
            active: active.len(),
            terminating,
            labelled: count(&|pod| is_labelled(set, pod)),
            ready: count(&is_pod_ready),
            available: count(&|pod| pods::is_available(pod, minimum, now)),
        }
    }
}

fn is_labelled(set: &Value, pod: &Value) -> bool {
    selector::matches_map(set.at("/spec/template/metadata/labels"), pod.at("/metadata/labels"))
}

/// What one pod is to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// To be adopted or to be released.
    Unclaimed,
    Terminating,
    Active {
        labelled: bool,
        ready: bool,
    },
}

impl Standing {
    fn of(set: &Value, pod: &Value, selects: &dyn Fn(&Value, &Value) -> bool) -> Option<Self> {
        match controller_of(pod) {
            Some(owner) if text(owner, "/uid") != uid(set) => None,
            Some(_) if !selects(set, pod) => Some(Self::Unclaimed),
            Some(_) if is_pod_active(pod) => Some(Self::Active { labelled: is_labelled(set, pod), ready: is_pod_ready(pod) }),
            Some(_) => (is_deleting(pod) && !is_pod_finished(pod)).then_some(Self::Terminating),
            None => (is_pod_active(pod) && selects(set, pod)).then_some(Self::Unclaimed),
        }
    }
}

/// The pods of one set as of a revision.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// The set's uid and generation: another one is counted afresh.
    of: Option<(String, i64)>,
    revision: u64,
    pods: BTreeMap<String, Standing>,
    unclaimed: usize,
    tally: Tally,
}

impl Census {
    /// The counts as of now; None where the pods must be looked at: some are to be adopted or released, or time alone
    /// makes them available (`minReadySeconds`).
    pub(super) fn take(&mut self, api: &ApiServer, set: &Value, selects: &dyn Fn(&Value, &Value) -> bool) -> Option<Tally> {
        let of = Some((uid(set).to_owned(), integer(set, "/metadata/generation")));
        if self.of != of || !self.catch_up(api, set, selects) {
            *self = Self { of, ..Self::default() };
            let (revision, pods) = api.store.list(PODS, Some(text(set, "/metadata/namespace")));
            self.revision = revision;
            for pod in pods {
                self.note(name(&pod), Standing::of(set, &pod, selects));
            }
        }
        (self.unclaimed == 0 && integer(set, "/spec/minReadySeconds") == 0).then_some(self.tally)
    }

    /// Counts what has changed; false when the log does not reach back that far.
    fn catch_up(&mut self, api: &ApiServer, set: &Value, selects: &dyn Fn(&Value, &Value) -> bool) -> bool {
        let namespace = text(set, "/metadata/namespace");
        let mut newest = self.revision;
        let followed = api.store.each_change_after(PODS, self.revision, |change| {
            newest = change.revision;
            if text(&change.object, "/metadata/namespace") == namespace {
                let gone = change.kind == ChangeKind::Deleted;
                let standing = if gone { None } else { Standing::of(set, &change.object, selects) };
                self.note(name(&change.object), standing);
            }
        });
        self.revision = newest;
        followed.is_ok()
    }

    fn note(&mut self, pod: &str, standing: Option<Standing>) {
        let before = match standing {
            Some(standing) => self.pods.insert(pod.to_owned(), standing),
            None => self.pods.remove(pod),
        };
        for (standing, is_new) in [(before, false), (standing, true)] {
            let add = |count: &mut usize, applies: bool| match (applies, is_new) {
                (true, true) => *count += 1,
                (true, false) => *count -= 1,
                (false, _) => {}
            };
            match standing {
                None => {}
                Some(Standing::Unclaimed) => add(&mut self.unclaimed, true),
                Some(Standing::Terminating) => add(&mut self.tally.terminating, true),
                Some(Standing::Active { labelled, ready }) => {
                    add(&mut self.tally.active, true);
                    add(&mut self.tally.labelled, labelled);
                    add(&mut self.tally.ready, ready);
                    add(&mut self.tally.available, ready);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Cluster, set_ready};
    use super::*;
    use crate::sim::api::resource::REPLICA_SETS;
    use crate::sim::api::{DeleteOptions, Subresource};
    use serde_json::json;

    fn selects(set: &Value, pod: &Value) -> bool {
        selector::matches(set.at("/spec/selector"), pod.at("/metadata/labels"))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_counted_change_by_change_is_what_one_look_at_all_pods_counts() {
        let cluster = Cluster::start();
        let labels = json!({"app": "web"});
        let set = json!({"metadata": {"name": "web"}, "spec": {"replicas": 4, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "v1"}]}}}});
        cluster.create(REPLICA_SETS, set);
        let mut census = Census::default();
        let mut counted = Vec::new();
        for step in 0..6 {
            let pods = cluster.all(PODS);
            match step {
                2 => set_ready(&cluster.api, "shop", name(&pods[0]), false),
                3 => drop(cluster.api.delete(PODS, "shop", name(&pods[1]), &DeleteOptions::default()).unwrap()),
                4 => cluster.change(PODS, name(&pods[2]), |pod| pod["metadata"]["labels"] = json!({"app": "debug"})),
                5 => {
                    let failed = |pod: &mut Value| pod["status"]["phase"] = json!("Failed");
                    cluster.api.modify(PODS, "shop", name(&pods[0]), Subresource::Status, failed).unwrap();
                }
                _ => {}
            }
            for _ in 0..20 {
                let set = cluster.get(REPLICA_SETS, "web");
                let afresh = Census::default().take(&cluster.api, &set, &selects);
                assert_eq!(census.take(&cluster.api, &set, &selects), afresh, "step {step}");
                if let Some(tally) = afresh {
                    let mut pods = cluster.api.list(PODS, Some("shop"));
                    pods.retain(|pod| controller_of(pod).is_some() && selects(&set, pod));
                    let (active, rest): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| is_pod_active(pod));
                    let terminating = rest.iter().filter(|pod| is_deleting(pod) && !is_pod_finished(pod)).count();
                    assert_eq!(tally, Tally::of(&set, &active, terminating, cluster.api.clock.now()), "step {step}");
                    counted.push(tally);
                }
                cluster.pass(0.02).await;
            }
        }
        counted.dedup();
        assert!(counted.len() > 8, "the pods went through many states: {counted:?}");
    }
}
