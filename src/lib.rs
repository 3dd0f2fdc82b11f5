//! # comeback
//!
//! (essay to come)

pub mod sim;
