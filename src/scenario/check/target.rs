//! Conditions and faults: do they name one target, do the objects exist, can they say anything at all?

use super::Check;
use super::objects::Pods;
use crate::scenario::diagnostic::{Code, allowed};
use crate::scenario::node::Node;
use crate::selector::Selector;

/// Conditions and faults that are about pods.
const TARGETED: [&str; 9] = ["ready", "restarts", "waiting", "terminated", "replaced", "phase", "log", "deletePods", "exec"];

/// The keys that name a workload object, with its kind.
const WORKLOADS: [(&str, &str); 5] =
    [("deployment", "Deployment"), ("statefulSet", "StatefulSet"), ("daemonSet", "DaemonSet"), ("job", "Job"), ("pod", "Pod")];

/// Kinds whose objects controllers make: a workload does not contain them, and yet they may be named.
const MADE_BY_CONTROLLERS: [&str; 7] =
    ["ReplicaSet", "EndpointSlice", "Endpoints", "Event", "Lease", "ControllerRevision", "PodMetrics"];

impl<'a> Check<'a> {
    pub(super) fn conditions(&mut self) {
        let spec = self.spec;
        for phase in ["steady", "effect", "recover"] {
            if let Some(until) = spec.at(&[phase, "until"]) {
                self.condition_list(until, &format!("{phase}.until"));
            }
        }
    }

    fn condition_list(&mut self, list: &Node, title: &str) {
        if list.kind() == "a list" && list.items().is_empty() {
            let help =
                "A list without conditions holds at once and says nothing; give one, or leave the key out for the default.";
            self.report(Code::EmptyList, list.span, format!("`{title}` has no condition"), help);
        }
        for condition in list.items() {
            self.condition(condition);
        }
    }

    fn condition(&mut self, node: &Node) {
        for (key, body) in node.entries() {
            match key.name.as_str() {
                name @ ("any" | "all") => self.condition_list(body, name),
                "not" => self.condition(body),
                name if TARGETED.contains(&name) => self.targeted(name, body),
                "endpoints" => self.named(body, "service", "Service"),
                "rollout" => {
                    self.named(body, "deployment", "Deployment");
                    self.says_something(body, "rollout", &["is", "revision"]);
                }
                "event" => self.says_something(body, "event", &["reason", "message", "kind", "name"]),
                "condition" | "absent" => self.object(body),
                _ => {}
            }
            if let Some(at_least) = body.get("atLeast").filter(|node| node.count() == Some(0)) {
                self.report(Code::OutOfRange, at_least.span, "`atLeast: 0` always holds", "Give at least 1.");
            }
        }
    }

    fn says_something(&mut self, body: &Node, title: &str, keys: &[&str]) {
        if body.kind() == "a mapping" && keys.iter().all(|key| body.get(key).is_none()) {
            let help =
                format!("Give at least one of {}.", keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "));
            self.report(Code::EmptyCondition, body.span, format!("this `{title}` asks for nothing"), help);
        }
    }

    /// A condition or fault on pods: exactly one of the keys, and pods that exist.
    fn targeted(&mut self, name: &str, body: &Node) {
        let keys = WORKLOADS.iter().map(|(key, _)| *key).chain(["selector"]);
        let given: Vec<_> = keys.filter_map(|key| body.key(key)).collect();
        if given.len() != 1 && body.kind() == "a mapping" {
            let (span, message) = match given.get(1) {
                Some(second) => (second.span, format!("`{name}` has several targets")),
                None => (body.span, format!("`{name}` has no target")),
            };
            let help = "Give exactly one of `deployment`, `statefulSet`, `daemonSet`, `job`, `pod`, `selector`.";
            self.report(Code::Target, span, message, help);
        }
        if self.objects.is_empty() {
            return;
        }
        for (key, kind) in WORKLOADS {
            self.named(body, key, kind);
        }
        let pods = self.pods(body);
        if let (Some(node), Some(pods)) = (body.get("selector"), &pods)
            && pods.is_empty()
            && let Some(text) = node.text()
        {
            let labels: Vec<_> = self.objects.pods().iter().map(|pods| format!("`{}`", pods.labels().join(","))).collect();
            let message = format!("no pod of the workload has labels that match `{text}`");
            self.report(Code::UnknownObject, node.span, message, format!("Its pods have {}.", labels.join(" or ")));
        }
        self.container(body, pods.as_deref().unwrap_or_default());
    }

    /// The pods of the target; none where it names nothing that is known.
    fn pods(&self, body: &Node) -> Option<Vec<Pods<'a>>> {
        if let Some((kind, name)) = WORKLOADS.iter().find_map(|(key, kind)| Some((kind, body.text_of(key)?))) {
            return self.objects.pods_of(kind, name).map(|pods| vec![pods]);
        }
        let selector = Selector::parse(body.text_of("selector")?).ok()?;
        Some(self.objects.selected(&selector))
    }

