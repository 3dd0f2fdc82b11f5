//! What the values of a scenario mean together: phases, budgets, expectations, controls.
//! It works on the located tree, so that every message has a position, and on documents whose shape is wrong elsewhere too.

mod detectors;
mod fault;
mod healing;
mod images;
mod objects;
mod patterns;
mod strategy;
mod target;

pub use patterns::log_patterns;

use super::diagnostic::{Code, Diagnostic, Position};
use super::duration;
use super::expand::{self, duration_of};
use super::load::{MORE_RETRIES, MORE_TRIALS, MOST_RETRIES, MOST_TRIALS};
use super::manifest::Object;
use super::node::{Node, Span};
use super::source::Source;
use super::thresholds::Thresholds;
use std::sync::Arc;
use std::time::Duration;

/// Controllers need longer than this to show a failure: before, what was good still looks good.
const SHORTEST_HOLD: Duration = Duration::from_secs(1);

/// What all checks look at, and where they report.
struct Check<'a> {
    spec: &'a Node,
    source: &'a Arc<Source>,
    objects: objects::Objects<'a>,
    found: &'a mut Vec<Diagnostic>,
}

/// Checks a scenario against itself and its workload. `class_rto` is the RTO that a suite gives to its class.
pub fn scenario(
    node: &Node,
    source: &Arc<Source>,
    workload: &[Object],
    class_rto: Option<&(Duration, Position)>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(spec) = node.get("spec") else { return };
    let mut check = Check { spec, source, objects: objects::Objects::of(workload, spec), found };
    check.existing_alone();
    check.expectation();
    check.control();
    check.born_unready();
    check.budgets(class_rto);
    check.defaults(workload);
    check.detectors();
    check.log_patterns();
    check.cause();
    check.numbers();
    check.conditions();
    check.images();
    check.registry();
    check.faults();
    check.healing();
}

/// Checks a strategy by itself.
pub fn strategy(node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(spec) = node.get("spec") else { return };
    Check { spec, source, objects: objects::Objects::of(&[], spec), found }.ladder();
}

