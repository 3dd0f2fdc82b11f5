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

/// More than these are only counted: nobody reads them, and each takes a walk through its file.
const MOST_SHOWN: usize = 100;

/// The diagnostics, one after the other, and how many there are; nothing at all where there are none.
#[must_use]
pub fn render(found: &[Diagnostic], look: Look) -> String {
    let theme = if look.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(look.width.clamp(40, 200)).without_syntax_highlighting();
    let mut text = String::new();
    for diagnostic in found.iter().take(MOST_SHOWN) {
        let report = Report::new(diagnostic);
        if handler.render_report(&mut text, &report).is_err() {
            let _ = writeln!(text, "{}: {}: {}", diagnostic.position(), diagnostic.code, diagnostic.message);
        }
        text.push('\n');
    }
    if let Some(hidden @ 1..) = found.len().checked_sub(MOST_SHOWN) {
        let _ = writeln!(text, "and {hidden} more; `comeback validate --format json` has all of them");
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

/// The text without what would move the cursor or reorder what is read; every byte offset stays what it was.
fn printable(text: &str) -> String {
    let harmful =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (harmful(c), c.len_utf8()) {
            (false, _) => out.push(c),
            (true, 1) => out.push(if c == '\r' { ' ' } else { '?' }),
            (true, 2) => out.push('\u{b7}'),
            (true, _) => out.push('\u{fffd}'),
        }
    }
    out
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
            .map(|at| NamedSource::new(printable(&at.source.name), printable(&at.source.text)));
        Self { diagnostic, source }
    }
}

impl std::fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = printable(&self.diagnostic.message);
        match &self.diagnostic.at {
            Some(at) if at.span.line == 0 && !self.diagnostic.message.contains(&at.source.name) => {
                write!(f, "{}: {message}", printable(&at.source.name))
            }
            _ => f.write_str(&message),
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
        self.diagnostic.help.as_ref().map(|help| Box::new(printable(help)) as _)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::code::Code;

    #[test]
    fn nothing_of_a_hostile_text_reaches_the_terminal_raw() {
        let text = "a: \u{1b}[31m\u{9b}2J\u{202e}x\nb: y\n".to_owned();
        assert_eq!(printable(&text), "a: ?[31m\u{b7}2J\u{fffd}x\nb: y\n");
        assert_eq!(printable(&text).len(), text.len());
        let found = [Diagnostic::argument(Code::Unreadable, "`\u{1b}[2J` does not exist").help("not \u{7}")];
        let rendered = render(&found, Look { color: false, width: 80 });
        assert!(rendered.chars().all(|c| !c.is_control() || c == '\n'), "{rendered:?}");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let found = vec![Diagnostic::argument(Code::Unreadable, "`x` does not exist"); 103];
        let rendered = render(&found, Look { color: false, width: 80 });
        assert_eq!(rendered.matches("does not exist").count(), 100);
        assert!(rendered.ends_with("and 3 more; `comeback validate --format json` has all of them\n103 errors\n"), "{rendered}");
    }
}
