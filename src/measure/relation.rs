//! What a fault concerns: the workloads that it acts on, and those that depend on these. Whether a finding is about what the
//! scenario broke, and whether a failure can be told to be one fault's and not another's, is decided by it. Pure.

use crate::detect::Finding;
use crate::detect::related::{config_reads, group_of};
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::{PodRecord, text};
use crate::observe::timeline::FaultRecord;
use crate::scenario::{Condition, Fault, Target};
use crate::selector::Selector;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Kinds whose name and kind are a group of findings.
const WORKLOADS: [&str; 6] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"];

/// A set of workloads, by the names of findings' groups (`deployment/pool`), or all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Concern {
    everything: bool,
    groups: BTreeSet<String>,
}

impl Concern {
    /// What a fault acts on by itself. What can reach anything (a quota, a command, an object of an unknown kind) concerns everything.
    pub(super) fn of_fault(fault: Option<&Fault>, record: &FaultRecord, index: &Index) -> Self {
        let mut concern = Self::default();
        match fault {
            Some(Fault::Quota(_)) | None => concern.everything = true,
            Some(_) if record.targets.is_empty() => concern.everything = true,
            Some(fault) => {
                if let Some((Some(target), ..)) = fault.policy() {
                    concern.add_target(index, &target);
                }
            }
        }
        if !concern.everything && concern.groups.is_empty() {
            for target in &record.targets {
                concern.add_object(index, &target.kind, &target.name, &target.uid);
            }
        }
        concern
    }

    /// The workloads whose pods a condition names.
    pub(super) fn of_conditions<'a>(conditions: impl IntoIterator<Item = &'a Condition>, index: &Index) -> Self {
        let mut concern = Self::default();
        for condition in conditions {
            match condition {
                Condition::All(inner) | Condition::Any(inner) => concern.join(&Self::of_conditions(inner, index)),
                Condition::Not(inner) => concern.join(&Self::of_conditions([inner.as_ref()], index)),
                Condition::Endpoints(endpoints) => concern.add_object(index, "Service", &endpoints.service, ""),
                Condition::Http(http) => {
                    // What a Route leads to is not watched; its own trouble is the workload's.
                    http.service.iter().for_each(|service| concern.add_object(index, "Service", service, ""));
                }
                Condition::Tcp(tcp) => concern.add_object(index, "Service", &tcp.service, ""),
                Condition::Node(node) => concern.add_nodes(index, node.name.as_deref()),
                Condition::Cel(cel) => concern.add_object(index, &cel.kind, &cel.name, ""),
                other => other.target().iter().for_each(|target| concern.add_target(index, target)),
            }
        }
        concern
    }

    fn add_target(&mut self, index: &Index, target: &Target) {
        if let Some((kind, name)) = target.workload() {
            self.groups.insert(format!("{}/{name}", kind.to_lowercase()));
        }
        self.add_pods(index, &index.pods_of(target));
    }

    /// What nodes say of themselves: one, or all that are known.
    fn add_nodes(&mut self, index: &Index, name: Option<&str>) {
        let all = index.objects("Node").map(|node| text(node, "/metadata/name"));
        self.groups
            .extend(all.chain(name).filter(|known| name.is_none_or(|name| name == *known)).map(|known| format!("node/{known}")));
    }

    fn add_pods(&mut self, index: &Index, pods: &[&PodRecord]) {
        self.groups.extend(pods.iter().map(|pod| group_of(index, pod)));
    }

    fn add_object(&mut self, index: &Index, kind: &str, name: &str, uid: &str) {
        let matching = |meant: &dyn Fn(&PodRecord) -> bool| index.all_pods().filter(|pod| meant(pod)).collect::<Vec<_>>();
        match kind {
            "Pod" => {
                let pods = matching(&|pod| if uid.is_empty() { pod.reference.name == name } else { pod.reference.uid == uid });
                if pods.is_empty() {
                    self.groups.insert(format!("pod/{name}"));
                }
                self.add_pods(index, &pods);
            }
            "ConfigMap" | "Secret" => {
                let reads = |pod: &PodRecord| {
                    let spec = pod.object().get("spec").unwrap_or(&Value::Null);
                    config_reads(spec).iter().any(|read| read.kind == kind && read.name == name)
                };
                // A detector of the user's own may speak of the object itself.
                self.groups.insert(format!("{}/{name}", kind.to_lowercase()));
                self.add_pods(index, &matching(&reads));
            }
            "Service" => {
                self.groups.insert(format!("service/{name}"));
                self.add_pods(index, &matching(&|pod| behind(index, name, pod)));
            }
            "Node" => {
                self.groups.insert(format!("node/{name}"));
                self.add_pods(index, &matching(&|pod| pod.node.as_str() == name));
            }
            _ if WORKLOADS.contains(&kind) => {
                self.groups.insert(format!("{}/{name}", kind.to_lowercase()));
            }
            _ => self.everything = true,
        }
    }

    /// Takes another's workloads in.
    pub(super) fn join(&mut self, other: &Self) {
        self.everything |= other.everything;
        self.groups.extend(other.groups.iter().cloned());
    }

    /// Leaves another's workloads out.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.groups.retain(|group| !other.groups.contains(group));
        self
    }

    /// With all that depend on it: whose pods name a Service of a workload in it, in their commands, environment or ConfigMaps.
    pub(super) fn with_dependents(mut self, index: &Index) -> Self {
        if self.everything {
            return self;
        }
        let pods: BTreeMap<String, &PodRecord> = index.all_pods().map(|pod| (group_of(index, pod), pod)).collect();
        let services: Vec<&str> = index.records("Service").map(|(name, _)| name).collect();
        loop {
            let broken: Vec<&str> = services
                .iter()
                .copied()
                .filter(|service| pods.iter().any(|(group, pod)| self.groups.contains(group) && behind(index, service, pod)))
                .collect();
            let more: Vec<String> = pods
                .iter()
                .filter(|(group, pod)| !self.groups.contains(*group) && broken.iter().any(|service| names(index, pod, service)))
                .map(|(group, _)| group.clone())
                .collect();
            if more.is_empty() {
                return self;
            }
            self.groups.extend(more);
        }
    }

    /// Whether a group of findings is among them.
    pub(super) fn covers(&self, group: &str) -> bool {
        self.everything || self.groups.contains(group)
    }

    /// Whether a finding is about one of them.
    pub(super) fn is_about(&self, finding: &Finding) -> bool {
        let subject = format!("{}/{}", finding.subject.kind.to_lowercase(), finding.subject.name);
        self.covers(&finding.group) || self.covers(&subject)
    }
}

