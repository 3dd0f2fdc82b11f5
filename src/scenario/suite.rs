//! What a suite says about its scenarios: selection, values for what they leave out, and the gate.
//! Judging the gate lives in `measure`; here it is only asked whether it can pass at all.

use super::diagnostic::{Code, Diagnostic, Position, allowed};
use super::discover::Document;
use super::duration;
use super::load::{MORE_RETRIES, MORE_TRIALS, MOST_RETRIES, MOST_TRIALS};
use super::model::{Gate, SuccessRateJudge, Suite};
use super::node::Node;
use super::parameters::Values;
use super::plan::Plan;
use super::structure;
use crate::selector::Selector;
use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A suite's settings, with the positions that later messages point at.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Only scenarios whose labels match.
    pub select: Option<Selector>,
    /// Parameter values.
    pub with: Values,
    /// Where each of them stands.
    pub with_at: BTreeMap<String, Position>,
    /// Trials for scenarios that say nothing.
    pub trials: Option<u32>,
    /// Retries for scenarios that say nothing.
    pub retries: Option<u32>,
    /// RTO by label `class`.
    pub rto: BTreeMap<String, (Duration, Position)>,
    /// The suite itself, where it has no mistakes.
    pub suite: Option<Suite>,
    /// Where the gate's success rate stands.
    pub gate_at: Option<Position>,
}

/// Reads a suite's settings, reporting every mistake.
#[must_use]
pub fn settings(document: &Document, found: &mut Vec<Diagnostic>) -> Settings {
    let before = found.len();
    structure::suite(&document.node, &document.source, found);
    let spec = document.node.get("spec");
    let at = |span| Position { source: Arc::clone(&document.source), span };
    let mut settings = Settings::default();
    let Some(spec) = spec else { return settings };
    settings.select = spec.text_of("select").and_then(|text| Selector::parse(text).ok());
    settings.with = spec
        .get("with")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|(key, value)| (key.name.clone(), value.tree.clone()))
        .collect();
    for (key, _) in spec.get("with").map(Node::entries).unwrap_or_default() {
        settings.with_at.insert(key.name.clone(), at(key.span));
    }
    settings.trials = spec.at(&["defaults", "trials"]).and_then(Node::count).and_then(|count| u32::try_from(count).ok());
    settings.retries = spec.at(&["defaults", "retries"]).and_then(Node::count).and_then(|count| u32::try_from(count).ok());
    for (class, value) in spec.get("rto").map(Node::entries).unwrap_or_default() {
        if let Some(rto) = value.text().and_then(|text| duration::parse(text).ok()) {
            settings.rto.insert(class.name.clone(), (rto, at(value.span)));
        }
    }
    settings.gate_at = spec.at(&["gate", "successRate"]).map(|node| at(node.span));
    check(spec, document, found);
    if found.iter().skip(before).all(|diagnostic| !diagnostic.is_error()) {
        match serde_json::from_value(document.node.to_json()) {
            Ok(suite) => settings.suite = Some(suite),
            Err(error) => found.push(Diagnostic::error(Code::BadValue, &document.source, document.node.span, error.to_string())),
        }
    }
    settings
}

fn check(spec: &Node, document: &Document, found: &mut Vec<Diagnostic>) {
    if let Some(nodes) = spec.at(&["cluster", "kind", "nodes"])
        && nodes.count().is_some_and(|count| !(1..=20).contains(&count))
    {
        let message = "a kind cluster has 1 to 20 nodes";
        found.push(
            Diagnostic::error(Code::OutOfRange, &document.source, nodes.span, message).help("Scenarios about nodes need 3."),
        );
    }
    let mut error = |code, node: &Node, message: String, help: &str| {
        found.push(Diagnostic::error(code, &document.source, node.span, message).help(help));
    };
    if let Some(node) = spec.get("scenarios").filter(|node| node.items().is_empty() && node.kind() == "a list") {
        error(Code::EmptyList, node, "the suite has no scenarios".into(), "Name files, folders or `builtin:NAME`.");
    }
    if let Some(node) = spec.at(&["defaults", "trials"]).filter(|node| node.count() == Some(0)) {
        error(Code::NoTrials, node, "zero trials prove nothing".into(), "Give at least 1.");
    }
    if let Some(node) = spec.at(&["defaults", "trials"]).filter(|node| node.count().is_some_and(|n| n > u64::from(MOST_TRIALS))) {
        error(Code::OutOfRange, node, format!("`trials` is {MOST_TRIALS} at most"), MORE_TRIALS);
    }
    if let Some(node) = spec.at(&["defaults", "retries"]).filter(|node| node.count().is_some_and(|n| n > u64::from(MOST_RETRIES)))
    {
        error(Code::OutOfRange, node, format!("`retries` is {MOST_RETRIES} at most"), MORE_RETRIES);
    }
    if let Some(node) = spec.get("concurrency").filter(|node| node.count() == Some(0)) {
        error(Code::OutOfRange, node, "with a concurrency of 0 nothing runs".into(), "Give at least 1.");
    }
    if let Some(node) = spec.at(&["gate", "successRate", "atLeast"]).filter(|node| node.number() == Some(0.0)) {
        error(Code::OutOfRange, node, "every run reaches `atLeast: 0`".into(), "Give more than 0: 90 % is 0.9.");
    }
    let ranges: [(&[&str], f64, f64, &str); 5] = [
        (&["gate", "successRate", "atLeast"], 0.0, 1.0, "A rate is between 0 and 1: 90 % is 0.9."),
        (&["gate", "successRate", "confidence"], 0.5, 0.999, "A confidence is between 0.5 and 0.999, usually 0.95."),
        (&["gate", "maxInvalid"], 0.0, 1.0, "A share is between 0 and 1: 10 % is 0.1."),
        (&["gate", "regression", "significance"], 0.001, 0.5, "How likely a false regression may be, usually 0.05."),
        (&["gate", "regression", "minEffect"], 0.0, 10.0, "A share of the baseline's median: 10 % slower is 0.1."),
    ];
    for (path, low, high, help) in ranges {
        if let Some(node) = spec.at(path)
            && let Some(value) = node.number().filter(|value| !(low..=high).contains(value))
        {
            error(Code::OutOfRange, node, format!("{value} is not between {low} and {high}"), help);
        }
    }
}

