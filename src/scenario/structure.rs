//! Whether a document has the shape that the JSON Schema of the language says: keys, types, choices, formats.
//! What the values mean together is `check`'s business.

use super::diagnostic::{Code, Diagnostic, allowed};
use super::node::{Node, Span, Tree};
use super::source::Source;
use super::{duration, quantity, schema, unsupported};
use crate::selector::Selector;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Checks a scenario; every mistake is reported.
pub fn scenario(node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let root = schema::scenario();
    Walk { root, source, found }.visit(node, root, &Part { name: "Scenario", title: "a scenario" });
}

/// Checks a suite; every mistake is reported.
pub fn suite(node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let root = schema::suite();
    Walk { root, source, found }.visit(node, root, &Part { name: "Suite", title: "a suite" });
}

/// Checks a strategy; every mistake is reported.
pub fn strategy(node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let root = schema::strategy();
    Walk { root, source, found }.visit(node, root, &Part { name: "Strategy", title: "a strategy" });
}

/// Checks a list of log patterns that stands in a file of its own; every mistake is reported.
pub fn log_patterns(list: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let root = schema::scenario();
    if let Some(patterns) = root.pointer("/$defs/ScenarioSpec/properties/patterns") {
        Walk { root, source, found }.visit(list, patterns, &Part { name: "ScenarioSpec", title: "patterns" });
    }
}

/// The part of the language that a value belongs to.
struct Part<'a> {
    /// Its definition in the schema.
    name: &'a str,
    /// The key under which it stands, as messages name it.
    title: &'a str,
}

