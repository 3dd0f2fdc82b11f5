//! The fault `chaosMesh`: an object of Chaos Mesh, whose controller breaks and mends.
//! What its records mean is read in `measure::effect::chaos`, making and removing it is `fault::chaos`'s.

use super::timing::fault_body;
use crate::scenario::duration;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The API version of Chaos Mesh's objects.
pub const API_VERSION: &str = "chaos-mesh.org/v1alpha1";
/// The kinds that act on what they select, once.
pub const EXPERIMENTS: [&str; 8] =
    ["PodChaos", "NetworkChaos", "StressChaos", "IOChaos", "TimeChaos", "DNSChaos", "HTTPChaos", "JVMChaos"];
/// The kinds that make others.
pub const MAKERS: [&str; 2] = ["Schedule", "Workflow"];
/// What happens in a moment and lasts no time.
const MOMENTARY: [&str; 2] = ["pod-kill", "container-kill"];
/// How much later than asked for Chaos Mesh ends by itself what nobody removed.
const BY_ITSELF_AFTER: Duration = Duration::from_secs(15);

fault_body! {
    /// `chaosMesh`: makes an object of Chaos Mesh in the trial's namespace, and removes it when it is undone, by which its controller takes
    /// everything back. It needs a cluster with Chaos Mesh. With `for`, Chaos Mesh ends it by itself, too, should nobody remove it. A
    /// selector that matches nothing makes the trial `invalid` at once. Effect: its records say that it is injected, and it is seen: of
    /// `PodChaos` in the selected pods; of others the good state is lost, or a container restarts or fails.
    ///
    /// ```yaml
    /// chaosMesh: { kind: PodChaos, spec: { action: pod-kill, mode: one, selector: { labelSelectors: { app: pool } } } }
    /// ```
    pub struct ChaosMesh {
        /// The kind: `PodChaos`, `NetworkChaos`, `StressChaos`, `IOChaos`, `TimeChaos`, `DNSChaos`, `HTTPChaos`, `JVMChaos`, `Schedule`, `Workflow`.
        kind: String,
        /// The object's name (default `comeback-chaos`).
        #[serde(default = "default_name")]
        name: String,
        /// Its `spec`, as Chaos Mesh documents it. Selectors select in the trial's namespace; they name no other.
        #[schemars(with = "BTreeMap<String, Value>")]
        spec: Map<String, Value>,
    }
}

fn default_name() -> String {
    "comeback-chaos".to_owned()
}

impl ChaosMesh {
    /// The object in a namespace: each selector names it, and what lasts ends by itself.
    #[must_use]
    pub fn manifest(&self, namespace: &str) -> Value {
        let mut spec = Value::Object(self.spec.clone());
        within(&mut spec, namespace);
        let action = self.spec.get("action").and_then(Value::as_str).unwrap_or_default();
        let lasts = self.lasts.filter(|_| self.is_experiment() && !MOMENTARY.contains(&action));
        if let (Some(lasts), None) = (lasts, self.spec.get("duration")) {
            spec["duration"] = json!(duration::format(lasts + BY_ITSELF_AFTER));
        }
        json!({ "apiVersion": API_VERSION, "kind": self.kind, "metadata": { "name": self.name }, "spec": spec })
    }

    /// Whether it acts itself, and does not only make others that do.
    #[must_use]
    pub fn is_experiment(&self) -> bool {
        EXPERIMENTS.contains(&self.kind.as_str())
    }

    /// How many of the pods with these labels it acts on at most.
    #[must_use]
    pub fn most_hit(&self, pods: &[&BTreeMap<String, String>]) -> usize {
        chosen(&Value::Object(self.spec.clone()), pods).min(pods.len())
    }

    /// The kinds of the objects that act: its own, or those that it makes.
    #[must_use]
    pub fn acting(&self) -> Vec<String> {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let mut kinds: Vec<String> = match self.kind.as_str() {
            "Schedule" => self.spec.get("type").and_then(Value::as_str).map(ToOwned::to_owned).into_iter().collect(),
            "Workflow" => {
                let templates = self.spec.get("templates").and_then(Value::as_array);
                templates.into_iter().flatten().filter_map(|template| text(template, "templateType")).collect()
            }
            kind => vec![kind.to_owned()],
        };
        kinds.retain(|kind| EXPERIMENTS.contains(&kind.as_str()));
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// How many pods with these labels the selectors of a specification choose at most: each with its `mode`, as Chaos Mesh's
/// `PodSelector` has them. What narrows a selector further is not looked at.
fn chosen(spec: &Value, pods: &[&BTreeMap<String, String>]) -> usize {
    match spec {
        Value::Array(items) => items.iter().map(|item| chosen(item, pods)).sum(),
        Value::Object(fields) => {
            let own = fields.get("selector").map_or(0, |selector| {
                let labels = selector.get("labelSelectors").and_then(Value::as_object);
                let meant = |pod: &&&BTreeMap<String, String>| {
                    let mut labels = labels.into_iter().flatten();
                    labels.all(|(name, value)| pod.get(name).map(String::as_str) == value.as_str())
                };
                most(fields, pods.iter().filter(meant).count())
            });
            own + fields.values().map(|value| chosen(value, pods)).sum::<usize>()
        }
        _ => 0,
    }
}

/// How many of `found` pods a mode means at most.
fn most(fields: &Map<String, Value>, found: usize) -> usize {
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let number = text("value").and_then(|value| value.parse::<usize>().ok());
    match (text("mode"), number) {
        (Some("one"), _) => found.min(1),
        (Some("fixed"), Some(count)) => found.min(count),
        (Some("fixed-percent" | "random-max-percent"), Some(percent)) => (found * percent.min(100)).div_ceil(100),
        _ => found,
    }
}

/// Lets each selector of a specification name the namespace.
fn within(value: &mut Value, namespace: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| within(item, namespace)),
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::Object(selector) if key == "selector" => {
                        selector.insert("namespaces".to_owned(), json!([namespace]));
                    }
                    value => within(value, namespace),
                }
            }
        }
        _ => {}
    }
}

