//! Detection: pure functions from the index of observed objects to findings. Knows no client and no clock.
//! Remedies live in `heal`.

pub mod finding;

pub use finding::{Confidence, Evidence, Finding, Subject, cause_covers};