impl Check<'_> {
    fn report(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let help = help.into();
        let diagnostic = Diagnostic::error(code, self.source, span, message);
        self.found.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    fn expected(&self) -> Vec<(&str, Span)> {
        let Some(expect) = self.spec.get("expect") else { return Vec::new() };
        let one = expect.text().map(|text| (text, expect.span));
        one.into_iter().chain(expect.items().iter().filter_map(|item| Some((item.text()?, item.span)))).collect()
    }

    fn is_control(&self) -> bool {
        self.expected().iter().any(|(verdict, _)| *verdict == "quiet")
    }

    fn has_steady(&self) -> bool {
        self.spec.get("steady").is_some()
            || self.existing().is_some()
            || self.spec.get("fault").is_some_and(|fault| !fault.items().is_empty())
    }

    fn existing(&self) -> Option<&Node> {
        self.spec.at(&["workload", "existing"])
    }

    /// What is there already is not changed by a scenario, but for its faults.
    fn existing_alone(&mut self) {
        if self.existing().is_none() {
            return;
        }
        let others = ["manifests", "render", "inline", "patches", "images", "imagePullSecrets", "registry"];
        let workload = self.spec.get("workload");
        let others: Vec<_> = others.iter().filter_map(|key| Some((*key, workload?.key(key)?.span))).collect();
        for (key, span) in others {
            let message = format!("`existing` takes what is there already; it has no `{key}`");
            self.report(Code::Phases, span, message, "Leave one of them out.");
        }
    }

    fn expectation(&mut self) {
        let expected: Vec<(String, Span)> =
            self.expected().into_iter().map(|(verdict, span)| (verdict.to_owned(), span)).collect();
        if let Some(expect) = self.spec.get("expect").filter(|expect| expect.kind() == "a list" && expect.items().is_empty()) {
            self.report(Code::EmptyList, expect.span, "`expect` names no verdict", "Leave it out to expect `recovered`.");
        }
        let of_control = |verdict: &str| matches!(verdict, "quiet" | "false-alarm");
        for (verdict, span) in &expected {
            if matches!(verdict.as_str(), "invalid" | "error" | "aborted" | "skipped") {
                let message = format!("`{verdict}` cannot be expected: such a trial says nothing about the workload");
                let help = "Expect what a valid trial can end with: `recovered`, `late`, `undetected`, `degraded`, `unrecovered`, `regressed`; `quiet` makes a control.";
                self.report(Code::BadExpectation, *span, message, help);
            }
        }
        if let Some((_, span)) = expected.iter().find(|(verdict, _)| verdict == "false-alarm").filter(|_| self.is_control()) {
            let message = "a control that accepts `false-alarm` passes whatever is found";
            self.report(Code::BadExpectation, *span, message, "Write `expect: quiet` for a control, alone.");
        }
        let mixed =
            expected.iter().any(|(verdict, _)| of_control(verdict)) && expected.iter().any(|(verdict, _)| !of_control(verdict));
        let alone = expected.iter().any(|(verdict, _)| verdict == "false-alarm") && !self.is_control();
        if let (true, Some((_, span))) = (mixed || alone, expected.first()) {
            let message =
                "`quiet` and `false-alarm` are the verdicts of a control, the others those of a scenario with a failure";
            self.report(Code::BadExpectation, *span, message, "Write `expect: quiet` for a control, alone.");
        }
    }

    /// What is born is not ready at first: an effect that says so shows no failure.
    fn born_unready(&mut self) {
        if self.has_steady() || self.is_control() {
            return;
        }
        let conditions = self.spec.at(&["effect", "until"]).map(Node::items).unwrap_or_default();
        let unready = conditions.iter().find(|condition| condition.at(&["not", "ready"]).is_some());
        if let Some(condition) = unready {
            let message = "nothing is ready when it is born: this effect is seen of a healthy workload, too";
            let help = "Ask for a sign of failure (`restarts`, `waiting`, `terminated`), or leave `effect` out.";
            self.found.push(Diagnostic::warning(Code::EmptyCondition, self.source, condition.span, message).help(help));
        }
    }

    fn control(&mut self) {
        if !self.is_control() {
            return;
        }
        for key in ["effect", "detect", "heal", "throughout"] {
            if let Some(key) = self.spec.key(key) {
                let (name, span) = (key.name.clone(), key.span);
                let message = format!("a control (`expect: quiet`) has no `{name}`");
                let help = "In a control nothing fails: nothing takes effect, is found or healed. It may have a `fault` that is no failure, like a rollout.";
                self.report(Code::Control, span, message, help);
            }
        }
    }

    fn budgets(&mut self, class_rto: Option<&(Duration, Position)>) {
        for (phase, key) in
            [("steady", "within"), ("effect", "within"), ("detect", "within"), ("recover", "within"), ("recover", "rto")]
        {
            if let Some(node) = self.spec.at(&[phase, key]).filter(|node| duration_of(Some(node)) == Some(Duration::ZERO)) {
                let message = format!("`{phase}.{key}` leaves no time at all");
                self.report(Code::OutOfRange, node.span, message, "Leave it out for the default.");
            }
        }
        let held = if self.is_control() { "steady" } else { "recover" };
        if let Some(node) =
            self.spec.at(&[held, "hold"]).filter(|node| duration_of(Some(node)).is_some_and(|hold| hold < SHORTEST_HOLD))
        {
            let message = if self.is_control() {
                "with so short a `hold` this control looks at hardly a moment"
            } else {
                "with so short a `hold` the first good look is a recovery, even one from before the failure shows"
            };
            self.report(Code::OutOfRange, node.span, message, "Leave it out for the default, or give a second at least.");
        }
        let within = duration_of(self.spec.at(&["recover", "within"]));
        let own = self.spec.at(&["recover", "rto"]);
        let exceeds = |rto: Duration| within.filter(|within| rto > *within);
        let explain = |rto: Duration, within: Duration| {
            let message = format!(
                "the RTO of {} is longer than the budget `recover.within` of {}: nothing could ever be late",
                duration::format(rto),
                duration::format(within)
            );
            (
                message,
                format!("Raise `within`, or leave it out: it would be {}.", duration::format(expand::default_within(Some(rto)))),
            )
        };
        match (own, class_rto) {
            (Some(node), _) => {
                if let Some((rto, within)) = duration_of(Some(node)).and_then(|rto| Some((rto, exceeds(rto)?))) {
                    let (message, help) = explain(rto, within);
                    self.report(Code::RtoExceedsBudget, node.span, message, help);
                }
            }
            (None, Some((rto, at))) => {
                if let Some(within) = exceeds(*rto) {
                    let (message, help) = explain(*rto, within);
                    let scenario = format!("{message} (in `{}`)", self.source.name);
                    self.found.push(Diagnostic::error(Code::RtoExceedsBudget, &at.source, at.span, scenario).help(help));
                }
            }
            (None, None) => {}
        }
        self.hold_and_probes();
        self.control_hold();
    }

    /// A control that ends before its slowest detector could speak is quiet whatever happens.
    fn control_hold(&mut self) {
        let Some(node) = self.spec.at(&["steady", "hold"]).filter(|_| self.is_control()) else { return };
        let threshold = duration_of(self.spec.at(&["thresholds", "notReadyFor"]));
        let threshold = threshold.unwrap_or_else(|| Thresholds::default().not_ready_for);
        let Some(hold) = duration_of(Some(node)).filter(|hold| !hold.is_zero() && *hold <= threshold) else { return };
        let message = format!(
            "this control watches for {}, and `notReadyFor` is {}: a readiness problem could not be found in it",
            duration::format(hold),
            duration::format(threshold)
        );
        let help = "Leave `hold` out: the default is long enough for every detector.";
        self.found.push(Diagnostic::warning(Code::ControlTooShort, self.source, node.span, message).help(help));
    }

    fn hold_and_probes(&mut self) {
        let Some((period, owner)) = self.objects.longest_probe_period() else { return };
        let node = self.spec.at(&["recover", "hold"]);
        let hold = duration_of(node).unwrap_or(expand::RECOVER_HOLD);
        if self.is_control() || hold >= period {
            return;
        }
        let span = node.map(|node| node.span).or(self.spec.key("workload").map(|key| key.span)).unwrap_or(self.spec.span);
        let message = format!(
            "`recover.hold` of {} is shorter than the probe period of {} of {owner}: a failure may not show within it",
            duration::format(hold),
            duration::format(period)
        );
        let help = format!("Hold for at least {}, better for several periods.", duration::format(period));
        self.found.push(Diagnostic::warning(Code::HoldBelowProbePeriod, self.source, span, message).help(help));
    }

    /// "Every workload is ready" must be able to say something where it is the default.
    fn defaults(&mut self, workload: &[Object]) {
        let steady = (self.has_steady() || self.is_control()) && self.spec.at(&["steady", "until"]).is_none();
        let recover = !self.is_control() && self.spec.at(&["recover", "until"]).is_none();
        let Some(place) = self.spec.get("workload").filter(|_| (steady || recover) && !workload.is_empty()) else { return };
        let phase = if steady { "steady" } else { "recover" };
        let unwatched = ["CronJob", "ReplicaSet", "ReplicationController"];
        let other = workload.iter().find(|object| unwatched.contains(&object.kind()));
        if let Some(object) = other {
            let message =
                format!("`{phase}` would wait for the {} `{}`, which is not supported yet", object.kind(), object.name());
            let help =
                format!("Give `{phase}.until` conditions on its pods by label: `ready: {{ selector: app=… , atLeast: 1 }}`.");
            self.report(Code::NotSupportedYet, place.span, message, help);
        } else if expand::ready(workload).is_empty() {
            let message = format!("the workload runs no pods, so `{phase}` has nothing to wait for");
            self.report(Code::EmptyWorkload, place.span, message, format!("Give `{phase}.until`, or add a Deployment or a Pod."));
        }
    }

    fn numbers(&mut self) {
        if let Some(node) = self.spec.get("trials").filter(|node| node.count() == Some(0)) {
            self.report(Code::NoTrials, node.span, "zero trials prove nothing", "Give at least 1.");
        }
        if let Some(node) = self.spec.get("trials").filter(|node| node.count().is_some_and(|n| n > u64::from(MOST_TRIALS))) {
            self.report(Code::OutOfRange, node.span, format!("`trials` is {MOST_TRIALS} at most"), MORE_TRIALS);
        }
        if let Some(node) = self.spec.get("retries").filter(|node| node.count().is_some_and(|n| n > u64::from(MOST_RETRIES))) {
            self.report(Code::OutOfRange, node.span, format!("`retries` is {MOST_RETRIES} at most"), MORE_RETRIES);
        }
        for key in ["restarts", "exits"] {
            if let Some(node) = self.spec.at(&["thresholds", key]).filter(|node| node.count() == Some(0)) {
                let message = format!("with `{key}: 0` every container is a finding");
                self.report(Code::OutOfRange, node.span, message, "Give at least 1.");
            }
        }
        if let Some(node) = self
            .spec
            .get("summary")
            .filter(|node| node.text().is_some_and(|text| text.trim().is_empty() || text.trim().contains('\n')))
        {
            self.report(Code::BadValue, node.span, "`summary` is one line of text", "Longer text goes into `description`.");
        }
    }
}
