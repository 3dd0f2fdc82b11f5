//! Detectors of the user's own: causes that nobody else finds, expressions that can be run, programs that are named.

use super::Check;
use crate::notify::settings;
use crate::scenario::cause::{self, CAUSES};
use crate::scenario::detector::TIMEOUTS;
use crate::scenario::diagnostic::{Code, allowed};
use crate::scenario::expand::duration_of;
use crate::scenario::node::Node;
use std::time::Duration;

/// Events are no state: an expression or a program would be told of each repetition as of a new object.
const NO_STATE: &str = "Event";

/// The longest that an engine is waited for: meanwhile simulated time stands still.
const LONGEST_OPINION: Duration = Duration::from_mins(1);

impl Check<'_> {
    pub(super) fn detectors(&mut self) {
        let spec = self.spec;
        for (key, body) in spec.get("detectors").map(Node::items).unwrap_or_default().iter().flat_map(Node::entries) {
            match key.name.as_str() {
                "cel" => {
                    body.get("cause").into_iter().for_each(|node| self.own_cause(node));
                    body.get("kind").into_iter().for_each(|node| self.has_state(node));
                    self.expression(body);
                    if let Some(node) = body.get("message").filter(|node| node.text().is_some_and(|text| !is_one_line(text))) {
                        self.report(
                            Code::BadValue,
                            node.span,
                            "`message` is one line of text",
                            "Say what it means, in a few words.",
                        );
                    }
                }
                "program" => self.detector_program(body),
                _ => {}
            }
        }
    }

    fn detector_program(&mut self, body: &Node) {
        self.command(body, "run");
        if let Some(causes) = body.get("causes") {
            if causes.kind() == "a list" && causes.items().is_empty() {
                let help = "Name what it may answer: `causes: [shop.queue-stuck]`.";
                self.report(Code::EmptyList, causes.span, "this program may find nothing", help);
            }
            causes.items().iter().for_each(|node| self.own_cause(node));
        }
        body.get("kinds").map(Node::items).unwrap_or_default().iter().for_each(|node| self.has_state(node));
        if let Some(node) = body.get("timeout")
            && duration_of(Some(node)).is_some_and(|timeout| !TIMEOUTS.contains(&timeout))
        {
            self.report(Code::OutOfRange, node.span, "an answer may take from 100ms to 1m", "Leave it out for 10s.");
        }
    }

    fn own_cause(&mut self, node: &Node) {
        if let Some(why) = node.text().and_then(cause::own_name_problem) {
            self.report(Code::BadName, node.span, why, "As `shop.queue-stuck`.");
        }
    }

    fn has_state(&mut self, node: &Node) {
        if node.text() == Some(NO_STATE) {
            let message = "an Event is not the state of anything: it is told once, and again with a higher count";
            self.report(Code::BadValue, node.span, message, "Look at the object that the event is about.");
        }
    }

    /// `detect.cause`: one that somebody finds.
    pub(super) fn cause(&mut self) {
        if let Some(alert) = self.spec.at(&["detect", "alert"]) {
            self.addresses(alert);
        }
        if let Some(node) = self.spec.at(&["detect", "secondOpinion"]) {
            self.second_opinion(node);
        }
        let Some(node) = self.spec.at(&["detect", "cause"]) else { return };
        let Some(wanted) = node.text() else { return };
        let own = self.own_causes();
        let known: Vec<&str> = own.iter().map(String::as_str).chain(CAUSES).collect();
        if known.iter().any(|known| crate::detect::cause_covers(wanted, known)) {
            return;
        }
        let help = allowed("Found by detectors", wanted, &known);
        let help = format!("{help} A prefix covers all below it: `crash`.");
        self.report(Code::UnknownCause, node.span, format!("no detector finds `{wanted}`"), help);
    }

    fn second_opinion(&mut self, node: &Node) {
        if let Some(url) = node.get("url")
            && let Some(why) = url.text().and_then(|text| settings::plain_url(text).err())
        {
            self.report(Code::BadValue, url.span, why, "Write `url: http://engine:8080`.");
        }
        if let Some(features) = node.get("features").filter(|node| node.kind() == "a list" && node.items().is_empty()) {
            self.report(Code::EmptyList, features.span, "the model is told nothing", "Leave `features` out for the default.");
        }
        let within = node.get("within");
        let asked =
            within.filter(|node| duration_of(Some(node)).is_some_and(|within| within.is_zero() || within > LONGEST_OPINION));
        if let Some(node) = asked {
            self.report(Code::OutOfRange, node.span, "nobody is asked for no time, or for that long", "Give 1m at most.");
        }
    }

    /// The causes of the scenario's own detectors.
    pub(super) fn own_causes(&self) -> Vec<String> {
        let detectors = self.spec.get("detectors").map(Node::items).unwrap_or_default();
        let mut causes = Vec::new();
        for (_, body) in detectors.iter().flat_map(Node::entries) {
            let several = body.get("causes").map(Node::items).unwrap_or_default();
            causes.extend(body.get("cause").into_iter().chain(several).filter_map(|node| Some(node.text()?.to_owned())));
        }
        causes
    }
}

fn is_one_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.trim().contains('\n')
}
