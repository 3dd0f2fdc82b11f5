//! `kind: Strategy`: ladders by cause in files of their own, and the ladders that a scenario's `heal.strategies` come to.
//! What is wrong with one is told by `check`; where a ladder stands is decided in `crate::heal`.

mod check;

pub use check::check;

use super::builtin;
use super::code::Code;
use super::diagnostic::{Diagnostic, Position};
use super::discover::{Document, DocumentKind, discover};
use super::heal::Step;
use super::model::Metadata;
use super::node::Node;
use super::parse::{Dialect, documents};
use super::source::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// A strategy: the steps that are taken for some causes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Strategy {
    /// `comeback.dev/v1alpha1`
    pub api_version: String,
    /// `Strategy`
    pub kind: StrategyKind,
    /// Name and labels.
    pub metadata: Metadata,
    /// The strategy itself.
    pub spec: StrategySpec,
}

/// `Strategy`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "one value")]
pub enum StrategyKind {
    Strategy,
}

/// The body of a strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StrategySpec {
    /// The causes that it answers, or prefixes of them (`crash`); the longest wins. None: it is there for the `then` of others.
    pub causes: Vec<String>,
    /// The steps, taken one after another while the finding lasts. None: it is reported.
    pub steps: Vec<Step>,
    /// Another strategy of the same file, whose steps follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}

/// The steps for some causes, those of `then` among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ladder {
    /// The strategy's name.
    pub name: String,
    /// The causes that it answers.
    pub causes: Vec<String>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// The path of the default ladders in the binary.
const DEFAULT: &str = "src/heal/strategies/default.yaml";

static DEFAULTS: LazyLock<Vec<Ladder>> = LazyLock::new(|| {
    let source = Arc::new(Source { name: DEFAULT.to_owned(), text: builtin::text(DEFAULT).unwrap_or_default().to_owned() });
    let nodes = documents(&source, Dialect::Language, &mut Vec::new());
    ladders(&nodes.iter().collect::<Vec<_>>())
});

/// The ladders that are used where nothing else is said.
#[must_use]
pub fn defaults() -> &'static [Ladder] {
    &DEFAULTS
}

/// The ladder for a cause: that with the longest prefix of it.
#[must_use]
pub fn for_cause<'a>(ladders: &'a [Ladder], cause: &str) -> Option<&'a Ladder> {
    let fit =
        |ladder: &Ladder| ladder.causes.iter().filter(|known| crate::detect::cause_covers(known, cause)).map(String::len).max();
    ladders.iter().filter_map(|ladder| Some((fit(ladder)?, ladder))).max_by_key(|(length, _)| *length).map(|(_, ladder)| ladder)
}

/// The ladders of a file without mistakes.
fn ladders(nodes: &[&Node]) -> Vec<Ladder> {
    let read: Vec<Strategy> = nodes.iter().filter_map(|node| serde_json::from_value(node.to_json()).ok()).collect();
    let steps = |strategy: &Strategy| {
        let (mut steps, mut known) = (strategy.spec.steps.clone(), BTreeSet::from([strategy.metadata.name.clone()]));
        let mut then = strategy.spec.then.clone();
        while let Some(next) = then.take().filter(|name| known.insert(name.clone())) {
            if let Some(other) = read.iter().find(|other| other.metadata.name == next) {
                steps.extend(other.spec.steps.iter().cloned());
                then.clone_from(&other.spec.then);
            }
        }
        steps
    };
    let ladder = |strategy: &Strategy| Ladder {
        name: strategy.metadata.name.clone(),
        causes: strategy.spec.causes.clone(),
        steps: steps(strategy),
    };
    read.iter().filter(|strategy| !strategy.spec.causes.is_empty()).map(ladder).collect()
}