struct Walk<'a> {
    root: &'static Value,
    source: &'a Arc<Source>,
    found: &'a mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn report(&mut self, code: Code, span: Span, message: String, help: String) {
        let diagnostic = Diagnostic::error(code, self.source, span, message);
        self.found.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    fn visit(&mut self, node: &Node, schema: &'static Value, part: &Part<'_>) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(definition) = self.root.pointer(reference.trim_start_matches('#')) {
                self.visit(node, definition, &Part { name, title: part.title });
            }
            return;
        }
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any_of(node, choices, part);
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let constants: Vec<_> = choices.iter().filter_map(|choice| choice.get("const").and_then(Value::as_str)).collect();
            return if constants.len() == choices.len() {
                self.choice(node, &constants, part);
            } else {
                self.one_key(node, choices, part);
            };
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let values: Vec<_> = values.iter().filter_map(Value::as_str).collect();
            return self.choice(node, &values, part);
        }
        let wanted = schema.get("type").and_then(Value::as_str);
        let fits = match (wanted, &node.tree) {
            (None, _)
            | (Some("object"), Tree::Map(_))
            | (Some("array"), Tree::List(_))
            | (Some("string"), Tree::Text(_))
            | (Some("boolean"), Tree::Bool(_))
            | (Some("number"), Tree::Number(_)) => true,
            (Some("integer"), Tree::Number(number)) => number.is_i64() || number.is_u64(),
            _ => false,
        };
        if !fits {
            return self.wrong_type(node, schema, wanted.unwrap_or_default(), part);
        }
        match &node.tree {
            Tree::Map(entries) => self.mapping(node, entries, schema, part),
            Tree::List(items) => {
                let Some(schema) = schema.get("items") else { return };
                items.iter().for_each(|item| self.visit(item, schema, part));
            }
            Tree::Text(text) => self.format(node, text, schema),
            Tree::Number(_) if wanted == Some("integer") => self.integer(node, part),
            _ => {}
        }
    }

    fn integer(&mut self, node: &Node, part: &Part<'_>) {
        if node.count().is_none_or(|count| count > u64::from(u32::MAX)) && part.title != "exitCode" {
            let message = format!("`{}` is a whole number from 0 to {}", part.title, u32::MAX);
            self.report(Code::OutOfRange, node.span, message, String::new());
        }
    }

    fn wrong_type(&mut self, node: &Node, schema: &Value, wanted: &str, part: &Part<'_>) {
        let expected = words(wanted);
        let keys = property_names(schema);
        if matches!(node.tree, Tree::Null) {
            let empty_is_fine = wanted == "object" && required(schema).is_empty();
            let help = if empty_is_fine {
                "Write `{}` for all defaults, or leave the key out."
            } else {
                "Give it a value, or leave the key out."
            };
            return self.report(Code::WrongType, node.span, format!("`{}` has no value", part.title), help.to_owned());
        }
        let help = match (wanted, &node.tree) {
            ("string", Tree::Number(number)) if schema.get("format").is_some_and(|format| format == schema::DURATION) => {
                format!("A duration has a unit: `{number}s`, `{number}m`.")
            }
            ("string", Tree::Number(_) | Tree::Bool(_)) => "Put it in quotes to make it text.".to_owned(),
            ("array", _) => "Begin each item with `- `, or write `[…]`.".to_owned(),
            ("object", _) if !keys.is_empty() => allowed("Its keys", "", &keys),
            _ => String::new(),
        };
        self.report(Code::WrongType, node.span, format!("`{}` wants {expected}, not {}", part.title, node.kind()), help);
    }

    /// Of alternatives, the one whose type fits the value.
    fn any_of(&mut self, node: &Node, choices: &'static [Value], part: &Part<'_>) {
        let resolve = |choice: &'static Value| match choice.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.root.pointer(reference.trim_start_matches('#')).unwrap_or(choice),
            None => choice,
        };
        let fits = |choice: &&'static Value| {
            let wanted = resolve(choice).get("type").and_then(Value::as_str).unwrap_or("string");
            matches!(
                (wanted, &node.tree),
                ("string", Tree::Text(_))
                    | ("array", Tree::List(_))
                    | ("boolean", Tree::Bool(_))
                    | ("number", Tree::Number(_))
                    | ("object", Tree::Map(_))
            )
        };
        if let Some(choice) = choices.iter().find(fits) {
            return self.visit(node, choice, part);
        }
        let expected: Vec<_> =
            choices.iter().map(|choice| words(resolve(choice).get("type").and_then(Value::as_str).unwrap_or("string"))).collect();
        let message = format!("`{}` wants {}, not {}", part.title, expected.join(" or "), node.kind());
        self.report(Code::WrongType, node.span, message, String::new());
    }

    fn choice(&mut self, node: &Node, values: &[&str], part: &Part<'_>) {
        let Some(text) = node.text() else {
            let help = allowed("Allowed", "", values);
            let message = format!("`{}` wants text, not {}", part.title, node.kind());
            return self.report(Code::WrongType, node.span, message, help);
        };
        if values.contains(&text) {
            return;
        }
        if unsupported::value(part.name, text) {
            let message = format!("`{}: {text}` is not supported yet", part.title);
            return self.report(Code::NotSupportedYet, node.span, message, allowed("Supported", "", values));
        }
        let message = format!("`{text}` is not a value of `{}`", part.title);
        self.report(Code::BadValue, node.span, message, allowed("Allowed", text, values));
    }

    /// A mapping with one key, which says what it is.
    fn one_key(&mut self, node: &Node, choices: &'static [Value], part: &Part<'_>) {
        let what = match part.name {
            "Condition" => "condition",
            "Fault" => "fault",
            "Step" => "step",
            "Detector" => "detector",
            _ => "choice",
        };
        let names: Vec<_> = choices.iter().flat_map(property_names).collect();
        let entries = match &node.tree {
            Tree::Map(entries) => entries,
            Tree::Text(text) if names.contains(&text.as_str()) => {
                let help = format!("Write `{text}: {{…}}`, or `{text}: {{}}` where it needs nothing.");
                return self.report(Code::WrongType, node.span, format!("a {what} is a mapping, not text"), help);
            }
            _ => {
                let message = format!("a {what} is a mapping with one key, not {}", node.kind());
                return self.report(Code::WrongType, node.span, message, allowed("Keys", "", &names));
            }
        };
        if entries.len() != 1 {
            let given = entries.iter().map(|(key, _)| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
            let message = match entries.get(1) {
                None => format!("this {what} is empty"),
                Some(_) => format!("this {what} has several keys: {given}"),
            };
            let help = if entries.is_empty() {
                allowed("Keys", "", &names)
            } else {
                format!("Each {what} is an item of its own; begin each with `- `. Settings stand below its key.")
            };
            let span = entries.get(1).map_or(node.span, |(key, _)| key.span);
            self.report(Code::OneKey, span, message, help);
        }
        for (key, value) in entries {
            let found = choices.iter().find_map(|choice| choice.get("properties")?.get(key.name.as_str()));
            match found {
                Some(schema) => self.visit(value, schema, &Part { name: part.name, title: &key.name }),
                None => self.unknown(key, &names, &format!("{what} "), part),
            }
        }
    }

    fn mapping(&mut self, node: &Node, entries: &[(super::node::Key, Node)], schema: &'static Value, part: &Part<'_>) {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let names = property_names(schema);
        for (key, value) in entries {
            if let Some(schema) = properties.and_then(|properties| properties.get(&key.name)) {
                self.visit(value, schema, &Part { name: part.name, title: &key.name });
            } else if let Some(schema) = others.filter(|schema| schema.is_object()) {
                self.visit(value, schema, &Part { name: part.name, title: &key.name });
            } else if others == Some(&Value::Bool(false)) {
                self.unknown(key, &names, "key ", part);
            }
        }
        for name in required(schema) {
            if !entries.iter().any(|(key, _)| key.name == name) {
                let describe = properties.unwrap_or(&empty).get(name).and_then(|property| property.get("description"));
                let help = describe.and_then(Value::as_str).map(|text| format!("`{name}`: {text}")).unwrap_or_default();
                self.report(Code::MissingKey, node.span, format!("`{}` needs the key `{name}`", part.title), help);
            }
        }
    }

    fn unknown(&mut self, key: &super::node::Key, names: &[&str], what: &str, part: &Part<'_>) {
        if unsupported::key(part.name, &key.name) {
            let message = format!("`{}` is not supported yet", key.name);
            return self.report(Code::NotSupportedYet, key.span, message, allowed("Supported here", "", names));
        }
        if let Some(why) = unsupported::never(part.name, &key.name) {
            let message = format!("`{}` cannot be a target of `{}`: {why}", key.name, part.title);
            return self.report(Code::UnknownKey, key.span, message, allowed("Supported here", "", names));
        }
        let message = match what {
            "key " => format!("unknown key `{}` in `{}`", key.name, part.title),
            what => format!("unknown {what}`{}`", key.name),
        };
        self.report(Code::UnknownKey, key.span, message, allowed("Allowed", &key.name, names));
    }

    fn format(&mut self, node: &Node, text: &str, schema: &Value) {
        let (code, result) = match schema.get("format").and_then(Value::as_str) {
            Some(schema::DURATION) => (Code::BadDuration, duration::parse(text).map(drop)),
            Some(schema::QUANTITY) => (Code::BadQuantity, quantity::check(text)),
            Some(schema::SELECTOR) => (Code::BadSelector, Selector::parse(text).map(drop)),
            Some(schema::REGEX) => (Code::BadRegex, regex::Regex::new(text).map(drop).map_err(|error| regex_message(&error))),
            Some(schema::NAME) => (Code::BadName, name(text)),
            _ => return,
        };
        if let Err(message) = result {
            // "what is wrong; what to write"
            let (message, help) = message.split_once("; ").unwrap_or((&message, ""));
            let mut help = help.to_owned();
            if let Some(first) = help.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            self.report(code, node.span, message.to_owned(), if help.is_empty() { help } else { format!("{help}.") });
        }
    }
}

/// The last line of the crate's message says what is wrong; the lines before draw the expression once more.
fn regex_message(error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
    format!("this is not a regular expression: {reason}")
}

/// Why a text is no name for a scenario; none where it is one.
#[must_use]
pub fn name_problem(text: &str) -> Option<String> {
    name(text).err()
}

fn name(text: &str) -> Result<(), String> {
    let fits = (1..=63).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a name that Kubernetes takes; use lower case letters, digits and `-`, at most 63, with a letter or digit at both ends"
    ))
}

fn words(type_: &str) -> &'static str {
    match type_ {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "something else",
    }
}

fn property_names(schema: &Value) -> Vec<&str> {
    schema.get("properties").and_then(Value::as_object).map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn required(schema: &Value) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
