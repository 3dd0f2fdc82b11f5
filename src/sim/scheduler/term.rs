//! Terms of pod affinity: which pods they mean and in which namespaces. Pure.
//! What follows from a term is decided in `neighbours`.

use super::super::api::ApiServer;
use super::super::api::resource::NAMESPACES;
use super::super::controllers::object::{list, namespace, text};
use super::super::controllers::selector;
use crate::json::At as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Pods that a term or a constraint means: all selectors must match, in one of the namespaces.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    namespaces: BTreeSet<String>,
    namespace_selector: Option<Value>,
    selectors: Vec<Value>,
}

impl Peers {
    /// The pods of one namespace that match all `selectors` (label selectors).
    pub(super) fn within(namespace: &str, selectors: Vec<Value>) -> Self {
        Self { namespaces: BTreeSet::from([namespace.to_owned()]), namespace_selector: None, selectors }
    }

    /// A text that is equal for equal meanings.
    pub(super) fn key(&self) -> String {
        json!([self.namespaces, self.namespace_selector, self.selectors]).to_string()
    }

    /// Whether a pod is meant.
    pub(super) fn contain(&self, api: &ApiServer, pod: &Value) -> bool {
        if self.namespace_selector.is_none() && !self.namespaces.contains(namespace(pod)) {
            return false;
        }
        let labels = pod.at("/metadata/labels").unwrap_or(&Value::Null);
        let labels = labels.is_object().then_some(labels);
        self.selectors.iter().all(|selector| selector::matches(Some(selector), labels)) && self.reach(api, namespace(pod))
    }

    fn reach(&self, api: &ApiServer, namespace: &str) -> bool {
        if self.namespaces.contains(namespace) {
            return true;
        }
        let Some(selector) = &self.namespace_selector else { return false };
        if selector.as_object().is_some_and(serde_json::Map::is_empty) {
            return true;
        }
        api.get(NAMESPACES, "", namespace)
            .is_ok_and(|namespace| selector::matches(Some(selector), namespace.at("/metadata/labels")))
    }
}

/// One term of pod affinity or anti-affinity.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// The label whose values are the places.
    pub topology_key: String,
    /// The pods meant.
    pub peers: Peers,
    /// What it counts for; 0 when it is required.
    pub weight: i64,
}

impl Term {
    /// All terms of a pod under `kind` (`podAffinity`, `podAntiAffinity`): the required and the preferred ones.
    pub(super) fn of(pod: &Value, kind: &str) -> (Vec<Self>, Vec<Self>) {
        let Some(affinity) = pod.at("/spec/affinity").and_then(|affinity| affinity.get(kind)) else {
            return (Vec::new(), Vec::new());
        };
        let required = list(affinity, "/requiredDuringSchedulingIgnoredDuringExecution");
        let preferred = list(affinity, "/preferredDuringSchedulingIgnoredDuringExecution");
        (
            required.iter().map(|term| Self::parse(term, pod, 0)).collect(),
            preferred
                .iter()
                .map(|entry| Self::parse(&entry["podAffinityTerm"], pod, entry["weight"].as_i64().unwrap_or(0)))
                .collect(),
        )
    }

    fn parse(term: &Value, pod: &Value, weight: i64) -> Self {
        let named: BTreeSet<String> = list(term, "/namespaces").iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        let namespace_selector = term.get("namespaceSelector").filter(|selector| selector.is_object()).cloned();
        let own = named.is_empty() && namespace_selector.is_none();
        let namespaces = if own { BTreeSet::from([namespace(pod).to_owned()]) } else { named };
        let mut selectors = vec![term["labelSelector"].clone()];
        selectors.extend(by_keys(pod, list(term, "/matchLabelKeys"), "In"));
        selectors.extend(by_keys(pod, list(term, "/mismatchLabelKeys"), "NotIn"));
        Self {
            topology_key: text(term, "/topologyKey").to_owned(),
            peers: Peers { namespaces, namespace_selector, selectors },
            weight,
        }
    }
}

/// The selector that `matchLabelKeys` stands for: the pod's own values of these labels.
pub(super) fn by_keys(pod: &Value, keys: &[Value], operator: &str) -> Option<Value> {
    let labels = pod.at("/metadata/labels")?;
    let requirements: Vec<_> = keys
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|key| Some(json!({"key": key, "operator": operator, "values": [labels.get(key)?]})))
        .collect();
    (!requirements.is_empty()).then(|| json!({"matchExpressions": requirements}))
}
