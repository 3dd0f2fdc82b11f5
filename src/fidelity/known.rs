//! `fixtures/traces/known-divergences.yaml`: divergences that stay, each with its reason.
//! Telling the known from the new, and from those that are gone, lives here; whether that fails a test does not.

use super::Error;
use super::report::{Divergence, Report};
use serde::Deserialize;

/// A divergence that stays for now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The recording's name.
    pub recording: String,
    /// A part of the divergence's text; one entry may stand for several alike.
    pub contains: String,
    /// Why it stays.
    pub reason: String,
}

/// A report's divergences, sorted by whether they are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sorted {
    /// Those that nobody expects.
    pub new: Vec<Divergence>,
    /// Those that are expected, with the reason.
    pub known: Vec<(Divergence, String)>,
    /// Entries that nothing corresponds to any more.
    pub gone: Vec<Known>,
}

/// The shipped list.
///
/// # Errors
/// Never for the shipped file, which a test reads.
pub fn shipped() -> Result<Vec<Known>, Error> {
    serde_saphyr::from_str(include_str!("../../fixtures/traces/known-divergences.yaml"))
        .map_err(|error| Error::new(format!("fixtures/traces/known-divergences.yaml: {error}")))
}

/// Sorts the divergences of a report.
#[must_use]
pub fn sort(report: &Report, list: &[Known]) -> Sorted {
    let own: Vec<&Known> = list.iter().filter(|known| known.recording == report.name).collect();
    let mut sorted = Sorted::default();
    let mut used = vec![false; own.len()];
    for divergence in &report.divergences {
        let text = divergence.to_string();
        match own.iter().position(|known| text.contains(&known.contains)) {
            Some(place) => {
                used[place] = true;
                sorted.known.push((divergence.clone(), own[place].reason.clone()));
            }
            None => sorted.new.push(divergence.clone()),
        }
    }
    sorted.gone = own.into_iter().zip(used).filter(|(_, used)| !used).map(|(known, _)| known.clone()).collect();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_is_read_and_has_reasons() {
        for known in shipped().unwrap() {
            assert!(known.reason.len() > 30 && known.contains.len() > 5, "{known:?}");
        }
    }

    #[test]
    fn new_known_and_gone_are_told_apart() {
        let divergence = |text: &str| Divergence { subject: "events".to_owned(), at: None, text: text.to_owned() };
        let divergences = vec![divergence("a slow machine"), divergence("something new")];
        let report = Report { name: "r".to_owned(), divergences, ..Report::default() };
        let known = |recording: &str, contains: &str| Known {
            recording: recording.to_owned(),
            contains: contains.to_owned(),
            reason: "because".to_owned(),
        };
        let sorted = sort(&report, &[known("r", "slow"), known("r", "mended"), known("other", "new")]);
        assert_eq!(sorted.new, [divergence("something new")]);
        assert_eq!(sorted.known, [(divergence("a slow machine"), "because".to_owned())]);
        assert_eq!(sorted.gone, [known("r", "mended")]);
    }
}
