//! What a run may touch outside of the namespaces that it makes. What it may not, it refuses before anything is changed.

/// What a run was allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// Namespaces of others in which it may act (`--allow-namespace`).
    pub namespaces: Vec<String>,
}
