//! Colours and marks of the terminal report and of progress lines. Whether colours are wanted is decided by the CLI.

use crate::measure::result::Outcome;
use crate::scenario::Verdict;

/// What a piece of text means; its colour follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Plain text.
    #[default]
    Plain,
    /// Headings.
    Strong,
    /// Secondary text.
    Faint,
    /// An objective was met.
    Good,
    /// An objective was missed.
    Bad,
    /// Nothing is known.
    Doubt,
}

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Whether colours are wanted.
    pub colors: bool,
}

impl Palette {
    /// `text` in the colour of `tone`.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubt => "33",
        };
        if self.colors && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The mark before a scenario, readable without colour.
#[must_use]
pub const fn mark(outcome: Outcome) -> (&'static str, Tone) {
    match outcome {
        Outcome::Passed => ("✓", Tone::Good),
        Outcome::Failed => ("✗", Tone::Bad),
        Outcome::Inconclusive => ("?", Tone::Doubt),
        Outcome::Skipped => ("–", Tone::Faint),
    }
}

/// The mark before a trial: whether its verdict was expected, missed an objective, or says nothing.
#[must_use]
pub fn trial_mark(verdict: Verdict, expect: &[Verdict]) -> (&'static str, Tone) {
    mark(match verdict {
        Verdict::Skipped => Outcome::Skipped,
        verdict if !verdict.is_valid() => Outcome::Inconclusive,
        verdict if expect.contains(&verdict) => Outcome::Passed,
        _ => Outcome::Failed,
    })
}

/// The word for an outcome.
#[must_use]
pub const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Skipped => "skipped",
    }
}