/// Whether a Service selects a pod, or has done so.
pub(super) fn behind(index: &Index, service: &str, pod: &PodRecord) -> bool {
    let selects = |service: &Value| {
        let labels = service.at("/spec/selector").filter(|labels| labels.as_object().is_some_and(|labels| !labels.is_empty()));
        let selector = labels.and_then(|labels| Selector::from_api(&serde_json::json!({ "matchLabels": labels })));
        selector.is_some_and(|selector| selector.matches(&pod.labels))
    };
    index.record("Service", service).is_some_and(|record| record.versions.iter().any(|(_, service)| selects(service)))
}

/// Whether a pod's containers name a Service: as a word in a command, an argument, a variable, or a ConfigMap that they read.
pub(super) fn names(index: &Index, pod: &PodRecord, service: &str) -> bool {
    let spec = pod.object().get("spec").unwrap_or(&Value::Null);
    let containers = ["initContainers", "containers"].into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten();
    let in_containers = containers
        .flat_map(|container| ["command", "args", "env"].into_iter().filter_map(|field| container.get(field)))
        .any(|value| says(value, service));
    in_containers
        || config_reads(spec).iter().any(|read| {
            let object = index.record(read.kind, &read.name).map(|record| &record.object);
            object.and_then(|object| object.get("data")).is_some_and(|data| says(data, service))
        })
}

