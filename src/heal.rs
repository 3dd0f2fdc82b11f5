//! Healing: from findings, index and policy to actions, each audited. Never sees the scenario's fault or expected cause.
//! Whether an action helped is judged by the trial, not here.

pub mod action;

pub use action::{ActionOutcome, ActionRecord};