    fn container(&mut self, body: &Node, pods: &[Pods<'_>]) {
        let (Some(node), false) = (body.get("container"), pods.is_empty()) else { return };
        let Some(name) = node.text() else { return };
        let names: Vec<String> = pods.iter().flat_map(Pods::containers).map(ToOwned::to_owned).collect();
        if !names.iter().any(|known| known == name) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let message = format!("the pods of this target have no container `{name}`");
            let help = allowed("Their containers", name, &names);
            self.found.push(crate::scenario::Diagnostic::error(Code::UnknownObject, self.source, node.span, message).help(help));
        }
    }

    /// A key that names an object of one kind.
    pub(super) fn named(&mut self, body: &Node, key: &str, kind: &str) {
        let Some(node) = body.get(key) else { return };
        let Some(name) = node.text() else { return };
        self.exists(node, kind, name);
    }

    fn exists(&mut self, node: &Node, kind: &str, name: &str) {
        let names = self.objects.names(kind);
        if self.objects.is_empty() || names.contains(&name) {
            return;
        }
        let message = format!("the workload has no {kind} `{name}`");
        let help = allowed(&format!("Its {kind}s"), name, &names);
        let help = if kind == "Pod" && names.is_empty() {
            format!("{help} Pods of a Deployment have names that nobody knows beforehand; use `deployment` or `selector`.")
        } else {
            help
        };
        self.report(Code::UnknownObject, node.span, message, help);
    }

