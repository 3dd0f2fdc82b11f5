//! The scenario language: what a YAML file may say (`model`), and the resolved plan that engine and judge work from (`plan`).
//! No client and no clock: everything here is a pure function of text, and of what a `workload.render` prints.

pub mod builtin;
pub mod cause;
pub mod check;
pub mod code;
pub mod condition;
pub mod diagnostic;
pub mod discover;
pub mod duration;
pub mod expand;
pub mod fault;
pub mod heal;
pub mod images;
pub mod load;
pub mod manifest;
pub mod matrix;
pub mod memory;
pub mod model;
pub mod node;
pub mod parameters;
pub mod parse;
pub mod patching;
pub mod plan;
pub mod quantity;
pub mod render;
pub mod rendering;
pub mod schedule;
pub mod schema;
pub mod source;
pub mod structure;
pub mod suite;
pub mod target;
pub mod thresholds;
pub mod unsupported;
pub mod verdict;

pub use condition::Condition;
pub use diagnostic::Diagnostic;
pub use fault::Fault;
pub use heal::{Heal, Healer, Step};
pub use load::{LoadOptions, Loaded, load};
pub use model::{Scenario, Suite};
pub use plan::Plan;
pub use schedule::Schedule;
pub use target::Target;
pub use thresholds::Thresholds;
pub use verdict::Verdict;
