//! Conditions as a person would say them. What they mean exactly is `observe::evaluate`'s.

use crate::measure::effect::plural;
use crate::scenario::condition::{Metric, NodeIs, RolloutState, StatusCondition};
use crate::scenario::{Condition, Target};

/// A condition in words.
pub(super) fn condition(condition: &Condition) -> String {
    let of = |target: Option<Target>| target.map_or_else(|| "the workload".to_owned(), |target| target.to_string());
    let in_container =
        |container: &Option<String>| container.as_ref().map_or_else(String::new, |name| format!(", container {name}"));
    match condition {
        Condition::Ready(one) => match one.at_least {
            Some(n) => format!("at least {} of {} {} ready", plural(n as usize, "pod"), of(one.target()), are(n)),
            None => format!("{} has all its pods ready, of its present revision", of(one.target())),
        },
        Condition::Restarts(one) => {
            format!(
                "a container of {}{} has restarted {} after the fault",
                of(one.target()),
                in_container(&one.container),
                times(one.at_least)
            )
        }
        Condition::Waiting(one) => {
            format!("a container of {}{} waits for {}", of(one.target()), in_container(&one.container), one.reason)
        }
        Condition::Terminated(one) => {
            let reason = one.reason.as_ref().map_or_else(String::new, |reason| format!(" as {reason}"));
            let code = one.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
            format!("a container of {}{} has ended{reason}{code}", of(one.target()), in_container(&one.container))
        }
        Condition::Replaced(one) => {
            let (pods, were) = (plural(one.at_least as usize, "pod"), if one.at_least == 1 { "was" } else { "were" });
            format!("{} has at least {pods} that {were} not there before the fault", of(one.target()))
        }
        Condition::Phase(one) => {
            let (pods, are) = (plural(one.at_least as usize, "pod"), are(one.at_least));
            format!("at least {pods} of {} {are} {:?}", of(one.target()), one.is)
        }
        Condition::Condition(one) => status(one),
        Condition::Event(one) => {
            let parts = [
                one.reason.as_ref().map(|reason| format!("with reason {reason}")),
                one.message.as_ref().map(|message| format!("that says `{message}`")),
                one.kind.as_ref().map(|kind| format!("about a {kind}")),
                one.name.as_ref().map(|name| format!("named {name}")),
            ];
            format!("an event {} was seen", parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        Condition::Log(one) => {
            let when = if one.previous { " of a run that has ended" } else { "" };
            format!("a log line{when} of {}{} matches `{}`", of(one.target()), in_container(&one.container), one.pattern)
        }
        Condition::Endpoints(one) => format!("Service {} has at least {} ready endpoints", one.service, one.at_least),
        Condition::Rollout(one) => {
            let is = match one.is {
                Some(RolloutState::Complete) => " is complete",
                Some(RolloutState::Stuck) => " is stuck",
                None => " is there",
            };
            let revision = one.revision.map_or_else(String::new, |revision| format!(" of revision {revision}"));
            format!("the rollout{revision} of {}{is}", one.target().map_or_else(String::new, |target| target.to_string()))
        }
        Condition::Absent(one) => format!("there is no {} {}", one.kind, one.name),
        Condition::Cel(one) => format!("of {} {}, `{}` is true", one.kind, one.name, one.expression),
        Condition::Node(one) => node(one),
        Condition::Http(one) => {
            let asked = match (&one.service, &one.route) {
                (Some(service), _) => format!("Service {service}"),
                (None, route) => format!("Route {}", route.as_deref().unwrap_or_default()),
            };
            format!("a request to {asked} at {} is answered with success", one.path)
        }
        Condition::Tcp(one) => format!("Service {} takes connections", one.service),
        Condition::Dns(one) => format!("the name {} is found", one.name),
        Condition::Exec(one) => format!("a command in a pod of {} ends with 0", of(one.target())),
        Condition::Prometheus(one) => format!("Prometheus has an answer to `{}`", one.query),
        Condition::Alert(one) => format!("the alert {} is {}", one.name, format!("{:?}", one.is).to_lowercase()),
        Condition::Metric(one) => metric(one, &of(one.target())),
        Condition::Any(any) => format!("one of these: ({})", any.iter().map(self::condition).collect::<Vec<_>>().join(") or (")),
        Condition::All(all) => format!("all of these: ({})", all.iter().map(self::condition).collect::<Vec<_>>().join(") and (")),
        Condition::Not(inner) => format!("it is not so that {}", self::condition(inner)),
    }
}

const fn are(n: u32) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

fn times(n: u32) -> String {
    match n {
        1 => "at least once".to_owned(),
        2 => "at least twice".to_owned(),
        n => format!("at least {n} times"),
    }
}

fn status(one: &StatusCondition) -> String {
    let reason = one.reason.as_ref().map_or_else(String::new, |reason| format!(" with reason {reason}"));
    format!("{} {} has condition {} {:?}{reason}", one.kind, one.name, one.type_, one.status)
}

fn node(one: &NodeIs) -> String {
    let which = one.name.as_ref().map_or_else(|| "a node".to_owned(), |name| format!("node {name}"));
    let not = |is: bool| if is { "" } else { "not " };
    let parts = [
        one.ready.map(|ready| format!("is {}ready", not(ready))),
        one.schedulable.map(|schedulable| format!("is {}schedulable", not(schedulable))),
        one.taint.as_ref().map(|taint| format!("has the taint {taint}")),
    ];
    format!("{which} {}", parts.into_iter().flatten().collect::<Vec<_>>().join(" and "))
}

fn metric(one: &Metric, of: &str) -> String {
    let bound = format!("{:?}", one.of).to_lowercase();
    let used = |how: &str, percent: Option<u32>| percent.map(|percent| format!("{how} {percent} % of its {bound}"));
    let parts: Vec<String> = [used("above", one.above), used("below", one.below)].into_iter().flatten().collect();
    format!("the {} that {of} uses is {}", one.resource.name(), parts.join(" and "))
}
