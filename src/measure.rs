//! Measurement and judgement: pure functions of timeline and plan, the same live and afterwards (`comeback judge`).
//! Knows no client and no clock.

pub mod result;

pub use result::RunResult;