/// Reports what a suite gives and none of its scenarios takes: values of parameters that no scenario declares, and an RTO of a
/// class that no scenario has. Either would change nothing, silently.
pub fn unused(settings: &Settings, declared: &BTreeSet<&str>, classes: &BTreeSet<&str>, found: &mut Vec<Diagnostic>) {
    for (name, at) in settings.with_at.iter().filter(|(name, _)| !declared.contains(name.as_str())) {
        let message = format!("`with`: no scenario of the suite declares a parameter `{name}`");
        let help = allowed("Declared", name, &declared.iter().copied().collect::<Vec<_>>());
        found.push(Diagnostic::error(Code::UnknownParameter, &at.source, at.span, message).help(help));
    }
    for (class, (_, at)) in settings.rto.iter().filter(|(class, _)| !classes.contains(class.as_str())) {
        let message = format!("`rto`: no scenario of the suite has the label `class: {class}`, so this RTO holds for none");
        let help = allowed("Their classes", class, &classes.iter().copied().collect::<Vec<_>>());
        found.push(Diagnostic::warning(Code::UnknownClass, &at.source, at.span, message).help(help));
    }
}

/// Warns when a gate on the lower bound cannot pass with as many trials as the plan has, were they all successes.
pub fn too_few_trials(settings: &Settings, plan: &Plan, found: &mut Vec<Diagnostic>) {
    let gate: Option<&Gate> = settings.suite.as_ref().and_then(|suite| suite.spec.gate.as_ref());
    let Some(rate) = gate.and_then(|gate| gate.success_rate.as_ref()) else { return };
    let (Some(at), SuccessRateJudge::LowerBound) = (&settings.gate_at, rate.judge) else { return };
    let best = best_lower_bound(plan.trials, rate.confidence);
    if best >= rate.at_least {
        return;
    }
    let needed = trials_needed(rate.at_least, rate.confidence);
    let message = format!(
        "{} of `{}` can prove {best:.2} at most, so the gate can never pass",
        if plan.trials == 1 { "one trial".to_owned() } else { format!("{} trials", plan.trials) },
        plan.name
    );
    let help = match needed {
        Some(needed) => format!("{} needs {needed} trials that all succeed; or use `judge: observed`.", rate.at_least),
        None => format!("No number of trials proves a rate of {}; ask for less, or use `judge: observed`.", rate.at_least),
    };
    found.push(Diagnostic::warning(Code::TooFewTrials, &at.source, at.span, message).help(help));
}

/// The lower end of Wilson's two-sided interval when all of `n` trials succeed: n / (n + z²).
fn best_lower_bound(n: u32, confidence: f64) -> f64 {
    f64::from(n) / (f64::from(n) + z_squared(confidence))
}

fn trials_needed(at_least: f64, confidence: f64) -> Option<u64> {
    let needed = (z_squared(confidence) * at_least / (1.0 - at_least)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked range")]
    (0.0..1e12).contains(&needed).then_some(needed as u64)
}

fn z_squared(confidence: f64) -> f64 {
    Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence.clamp(0.5, 0.999))).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_trials_prove_0_57_and_0_9_needs_35() {
        assert!((best_lower_bound(5, 0.95) - 0.5655).abs() < 0.0005);
        assert_eq!(trials_needed(0.9, 0.95), Some(35));
        assert!(best_lower_bound(34, 0.95) < 0.9 && best_lower_bound(35, 0.95) >= 0.9);
        assert_eq!(trials_needed(1.0, 0.95), None);
    }
}
