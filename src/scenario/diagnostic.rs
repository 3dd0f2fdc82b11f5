//! What is wrong with a file, where, and what to do: one type for every mistake of the language, its text and its JSON.
//! Finding mistakes is the business of `parse`, `structure`, `check` and `load`.

use super::node::Span;
use super::source::Source;
use serde_json::{Value, json};
use std::sync::Arc;

pub use super::code::Code;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, and the user should know.
    Warning,
}

/// Where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The text.
    pub source: Arc<Source>,
    /// The stretch of it.
    pub span: Span,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where; absent for mistakes on the command line.
    pub at: Option<Position>,
    /// What to do, and what is allowed.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error in a file.
    #[must_use]
    pub fn error(code: Code, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            at: Some(Position { source: Arc::clone(source), span }),
            help: None,
        }
    }

    /// A warning in a file.
    #[must_use]
    pub fn warning(code: Code, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, source, span, message) }
    }

    /// An error on the command line.
    #[must_use]
    pub fn argument(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), at: None, help: None }
    }

    /// The same with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether nothing may run.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error)
    }

    /// `file:line:column`, or `file` alone, or nothing for the command line.
    #[must_use]
    pub fn position(&self) -> String {
        match &self.at {
            None => String::new(),
            Some(at) if at.span.line == 0 => at.source.name.clone(),
            Some(at) => format!("{}:{}:{}", at.source.name, at.span.line, at.span.column),
        }
    }

    /// The form of `validate --format json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "severity": if self.is_error() { "error" } else { "warning" },
            "code": self.code.as_str(),
            "message": self.message,
        });
        if let (Some(at), Some(fields)) = (&self.at, object.as_object_mut()) {
            fields.insert("file".into(), json!(at.source.name));
            if at.span.line > 0 {
                fields.insert("line".into(), json!(at.span.line));
                fields.insert("column".into(), json!(at.span.column));
                fields.insert("length".into(), json!(at.marked().chars().count()));
                fields.insert("text".into(), json!(at.marked()));
            }
        }
        if let (Some(help), Some(fields)) = (&self.help, object.as_object_mut()) {
            fields.insert("help".into(), json!(help));
        }
        object
    }
}

impl Position {
    /// The bytes to mark: never beyond the line on which the span begins, and never nothing where there is something.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        let text = &self.source.text;
        let start = (0..=self.span.offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let rest = text.get(start..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default().trim_end().len();
        let wanted = if self.span.length == 0 { line } else { self.span.length.min(line) };
        let length = (wanted..=line).find(|length| rest.is_char_boundary(*length)).unwrap_or(line);
        start..start + length
    }

    /// The text that is marked.
    #[must_use]
    pub fn marked(&self) -> &str {
        self.source.text.get(self.range()).unwrap_or_default()
    }
}

/// Sorts by file and position, errors before warnings at the same place, and drops repetitions.
pub fn sort(found: &mut Vec<Diagnostic>) {
    found.sort_by(|a, b| order(a).cmp(&order(b)));
    found.dedup();
}

fn order(diagnostic: &Diagnostic) -> (Option<&str>, usize, usize, Severity, Code, &str) {
    let (file, span) = match &diagnostic.at {
        Some(at) => (Some(at.source.name.as_str()), at.span),
        None => (None, Span::default()),
    };
    (file, span.line, span.column, diagnostic.severity, diagnostic.code, &diagnostic.message)
}

/// "did you mean `x`?" for the nearest of the candidates, if one is near enough.
#[must_use]
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&given, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.82)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!("Did you mean `{candidate}`?"))
}

/// More candidates than this are not listed whole.
const LONGEST_LIST: usize = 40;

/// "Did you mean `x`? Allowed: `a`, `b`." with `what` in the place of "Allowed".
#[must_use]
pub fn allowed(what: &str, given: &str, candidates: &[&str]) -> String {
    let quoted = |shown: Vec<&&str>| shown.into_iter().map(|candidate| format!("`{candidate}`")).collect::<Vec<_>>().join(", ");
    let list = if candidates.len() > LONGEST_LIST {
        // Only shipped scenarios are so many: those of the same family are enough to find one's way.
        let family = given.split(['-', '/']).next().unwrap_or(given);
        let near: Vec<_> = candidates.iter().filter(|candidate| candidate.starts_with(family)).take(LONGEST_LIST).collect();
        let more = candidates.len() - near.len();
        let dots = if near.is_empty() { "" } else { ", and " };
        format!("{}{dots}{more} more, which `comeback list` names", quoted(near))
    } else {
        quoted(candidates.iter().collect())
    };
    match (did_you_mean(given, candidates.iter().copied()), candidates.is_empty()) {
        (_, true) => format!("{what}: none."),
        (Some(question), false) => format!("{question} {what}: {list}."),
        (None, false) => format!("{what}: {list}."),
    }
}
