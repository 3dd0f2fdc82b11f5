//! What a run may touch outside of the namespaces that it makes, and how much of it. What it may not, it refuses before anything
//! is changed: what is known beforehand is refused by the command line, what only the cluster tells when a fault is prepared.

use std::str::FromStr;

/// What a run was allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// Namespaces of others in which it may act (`--allow-namespace`).
    pub namespaces: Vec<String>,
    /// The most pods that one fault may hit (`--max-pods`); `None`: as many as the scenario says.
    pub max_pods: Option<Most>,
    /// The most nodes that one fault may hit (`--max-nodes`); `None`: as many as the scenario says.
    pub max_nodes: Option<Most>,
    /// Whether the healer leaves nodes alone: those of a context are shared with others (`--allow cluster-faults`).
    pub spare_nodes: bool,
}

/// An upper limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Most {
    /// So many.
    Count(usize),
    /// So many per cent of those that are there, rounded down.
    Percent(u8),
}

impl Most {
    /// The limit where `present` are there.
    #[must_use]
    pub const fn of(self, present: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => present * percent as usize / 100,
        }
    }
}

impl FromStr for Most {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is neither a number nor a percentage from 0% to 100%");
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent).ok_or_else(wrong),
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
        }
    }
}

impl std::fmt::Display for Most {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Safety {
    /// Whether a fault may hit `hit` of the `present` pods of its target.
    ///
    /// # Errors
    /// Why not, and what would allow it.
    pub fn check_pods(&self, hit: usize, present: usize) -> Result<(), String> {
        check(self.max_pods, (hit, present), ("pods", "--max-pods"))
    }

    /// Whether a fault may hit `hit` of the cluster's `present` nodes.
    ///
    /// # Errors
    /// Why not, and what would allow it.
    pub fn check_nodes(&self, hit: usize, present: usize) -> Result<(), String> {
        check(self.max_nodes, (hit, present), ("nodes", "--max-nodes"))
    }
}

fn check(most: Option<Most>, (hit, present): (usize, usize), (what, option): (&str, &str)) -> Result<(), String> {
    match most {
        Some(most) if hit > most.of(present) => Err(format!(
            "it would hit {hit} of {present} {what}, and {option} {most} allows {}; nothing was injected",
            most.of(present)
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2", 10, 2)]
    #[case("50%", 3, 1)]
    #[case("100%", 3, 3)]
    #[case("0%", 3, 0)]
    fn limits(#[case] text: &str, #[case] present: usize, #[case] is: usize) {
        let most: Most = text.parse().unwrap();
        assert_eq!((most.of(present), most.to_string().as_str()), (is, text));
        let safety = Safety { max_pods: Some(most), ..Safety::default() };
        assert!(safety.check_pods(is, present).is_ok() && safety.check_pods(is + 1, present).is_err());
        assert!(safety.check_nodes(is + 1, present).is_ok());
        let safety = Safety { max_nodes: Some(most), ..Safety::default() };
        assert!(safety.check_nodes(is, present).is_ok() && safety.check_nodes(is + 1, present).is_err());
    }

    #[rstest]
    #[case("101%")]
    #[case("-1")]
    #[case("many")]
    #[case("")]
    fn nonsense_is_refused(#[case] text: &str) {
        assert!(text.parse::<Most>().is_err());
    }
}
