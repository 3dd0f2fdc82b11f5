//! Measurement and judgement: pure functions of timeline and plan, the same live and afterwards (`comeback judge`).
//! Knows no client and no clock.

pub mod attribution;
pub mod blind;
pub mod breaks;
pub mod confusion;
pub mod effect;
pub mod gate;
pub mod hold;
pub mod invariant;
pub mod judge;
pub mod lift;
pub mod marks;
pub mod outcome;
mod relation;
pub mod result;
pub mod statistics;
pub mod throughout;
pub mod until_confident;
pub mod verdict;

pub use judge::{Judge, Next};
pub use result::RunResult;
pub use verdict::judge;
