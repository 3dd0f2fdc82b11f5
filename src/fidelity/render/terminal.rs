//! The comparison as plain text of a given width: for each object the recorded states left, the simulated ones right.

use crate::fidelity::known::Sorted;
use crate::fidelity::recording::Recording;
use crate::fidelity::report::Report;
use crate::fidelity::timeline::{Mark, Moment, rows, title};
use crate::fidelity::tolerances::Tolerances;
use std::fmt::Write as _;

/// What a piece of text means; the caller chooses its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A heading.
    Heading,
    /// Something that both show.
    Same,
    /// Something that one side may lack.
    Passing,
    /// Something that differs.
    Bad,
}

/// Columns of `  12.3s `.
const TIME: usize = 9;
/// Columns of the mark between both sides.
const MARK: usize = 3;

/// The text, at most `width` columns wide; `paint` colours a piece.
#[must_use]
pub fn render(
    report: &Report,
    sorted: &Sorted,
    recording: &Recording,
    tolerances: &Tolerances,
    width: usize,
    paint: &dyn Fn(Tone, &str) -> String,
) -> String {
    let half = (width.max(40) - MARK) / 2;
    let mut out = String::new();
    for pair in &report.pairs {
        let _ = writeln!(out, "{}", paint(Tone::Heading, &cut(&title(pair), width)));
        let _ = writeln!(out, "{:half$}{:MARK$}simulated, first seed", "  recorded", "");
        let mut parted = false;
        for row in rows(pair, recording, tolerances) {
            let (mark, tone) = match row.mark {
                Mark::Same => (" | ", Tone::Same),
                Mark::Passing => (" ~ ", Tone::Passing),
                Mark::Parted => (" ≠ ", Tone::Bad),
            };
            if row.mark == Mark::Parted && !parted {
                parted = true;
                let _ = writeln!(
                    out,
                    "{}",
                    paint(
                        Tone::Bad,
                        &"─── here they part ".chars().chain(std::iter::repeat('─')).take(width).collect::<String>()
                    )
                );
            }
            let (left, right) = (cell(row.recorded.as_ref(), half), cell(row.simulated.as_ref(), half));
            for line in 0..left.len().max(right.len()) {
                let part = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
                let text = format!("{:half$}{mark}{}", part(&left), part(&right));
                let _ = writeln!(out, "{}", paint(tone, text.trim_end()));
            }
        }
        out.push('\n');
    }
    let list = |out: &mut String, heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "{}", paint(Tone::Heading, heading));
            for line in lines {
                for (index, part) in line.lines().enumerate() {
                    let _ = writeln!(out, "{}{}", if index == 0 { "- " } else { "" }, part.trim_end());
                }
            }
            out.push('\n');
        }
    };
    list(&mut out, "Divergences", sorted.new.iter().map(|divergence| wrapped(&divergence.to_string(), width)).collect());
    let known = sorted.known.iter().map(|(divergence, reason)| wrapped(&format!("{divergence} (known: {reason})"), width));
    list(&mut out, "Known divergences", known.collect());
    out
}

/// A moment as lines of at most `half` columns, its time in front of the first.
fn cell(moment: Option<&Moment>, half: usize) -> Vec<String> {
    let Some(moment) = moment else { return Vec::new() };
    let lines = wrap(&moment.text, half.saturating_sub(TIME));
    let time = format!("{:>7.1}s ", moment.at);
    let indent = " ".repeat(TIME);
    lines.iter().enumerate().map(|(index, line)| format!("{}{line}", if index == 0 { &time } else { &indent })).collect()
}

fn wrapped(text: &str, width: usize) -> String {
    let lines = text.lines().flat_map(|line| wrap(line, width.saturating_sub(2)));
    lines.enumerate().map(|(index, line)| if index == 0 { line } else { format!("  {line}") }).collect::<Vec<_>>().join("\n")
}

/// Breaks after spaces, and within words that are longer than a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        let used = line.chars().count();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        } else if used > 0 {
            line.push(' ');
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        line.extend(word);
    }
    lines.push(line);
    lines
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}
