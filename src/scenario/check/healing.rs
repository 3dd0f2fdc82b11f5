//! Ladders: steps that cannot work, and steps that nobody would take.

use super::Check;
use crate::notify::settings::{self, Notification, When};
use crate::scenario::diagnostic::Code;
use crate::scenario::duration;
use crate::scenario::expand::duration_of;
use crate::scenario::node::Node;
use std::time::Duration;

impl Check<'_> {
    pub(super) fn healing(&mut self) {
        let spec = self.spec;
        let by: Vec<&str> = match spec.at(&["heal", "by"]) {
            Some(node) if node.text().is_none() => node.items().iter().filter_map(Node::text).collect(),
            Some(node) => node.text().into_iter().collect(),
            None => vec!["kubernetes"],
        };
        self.healers(&by);
        self.strategies(&by);
        let Some(strategy) = spec.at(&["heal", "strategy"]) else { return };
        let of_others = by.iter().all(|healer| matches!(*healer, "kubernetes" | "webhook" | "external"));
        if of_others && !strategy.items().is_empty() {
            let help = "Write `by: comeback`, or leave `strategy` out.";
            let message = match by.first() {
                Some(&"kubernetes") => "nobody takes these steps: Kubernetes heals alone",
                _ => "nobody takes these steps: comeback is not to heal",
            };
            self.report(Code::UnusedStrategy, strategy.span, message, help);
        }
        for (key, body) in strategy.items().iter().flat_map(Node::entries) {
            self.needs_steady(&key.name, key.span);
            self.step(&key.name, body);
        }
    }

    /// Strategies that nobody would use.
    fn strategies(&mut self, by: &[&str]) {
        let spec = self.spec;
        let Some(strategies) = spec.at(&["heal", "strategies"]).filter(|node| !node.items().is_empty()) else { return };
        if !by.contains(&"comeback") {
            let help = "Write `by: comeback`, or leave `strategies` out.";
            self.report(Code::UnusedStrategy, strategies.span, "nobody takes these steps: comeback is not to heal", help);
        }
        if spec.at(&["heal", "strategy"]).is_some_and(|strategy| !strategy.items().is_empty()) {
            let help = "`strategy` is one ladder for every cause; leave one of the two out.";
            self.report(Code::UnusedStrategy, strategies.span, "`strategy` leaves nothing to these", help);
        }
    }

    fn needs_steady(&mut self, name: &str, span: crate::scenario::node::Span) {
        if matches!(name, "revertConfig" | "restoreObject") && !self.has_steady() {
            let message = format!("`{name}` needs a steady state: before it there is no good state to go back to");
            self.report(Code::NeedsSteady, span, message, "Give `steady`, and break the workload with a `fault`.");
        }
    }

    /// Who heals, and what must be known of them.
    fn healers(&mut self, by: &[&str]) {
        let spec = self.spec;
        if let Some(node) = spec.at(&["heal", "by"]).filter(|node| node.text().is_none()) {
            let repeated = by.iter().enumerate().any(|(position, healer)| by[..position].contains(healer));
            if by.is_empty() || repeated {
                let help = "Write `by: [kubernetes, comeback]`: the scenario is run once with each.";
                self.report(Code::BadValue, node.span, "`by` names nobody, or somebody twice", help);
            } else if by.len() > 1 && !by.contains(&"kubernetes") {
                let help = "Add `kubernetes`: what a healer gains is told by what happens without one.";
                self.report(Code::BadValue, node.span, "`by` has several healers and nothing to compare them with", help);
            }
        }
        match spec.at(&["heal", "webhook"]) {
            None if by.contains(&"webhook") => {
                let span = spec.at(&["heal", "by"]).map_or(spec.span, |node| node.span);
                let help = "Give `webhook: { url: \"http://engine:8080\" }` beside it.";
                self.report(Code::MissingKey, span, "`by: webhook` does not say who is asked", help);
            }
            Some(node) if !by.contains(&"webhook") => {
                self.report(Code::UnusedStrategy, node.span, "nobody is asked: `by` has no `webhook`", "Write `by: webhook`.");
            }
            Some(node) => self.webhook(node),
            None => {}
        }
        if let Some(node) = spec.at(&["heal", "external"]).filter(|_| !by.contains(&"external")) {
            self.report(Code::UnusedStrategy, node.span, "`by` has no `external`", "Write `by: external`.");
        }
    }

    fn webhook(&mut self, node: &Node) {
        if let Some(url) = node.get("url")
            && let Some(why) = url.text().and_then(|text| settings::plain_url(text).err())
        {
            self.report(Code::BadValue, url.span, why, "Write `url: http://engine:8080`.");
        }
        for (key, least) in
            [("within", Duration::from_millis(1)), ("every", Duration::from_millis(500)), ("timeout", Duration::from_secs(1))]
        {
            if let Some(value) = node.get(key).filter(|value| duration_of(Some(value)).is_some_and(|value| value < least)) {
                let message = format!("this `{key}` is too short");
                self.report(Code::OutOfRange, value.span, message, format!("Give at least {}.", duration::format(least)));
            }
        }
    }

    pub(super) fn step(&mut self, name: &str, body: &Node) {
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
        self.new_values(name, body);
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

    /// What the values of `scale`, `notify` and `webhook` mean.
    fn new_values(&mut self, name: &str, body: &Node) {
        match name {
            "scale" => self.scale(body),
            "notify" => {
                let Some(to) = body.get("to") else { return };
                let Ok(receiver) = serde_json::from_value(to.to_json()) else { return };
                let one = Notification { to: receiver, when: When::Always, title: None, text: None };
                if let Err(why) = settings::check(&one) {
                    self.report(Code::BadValue, to.span, why, "`comeback run --notify` reads receivers of the same form.");
                }
            }
            "webhook" => {
                let url = body.get("url").and_then(|node| Some((node.span, settings::plain_url(node.text()?).err()?)));
                if let Some((span, why)) = url {
                    self.report(Code::BadValue, span, why, "Write `url: https://healer.example.org/alerts`.");
                }
            }
            _ => {}
        }
    }

    fn scale(&mut self, body: &Node) {
        if let (Some(node), Some(_)) = (body.get("replicas"), body.get("factor")) {
            self.report(Code::BadValue, node.span, "`scale` has `replicas` and `factor`", "Give one of the two.");
        }
        if let Some(node) = body.get("factor").filter(|node| node.number().is_some_and(|number| number <= 1.0)) {
            let help = "Give more than 1; fewer replicas than before are no recovery.";
            self.report(Code::OutOfRange, node.span, "this `factor` adds nothing", help);
        }
        let zero = |node: &&Node| node.count() == Some(0);
        if let Some(node) = body.get("replicas").filter(zero)
            && body.get("for").is_none()
        {
            let help = "Write `for: 10s`, after which it has its replicas again.";
            self.report(Code::OutOfRange, node.span, "with `replicas: 0` nothing is left that could recover", help);
        }
        if let Some(node) = body.get("atMost").filter(zero) {
            self.report(Code::OutOfRange, node.span, "this `atMost` allows no replica", "Leave it out for the default of 10.");
        }
    }
}