/// The ladders that a scenario's `heal.strategies` name; mistakes in their files are told where they stand.
pub fn resolve(scenario: &Document, node: &Node, found: &mut Vec<Diagnostic>) -> Vec<Ladder> {
    let has = |path: &[&str]| node.at(path).is_some_and(|node| node.kind() != "a list" || !node.items().is_empty());
    let steady = has(&["spec", "steady"]) || has(&["spec", "fault"]) || has(&["spec", "workload", "existing"]);
    let mut all: Vec<Ladder> = Vec::new();
    for item in node.at(&["spec", "heal", "strategies"]).map(Node::items).unwrap_or_default() {
        let Some(path) = item.text() else { continue };
        let origin = Position { source: Arc::clone(&scenario.source), span: item.span };
        let read = discover(path, Some(&scenario.place), Some(&origin), found);
        let report = |code, message: String, help: &str| Diagnostic::error(code, &scenario.source, item.span, message).help(help);
        if read.documents.iter().any(|document| document.kind != DocumentKind::Strategy) {
            found.push(report(Code::Kind, format!("`{path}` holds more than strategies"), "Put them into a file of their own."));
            continue;
        }
        check(&read.documents, found);
        for ladder in ladders(&read.documents.iter().map(|document| &document.node).collect::<Vec<_>>()) {
            let again = |known: &&Ladder| known.causes.iter().any(|cause| ladder.causes.contains(cause));
            if let Some(known) = all.iter().find(again) {
                let message = format!("`{}` and `{}` of `{path}` answer the same cause", known.name, ladder.name);
                found.push(report(Code::DuplicateStrategy, message, "Take the cause out of one of them."));
            }
            // Files are shared: where a scenario has no good state to go back to, the rest of the ladder may still help.
            let back = ladder.steps.iter().map(Step::key).find(|key| matches!(*key, "revertConfig" | "restoreObject"));
            if let Some(key) = back.filter(|_| !steady && !path.starts_with("builtin:")) {
                let message = format!("`{key}` of `{}` will be refused: there is no steady state to go back to", ladder.name);
                let help = "Give `steady`, and break the workload with a `fault`.";
                found.push(Diagnostic::warning(Code::NeedsSteady, &scenario.source, item.span, message).help(help));
            }
            all.push(ladder);
        }
    }
    all
}

/// The ladders of a file in the binary.
#[cfg(test)]
pub(crate) fn shipped(name: &str) -> Vec<Ladder> {
    let read = discover(&format!("builtin:strategy/{name}"), None, None, &mut Vec::new());
    ladders(&read.documents.iter().map(|document| &document.node).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_are_without_mistakes_and_answer_causes() {
        for name in ["default", "controller", "runbook"] {
            let mut found = Vec::new();
            let read = discover(&format!("builtin:strategy/{name}"), None, None, &mut found);
            check(&read.documents, &mut found);
            assert!(found.is_empty() && !read.documents.is_empty(), "{found:#?}");
        }
        assert_eq!(defaults().len(), 9);
        let keys = |cause| for_cause(defaults(), cause).map(|ladder| ladder.steps.iter().map(Step::key).collect::<Vec<_>>());
        assert_eq!(keys("config.bad-value"), Some(vec!["revertConfig", "restartWorkload"]));
        assert_eq!(keys("node.pressure"), Some(vec!["wait", "drainNode", "rebootNode"]));
        assert_eq!(keys("crash.app-error"), None);
    }

    #[test]
    fn the_longest_prefix_wins_and_then_is_taken_in() {
        let of = |name: &str, causes: &[&str]| Ladder {
            name: name.to_owned(),
            causes: causes.iter().map(|cause| (*cause).to_owned()).collect(),
            steps: Vec::new(),
        };
        let all = [of("a", &["crash"]), of("b", &["crash.app-error"]), of("c", &["oom"])];
        let name = |cause| for_cause(&all, cause).map(|ladder| ladder.name.as_str());
        assert_eq!((name("crash.app-error"), name("crash.exit0"), name("crashed")), (Some("b"), Some("a"), None));
        let controller = shipped("controller");
        let steps: Vec<_> = for_cause(&controller, "network").unwrap().steps.iter().map(Step::key).collect();
        assert_eq!(steps, ["restartPod", "rebootNode"]);
    }
}
