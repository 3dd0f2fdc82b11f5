//! What the values of a scenario mean together.

use super::diagnostic::{Diagnostic, Position};
use super::manifest::Object;
use super::node::Node;
use super::source::Source;
use std::sync::Arc;
use std::time::Duration;

/// Checks a scenario.
pub fn scenario(_: &Node, _: &Arc<Source>, _: &[Object], _: Option<&(Duration, Position)>, _: &mut Vec<Diagnostic>) {}
