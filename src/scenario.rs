//! The scenario language: what a YAML file may say (`model`), and the resolved plan that engine and judge work from (`plan`).
//! No client and no clock: everything here is a pure function of text.

pub mod condition;
pub mod duration;
pub mod fault;
pub mod heal;
pub mod model;
pub mod plan;
pub mod target;
pub mod thresholds;
pub mod verdict;

pub use condition::Condition;
pub use fault::Fault;
pub use heal::{Heal, Healer, Step};
pub use model::{Scenario, Suite};
pub use plan::Plan;
pub use target::Target;
pub use thresholds::Thresholds;
pub use verdict::Verdict;
