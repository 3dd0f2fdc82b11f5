//! Healing: from findings, index and policy to actions, each audited. Never sees the scenario's fault or expected cause.
//! Whether an action helped is judged by the trial, not here.

pub mod action;
mod alert;
mod carry;
pub mod claim;
mod decide;
mod diff;
mod guard;
mod health;
mod http;
mod id;
mod memory;
pub mod opinion;
mod policy;
mod service;
mod template;

pub use action::{ActionOutcome, ActionRecord};
pub use carry::{Announce, AnnounceNode, FIELD_MANAGER, Healing, NodeChange, Nodes};
pub use claim::{Claim, ClaimStatus};
pub use decide::{Intent, MOST_ACTIONS, Remedy, decide, is_to_be_healed, next_deadline};
pub use memory::Memory;
pub use policy::{Patience, Policy, patience};
pub use service::{Incident, remediate};
