//! `dependency`, `network`: a container fails because of what it calls: a Service without a ready endpoint, or one that has
//! endpoints and cannot be reached. Without a Service that it names, the failure stays its own.

use super::{crash, probe, readiness};
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::logs::{Topic, lines_about};
use crate::detect::related::{answers_since, ready_endpoints, selects};
use crate::observe::index::{ContainerRecord, text};
use serde_json::Value;

/// When a container fails in one of its own ways, and what it calls explains that.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    let own =
        probe::sign(case, container).or_else(|| crash::sign(case, container)).or_else(|| readiness::sign(case, container))?;
    let told = words(case, container);
    let spec = case.spec(&container.name);
    let waits = waits_for_an_answer(case, container);
    let mut best: Option<Sign> = None;
    for service in case.index.objects("Service") {
        let name = text(service, "/metadata/name");
        if selects(service, &case.pod.labels) {
            continue;
        }
        let line = told.iter().find(|line| names(line, name) || names(line, text(service, "/spec/clusterIP")));
        let ready = ready_endpoints(case.index, name);
        // Whoever calls a Service that is back notices that at its next try. What began after it was back has another cause.
        let back = answers_since(case.index, name)
            .is_some_and(|at| own.first_seen <= at && case.index.now().saturating_sub(at) < case.thresholds.stuck_for);
        let lacks = if back { "had no ready endpoint until just now" } else { "has no ready endpoint" };
        let ready = if back { 0 } else { ready };
        let (cause, confidence, why) = match (ready, line) {
            (0, Some(_)) => ("dependency", Confidence::High, format!("Service {name} {lacks}")),
            (0, None) if calls(spec, name) => {
                ("dependency", Confidence::Medium, format!("Service {name}, which container {} names, {lacks}", container.name))
            }
            (1.., Some(line)) if timed_out(line) => (
                "network",
                Confidence::Medium,
                format!("Service {name} has {ready} ready endpoints, and yet it cannot be reached"),
            ),
            (1.., _) if waits && calls(spec, name) => (
                "network",
                Confidence::Medium,
                format!(
                    "Service {name} has {ready} ready endpoints, and yet a call of container {} was not answered",
                    container.name
                ),
            ),
            _ => continue,
        };
        if best
            .as_ref()
            .is_some_and(|known| (known.cause, known.confidence) <= (cause, confidence) && known.confidence >= confidence)
        {
            continue;
        }
        let mut lines = vec![evidence("service", why)];
        lines.extend(line.map(|line| evidence("log", line.chars().take(200).collect::<String>())));
        lines.extend(own.evidence.first().cloned());
        best = Some(Sign {
            cause,
            about: case.about(),
            container: Some(container.name.clone()),
            first_seen: own.first_seen,
            last_seen: own.last_seen,
            count: own.count,
            confidence,
            evidence: lines,
            alternatives: vec![own.cause],
        });
    }
    best
}

/// What the container and its probes said of connections that failed.
fn words(case: &Case<'_>, container: &ContainerRecord) -> Vec<String> {
    let mut words = lines_about(case, &container.name, Topic::Dependency);
    for title in ["Readiness", "Liveness", "Startup"] {
        words.extend(case.probe_failures(&container.name, title).into_iter().map(|event| event.message.trim().to_owned()));
    }
    words
}

/// Whether the newest failure of a probe that is a program of the container's own says that a call was not answered. That the program
/// itself took too long says nothing of why, and what the kubelet asks by itself is the container's own port.
fn waits_for_an_answer(case: &Case<'_>, container: &ContainerRecord) -> bool {
    let spec = case.spec(&container.name);
    [("Readiness", "readinessProbe"), ("Liveness", "livenessProbe")].into_iter().any(|(title, field)| {
        let newest = case.probe_failures(&container.name, title).into_iter().max_by_key(|event| event.last_seen);
        let own_program = spec.get(field).is_some_and(|probe| probe.get("exec").is_some());
        own_program && newest.is_some_and(|event| !event.message.contains("command timed out") && timed_out(&event.message))
    })
}

fn timed_out(line: &str) -> bool {
    let line = line.to_lowercase();
    ["timed out", "timeout", "deadline exceeded", "no route to host"].iter().any(|word| line.contains(word))
}

/// Whether a text has a name as a word of its own, or as the first label of a host name.
fn names(line: &str, name: &str) -> bool {
    !name.is_empty() && name != "None" && places(line, name).next().is_some()
}

/// Where a name stands as a whole word: what is before it and what is after it.
fn places<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name)
        .map(move |(at, _)| (&text[..at], &text[at + name.len()..]))
        .filter(move |(before, after)| !before.ends_with(|c| part(c) || c == '.') && !after.starts_with(part))
}

/// Whether a container's environment, command or probes name a Service as a host: `//name`, `user@name`, `name:5432`, `name 5432`,
/// `name.namespace`, or a variable that is the name itself.
fn calls(spec: &Value, name: &str) -> bool {
    let mut found = false;
    texts(spec, &mut |text| {
        found |= text == name
            || places(text, name).any(|(before, after)| {
                let port = after.strip_prefix([':', ' ']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
                before.ends_with("//") || before.ends_with('@') || port || after.starts_with('.')
            });
    });
    found
}

/// Every text of the parts of a container that say what it does.
fn texts(spec: &Value, look: &mut impl FnMut(&str)) {
    fn walk(value: &Value, look: &mut impl FnMut(&str)) {
        match value {
            Value::String(text) => look(text),
            Value::Array(items) => items.iter().for_each(|item| walk(item, look)),
            Value::Object(fields) => fields.values().for_each(|field| walk(field, look)),
            _ => {}
        }
    }
    for variable in spec.get("env").and_then(Value::as_array).into_iter().flatten() {
        variable.get("value").into_iter().for_each(|value| walk(value, look));
    }
    for field in ["command", "args", "readinessProbe", "livenessProbe", "startupProbe"] {
        spec.get(field).into_iter().for_each(|value| walk(value, look));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("wget: can't connect to database (10.96.0.7): Connection refused", "database", true)]
    #[case("dial tcp: lookup database.shop.svc: no such host", "database", true)]
    #[case("my-database refused", "database", false)]
    #[case("database-2 refused", "database", false)]
    #[case("shop.database refused", "database", false)]
    fn a_name_is_a_whole_word(#[case] line: &str, #[case] name: &str, #[case] is: bool) {
        assert_eq!(names(line, name), is);
    }

    #[rstest]
    #[case(json!({"env": [{"name": "DB", "value": "database"}]}), true)]
    #[case(json!({"env": [{"name": "DB", "value": "postgres://me@database:5432/x"}]}), true)]
    #[case(json!({"readinessProbe": {"exec": {"command": ["sh", "-c", "nc -z database 5432"]}}}), true)]
    #[case(json!({"args": ["--url=http://database/health"]}), true)]
    #[case(json!({"args": ["the database of record"]}), false)]
    #[case(json!({"name": "database"}), false)]
    fn a_host_is_called(#[case] spec: Value, #[case] is: bool) {
        assert_eq!(calls(&spec, "database"), is);
    }
}
