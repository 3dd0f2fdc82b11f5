//! Reports: from results to text for people and files for programs. Knows results only: no client, no engine, no judgement.
//! What is measured and decided comes from `measure`; what happens meanwhile comes as `RunEvent`s.

pub mod confusion;
pub mod course;
pub mod csv;
pub mod exporter;
#[cfg(test)]
pub(crate) mod fixture;
pub mod format;
pub mod gate;
pub mod history;
pub mod html;
pub mod json;
pub mod junit;
pub mod layout;
mod lift;
pub mod markdown;
pub mod progress;
pub mod prometheus;
pub mod repeat;
pub mod rto;
pub mod style;
pub mod summary;
pub mod terminal;

pub use confusion::Confusion;
pub use course::Course;
pub use csv::Csv;
pub use exporter::{ExportError, Exporter};
pub use html::Html;
pub use json::Json;
pub use junit::Junit;
pub use markdown::Markdown;
pub use progress::Progress;
pub use prometheus::Prometheus;
pub use terminal::Terminal;
