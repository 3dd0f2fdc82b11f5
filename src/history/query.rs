//! Questions: which runs there are, what one run was, and the sums that longer questions start from.
//! What follows from the answers is reckoned in `trend`, `stability` and their kin.

pub mod cells;
pub mod flaky;
pub mod looks;
pub mod runs;
pub mod show;

use super::HistoryError;
use super::connect::History;
use sqlx::AnyConnection;

/// Which runs a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// From then on, in microseconds since 1970.
    pub since: i64,
    /// Until then, in microseconds since 1970.
    pub until: i64,
    /// Only runs with this label.
    pub label: Option<(String, String)>,
}

impl Window {
    /// From the beginning to the end of time.
    #[must_use]
    pub const fn all() -> Self {
        Self { since: i64::MIN, until: i64::MAX, label: None }
    }

    /// The label's name and value; empty ones let every run pass.
    fn label(&self) -> (String, String) {
        self.label.clone().unwrap_or_default()
    }
}

impl History {
    /// Fingerprints by their names.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn fingerprints(&mut self) -> Result<Vec<(String, crate::measure::result::Fingerprint)>, HistoryError> {
        use sqlx::Row as _;
        let rows = self.read(async |connection: &mut AnyConnection| {
            sqlx::query("SELECT id, kubernetes, nodes, simulated, properties FROM fingerprints ORDER BY id")
                .fetch_all(connection)
                .await?
                .iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)))
                .collect::<Result<Vec<(String, String, i64, i64, String)>, sqlx::Error>>()
        })?;
        Ok(rows
            .into_iter()
            .map(|(id, kubernetes, nodes, simulated, properties)| {
                let fingerprint = crate::measure::result::Fingerprint {
                    kubernetes,
                    nodes: usize::try_from(nodes).unwrap_or(0),
                    simulated: simulated == 1,
                    properties: serde_json::from_str(&properties).unwrap_or_default(),
                };
                (id, fingerprint)
            })
            .collect())
    }
}
