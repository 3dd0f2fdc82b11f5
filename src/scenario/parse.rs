//! Reads YAML text into located trees, with limits that keep hostile input harmless.
//! Which keys and values are allowed is `structure`'s business.

use super::diagnostic::{Code, Diagnostic};
use super::node::{Key, Node, Span, Tree};
use super::source::Source;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Options, Spanned};
use std::sync::Arc;

/// Which YAML is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Scenarios and suites.
    Language,
    /// Kubernetes manifests: `0755` is octal, as kubectl reads it.
    Manifest,
}

/// Reads all documents of a source; empty ones are left out.
///
/// # Errors
/// Why the text is not YAML. A key given twice is reported too, and the documents that it stands in are still returned,
/// with the first value, so that other mistakes show at the same time.
pub fn documents(source: &Arc<Source>, dialect: Dialect, found: &mut Vec<Diagnostic>) -> Vec<Node> {
    let read = |duplicates| {
        on_a_deep_stack(|| {
            serde_saphyr::from_multiple_with_options::<Spanned<Raw>>(&source.text, options(dialect, duplicates))
                .map_err(|error| explain(source, &error))
                .map(|documents| documents.into_iter().map(Node::from).collect::<Vec<_>>())
        })
    };
    let result = read(DuplicateKeyPolicy::Error).or_else(|diagnostic| {
        let again = (diagnostic.code == Code::DuplicateKey).then(|| read(DuplicateKeyPolicy::FirstWins).ok()).flatten();
        found.push(diagnostic);
        again.ok_or(())
    });
    result.unwrap_or_default()
}

/// Reading recurses once per level, through many frames of serde: 64 levels do not fit everywhere, so they get a stack of
/// their own, of which only the pages in use cost anything.
fn on_a_deep_stack<T: Send>(read: impl FnOnce() -> Result<T, Diagnostic> + Send) -> Result<T, Diagnostic> {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().name("yaml".to_owned()).stack_size(64 * 1024 * 1024).spawn_scoped(scope, read);
        let failed = |what: String| Err(Diagnostic::argument(Code::Unreadable, what));
        match worker {
            Ok(worker) => worker.join().unwrap_or_else(|_| failed("the YAML reader failed; please report the file".to_owned())),
            Err(error) => failed(format!("no thread could be started to read YAML: {error}")),
        }
    })
}

fn options(dialect: Dialect, duplicates: DuplicateKeyPolicy) -> Options {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = 64;
    budget.flow_nesting_limit = 64;
    budget.max_nodes = 100_000;
    budget.max_events = 250_000;
    budget.max_aliases = 1_000;
    budget.max_documents = 1_000;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = 50_000;
    options.duplicate_keys = duplicates;
    options.strict_booleans = true;
    options.legacy_octal_numbers = dialect == Dialect::Manifest;
    options.non_finite_float_policy = NonFiniteFloatPolicy::Reject;
    options.with_snippet = false;
    options
}

fn explain(source: &Arc<Source>, error: &serde_saphyr::Error) -> Diagnostic {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let span = error.location().map_or_else(Span::default, |location| located(source, span_of(location)));
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).trim_end_matches(',').to_owned();
    match error {
        Error::DuplicateMappingKey { .. } => Diagnostic::error(Code::DuplicateKey, source, span, "this key is given twice")
            .help("Keep one of the two; a mapping has each key once."),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => {
            Diagnostic::error(Code::TooComplex, source, span, format!("this YAML is too large or too deep to be read: {message}"))
                .help("At most 64 levels, 100000 values and 50000 values through aliases are read.")
        }
        _ => Diagnostic::error(Code::Syntax, source, span, format!("this is not YAML: {message}")),
    }
}

/// Errors of the scanner know line and column only.
fn located(source: &Source, span: Span) -> Span {
    if span.offset > 0 || span.line == 0 {
        return span;
    }
    let line_start: usize = source.text.split_inclusive('\n').take(span.line - 1).map(str::len).sum();
    let line = source.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let before: usize = line.chars().take(span.column.saturating_sub(1)).map(char::len_utf8).sum();
    Span { offset: line_start + before, ..span }
}

fn span_of(location: Location) -> Span {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Span {
        line: number(location.line()),
        column: number(location.column()),
        offset: location.span().byte_offset().map_or(0, number),
        length: location.span().byte_len().map_or(0, number),
    }
}

/// A value as the YAML reader hands it over.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl From<Spanned<Raw>> for Node {
    fn from(raw: Spanned<Raw>) -> Self {
        let tree = match raw.value {
            Raw::Null => Tree::Null,
            Raw::Bool(value) => Tree::Bool(value),
            Raw::Number(number) => Tree::Number(number),
            Raw::Text(text) => Tree::Text(text),
            Raw::List(items) => Tree::List(items.into_iter().map(Into::into).collect()),
            Raw::Map(entries) => Tree::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Key { name: key.value, span: span_of(key.referenced) }, value.into()))
                    .collect(),
            ),
        };
        Self { span: span_of(raw.referenced), tree }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Raw, E> {
        Number::from_f64(value).map(Raw::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary data (`!!binary`) has no place here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            if entries.len() >= 100_000 {
                return Err(A::Error::custom("too many keys"));
            }
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
        let source = Arc::new(Source { name: "x.yaml".into(), text: text.into() });
        let mut found = Vec::new();
        let documents = documents(&source, Dialect::Language, &mut found);
        (documents, found)
    }

    #[test]
    fn every_key_and_value_knows_where_it_stands() {
        let (documents, found) = read("a: 1\nb:\n  - x: öäü\n    y: \"5\"\n---\nc: yes\n");
        assert!(found.is_empty(), "{found:?}");
        let item = &documents[0].get("b").unwrap().items()[0];
        let y = item.get("y").unwrap();
        assert_eq!((y.span.line, y.span.column, y.text()), (4, 8, Some("5")));
        assert_eq!(item.key("y").unwrap().span, Span { line: 4, column: 5, offset: 26, length: 1 });
        assert_eq!(documents[1].text_of("c"), Some("yes"), "only true and false are booleans");
        assert_eq!(documents[1].key("c").unwrap().span.line, 6);
    }

    #[test]
    fn a_key_given_twice_is_an_error_and_the_rest_is_still_read() {
        let (documents, found) = read("a: 1\na: 2\nb: 3\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code, Code::DuplicateKey);
        assert_eq!(found[0].at.as_ref().unwrap().span.line, 2);
        assert_eq!(documents[0].get("b").unwrap().count(), Some(3));
    }

    #[rstest]
    #[case::unclosed("a: [1, 2", Code::Syntax)]
    #[case::tab("a:\n\t- b\n", Code::Syntax)]
    #[case::control("\u{0}\u{1}\u{2}", Code::Syntax)]
    #[case::no_anchor("a: *nowhere", Code::Syntax)]
    fn broken_yaml_is_a_diagnostic(#[case] text: &str, #[case] code: Code) {
        let (_, found) = read(text);
        assert_eq!(found.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(), [code]);
    }

    #[test]
    fn hostile_yaml_ends_soon_and_without_a_crash() {
        use std::fmt::Write as _;
        let mut aliases = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let below = level - 1;
            writeln!(aliases, "a{level}: &a{level} [*a{below},*a{below},*a{below},*a{below},*a{below},*a{below}]").unwrap();
        }
        let mut keys = String::new();
        for key in 0..300_000 {
            writeln!(keys, "k{key}: 1").unwrap();
        }
        let deep = (0..5000).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
        for text in [aliases, keys, deep, "[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
            let (_, found) = read(&text);
            assert_eq!(found.len(), 1);
        }
    }
}