fn says(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            text.match_indices(word).any(|(at, _)| !text[..at].ends_with(inner) && !text[at + word.len()..].starts_with(inner))
        }
        Value::Array(items) => items.iter().any(|item| says(item, word)),
        // The name of a variable is no address.
        Value::Object(fields) => fields.iter().any(|(key, value)| key != "name" && says(value, word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::timeline::{Fact, Observation, Reference, Source};
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;
    use std::time::Duration;

    fn pod(name: &str, container: Value) -> Value {
        let owner = json!({ "kind": "StatefulSet", "name": name, "uid": format!("s-{name}"), "controller": true });
        json!({ "kind": "Pod", "metadata": { "name": format!("{name}-0"), "namespace": "n", "uid": format!("u-{name}"),
            "labels": { "app": name }, "ownerReferences": [owner] },
            "spec": { "nodeName": "n1", "containers": [container] }, "status": { "phase": "Running" } })
    }

    fn service(name: &str) -> Value {
        json!({ "kind": "Service", "metadata": { "name": name, "namespace": "n", "uid": format!("v-{name}") },
            "spec": { "selector": { "app": name } } })
    }

    /// `front` asks `api`, which learns of `store` from a ConfigMap; `other` stands alone.
    fn world() -> Index {
        let mut index = Index::new("c");
        let front = json!({ "name": "c", "env": [{ "name": "API", "value": "http://api:8080/" }] });
        let api = json!({ "name": "c", "envFrom": [{ "configMapRef": { "name": "settings" } }] });
        let other = json!({ "name": "c", "args": ["--restore", "store-old", "apis"] });
        let settings = json!({ "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "n", "uid": "m" },
            "data": { "database": "store.n.svc" } });
        let pods = [pod("front", front), pod("api", api), pod("store", json!({ "name": "c" })), pod("other", other)];
        let objects = pods.into_iter().chain([service("api"), service("store"), settings]);
        for (seq, object) in objects.enumerate() {
            let fact = Fact::Object(Arc::new(object));
            index.apply(&Observation { seq: seq as u64, at: Duration::from_secs(1), source: Source::Watch, fact });
        }
        index
    }

    fn concern(kind: &str, name: &str, fault: Value) -> Vec<String> {
        let fault: Fault = serde_json::from_value(fault).unwrap();
        let target = Reference { kind: kind.to_owned(), name: name.to_owned(), ..Reference::default() };
        let record = FaultRecord { fault: 0, key: String::new(), targets: vec![target], description: String::new() };
        let concern = Concern::of_fault(Some(&fault), &record, &world()).with_dependents(&world());
        if concern.everything { vec!["everything".to_owned()] } else { concern.groups.into_iter().collect() }
    }

    #[rstest]
    #[case::pod("Pod", "front-0", json!({ "deletePods": { "pod": "front-0" } }), &["statefulset/front"])]
    #[case::who_asks_it("Pod", "api-0", json!({ "deletePods": { "pod": "api-0" } }), &["statefulset/api", "statefulset/front"])]
    #[case::chain(
        "Service", "store", json!({ "breakService": { "service": "store" } }),
        &["service/store", "statefulset/api", "statefulset/front", "statefulset/store"]
    )]
    #[case::readers(
        "ConfigMap", "settings", json!({ "deleteConfig": { "configMap": "settings" } }), &["configmap/settings", "statefulset/api", "statefulset/front"]
    )]
    #[case::alone("StatefulSet", "other", json!({ "setReplicas": { "statefulSet": "other", "replicas": 0 } }), &["statefulset/other"])]
    #[case::quota("ResourceQuota", "q", json!({ "quota": { "hard": { "pods": "0" } } }), &["everything"])]
    fn a_fault_concerns_what_it_hits_and_what_depends_on_it(
        #[case] kind: &str,
        #[case] name: &str,
        #[case] fault: Value,
        #[case] is: &[&str],
    ) {
        assert_eq!(concern(kind, name, fault), is);
    }

    #[test]
    fn a_node_concerns_all_on_it_and_itself() {
        let all = concern("Node", "n1", json!({ "cordonNode": { "node": "n1" } }));
        assert_eq!(all.first().map(String::as_str), Some("node/n1"));
        assert_eq!(all.len(), 5);
    }
}
