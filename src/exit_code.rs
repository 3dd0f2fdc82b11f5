//! The exit codes of the contract, and which of several wins. Deciding the reasons lives in `measure::outcome`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a run ended, as a process exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExitCode {
    /// 0: every objective was met.
    Passed,
    /// 1: an objective was missed, or the gate failed.
    ObjectiveMissed,
    /// 2: usage, or an invalid scenario, suite or manifest.
    Usage,
    /// 3: no cluster, no permission, a tool is missing.
    Environment,
    /// 4: nothing ran, everything was skipped, or too many trials say nothing.
    Inconclusive,
    /// 5: something of ours was left behind on the cluster.
    Leftovers,
    /// 70: a bug in comeback.
    Bug,
    /// 130: interrupted by SIGINT.
    Interrupted,
    /// 143: ended by SIGTERM.
    Terminated,
}

impl ExitCode {
    /// The number that the process returns.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::ObjectiveMissed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Inconclusive => 4,
            Self::Leftovers => 5,
            Self::Bug => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Which code wins where several apply: interrupted, 70, 5, 1, 3, 4 (2 never meets the others: nothing ran).
    pub const PRECEDENCE: [Self; 8] = [
        Self::Interrupted,
        Self::Terminated,
        Self::Bug,
        Self::Leftovers,
        Self::ObjectiveMissed,
        Self::Usage,
        Self::Environment,
        Self::Inconclusive,
    ];

    /// The one that wins where several apply.
    #[must_use]
    pub fn strongest(codes: impl IntoIterator<Item = Self>) -> Self {
        let codes: Vec<_> = codes.into_iter().collect();
        Self::PRECEDENCE.into_iter().find(|code| codes.contains(code)).unwrap_or(Self::Passed)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_objective_beats_an_environment_and_loses_to_leftovers() {
        use ExitCode::{Environment, Inconclusive, Leftovers, ObjectiveMissed, Passed};
        assert_eq!(ExitCode::strongest([Environment, ObjectiveMissed, Inconclusive]), ObjectiveMissed);
        assert_eq!(ExitCode::strongest([ObjectiveMissed, Leftovers]), Leftovers);
        assert_eq!(ExitCode::strongest([Passed]), Passed);
        assert_eq!(ExitCode::strongest([]), Passed);
    }
}
