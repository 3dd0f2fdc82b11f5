//! A strategy by itself: causes that somebody finds, and values of steps that mean something.
//! Where its `then` leads, and which steps are reached, is `crate::scenario::strategy`'s business.

use super::Check;
use crate::scenario::cause::{self, CAUSES};
use crate::scenario::diagnostic::{Code, allowed};
use crate::scenario::node::Node;

impl Check<'_> {
    pub(super) fn ladder(&mut self) {
        let spec = self.spec;
        let causes = spec.get("causes").map(Node::items).unwrap_or_default();
        for (position, node) in causes.iter().enumerate() {
            let Some(name) = node.text() else { continue };
            let known = CAUSES.iter().any(|known| crate::detect::cause_covers(name, known));
            if !known && cause::own_name_problem(name).is_some() {
                let help = allowed("Found by detectors", name, &CAUSES);
                self.report(Code::UnknownCause, node.span, format!("no detector finds `{name}`"), help);
            }
            if causes.iter().take(position).any(|earlier| earlier.text() == Some(name)) {
                self.report(Code::DuplicateStrategy, node.span, format!("`{name}` is there twice"), "Leave one of them out.");
            }
        }
        for (key, body) in spec.get("steps").map(Node::items).unwrap_or_default().iter().flat_map(Node::entries) {
            self.step(&key.name, body);
        }
    }
}
