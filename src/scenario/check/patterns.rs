//! Log patterns of the user's own: each topic once, expressions that can be built, and none that every line has.

use super::Check;
use crate::detect::patterns::{LONGEST, MOST, build};
use crate::scenario::diagnostic::{Code, Diagnostic};
use crate::scenario::node::{Node, Span};
use crate::scenario::source::Source;
use std::sync::Arc;

impl Check<'_> {
    pub(super) fn log_patterns(&mut self) {
        if let Some(list) = self.spec.get("patterns") {
            log_patterns(list, self.source, self.found);
        }
    }
}

/// Checks a list of log patterns, of a scenario or of a file of its own.
pub fn log_patterns(list: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let mut report = |code, span: Span, message: String, help: &str| {
        let diagnostic = Diagnostic::error(code, source, span, message);
        found.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    };
    let every_line = || "every line has this".to_owned();
    let mut topics: Vec<&str> = Vec::new();
    let mut count = 0;
    for one in list.items() {
        if let Some(topic) = one.get("topic").and_then(|node| Some((node.span, node.text()?))) {
            if topics.contains(&topic.1) {
                let message = format!("the topic `{}` is there twice", topic.1);
                report(Code::BadValue, topic.0, message, "Put its words and patterns into one item.");
            }
            topics.push(topic.1);
        }
        let words = one.get("words").map(Node::items).unwrap_or_default();
        let patterns = one.get("patterns").map(Node::items).unwrap_or_default();
        if words.is_empty() && patterns.is_empty() && one.kind() == "a mapping" {
            let message = "there are neither `words` nor `patterns`".to_owned();
            report(Code::EmptyList, one.span, message, "Give at least one of them.");
        }
        let expressions = patterns.iter().filter_map(|pattern| pattern.get("pattern"));
        for node in words.iter().chain(expressions.clone()) {
            count += 1;
            let Some(text) = node.text() else { continue };
            if text.trim().is_empty() {
                report(Code::BadValue, node.span, every_line(), "Name what only such a line has.");
            } else if text.chars().count() > LONGEST {
                report(Code::OutOfRange, node.span, format!("this is longer than {LONGEST} characters"), "");
            }
        }
        for node in expressions {
            // What is no expression at all has been told.
            if let Some(Err(why)) = node.text().map(build)
                && node.text().is_some_and(|text| regex::Regex::new(text).is_ok())
            {
                report(Code::BadRegex, node.span, why, "Repeat less.");
            } else if node.text().and_then(|text| build(text).ok()).is_some_and(|regex| regex.is_match("")) {
                report(Code::BadValue, node.span, every_line(), "Name what only such a line has.");
            }
        }
    }
    if count > MOST {
        report(Code::OutOfRange, list.span, format!("these are {count} words and patterns, and {MOST} is the most"), "");
    }
}
