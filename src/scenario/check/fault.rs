//! Faults: do they name one target that exists, do they ask for something, and can they be undone as they say?

use super::Check;
use super::objects::Pods;
use crate::scenario::diagnostic::{Code, allowed};
use crate::scenario::expand::duration_of;
use crate::scenario::fault::machine::STOPPED_FOR;
use crate::scenario::fault::stress::MOST_CORES;
use crate::scenario::fault::{chaos_mesh, command};
use crate::scenario::node::Node;
use std::time::Duration;

/// Objects that a fault changes by name: key and kind.
const OBJECTS: [(&str, &str); 3] = [("configMap", "ConfigMap"), ("secret", "Secret"), ("service", "Service")];

impl Check<'_> {
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
        for (key, kind) in OBJECTS {
            self.named(body, key, kind);
        }
        match name {
            "sequence" | "together" => self.group(name, body),
            "deletePods" | "evictPods" | "killContainer" | "exec" | "stressMemory" | "stressCpu" | "fillDisk" => {
                self.targeted(name, body);
                self.amount(body);
                self.command(body, "command");
                self.cores(body);
            }
            "command" => self.programs(body),
            "deleteConfig" => self.has_key(body, "configMap", "ConfigMap"),
            "deleteSecret" => self.has_key(body, "secret", "Secret"),
            "setImage" | "setResources" | "setEnv" | "setCommand" | "setProbe" => self.template(name, body),
            "setReplicas" | "stopDependency" => {
                self.one_target(name, body, &["deployment", "statefulSet"]);
            }
            "denyNetwork" | "breakDns" => {
                self.one_target(name, body, &["deployment", "statefulSet", "daemonSet", "selector"]);
                self.selected(body);
            }
            "cordonNode"
            | "taintNode"
            | "drainNode"
            | "pauseNode"
            | "rebootNode"
            | "stopKubelet"
            | "stopContainerRuntime"
            | "partitionNode"
            | "blockRegistry" => {
                self.nodes(name, body);
            }
            "expireToken" => {
                self.one_target(name, body, &["serviceAccount", "deployment", "statefulSet", "daemonSet"]);
                if body.text_of("serviceAccount") != Some("default") {
                    self.named(body, "serviceAccount", "ServiceAccount");
                }
            }
            "chaosMesh" => self.chaos(body),
            "pauseApiServer" => self.pause(body),
            "quota" => {
                if let Some(hard) = body.get("hard").filter(|hard| hard.entries().is_empty()) {
                    self.report(Code::EmptyCondition, hard.span, "`hard` limits nothing", "As `hard: { pods: \"0\" }`.");
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

    fn group(&mut self, name: &str, body: &Node) {
        let Some(faults) = body.get("faults") else { return };
        if faults.kind() == "a list" && faults.items().is_empty() {
            self.report(Code::EmptyList, faults.span, format!("`{name}` has no fault"), "Give its faults as a list.");
        }
        for (key, body) in faults.items().iter().flat_map(Node::entries) {
            self.fault(&key.name, body);
        }
    }

    pub(super) fn command(&mut self, body: &Node, key: &str) {
        if let Some(command) = body.get(key).filter(|node| node.kind() == "a list" && node.items().is_empty()) {
            self.report(Code::EmptyList, command.span, format!("`{key}` is empty"), "Name a program: `[sh, -c, …]`.");
        }
    }

    /// How long the API server may be stopped.
    fn pause(&mut self, body: &Node) {
        if let Some(node) = body.get("for")
            && duration_of(Some(node)).is_some_and(|time| !STOPPED_FOR.contains(&time))
        {
            self.report(Code::OutOfRange, node.span, "the API server can be stopped for 1s to 2m", "Leave it out for 30s.");
        }
    }

    /// An object of Chaos Mesh that acts in the trial's namespace.
    fn chaos(&mut self, body: &Node) {
        let kinds: Vec<_> = chaos_mesh::EXPERIMENTS.iter().chain(&chaos_mesh::MAKERS).copied().collect();
        if let Some(node) = body.get("kind")
            && let Some(kind) = node.text().filter(|kind| !kinds.contains(kind))
        {
            let message = format!("`{kind}` is no kind of Chaos Mesh that acts in one namespace");
            self.report(Code::BadValue, node.span, message, allowed("Its kinds", kind, &kinds));
        }
        if let Some(spec) = body.get("spec")
            && let Some(key) = chaos_mesh::reaching_out(&spec.to_json())
        {
            let message = format!("`{key}` would let it act outside of the trial's namespace");
            self.report(Code::Target, spec.span, message, "Leave it out: selectors select in the trial's namespace.");
        }
    }

    fn cores(&mut self, body: &Node) {
        if let Some(node) = body.get("cores")
            && node.count().is_some_and(|cores| !(1..=u64::from(MOST_CORES)).contains(&cores))
        {
            self.report(Code::OutOfRange, node.span, format!("`cores` is 1 to {MOST_CORES}"), "Leave it out for 1.");
        }
    }

    /// The programs of `command`, and the time that they are given.
    fn programs(&mut self, body: &Node) {
        self.command(body, "run");
        if let Some(undo) = body.get("undo").filter(|node| node.kind() == "a list" && node.items().is_empty()) {
            let help = "Where there is nothing to undo, say so: `undo: [\"true\"]`.";
            self.report(Code::EmptyList, undo.span, "`undo` is empty", help);
        }
        let out_of_range = |time: &Duration| time.is_zero() || *time > command::LONGEST;
        if let Some(node) = body.get("timeout").filter(|node| duration_of(Some(node)).as_ref().is_some_and(out_of_range)) {
            self.report(Code::OutOfRange, node.span, "`timeout` is above 0s and 1m at most", "Leave it out for 30s.");
        }
    }

    /// The key that a fault deletes.
    fn has_key(&mut self, body: &Node, of: &str, kind: &str) {
        let object = body.text_of(of).unwrap_or_default();
        let keys = self.objects.keys(kind, object);
        if let (Some(node), false) = (body.get("key"), keys.is_empty())
            && let Some(key) = node.text().filter(|key| !keys.contains(key))
        {
            let help = allowed("Its keys", key, &keys);
            self.report(Code::UnknownObject, node.span, format!("the {kind} `{object}` has no key `{key}`"), help);
        }
    }

    /// Exactly one of the keys, and an object that exists.
    pub(super) fn one_target(&mut self, name: &str, body: &Node, keys: &[&str]) {
        let given: Vec<_> = keys.iter().filter_map(|key| body.key(key)).collect();
        if given.len() != 1 && body.kind() == "a mapping" {
            let (span, message) = match given.get(1) {
                Some(second) => (second.span, format!("`{name}` has several targets")),
                None => (body.span, format!("`{name}` has no target")),
            };
            let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
            self.report(Code::Target, span, message, format!("Give exactly one of {}.", keys.join(", ")));
        }
        self.workloads(body);
    }

    fn workloads(&mut self, body: &Node) {
        for (key, kind) in [("deployment", "Deployment"), ("statefulSet", "StatefulSet"), ("daemonSet", "DaemonSet")] {
            self.named(body, key, kind);
        }
    }

    /// A selector that must match pods of the workload.
    fn selected(&mut self, body: &Node) {
        let Some(node) = body.get("selector") else { return };
        if !self.objects.is_empty() && self.pods(body).is_some_and(|pods| pods.is_empty()) {
            let message = format!("no pod of the workload has labels that match `{}`", node.text().unwrap_or_default());
            self.report(Code::UnknownObject, node.span, message, String::new());
        }
    }

    fn nodes(&mut self, name: &str, body: &Node) {
        let given: Vec<_> =
            ["node", "deployment", "statefulSet", "selector"].into_iter().filter_map(|key| body.key(key)).collect();
        if let Some(second) = given.get(1) {
            let help =
                "Give at most one of `node`, `deployment`, `statefulSet`, `selector`; none means any node of the trial's pods.";
            self.report(Code::Target, second.span, format!("`{name}` has several targets"), help);
        }
        if let (Some(count), Some(_)) = (body.key("count"), body.key("node")) {
            self.report(Code::Amount, count.span, "`node` names one node; `count` says nothing more", "Leave `count` out.");
        }
        self.workloads(body);
        self.selected(body);
        self.amount(body);
    }

    /// A fault on the template of a workload.
    fn template(&mut self, name: &str, body: &Node) {
        self.one_target(name, body, &["deployment", "statefulSet", "daemonSet"]);
        let pods = self.pods(body).unwrap_or_default();
        let kind = pods.first().map_or("workload", |pods| pods.kind);
        let names: Vec<String> = pods.iter().flat_map(Pods::main_containers).map(ToOwned::to_owned).collect();
        if body.get("container").is_none() && names.len() > 1 {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let message = format!("`{name}` does not say which of several containers");
            self.report(Code::MissingKey, body.span, message, allowed("Give `container`, one of", "", &names));
        } else if let (Some(node), false) = (body.get("container"), names.is_empty()) {
            let name = node.text().unwrap_or_default();
            if !names.iter().any(|known| known == name) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let message = format!("the {kind} has no container `{name}`");
                self.report(Code::UnknownObject, node.span, message, allowed("Its containers", name, &names));
            }
        }
        match name {
            "setResources" => self.says_something(body, name, &["requests", "limits"]),
            "setCommand" => self.says_something(body, name, &["command", "args"]),
            "setProbe" => {
                self.says_something(body, name, &["set", "remove"]);
                if let (Some(remove), Some(_)) = (body.key("remove"), body.key("set")) {
                    let help = "Give `set` to change the probe, or `remove: true`.";
                    self.report(Code::BadValue, remove.span, "a probe is either changed or removed", help);
                }
            }
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
