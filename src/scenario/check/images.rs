//! Stand-ins for images: a command or a model that exists, with settings that it has.

use super::Check;
use crate::scenario::diagnostic::Code;
use crate::scenario::images;
use crate::scenario::node::Node;
use crate::sim::program::model::{MODELS, by_name};

impl Check<'_> {
    /// Where images come from, and whether the credentials are there.
    pub(super) fn registry(&mut self) {
        if let Some(node) = self.spec.at(&["workload", "registry"])
            && let Some(why) = node.text().and_then(images::registry_problem)
        {
            self.report(Code::BadValue, node.span, why, "As `registry.local:5000` or `quay.io/mirror`.");
        }
        let secrets = self.spec.at(&["workload", "imagePullSecrets"]).map(Node::items).unwrap_or_default();
        for node in secrets {
            if let Some(name) = node.text() {
                // The trial's namespace is made for it: nothing else is there.
                self.exists(node, "Secret", name);
            }
        }
        if let Some(node) =
            self.spec.at(&["workload", "render"]).filter(|node| node.kind() == "a list" && node.items().is_empty())
        {
            self.report(Code::EmptyList, node.span, "`render` is empty", "Name a program: `[helm, template, ./chart]`.");
        }
    }

    pub(super) fn images(&mut self) {
        let Some(images) = self.spec.at(&["workload", "images"]) else { return };
        for (key, stand_in) in images.entries() {
            let command = stand_in.get("command").filter(|command| !command.items().is_empty());
            match (command, stand_in.get("model")) {
                (Some(_), Some(model)) => {
                    let message = format!("the stand-in for `{}` has both a `command` and a `model`", key.name);
                    self.report(Code::OneKey, model.span, message, "Give one of them.");
                }
                (None, None) => {
                    let message = format!("the stand-in for `{}` has neither a `command` nor a `model`", key.name);
                    self.report(
                        Code::OneKey,
                        key.span,
                        message,
                        "Give one of them: `command: [sh, -c, ...]`, or `model: nginx`.",
                    );
                }
                (None, Some(model)) => self.model(model, stand_in),
                (Some(_), None) => {
                    if let Some(options) = stand_in.key("options") {
                        let span = options.span;
                        self.report(
                            Code::UnknownKey,
                            span,
                            "`options` are those of a `model`",
                            "Leave them out beside `command`.",
                        );
                    }
                }
            }
        }
    }

    fn model(&mut self, node: &Node, stand_in: &Node) {
        let Some(name) = node.text() else { return };
        let Some(model) = by_name(name) else {
            let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
            let help = format!("`comeback cluster images` tells about them: {}.", names.join(", "));
            self.report(Code::BadValue, node.span, format!("there is no model `{name}`"), help);
            return;
        };
        let Some(options) = stand_in.get("options") else { return };
        for (key, _) in options.entries() {
            if !model.options.iter().any(|(known, _)| *known == key.name) {
                let known: Vec<&str> = model.options.iter().map(|(known, _)| *known).collect();
                let help = if known.is_empty() { "It has none.".to_owned() } else { format!("It has: {}.", known.join(", ")) };
                self.report(Code::BadValue, key.span, format!("the model `{name}` has no setting `{}`", key.name), help);
            }
        }
    }
}
