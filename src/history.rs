//! History: what runs, scans and the healer leave for later questions, in a SQLite file or a PostgreSQL database.
//! Nothing here measures or judges; what history says is reckoned by `trend` and its kin, and shown by `report`.
//!
//! Both databases are spoken to through one driver (sqlx's `Any`): every statement exists once and is tested on both. Its price, no
//! types beyond numbers and text, is small here: times are microseconds, lists are JSON.
//!
//! A trial is written in a transaction of its own, with its stamps, findings and actions and the sums that questions about months
//! read. A crash loses at most the trial that is being written, and `comeback history import` adds what is missing: rows are named
//! by run, scenario and trial, so that an upload that comes twice changes nothing.

pub mod address;
pub mod change;
pub mod compare;
pub mod connect;
mod error;
pub mod import;
pub mod labels;
pub mod observe;
pub mod prune;
pub mod query;
pub mod record;
pub mod result;
pub mod rto;
pub mod schema;
pub mod stability;
pub mod time;
pub mod trend;
pub mod write;

pub use address::Address;
pub use connect::{Access, History};
pub use error::HistoryError;
pub use query::Window;
pub use query::cells::Times;
