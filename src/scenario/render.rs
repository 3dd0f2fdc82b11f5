//! Diagnostics for people: the file, the line, the marked span, what to do.
//! The JSON form is `Diagnostic::to_json`.

use super::diagnostic::{Diagnostic, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::fmt::Write as _;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

/// The diagnostics, one after the other, and how many there are; nothing at all where there are none.
#[must_use]
pub fn render(found: &[Diagnostic], look: Look) -> String {
    let theme = if look.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(look.width.clamp(40, 200)).without_syntax_highlighting();
    let mut text = String::new();
    for diagnostic in found {
        let report = Report::new(diagnostic);
        if handler.render_report(&mut text, &report).is_err() {
            let _ = writeln!(text, "{}: {}: {}", diagnostic.position(), diagnostic.code, diagnostic.message);
        }
        text.push('\n');
    }
    let count = |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => {}
        (0, warnings) => drop(writeln!(text, "{}", plural(warnings, "warning"))),
        (errors, 0) => drop(writeln!(text, "{}", plural(errors, "error"))),
        (errors, warnings) => drop(writeln!(text, "{}, {}", plural(errors, "error"), plural(warnings, "warning"))),
    }
    text
}

/// A diagnostic as miette wants it.
#[derive(Debug)]
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
}

impl<'a> Report<'a> {
    fn new(diagnostic: &'a Diagnostic) -> Self {
        let source = diagnostic
            .at
            .as_ref()
            .filter(|at| at.span.line > 0)
            .map(|at| NamedSource::new(&at.source.name, at.source.text.clone()));
        Self { diagnostic, source }
    }
}

impl std::fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.diagnostic.at {
            Some(at) if at.span.line == 0 && !self.diagnostic.message.contains(&at.source.name) => {
                write!(f, "{}: {}", at.source.name, self.diagnostic.message)
            }
            _ => f.write_str(&self.diagnostic.message),
        }
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(if self.diagnostic.is_error() { miette::Severity::Error } else { miette::Severity::Warning })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let at = self.diagnostic.at.as_ref().filter(|at| at.span.line > 0)?;
        let range = at.range();
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, (range.start, range.len())))))
    }
}
