//! The id of an action: (run, group, cause, rung, attempt). The same action always has the same id, so it is never done twice,
//! and the state of every ladder can be read from the audited actions alone.

use std::fmt;

/// What identifies an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionId {
    /// The run's label.
    pub run: String,
    /// The group of the finding (`deployment/pool`).
    pub group: String,
    /// The cause.
    pub cause: String,
    /// The step's position in the ladder, from 0; the length of the ladder for the report at its end.
    pub rung: usize,
    /// The attempt at this step, from 1.
    pub attempt: u32,
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}/{}", self.run, self.group, self.cause, self.rung, self.attempt)
    }
}

impl ActionId {
    /// Reads an id; names of Kubernetes and label values contain no slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('/').collect();
        let [run, kind, name, cause, rung, attempt] = parts.as_slice() else { return None };
        Some(Self {
            run: (*run).to_owned(),
            group: format!("{kind}/{name}"),
            cause: (*cause).to_owned(),
            rung: rung.parse().ok()?,
            attempt: attempt.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = ActionId {
            run: "r1".to_owned(),
            group: "deployment/pool".to_owned(),
            cause: "oom.limit".to_owned(),
            rung: 2,
            attempt: 3,
        };
        assert_eq!(id.to_string(), "r1/deployment/pool/oom.limit/2/3");
        assert_eq!(ActionId::parse(&id.to_string()), Some(id));
        assert_eq!(ActionId::parse("r1/deployment/pool"), None);
    }
}
