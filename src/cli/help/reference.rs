//! The reference of the language as text, made from the same JSON Schema that checks files: what a type says there is said here.
//! Causes are no type: what each means stands beside their list.

use crate::report::layout::{Break, hanging, wrap};
use crate::scenario::cause::{CAUSES, meaning};
use crate::scenario::schema;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Columns of the text.
const WIDTH: usize = 100;

static EXAMPLES: LazyLock<Value> = LazyLock::new(|| serde_saphyr::from_str(include_str!("examples.yaml")).unwrap_or_default());

/// A type's description shorter than this only repeats its variant's.
const SAME_WORDS: usize = 45;

/// What there is a reference of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// What breaks a workload.
    Faults,
    /// What may hold or not.
    Conditions,
    /// What detectors find.
    Causes,
    /// Detectors of the user's own.
    Detectors,
    /// The steps of a ladder.
    Strategies,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Faults, Self::Conditions, Self::Causes, Self::Detectors, Self::Strategies];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Conditions => "conditions",
            Self::Causes => "causes",
            Self::Detectors => "detectors",
            Self::Strategies => "strategies",
        }
    }

    const fn definition(self) -> &'static str {
        match self {
            Self::Faults => "Fault",
            Self::Conditions => "Condition",
            Self::Detectors => "Detector",
            Self::Strategies | Self::Causes => "Step",
        }
    }

    const fn head(self) -> &'static str {
        match self {
            Self::Faults => {
                "What breaks a workload: the list `fault` of a scenario. Each fault may have `after` (how long after the one before it \
                 was accepted) and `for` (it undoes itself so long after it was accepted). A target is one of deployment, statefulSet, \
                 daemonSet, job, pod (by name) or selector (of labels). Without `effect` in the scenario, what shows that a fault took \
                 hold is what its text says, else that the good state is lost or a container restarts or fails."
            }
            Self::Conditions => {
                "What may hold: the lists `until` of `steady`, `effect`, `recover` and `throughout`, of which all must hold. A condition is \
                 true, false or unknown, and only true counts. A target is one of deployment, statefulSet, daemonSet, job, pod (by name) \
                 or selector (of labels)."
            }
            Self::Causes => {
                "What detectors find, in order of precedence: where one workload shows several, what stands earlier explains what stands \
                 later, and leads. A scenario names one, or the part before the dot, in `detect`: { cause: config.bad-value, within: 45s }."
            }
            Self::Detectors => {
                "Detectors of your own: the list `detectors` of a scenario, beside `thresholds`. What they find is a finding like any other: it \
                 has evidence and a confidence, is grouped by workload, counts for `detect: { cause: shop.queue-stuck }`, and is a false alarm \
                 in a control. On one workload it leads before what comeback finds itself, in the order of the list. What lines of your own logs speak of is told by `patterns: [ { topic: crash, words: [\"flux lost\"] } ]` \
                 (topics: crash, config, memory, dependency, permission, probe, image, trouble): it raises the confidence of a finding, and never makes one. \
                 `detect: { cause: oom, secondOpinion: { url: \"http://engine:8080\", model: pods } }` asks the anomaly endpoint of a coordination engine \
                 (`POST /api/v1/detect`) about each leading finding on a pod; its answer is noted and decides nothing."
            }
            Self::Strategies => {
                "The steps of a ladder, `heal: { by: comeback, strategy: [ ... ] }`: they are taken one after another while the \
                 finding lasts. Without a strategy, the ladder of the diagnosed cause is used. Ladders by cause stand in files of `kind: Strategy` \
                 (causes, steps, then: another one of the file), named by `heal: { by: comeback, strategies: [FILE] }`; built in are \
                 builtin:strategy/default (what is used without any, and for the causes that the named ones leave out), builtin:strategy/controller \
                 and builtin:strategy/runbook; `comeback show NAME` prints one. A step is refused at load where it cannot help against the causes \
                 of its strategy, or where the steps before it take all the actions that one workload is given."
            }
        }
    }

    /// The names that have an entry.
    #[must_use]
    pub fn entries(self) -> Vec<String> {
        if self == Self::Causes {
            return CAUSES.map(str::to_owned).to_vec();
        }
        variants(self.definition()).into_iter().map(|(name, ..)| name).collect()
    }

    /// The whole text, or that of one entry.
    #[must_use]
    pub fn text(self, only: Option<&str>) -> String {
        let mut out = String::new();
        if only.is_none() {
            wrap(self.head(), WIDTH, Break::Words).iter().for_each(|line| out.push_str(&format!("{line}\n")));
        }
        let wanted = |name: &str| only.is_none_or(|only| only == name);
        if self == Self::Causes {
            for cause in CAUSES.into_iter().filter(|cause| wanted(cause)) {
                let _ = write!(out, "\n{cause}\n{}", hanging("  ", meaning(cause), WIDTH));
                let _ = writeln!(out, "  detect: {{ cause: {cause}, within: 1m }}");
            }
            return out;
        }
        for (name, about, definition) in variants(self.definition()).into_iter().filter(|(name, ..)| wanted(name)) {
            let _ = writeln!(out, "\n{name}");
            let (said, example) = documented(definition, &about);
            out.push_str(&hanging("  ", &said, WIDTH));
            fields(&mut out, definition, self);
            for line in example.unwrap_or_else(|| own_example(self, &name)).lines() {
                let _ = writeln!(out, "  {line}");
            }
        }
        out
    }
}

