//! # comeback
//!
//! (essay to come)

pub mod cluster;
pub mod detect;
pub mod engine;
pub mod event;
pub mod exit_code;
pub mod heal;
pub mod measure;
pub mod observe;
pub mod report;
pub mod scenario;
pub mod selector;
pub mod sim;
