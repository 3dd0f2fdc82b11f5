//! What lines of the workload's own logs speak of, as it is written. How lines are looked at lives in `crate::detect`.

use crate::detect::Topic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Words and patterns that tell what a line of a log speaks of, beside those that comeback knows. They are the lowest tier of evidence:
/// they raise the confidence of a finding and name its alternatives, and never make one.
///
/// ```yaml
/// { topic: crash, words: ["flux lost"], patterns: [{ pattern: 'worker \d+ gave up' }] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPatterns {
    /// What a line speaks of that has one of them.
    pub topic: Topic,
    /// Text that stands in the line as it is; case does not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Regular expressions; case does not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<LogPattern>,
}

/// A regular expression on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPattern {
    /// It is tried only where the line has this text (default: on every line).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub with: String,
    /// The expression.
    pub pattern: String,
}
