//! The verdicts of a trial (contract, "Verdict of a trial"). How one is reached lives in `measure`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one trial says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Effect seen, detected in time where asked, recovered within the RTO and held.
    Recovered,
    /// Recovered, after the RTO.
    Late,
    /// Recovered in time, but the right cause was not found in time.
    Undetected,
    /// Recovered in time, but a `throughout` objective was broken.
    Degraded,
    /// Not recovered when the budget ended: a censored sample.
    Unrecovered,
    /// Good again at times, never for a whole hold; or an invariant broken.
    Regressed,
    /// A control: nothing was detected.
    Quiet,
    /// A control, and something was detected.
    FalseAlarm,
    /// The effect was never seen, held before the fault, no target was found, or no steady state: says nothing about recovery.
    Invalid,
    /// The harness or its environment failed.
    Error,
    /// Stopped by the user.
    Aborted,
    /// The cluster lacks something.
    Skipped,
}

impl Verdict {
    /// All verdicts, in the order of the contract.
    pub const ALL: [Self; 12] = [
        Self::Recovered,
        Self::Late,
        Self::Undetected,
        Self::Degraded,
        Self::Unrecovered,
        Self::Regressed,
        Self::Quiet,
        Self::FalseAlarm,
        Self::Invalid,
        Self::Error,
        Self::Aborted,
        Self::Skipped,
    ];

    /// Whether the trial says something about the workload: the denominator of every rate.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        !matches!(self, Self::Invalid | Self::Error | Self::Aborted | Self::Skipped)
    }

    /// Whether the workload recovered, however late or badly.
    #[must_use]
    pub const fn is_recovery(self) -> bool {
        matches!(self, Self::Recovered | Self::Late | Self::Undetected | Self::Degraded)
    }

    /// The verdict as files and reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Late => "late",
            Self::Undetected => "undetected",
            Self::Degraded => "degraded",
            Self::Unrecovered => "unrecovered",
            Self::Regressed => "regressed",
            Self::Quiet => "quiet",
            Self::FalseAlarm => "false-alarm",
            Self::Invalid => "invalid",
            Self::Error => "error",
            Self::Aborted => "aborted",
            Self::Skipped => "skipped",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
