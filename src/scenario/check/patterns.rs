//! Log patterns of the user's own: each topic once, expressions that can be built, and none that every line has.

use super::Check;
use crate::detect::patterns::{LONGEST, MOST, build};
use crate::scenario::diagnostic::Code;
use crate::scenario::node::{Node, Span};

impl Check<'_> {
    pub(super) fn log_patterns(&mut self) {
        let mut topics: Vec<&str> = Vec::new();
        let mut count = 0;
        for one in self.spec.get("patterns").map(Node::items).unwrap_or_default() {
            if let Some(topic) = one.get("topic").and_then(|node| Some((node.span, node.text()?))) {
                if topics.contains(&topic.1) {
                    let message = format!("the topic `{}` is there twice", topic.1);
                    self.report(Code::BadValue, topic.0, message, "Put its words and patterns into one item.");
                }
                topics.push(topic.1);
            }
            let words = one.get("words").map(Node::items).unwrap_or_default();
            let patterns = one.get("patterns").map(Node::items).unwrap_or_default();
            if words.is_empty() && patterns.is_empty() && one.kind() == "a mapping" {
                self.report(Code::EmptyList, one.span, "there are neither `words` nor `patterns`", "Give at least one of them.");
            }
            let expressions = patterns.iter().filter_map(|pattern| pattern.get("pattern"));
            for node in words.iter().chain(expressions.clone()) {
                count += 1;
                let Some(text) = node.text() else { continue };
                if text.trim().is_empty() {
                    self.report(Code::BadValue, node.span, "every line has this", "Name what only such a line has.");
                } else if text.chars().count() > LONGEST {
                    self.report(Code::OutOfRange, node.span, format!("this is longer than {LONGEST} characters"), "");
                }
            }
            for node in expressions {
                // What is no expression at all has been told.
                if let Some(Err(why)) = node.text().map(build)
                    && node.text().is_some_and(|text| regex::Regex::new(text).is_ok())
                {
                    self.report(Code::BadRegex, node.span, why, "Repeat less.");
                } else if node.text().and_then(|text| build(text).ok()).is_some_and(|regex| regex.is_match("")) {
                    self.report(Code::BadValue, node.span, "every line has this", "Name what only such a line has.");
                }
            }
        }
        if count > MOST {
            let span: Span = self.spec.key("patterns").map_or(self.spec.span, |key| key.span);
            self.report(Code::OutOfRange, span, format!("these are {count} words and patterns, and {MOST} is the most"), "");
        }
    }
}
