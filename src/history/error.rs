//! What can go wrong with a history, in words that say what to do next.
//! Which failure is which is decided where it happens.

use thiserror::Error;

/// A history that cannot be read or written.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// There is none.
    #[error(
        "there is no history at {address}: `comeback run --history {address}` begins one, `comeback history import RUN_DIR \
         --history {address}` makes one of saved runs"
    )]
    Missing {
        /// Where it was looked for.
        address: String,
    },
    /// The address is not one.
    #[error("`{text}` is no history: {reason}; give a file, `sqlite:FILE` or `postgres://USER@HOST/DATABASE`")]
    Address {
        /// As it was given, without a password.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is no history, or is damaged.
    #[error(
        "{address} is not a history that can be read ({reason}): move it away, and `comeback history import RUN_DIR` fills a new one"
    )]
    Corrupt {
        /// Which.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// A later version of comeback made it.
    #[error(
        "{address} was made by a later comeback: its tables have version {found}, this one knows {known}; use that comeback, or another history"
    )]
    Newer {
        /// Which.
        address: String,
        /// The version of the tables.
        found: i64,
        /// The newest version that this comeback knows.
        known: i64,
    },
    /// Somebody else keeps it locked.
    #[error("{address} is locked by another process, which did not let go within {seconds} s")]
    Locked {
        /// Which.
        address: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It cannot be written, but may be read.
    #[error("{address} cannot be written: {reason}")]
    ReadOnly {
        /// Which.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// It does not answer.
    #[error("{address} did not answer within {seconds} s")]
    Silent {
        /// Which.
        address: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Anything else that the database says.
    #[error("{address}: {reason}")]
    Database {
        /// Which.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// A run that is not there.
    #[error("there is no run `{run}` in {address}; `comeback history` lists the runs that are")]
    NoRun {
        /// Where it was looked for.
        address: String,
        /// The run.
        run: String,
    },
    /// No run that could be a baseline.
    #[error(
        "no run in {address} came to its end and passed that `{reference}` could mean; `comeback history` lists the runs that are there"
    )]
    NoBaseline {
        /// Where it was looked for.
        address: String,
        /// As it was asked for.
        reference: String,
    },
    /// A run directory that cannot be read.
    #[error("{0}")]
    RunDirectory(String),
}
