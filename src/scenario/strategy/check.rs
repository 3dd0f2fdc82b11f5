//! What is wrong with strategies: each by itself, and the way that `then` leads through those of its file.
//! Taking the ladders in is not done here.

use crate::heal::{MOST_ACTIONS, patience};
use crate::scenario::code::Code;
use crate::scenario::diagnostic::{Diagnostic, allowed};
use crate::scenario::discover::{Document, DocumentKind};
use crate::scenario::node::{Node, Span};
use crate::scenario::{Step, check, structure};

/// Steps that help against one family of causes alone.
const ONLY_FOR: [(&str, &str); 2] = [("setMemory", "oom"), ("relaxProbe", "probe")];
/// Causes that new pods of the same template meet again.
const OUTLIVES_PODS: [&str; 2] = ["image.notfound", "image.name"];

/// Checks the strategies among these documents, each with those of the same file.
pub fn check(all: &[Document], found: &mut Vec<Diagnostic>) {
    let strategies: Vec<&Document> = all.iter().filter(|document| document.kind == DocumentKind::Strategy).collect();
    for document in &strategies {
        structure::strategy(&document.node, &document.source, found);
        check::strategy(&document.node, &document.source, found);
        let siblings: Vec<&Node> =
            strategies.iter().filter(|other| other.place == document.place).map(|other| &other.node).collect();
        Way { document, siblings: &siblings, found }.check();
    }
}

struct Way<'a> {
    document: &'a Document,
    siblings: &'a [&'a Node],
    found: &'a mut Vec<Diagnostic>,
}

impl<'a> Way<'a> {
    fn report(&mut self, code: Code, span: Span, message: String, help: String) {
        self.found.push(Diagnostic::error(code, &self.document.source, span, message).help(help));
    }

    fn check(&mut self) {
        let node = &self.document.node;
        let Some(name) = name_of(node) else { return };
        let span = node.at(&["metadata", "name"]).map_or(node.span, |node| node.span);
        if self.siblings.iter().filter(|other| name_of(other) == Some(name)).count() > 1 {
            let message = format!("the strategy `{name}` is there twice in this file");
            self.report(Code::DuplicateStrategy, span, message, "Give one of them another name.".to_owned());
            return;
        }
        let answers = node.at(&["spec", "causes"]).is_some_and(|causes| !causes.items().is_empty());
        let led_to = |other: &&&Node| then_of(other).and_then(Node::text) == Some(name);
        if !answers && !self.siblings.iter().any(|other| led_to(&other)) {
            let message = format!("`{name}` is never reached: it answers no cause, and no `then` leads to it");
            self.report(Code::UnreachableStep, span, message, "Give it `causes`, or name it by `then`.".to_owned());
        }
        let way = self.follow(name).unwrap_or_else(|| vec![node]);
        self.steps(&way);
    }

    /// The strategies that `then` leads through, this one first; none where it leads to no end.
    fn follow(&mut self, name: &'a str) -> Option<Vec<&'a Node>> {
        let mut way = vec![&self.document.node];
        let Some(first) = then_of(&self.document.node) else { return Some(way) };
        let mut next = Some(first);
        while let Some(then) = next {
            let one = then.text()?;
            let names: Vec<&str> = self.siblings.iter().filter_map(|node| name_of(node)).collect();
            let Some(node) = self.siblings.iter().find(|node| name_of(node) == Some(one)).copied() else {
                // That of another strategy is told there.
                if way.len() == 1 {
                    let message = format!("this file has no strategy `{one}`");
                    self.report(Code::UnknownStrategy, then.span, message, allowed("Its strategies", one, &names));
                }
                return None;
            };
            if one == name {
                let all: Vec<&str> = way.iter().filter_map(|node| name_of(node)).chain([one]).collect();
                let message = format!("this ladder has no end: {}", all.join(", then "));
                self.report(Code::StrategyCycle, first.span, message, "Leave `then` out of one of them.".to_owned());
                return None;
            }
            // Another circle, which this one only leads into, is told of those in it.
            if way.iter().any(|known| std::ptr::eq(*known, node)) {
                return None;
            }
            way.push(node);
            next = then_of(node);
        }
        Some(way)
    }

    /// Whether each step can help, and is reached: those of others are told at the `then` that leads to them.
    fn steps(&mut self, way: &[&'a Node]) {
        let causes: Vec<&str> = self
            .document
            .node
            .at(&["spec", "causes"])
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text)
            .collect();
        let then = then_of(&self.document.node).map(|then| then.span);
        let mut taken = 0;
        for (position, node) in way.iter().enumerate() {
            let other = name_of(node).filter(|_| position > 0);
            let steps = node.at(&["spec", "steps"]).map(Node::items).unwrap_or_default();
            for (key, body) in steps.iter().flat_map(Node::entries) {
                let span = if position == 0 { key.span } else { then.unwrap_or(key.span) };
                let step = other.map_or_else(|| format!("`{}`", key.name), |other| format!("`{}` of `{other}`", key.name));
                if !causes.is_empty() && causes.iter().all(|cause| !helps(&key.name, cause)) {
                    let message = format!("{step} cannot help against {}", causes.join(", "));
                    self.report(Code::ImpossibleStep, span, message, why_not(&key.name));
                }
                if taken >= MOST_ACTIONS {
                    let message = format!("{step} can never be reached: the steps before it take {taken} attempts");
                    let help = format!("No workload is acted upon more than {MOST_ACTIONS} times; lower their `maxAttempts`.");
                    self.report(Code::UnreachableStep, span, message, help);
                }
                taken += attempts(&key.name, body);
            }
        }
    }
}

/// How many actions a step takes from those that a workload has at most.
fn attempts(name: &str, body: &Node) -> usize {
    match serde_json::from_value::<Step>(serde_json::json!({ name: body.to_json() })) {
        Ok(step) if !matches!(step, Step::Wait(_)) && !step.only_tells() => {
            usize::try_from(patience(&step).attempts).unwrap_or(usize::MAX)
        }
        _ => 0,
    }
}

/// Whether a step may do anything against a cause, or against one of those below a prefix.
fn helps(step: &str, cause: &str) -> bool {
    if let Some((_, family)) = ONLY_FOR.iter().find(|(only, _)| *only == step) {
        return crate::detect::cause_covers(family, cause);
    }
    !(is_of_pods(step) && OUTLIVES_PODS.contains(&cause))
}

fn is_of_pods(step: &str) -> bool {
    matches!(step, "restartPod" | "restartWorkload" | "scale")
}

fn why_not(step: &str) -> String {
    match ONLY_FOR.iter().find(|(only, _)| *only == step) {
        Some((_, family)) => format!("It is for causes below `{family}`."),
        None => "New pods ask for the same image; `rollback` goes back to one that was there.".to_owned(),
    }
}

fn name_of(node: &Node) -> Option<&str> {
    node.at(&["metadata", "name"]).and_then(Node::text)
}

fn then_of(node: &Node) -> Option<&Node> {
    node.at(&["spec", "then"])
}