/// A key of a specification that reaches beyond the trial's namespace; none where nothing does.
#[must_use]
pub fn reaching_out(spec: &Value) -> Option<&'static str> {
    match spec {
        Value::Array(items) => items.iter().find_map(reaching_out),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| match key.as_str() {
            "namespaces" => Some("namespaces"),
            "remoteCluster" => Some("remoteCluster"),
            "selector" if value.get("pods").is_some() => Some("pods"),
            _ => reaching_out(value),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn chaos(value: Value) -> ChaosMesh {
        serde_json::from_value(value).unwrap()
    }

    #[rstest]
    #[case(json!({ "mode": "one", "selector": { "labelSelectors": { "app": "pool" } } }), 1)]
    #[case(json!({ "mode": "all", "selector": { "labelSelectors": { "app": "pool" } } }), 3)]
    #[case(json!({ "mode": "all", "selector": {} }), 5)]
    #[case(json!({ "mode": "all", "selector": { "labelSelectors": { "app": "nobody" } } }), 0)]
    #[case(json!({ "mode": "fixed", "value": "2", "selector": { "labelSelectors": { "app": "pool" } } }), 2)]
    #[case(json!({ "mode": "random-max-percent", "value": "50", "selector": { "labelSelectors": { "app": "pool" } } }), 2)]
    // A partition between two sides hits both.
    #[case(json!({ "mode": "all", "selector": { "labelSelectors": { "app": "pool" } }, "direction": "both",
        "target": { "mode": "one", "selector": { "labelSelectors": { "app": "database" } } } }), 4)]
    // What a Schedule or a Workflow makes counts, and nothing counts beyond what is there.
    #[case(json!({ "type": "PodChaos", "podChaos": { "mode": "one", "selector": {} } }), 1)]
    #[case(json!({ "templates": [{ "podChaos": { "mode": "all", "selector": {} } }, { "stressChaos": { "mode": "all", "selector": {} } }] }), 5)]
    fn what_it_may_hit_is_told_by_selectors_and_modes(#[case] spec: Value, #[case] hits: usize) {
        let labels = |app: &str| BTreeMap::from([("app".to_owned(), app.to_owned())]);
        let pods = [labels("pool"), labels("pool"), labels("pool"), labels("database"), labels("database")];
        let chaos: ChaosMesh = serde_json::from_value(json!({ "kind": "PodChaos", "spec": spec })).unwrap();
        assert_eq!(chaos.most_hit(&pods.iter().collect::<Vec<_>>()), hits);
    }

    #[test]
    fn selectors_name_the_trials_namespace_and_what_lasts_ends_by_itself() {
        let selector = json!({ "labelSelectors": { "app": "a" } });
        let delay = chaos(json!({ "kind": "NetworkChaos", "for": "30s", "spec": {
            "action": "delay", "mode": "all", "selector": selector, "target": { "mode": "all", "selector": selector } } }));
        let made = delay.manifest("cb-x");
        assert_eq!(made["spec"]["selector"]["namespaces"], json!(["cb-x"]));
        assert_eq!(made["spec"]["target"]["selector"]["namespaces"], json!(["cb-x"]));
        assert_eq!((&made["spec"]["duration"], &made["metadata"]["name"]), (&json!("45s"), &json!("comeback-chaos")));
        let kill = chaos(
            json!({ "kind": "PodChaos", "for": "30s", "spec": { "action": "pod-kill", "mode": "one", "selector": selector } }),
        );
        assert!(kill.manifest("cb-x")["spec"].get("duration").is_none());
        let own = chaos(json!({ "kind": "PodChaos", "for": "30s", "spec": { "action": "pod-failure", "duration": "9s" } }));
        assert_eq!(own.manifest("cb-x")["spec"]["duration"], "9s");
    }

    #[test]
    fn what_reaches_beyond_the_namespace_is_found_however_deep() {
        let template = |selector: Value| json!({ "templates": [{ "podChaos": { "selector": selector } }] });
        assert_eq!(reaching_out(&template(json!({ "labelSelectors": { "namespaces-of": "x" } }))), None);
        assert_eq!(reaching_out(&template(json!({ "namespaces": ["kube-system"] }))), Some("namespaces"));
        assert_eq!(reaching_out(&template(json!({ "pods": { "kube-system": ["x"] } }))), Some("pods"));
        assert_eq!(reaching_out(&json!({ "remoteCluster": "b" })), Some("remoteCluster"));
    }

    #[test]
    fn makers_say_what_will_act() {
        let schedule = chaos(json!({ "kind": "Schedule", "spec": { "type": "PodChaos" } }));
        assert_eq!((schedule.acting(), schedule.is_experiment()), (vec!["PodChaos".to_owned()], false));
        let templates = json!([{ "templateType": "Serial" }, { "templateType": "StressChaos" }, { "templateType": "PodChaos" }]);
        let workflow = chaos(json!({ "kind": "Workflow", "spec": { "templates": templates } }));
        assert_eq!(workflow.acting(), ["PodChaos", "StressChaos"]);
    }
}
