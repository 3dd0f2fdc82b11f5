//! `${name}` in scalars: declared defaults, values that override them, and the replacement itself.
//! Commands and inline manifests are never touched: `${…}` there belongs to a shell.

use super::diagnostic::{Code, Diagnostic, allowed};
use super::node::{Node, Span, Tree};
use super::source::Source;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Values by parameter name; only scalars.
pub type Values = BTreeMap<String, Tree>;

/// Keys below which nothing is replaced.
const COMMANDS: [&str; 3] = ["command", "args", "inline"];

/// The parameters that a scenario declares, with their defaults.
pub fn declared(scenario: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Values {
    let mut values = Values::new();
    for (key, value) in scenario.at(&["spec", "parameters"]).map(Node::entries).unwrap_or_default() {
        if !is_name(&key.name) {
            let message = format!("`{}` is not a name for a parameter", key.name);
            let help = "Use letters, digits, `-` and `_`, beginning with a letter.";
            found.push(Diagnostic::error(Code::BadParameter, source, key.span, message).help(help));
        }
        // A default that is no scalar is reported by the structure check; it still declares the name.
        values.insert(key.name.clone(), value.tree.clone());
    }
    values
}

/// Reads the value of `--set NAME=VALUE` as a YAML scalar.
///
/// # Errors
/// A sentence saying what is wrong.
pub fn scalar(name: &str, text: &str) -> Result<Tree, String> {
    let source = Arc::new(Source { name: String::new(), text: text.to_owned() });
    let mut found = Vec::new();
    let documents = super::parse::documents(&source, super::parse::Dialect::Language, &mut found);
    match documents.into_iter().next().map(|node| node.tree) {
        None if found.is_empty() => Ok(Tree::Text(String::new())),
        Some(tree @ (Tree::Bool(_) | Tree::Number(_) | Tree::Text(_))) if found.is_empty() => Ok(tree),
        _ => Err(format!("the value of `--set {name}=…` is not one YAML scalar; put it in quotes: `--set {name}='\"…\"'`")),
    }
}

/// Warns of each declared parameter that changes nothing, because no `${name}` stands where it would be replaced.
pub fn unused(scenario: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let spec = scenario.get("spec");
    let places = || spec.map(Node::entries).unwrap_or_default().iter().filter(|(key, _)| key.name != "parameters");
    for (key, _) in spec.and_then(|spec| spec.get("parameters")).map(Node::entries).unwrap_or_default() {
        let wanted = format!("${{{}}}", key.name);
        if !places().any(|(_, node)| mentions(node, &wanted)) {
            let message = format!("the parameter `{}` is used nowhere, so a value for it changes nothing", key.name);
            let help = format!("Write `{wanted}` where its value belongs; in commands and inline manifests nothing is replaced.");
            found.push(Diagnostic::warning(Code::UnusedParameter, source, key.span, message).help(help));
        }
    }
}

fn mentions(node: &Node, wanted: &str) -> bool {
    match &node.tree {
        Tree::List(items) => items.iter().any(|item| mentions(item, wanted)),
        Tree::Map(entries) => {
            entries.iter().any(|(key, value)| !COMMANDS.contains(&key.name.as_str()) && mentions(value, wanted))
        }
        Tree::Text(text) => text.contains(wanted),
        _ => false,
    }
}

/// Replaces every `${name}` below `spec`, but for parameters, commands and inline manifests.
pub fn replace(scenario: &mut Node, values: &Values, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Tree::Map(entries) = &mut scenario.tree else { return };
    for (_, spec) in entries.iter_mut().filter(|(key, _)| key.name == "spec") {
        let Tree::Map(entries) = &mut spec.tree else { continue };
        for (_, value) in entries.iter_mut().filter(|(key, _)| key.name != "parameters") {
            replace_in(value, values, source, found);
        }
    }
}

fn replace_in(node: &mut Node, values: &Values, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    match &mut node.tree {
        Tree::List(items) => items.iter_mut().for_each(|item| replace_in(item, values, source, found)),
        Tree::Map(entries) => {
            for (_, value) in entries.iter_mut().filter(|(key, _)| !COMMANDS.contains(&key.name.as_str())) {
                replace_in(value, values, source, found);
            }
        }
        Tree::Text(text) if text.contains("${") => match fill(text, values) {
            Ok(tree) => node.tree = tree,
            Err(problems) => found.extend(problems.into_iter().map(|problem| problem.explain(node.span, values, source))),
        },
        _ => {}
    }
}

/// What is wrong with a `${`.
enum Problem {
    Unclosed,
    Unknown(String),
}

impl Problem {
    fn explain(self, scalar: Span, values: &Values, source: &Arc<Source>) -> Diagnostic {
        match self {
            Self::Unclosed => Diagnostic::error(Code::BadParameter, source, scalar, "`${` without its `}`")
                .help("Write `${name}` for a parameter, `$${` for a literal `${`."),
            Self::Unknown(name) => {
                let names: Vec<_> = values.keys().map(String::as_str).collect();
                let span = find_in(source, scalar, &format!("${{{name}}}"));
                let help = allowed("Declared under `parameters`", &name, &names);
                Diagnostic::error(Code::UnknownParameter, source, span, format!("there is no parameter `{name}`"))
                    .help(format!("{help} For a literal `${{` write `$${{`."))
            }
        }
    }
}

/// The span of `wanted` within a scalar, where it stands there as it is.
fn find_in(source: &Source, scalar: Span, wanted: &str) -> Span {
    let text = source.text.get(scalar.offset..scalar.offset + scalar.length).unwrap_or_default();
    let Some(at) = text.find(wanted) else { return scalar };
    let before = text.get(..at).unwrap_or_default();
    let line = scalar.line + before.matches('\n').count();
    let column = match before.rsplit_once('\n') {
        Some((_, last)) => last.chars().count() + 1,
        None => scalar.column + before.chars().count(),
    };
    Span { line, column, offset: scalar.offset + at, length: wanted.len() }
}

fn fill(text: &str, values: &Values) -> Result<Tree, Vec<Problem>> {
    let mut problems = Vec::new();
    if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        && !name.contains('}')
    {
        return values.get(name).cloned().ok_or_else(|| vec![Problem::Unknown(name.to_owned())]);
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = rest.get(..at).unwrap_or_default();
        let after = rest.get(at + 2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            problems.push(Problem::Unclosed);
            rest = "";
            break;
        };
        match values.get(name) {
            Some(value) => filled.push_str(&plain(value)),
            None => problems.push(Problem::Unknown(name.to_owned())),
        }
        rest = after;
    }
    filled.push_str(rest);
    if problems.is_empty() { Ok(Tree::Text(filled)) } else { Err(problems) }
}

fn plain(value: &Tree) -> String {
    match value {
        Tree::Text(text) => text.clone(),
        Tree::Number(number) => number.to_string(),
        Tree::Bool(value) => value.to_string(),
        Tree::Null | Tree::List(_) | Tree::Map(_) => String::new(),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn text(text: &str) -> Tree {
        Tree::Text(text.to_owned())
    }

    #[rstest]
    #[case("${n}", Tree::Number(3.into()))]
    #[case("${on}", Tree::Bool(true))]
    #[case("app-${n}-${word}", text("app-3-many"))]
    #[case("$${n}", text("${n}"))]
    #[case("a $${n} ${n} $$", text("a ${n} 3 $$"))]
    #[case("${word}${word}", text("manymany"))]
    fn fills(#[case] given: &str, #[case] expected: Tree) {
        let values = Values::from([
            ("n".to_owned(), Tree::Number(3.into())),
            ("on".to_owned(), Tree::Bool(true)),
            ("word".to_owned(), text("many")),
        ]);
        assert_eq!(fill(given, &values).ok(), Some(expected));
    }

    #[rstest]
    #[case("5", Some(Tree::Number(5.into())))]
    #[case("true", Some(Tree::Bool(true)))]
    #[case("yes", Some(text("yes")))]
    #[case("\"5\"", Some(text("5")))]
    #[case("", Some(text("")))]
    #[case("30s", Some(text("30s")))]
    #[case("[1]", None)]
    #[case("a: b", None)]
    fn a_value_on_the_command_line_is_a_yaml_scalar(#[case] given: &str, #[case] expected: Option<Tree>) {
        assert_eq!(scalar("x", given).ok(), expected);
    }
}
