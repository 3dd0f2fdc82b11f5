//! Ladders: steps that cannot work, and steps that nobody would take.

use super::Check;
use crate::scenario::diagnostic::Code;
use crate::scenario::node::Node;

impl Check<'_> {
    pub(super) fn healing(&mut self) {
        let spec = self.spec;
        let Some(strategy) = spec.at(&["heal", "strategy"]) else { return };
        let by = spec.at(&["heal", "by"]).and_then(Node::text).unwrap_or("kubernetes");
        if by == "kubernetes" && !strategy.items().is_empty() {
            let help = "Write `by: comeback`, or leave `strategy` out.";
            self.report(Code::UnusedStrategy, strategy.span, "nobody takes these steps: Kubernetes heals alone", help);
        }
        for (key, body) in strategy.items().iter().flat_map(Node::entries) {
            self.step(&key.name, key.span, body);
        }
    }

    fn step(&mut self, name: &str, span: crate::scenario::node::Span, body: &Node) {
        if matches!(name, "revertConfig" | "restoreObject") && !self.has_steady() {
            let message = format!("`{name}` needs a steady state: before it there is no good state to go back to");
            self.report(Code::NeedsSteady, span, message, "Give `steady`, and break the workload with a `fault`.");
        }
        if let Some(node) = body.get("maxAttempts").filter(|node| node.count() == Some(0)) {
            self.report(Code::OutOfRange, node.span, "with `maxAttempts: 0` the step is never taken", "Give at least 1.");
        }
        let more_than_one = |key: &str| body.get(key).filter(|node| node.number().is_some_and(|number| number <= 1.0));
        let limits: &[(&str, &str)] = match name {
            "setMemory" => &[("factor", "raises nothing"), ("atMost", "allows no more memory")],
            "relaxProbe" => &[("factor", "relaxes nothing")],
            _ => &[],
        };
        for (key, effect) in limits {
            if let Some(node) = more_than_one(key) {
                self.report(Code::OutOfRange, node.span, format!("this `{key}` {effect}"), "Give more than 1.");
            }
        }
        if name == "patch" {
            self.patch_body(body);
            self.object(body);
            match (body.get("kind"), body.get("name")) {
                (Some(node), None) | (None, Some(node)) => {
                    let help = "Give both to patch an object by name, or none to patch the workload of the finding.";
                    self.report(Code::MissingKey, node.span, "`patch` has one of `kind` and `name`", help);
                }
                _ => {}
            }
        }
    }
}
