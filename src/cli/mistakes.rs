//! Diagnostics as people read them: code, message, position, the source line with the span marked, what to do.
//! Finding mistakes is `scenario`'s.

use super::console::Console;
use crate::report::format;
use crate::report::style::{Palette, Tone};
use crate::scenario::diagnostic::Diagnostic;
use std::fmt::Write as _;
use std::io::Write as _;

/// Longer source lines are cut around the span.
const LONGEST_LINE: usize = 120;

/// Prints all of them on stderr, and how many errors there are.
pub(super) fn print(found: &[Diagnostic], console: Console) {
    let palette = console.stderr_palette();
    let shown: Vec<&Diagnostic> = found.iter().filter(|one| one.is_error() || !console.quiet).collect();
    let mut text: String = shown.iter().map(|one| render(one, palette) + "\n").collect();
    let errors = found.iter().filter(|one| one.is_error()).count();
    if errors > 0 {
        let _ = writeln!(text, "{}: nothing was run", format::count(errors, "error"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// One diagnostic.
fn render(diagnostic: &Diagnostic, palette: Palette) -> String {
    let (word, tone) = if diagnostic.is_error() { ("error", Tone::Bad) } else { ("warning", Tone::Doubt) };
    let label = palette.paint(tone, &format!("{word}[{}]", diagnostic.code.as_str()));
    let mut text = format!("{label}: {}\n", format::plain(&diagnostic.message));
    let position = diagnostic.position();
    if !position.is_empty() {
        let _ = writeln!(text, "  {} {position}", palette.paint(Tone::Faint, "-->"));
    }
    if let Some(at) = diagnostic.at.as_ref().filter(|at| at.span.line > 0) {
        let range = at.range();
        let source = &at.source.text;
        let start = source.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let line = source.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let before = source.get(start..range.start).unwrap_or_default().chars().count();
        let marked = at.marked().chars().count().max(1);
        // Tabs and controls become one column each, so that the marks stand below the text.
        let line: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let from = if line.len() > LONGEST_LINE { before.saturating_sub(LONGEST_LINE / 3) } else { 0 };
        let shown: String = line.iter().skip(from).take(LONGEST_LINE).collect();
        let number = at.span.line.to_string();
        let bar = palette.paint(Tone::Faint, "|");
        let gap = " ".repeat(number.len());
        let marks = "^".repeat(marked.min(LONGEST_LINE.saturating_sub(before - from)).max(1));
        let _ = writeln!(
            text,
            "{gap} {bar}\n{number} {bar} {}\n{gap} {bar} {}{}",
            shown.trim_end(),
            " ".repeat(before - from),
            palette.paint(tone, &marks)
        );
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "  {} {}", palette.paint(Tone::Faint, "help:"), format::plain(help));
    }
    text
}