/// Name, description and definition of each variant of a tagged type.
fn variants(definition: &str) -> Vec<(String, String, &'static Value)> {
    let root = schema::scenario();
    let choices = root.pointer(&format!("/$defs/{definition}/oneOf")).and_then(Value::as_array).into_iter().flatten();
    choices
        .filter_map(|choice| {
            let (name, inner) = choice.get("properties")?.as_object()?.iter().next()?;
            let about = choice.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            Some((name.clone(), about, resolved(inner)))
        })
        .collect()
}

fn resolved(schema: &'static Value) -> &'static Value {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
    reference.and_then(|pointer| schema::scenario().pointer(pointer)).unwrap_or(schema)
}

/// What a variant and its type say, and the example in it.
fn documented(definition: &Value, about: &str) -> (String, Option<String>) {
    let own = definition.get("description").and_then(Value::as_str).unwrap_or_default();
    // A union's own description is that of all its variants.
    let own = if definition.get("oneOf").is_some() { "" } else { own };
    let (own, example) = match own.split_once("```yaml") {
        Some((before, rest)) => (before, rest.split_once("```").map(|(example, _)| example.trim().to_owned())),
        None => (own, None),
    };
    // `setConfig`: sets ... is said by the heading already.
    let own = own.split_once("`: ").map_or(own, |(_, rest)| rest);
    let own = own.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut said = about.trim().to_owned();
    // A few words more are the same words.
    if own.len() >= SAME_WORDS && !said.trim_end_matches('.').eq_ignore_ascii_case(own.trim_end_matches('.')) {
        let mut letters = own.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        said = if own.to_lowercase().starts_with(&said.to_lowercase()) { String::new() } else { said + " " };
        said.push_str(&(first + letters.as_str()));
    }
    (said.trim().to_owned(), example)
}

const TARGET: [&str; 6] = ["deployment", "statefulSet", "daemonSet", "job", "pod", "selector"];

fn fields(out: &mut String, definition: &Value, topic: Topic) {
    let properties = definition.get("properties").and_then(Value::as_object);
    let Some(properties) = properties else { return };
    let required: Vec<&str> =
        definition.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let is_target = |name: &str| TARGET.contains(&name) && !required.contains(&name);
    let targets: Vec<&str> = properties.keys().map(String::as_str).filter(|name| is_target(name)).collect();
    let mut rows: Vec<(String, String)> = Vec::new();
    if targets.len() > 1 {
        rows.push(("target".to_owned(), format!("one of {}", targets.join(", "))));
    }
    for (name, field) in properties {
        let common = topic == Topic::Faults && matches!(name.as_str(), "for" | "after");
        if common || targets.len() > 1 && is_target(name) {
            continue;
        }
        let about = field.get("description").and_then(Value::as_str).unwrap_or_default();
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        rows.push((name.clone(), format!("({}{must}) {about}", kind_of(field))));
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, about) in rows {
        out.push_str(&hanging(&format!("    {name:<width$}  "), about.trim(), WIDTH));
    }
}

/// What a value must be, in a word or two.
fn kind_of(field: &Value) -> String {
    let format = field.get("format").and_then(Value::as_str).unwrap_or_default();
    if let Some(known) = format.strip_prefix("comeback-") {
        return known.to_owned();
    }
    if let Some(values) = field.get("enum").and_then(Value::as_array) {
        return values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    let choices = field.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let words: Vec<&str> = choices.filter_map(|choice| choice.get("const").and_then(Value::as_str)).collect();
    if !words.is_empty() {
        return words.join(" | ");
    }
    if let Some(pointer) = field.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'))
        && let Some(definition) = schema::scenario().pointer(pointer)
    {
        return kind_of(definition);
    }
    match field.get("type").and_then(Value::as_str) {
        Some("string") => "text",
        Some("integer" | "number") => "number",
        Some("boolean") => "true or false",
        Some("array") => "list",
        Some("object") => "object",
        _ => "value",
    }
    .to_owned()
}

/// An example of our own; a step without settings needs none.
fn own_example(topic: Topic, name: &str) -> String {
    let section = if topic == Topic::Conditions { "conditions" } else { "steps" };
    let example = EXAMPLES.get(section).and_then(|section| section.get(name)?.get(name));
    format!("{name}: {}", example.map_or_else(|| "{}".to_owned(), flow))
}

/// YAML in one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) if needs_quotes(text) => Value::from(text.as_str()).to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn needs_quotes(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | '=');
    text.is_empty() || !text.chars().all(plain) || text.starts_with('-') || matches!(text, "True" | "False" | "true" | "false")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Condition, Detector, Fault, Step};
    use rstest::rstest;

    /// An entry of each; whole topics would change with everything that is said anywhere.
    #[rstest]
    #[case(Topic::Faults, Some("setConfig"))]
    #[case(Topic::Conditions, Some("restarts"))]
    #[case(Topic::Strategies, Some("relaxProbe"))]
    #[case(Topic::Causes, None)]
    #[case(Topic::Detectors, Some("cel"))]
    fn what_users_read(#[case] topic: Topic, #[case] entry: Option<&str>) {
        insta::assert_snapshot!(topic.name(), topic.text(entry).trim());
    }

    /// The last lines of an entry are its example.
    fn example(topic: Topic, name: &str) -> String {
        let text = topic.text(Some(name));
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.iter().rposition(|line| line.starts_with(&format!("  {name}:"))).unwrap_or_else(|| panic!("{text}"));
        lines[start..].iter().map(|line| format!("{}\n", &line[2..])).collect()
    }

    #[test]
    fn every_entry_has_an_example_that_the_language_takes() {
        let mut wrong = Vec::new();
        for topic in [Topic::Faults, Topic::Conditions, Topic::Detectors, Topic::Strategies] {
            for name in topic.entries() {
                let text = example(topic, &name);
                let read = match topic {
                    Topic::Faults => serde_saphyr::from_str::<Fault>(&text).map(drop),
                    Topic::Conditions => serde_saphyr::from_str::<Condition>(&text).map(drop),
                    Topic::Detectors => serde_saphyr::from_str::<Detector>(&text).map(drop),
                    _ => serde_saphyr::from_str::<Step>(&text).map(drop),
                };
                if let Err(error) = read {
                    wrong.push(format!("{name}: {text}{error}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_field_and_entry_says_what_it_is() {
        for topic in Topic::ALL {
            let text = topic.text(None);
            // An example is to be copied: it is not wrapped.
            let is_example =
                |line: &str| line.starts_with("  ") && !line.starts_with("    ") && line.contains(": {") || line.contains(": [");
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > WIDTH && !is_example(line)).collect();
            assert!(!text.contains(") \n") && wide.is_empty(), "{wide:?}");
            assert!(topic.entries().iter().all(|name| text.contains(&format!("\n{name}\n"))));
        }
    }
}