    /// `kind` and `name` of any object.
    pub(super) fn object(&mut self, body: &Node) {
        let (Some(kind), Some(node)) = (body.text_of("kind"), body.get("name")) else { return };
        let Some(name) = node.text() else { return };
        let known_elsewhere = matches!((kind, name), ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default"));
        if MADE_BY_CONTROLLERS.contains(&kind) || known_elsewhere || self.objects.is_empty() {
            return;
        }
        let kinds = self.objects.kinds();
        if kinds.contains(&kind) {
            self.exists(node, kind, name);
        } else if let Some(at) = body.get("kind") {
            let message = format!("the workload has no object of kind {kind}");
            let help = allowed("Its kinds", kind, &kinds);
            self.report(Code::UnknownObject, at.span, message, help);
        }
    }

    pub(super) fn faults(&mut self) {
        let spec = self.spec;
        let Some(list) = spec.get("fault") else { return };
        if list.kind() == "a list" && list.items().is_empty() {
            let help = "Leave `fault` out for a workload that is broken from birth.";
            self.report(Code::EmptyList, list.span, "`fault` has no fault", help);
        }
        for (key, body) in list.items().iter().flat_map(Node::entries) {
            self.fault(&key.name, body);
        }
    }

    fn fault(&mut self, name: &str, body: &Node) {
        match name {
            "deletePods" | "exec" => {
                self.targeted(name, body);
                self.amount(body);
                if let Some(command) = body.get("command").filter(|node| node.kind() == "a list" && node.items().is_empty()) {
                    self.report(Code::EmptyList, command.span, "`command` is empty", "Name a program: `[sh, -c, …]`.");
                }
            }
            "setConfig" | "deleteConfig" => {
                self.named(body, "configMap", "ConfigMap");
                let map = body.text_of("configMap").unwrap_or_default();
                let keys = self.objects.config_keys(map);
                if let (Some(node), "deleteConfig", false) = (body.get("key"), name, keys.is_empty())
                    && let Some(key) = node.text().filter(|key| !keys.contains(key))
                {
                    let help = allowed("Its keys", key, &keys);
                    self.report(Code::UnknownObject, node.span, format!("the ConfigMap `{map}` has no key `{key}`"), help);
                }
            }
            "setImage" | "setResources" => {
                self.named(body, "deployment", "Deployment");
                let pods = self.pods(body).unwrap_or_default();
                let names: Vec<String> = pods.iter().flat_map(Pods::main_containers).map(ToOwned::to_owned).collect();
                if body.get("container").is_none() && names.len() > 1 {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    let message = format!("`{name}` does not say which of several containers");
                    self.report(Code::MissingKey, body.span, message, allowed("Give `container`, one of", "", &names));
                } else if let (Some(node), false) = (body.get("container"), names.is_empty()) {
                    let name = node.text().unwrap_or_default();
                    if !names.iter().any(|known| known == name) {
                        let names: Vec<_> = names.iter().map(String::as_str).collect();
                        let message = format!("the Deployment has no container `{name}`");
                        self.report(Code::UnknownObject, node.span, message, allowed("Its containers", name, &names));
                    }
                }
                if name == "setResources" {
                    self.says_something(body, "setResources", &["requests", "limits"]);
                }
            }
            "patch" | "delete" => {
                self.object(body);
                self.patch_body(body);
            }
            "apply" => self.manifest(body),
            _ => {}
        }
    }

    fn manifest(&mut self, body: &Node) {
        let Some(manifest) = body.get("manifest") else { return };
        let named = manifest.at(&["metadata", "name"]).and_then(Node::text).is_some();
        if manifest.text_of("apiVersion").is_none() || manifest.text_of("kind").is_none() || !named {
            let help = "It needs `apiVersion`, `kind` and `metadata.name`.";
            self.report(Code::BadManifest, manifest.span, "the manifest of `apply` is not a Kubernetes object", help);
        }
        if let Some(namespace) = manifest.at(&["metadata", "namespace"]) {
            let help = "Leave it out: the object is applied in the trial's own namespace.";
            self.report(
                Code::NotSupportedYet,
                namespace.span,
                "a namespace in the manifest of `apply` is not supported yet",
                help,
            );
        }
    }

    pub(super) fn patch_body(&mut self, body: &Node) {
        let Some(patch) = body.get("patch") else { return };
        let is_json = body.text_of("type") == Some("json");
        let (fits, wanted) =
            if is_json { (patch.kind() == "a list", "a list of operations") } else { (patch.kind() == "a mapping", "a mapping") };
        if !fits {
            let type_ = body.text_of("type").unwrap_or("strategic");
            let message = format!("a patch of type `{type_}` is {wanted}, not {}", patch.kind());
            self.report(Code::BadPatch, patch.span, message, "`type` is `strategic`, `merge` or `json`.");
        }
    }

    fn amount(&mut self, body: &Node) {
        let given: Vec<_> = ["count", "percent", "all"].into_iter().filter_map(|key| body.key(key)).collect();
        if let Some(second) = given.get(1) {
            let help = "Give one of `count` (default 1), `percent`, `all: true`.";
            self.report(Code::Amount, second.span, "the number of pods is given several times", help);
        }
        if let Some(node) = body.get("count").filter(|node| node.count() == Some(0)) {
            self.report(Code::Amount, node.span, "`count: 0` breaks nothing", "Give at least 1.");
        }
        if let Some(node) = body.get("percent")
            && let Some(percent) = node.count().filter(|percent| !(1..=100).contains(percent))
        {
            self.report(Code::Amount, node.span, format!("{percent} per cent of the pods is not possible"), "Give 1 to 100.");
        }
    }
}
