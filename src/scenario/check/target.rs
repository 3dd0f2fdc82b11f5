//! Conditions: do they name one target, do the objects exist, can they say anything at all? Faults are `fault`'s.

use super::Check;
use super::objects::Pods;
use crate::scenario::condition::{cel, measured};
use crate::scenario::diagnostic::{Code, allowed};
use crate::scenario::expand::duration_of;
use crate::scenario::node::Node;
use crate::selector::Selector;
use std::time::Duration;

/// Conditions that are about pods.
const TARGETED: [&str; 7] = ["ready", "restarts", "waiting", "terminated", "replaced", "phase", "log"];

/// The keys that name a workload object, with its kind.
const WORKLOADS: [(&str, &str); 5] =
    [("deployment", "Deployment"), ("statefulSet", "StatefulSet"), ("daemonSet", "DaemonSet"), ("job", "Job"), ("pod", "Pod")];

/// Kinds that an OpenShift cluster has of its own, and that conditions may look at.
const OF_OPENSHIFT: [&str; 3] = ["ClusterOperator", "ClusterVersion", "MachineConfigPool"];
/// Kinds whose objects controllers make: a workload does not contain them, and yet they may be named.
const MADE_BY_CONTROLLERS: [&str; 7] =
    ["ReplicaSet", "EndpointSlice", "Endpoints", "Event", "Lease", "ControllerRevision", "PodMetrics"];

impl<'a> Check<'a> {
    pub(super) fn conditions(&mut self) {
        let spec = self.spec;
        for phase in ["steady", "effect", "recover", "throughout"] {
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
                "exec" => {
                    self.targeted("exec", body);
                    self.command(body, "command");
                    self.rhythm(body);
                }
                "metric" => {
                    self.targeted("metric", body);
                    self.rhythm(body);
                    let given: Vec<_> = ["above", "below"].iter().filter_map(|key| body.key(key)).collect();
                    if given.len() != 1 && body.kind() == "a mapping" {
                        let span = given.get(1).map_or(body.span, |key| key.span);
                        let help = "In per cent of the limit: `above: 90`.";
                        self.report(Code::EmptyCondition, span, "`metric` asks for either `above` or `below`", help);
                    }
                }
                "prometheus" | "alert" => {
                    self.rhythm(body);
                    self.addresses(body);
                }
                "http" | "tcp" | "dns" => {
                    self.named(body, "service", "Service");
                    self.named(body, "route", "Route");
                    self.rhythm(body);
                    if key.name == "http" {
                        self.service_or_route(body);
                    }
                    if self.spec.at(&["workload", "existing"]).is_some() {
                        let message = format!("`{}` with `workload.existing` is not supported yet", key.name);
                        let help = "It would need a pod of its own in that namespace; `exec` and `endpoints` need none.";
                        self.report(Code::NotSupportedYet, key.span, message, help);
                    }
                }
                "node" => self.says_something(body, "node", &["ready", "schedulable", "taint"]),
                "endpoints" => self.named(body, "service", "Service"),
                "rollout" => {
                    self.one_target("rollout", body, &["deployment", "statefulSet", "daemonSet"]);
                    self.says_something(body, "rollout", &["is", "revision"]);
                    self.rollout_of_others(body);
                }
                "event" => self.says_something(body, "event", &["reason", "message", "kind", "name"]),
                "condition" if body.text_of("kind").is_some_and(|kind| OF_OPENSHIFT.contains(&kind)) => {}
                "condition" | "absent" => self.object(body),
                "cel" => {
                    self.object(body);
                    self.expression(body);
                }
                _ => {}
            }
            if let Some(at_least) = body.get("atLeast").filter(|node| node.count() == Some(0)) {
                self.report(Code::OutOfRange, at_least.span, "`atLeast: 0` always holds", "Give at least 1.");
            }
        }
    }

    /// Who is asked by `http`: one of the two, and the port only of a Service.
    fn service_or_route(&mut self, body: &Node) {
        let given: Vec<_> = ["service", "route"].iter().filter_map(|key| body.key(key)).collect();
        let help = "As `http: { service: shop, path: /health }`, or with `route: shop` on OpenShift.";
        if given.len() != 1 && body.kind() == "a mapping" {
            let span = given.get(1).map_or(body.span, |key| key.span);
            self.report(Code::EmptyCondition, span, "`http` asks either a `service` or a `route`", help);
        } else if let (Some(port), Some(_)) = (body.key("port"), body.key("route")) {
            self.report(Code::BadValue, port.span, "a Route has no port for its clients: 80, or 443 where it has `tls`", help);
        }
    }

    /// What only Deployments tell of their rollouts.
    fn rollout_of_others(&mut self, body: &Node) {
        if body.get("deployment").is_some() {
            return;
        }
        let stuck = body.get("is").filter(|is| is.text() == Some("stuck")).map(|is| ("is: stuck", is.span));
        let revision = body.key("revision").map(|key| ("revision", key.span));
        for (what, span) in [stuck, revision].into_iter().flatten() {
            let message =
                format!("`{what}` is asked of a Deployment alone: others have no deadline and no revision of that kind");
            self.report(Code::BadValue, span, message, "Ask for `is: complete`, or `not` of it, within a budget.");
        }
    }

    /// An expression that can be compiled.
    pub(super) fn expression(&mut self, body: &Node) {
        let Some(node) = body.get("expression") else { return };
        if let Some(Err(error)) = node.text().map(cel::check) {
            let message = format!("the expression is not CEL: {error}");
            self.report(Code::BadValue, node.span, message, "As `object.status.readyReplicas == object.spec.replicas`.");
        }
    }

    /// Where monitoring answers.
    pub(super) fn addresses(&mut self, body: &Node) {
        for key in ["url", "alertmanager"] {
            let Some(node) = body.get(key) else { continue };
            if let Some(Err(message)) = node.text().map(measured::address) {
                self.report(Code::BadValue, node.span, message, "Without a user's name and password; a path may follow.");
            }
        }
    }

    /// How often something is tried, and for how long: both leave time.
    fn rhythm(&mut self, body: &Node) {
        for key in ["every", "timeout"] {
            if let Some(node) = body.get(key).filter(|node| duration_of(Some(node)) == Some(Duration::ZERO)) {
                let message = format!("`{key}` leaves no time at all");
                self.report(Code::OutOfRange, node.span, message, "Leave it out for the default.");
            }
        }
    }

    pub(super) fn says_something(&mut self, body: &Node, title: &str, keys: &[&str]) {
        if body.kind() == "a mapping" && keys.iter().all(|key| body.get(key).is_none()) {
            let help =
                format!("Give at least one of {}.", keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "));
            self.report(Code::EmptyCondition, body.span, format!("this `{title}` asks for nothing"), help);
        }
    }

    /// A condition or fault on pods: exactly one of the keys, and pods that exist.
    pub(super) fn targeted(&mut self, name: &str, body: &Node) {
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
    pub(super) fn pods(&self, body: &Node) -> Option<Vec<Pods<'a>>> {
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

    pub(super) fn exists(&mut self, node: &Node, kind: &str, name: &str) {
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
}
