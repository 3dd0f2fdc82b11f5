//! What every report format is: a pure function from a result to bytes. Where the bytes go is the CLI's business.

use crate::measure::result::RunResult;

/// A report format.
pub trait Exporter {
    /// The whole report.
    ///
    /// # Errors
    /// What could not be written.
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError>;
}

/// A result could not be written in a format: a bug of ours.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the {format} report could not be written: {reason}")]
pub struct ExportError {
    /// The format.
    pub format: &'static str,
    /// Why.
    pub reason: String,
}
