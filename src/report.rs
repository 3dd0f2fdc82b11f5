//! Reports: from results to text for people and files for programs. Knows results only: no client, no engine, no judgement.
//! What is measured and decided comes from `measure`; what happens meanwhile comes as `RunEvent`s.

pub mod exporter;
#[cfg(test)]
mod fixture;
pub mod format;
pub mod json;
pub mod junit;
pub mod layout;
pub mod progress;
pub mod style;
pub mod terminal;

pub use exporter::{ExportError, Exporter};
pub use json::Json;
pub use junit::Junit;
pub use progress::Progress;
pub use terminal::Terminal;
