//! Healing: from findings, index and policy to actions, each audited. Never sees the scenario's fault or expected cause.
//! Whether an action helped is judged by the trial, not here.

pub mod action;
mod carry;
mod decide;
mod diff;
mod health;
mod id;
mod policy;
mod template;

pub use action::{ActionOutcome, ActionRecord};
pub use carry::{Announce, FIELD_MANAGER, Healing};
pub use decide::{Intent, Remedy, decide, next_deadline};
pub use policy::Policy;
