//! What a detector program is told and what it may answer: one JSON object a line. Pipes and time-outs are the engine's.

use crate::detect::Confidence;
use crate::scenario::detector::ProgramDetector;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest line that is read of an answer, in bytes.
pub const LONGEST_LINE: usize = 64 * 1024;
/// The most findings of one answer.
pub const MOST_FINDINGS: usize = 1000;
/// The longest message that is kept, in characters.
const LONGEST_MESSAGE: usize = 500;

/// One line of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Line {
    /// Something is wrong with an object.
    Finding(Answered),
    /// All is said about a look.
    Done(u64),
}

/// What a program found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answered {
    /// One of the causes that it may find.
    pub cause: String,
    /// The kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The container of a pod.
    #[serde(default)]
    pub container: Option<String>,
    /// What it is, in one line.
    pub message: String,
    /// How sure it is.
    #[serde(default = "medium")]
    pub confidence: Confidence,
}

const fn medium() -> Confidence {
    Confidence::Medium
}

/// What a program is told of an object's new state.
#[must_use]
pub fn seen(object: &Value) -> String {
    json!({ "seen": object }).to_string()
}

/// What it is told of an object that is gone.
#[must_use]
pub fn gone(object: &Value) -> String {
    json!({ "gone": object }).to_string()
}

/// What it is asked when it has been told all that is new.
#[must_use]
pub fn look(number: u64) -> String {
    json!({ "look": number }).to_string()
}

/// Reads one line.
///
/// # Errors
/// What is wrong with it, with its beginning.
pub fn read(line: &[u8]) -> Result<Line, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it wrote something else than UTF-8 text".to_owned())?;
    serde_json::from_str(text).map_err(|error| {
        let begin: String = text.trim().chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        format!("it wrote a line that is no answer ({why}): `{begin}`")
    })
}

/// A finding as it is kept, if the program may say so.
///
/// # Errors
/// A cause that its detector does not list.
pub fn kept(mut found: Answered, detector: &ProgramDetector) -> Result<Answered, String> {
    if !detector.causes.contains(&found.cause) {
        return Err(format!("it found `{}`, which is not among its `causes`", found.cause));
    }
    let message = found.message.split_whitespace().collect::<Vec<_>>().join(" ");
    found.message = message.chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect();
    Ok(found)
}
