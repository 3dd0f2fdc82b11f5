//! Whether a document has the shape that the JSON Schema of the language says: keys, types, choices, formats.
//! What the values mean together is `check`'s business.

use super::diagnostic::Diagnostic;
use super::node::Node;
use super::source::Source;
use std::sync::Arc;

/// Checks a scenario.
pub fn scenario(_node: &Node, _source: &Arc<Source>, _found: &mut Vec<Diagnostic>) {}

/// Checks a suite.
pub fn suite(_node: &Node, _source: &Arc<Source>, _found: &mut Vec<Diagnostic>) {}
