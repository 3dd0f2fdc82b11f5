//! Patterns in a container's log: the lowest tier of evidence. They raise the confidence of a finding, they never make one.
//! Only the newest lines count.

use super::case::Case;
use super::patterns;

pub use super::patterns::Topic;

/// How many of the newest lines are looked at.
const NEWEST: usize = 50;

/// The longest quotation of a line in evidence.
const QUOTE: usize = 160;

/// The newest line of a container's log that speaks of a topic, shortened.
pub fn line_about(case: &Case<'_>, container: &str, topic: Topic) -> Option<String> {
    newest(case, container).find(|(_, lower)| speaks_of(case, topic, lower)).map(|(line, _)| quoted(line))
}

/// The newest lines of a container's log that speak of a topic, newest first.
pub fn lines_about(case: &Case<'_>, container: &str, topic: Topic) -> Vec<String> {
    let about = newest(case, container).filter(|(_, lower)| speaks_of(case, topic, lower));
    about.map(|(line, _)| line.trim().to_owned()).collect()
}

/// The newest line of a container's log that has one of these words (in lower case).
pub fn line_with(case: &Case<'_>, container: &str, words: &[impl AsRef<str>]) -> Option<String> {
    newest(case, container)
        .find(|(_, lower)| words.iter().any(|word| lower.contains(word.as_ref())))
        .map(|(line, _)| quoted(line))
}

/// By comeback's own patterns, or by the user's.
fn speaks_of(case: &Case<'_>, topic: Topic, lower: &str) -> bool {
    patterns::of(topic).are_in(lower) || case.own.patterns(topic).is_some_and(|own| own.are_in(lower))
}

/// The newest lines of a container's log with the same in lower case, newest first.
fn newest<'a>(case: &Case<'a>, container: &str) -> impl Iterator<Item = (&'a str, String)> {
    let lines = case.index.log(&case.pod.reference.uid, container);
    lines.iter().rev().take(NEWEST).map(|(_, line)| (line.text.as_str(), line.text.to_lowercase()))
}

fn quoted(line: &str) -> String {
    line.trim().chars().take(QUOTE).collect()
}
