//! What a comparison found. How it is shown is not decided here.

use super::projection::Track;

/// One difference beyond the tolerances.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// `pods app-HASH-*`, or `events`.
    pub subject: String,
    /// When the two part on the recorded side, in seconds; absent for totals.
    pub at: Option<f64>,
    /// What differs.
    pub text: String,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} at {at:.1}s: {}", self.subject, self.text),
            None => write!(f, "{}: {}", self.subject, self.text),
        }
    }
}

/// A recorded object beside its counterpart of the first seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The recorded object, if it has one.
    pub recorded: Option<Track>,
    /// The simulated object, if there is one.
    pub simulated: Option<Track>,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The recording's name.
    pub name: String,
    /// How many seeds were compared.
    pub seeds: usize,
    /// How many recorded states were compared.
    pub states: usize,
    /// How many recorded kinds of events were compared.
    pub events: usize,
    /// Every difference beyond the tolerances.
    pub divergences: Vec<Divergence>,
    /// Recorded objects beside those of the first seed.
    pub pairs: Vec<Pair>,
}

impl Report {
    pub(super) fn diverges(&mut self, subject: impl Into<String>, at: Option<f64>, text: impl Into<String>) {
        self.divergences.push(Divergence { subject: subject.into(), at, text: text.into() });
    }

    /// The last line: how much was compared, and what diverged.
    #[must_use]
    pub fn summary(&self) -> String {
        let seeds = if self.seeds == 1 { "1 seed".to_owned() } else { format!("{} seeds", self.seeds) };
        if let Some(refusal) = self.divergences.iter().find(|divergence| divergence.subject == "replay") {
            return format!("{}: cannot be replayed: {}", self.name, refusal.text);
        }
        let compared = format!("{}: {} states and {} kinds of events compared with {seeds}", self.name, self.states, self.events);
        if self.divergences.is_empty() {
            return format!("{compared}; none diverged");
        }
        let mut subjects: Vec<&str> = self.divergences.iter().map(|divergence| divergence.subject.as_str()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        format!("{compared}; {} diverged: {}", self.divergences.len(), subjects.join(", "))
    }
}
