//! Which of a run's trials belong to one part of it: a contiguous stretch of all of them, in the order of the files.
//! Putting the parts together again is `saved::merge`'s.

use crate::measure::result::Shard;
use crate::scenario::Plan;
use std::sync::Arc;

/// A part of a run, as `--shard 2/4` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which one, from 1 to `of`.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = text.split_once('/').and_then(|(index, of)| Some(Self { index: index.parse().ok()?, of: of.parse().ok()? }));
        part.filter(|part| (1..=part.of).contains(&part.index))
            .ok_or_else(|| format!("`{text}` is no shard: write which one of how many, for instance 1/4 to 4/4"))
    }
}

/// The trials of a part: plans without any are left out, the others begin at their first trial of this part.
///
/// # Errors
/// There are fewer trials than parts: one would have nothing to say.
pub fn cut(plans: &[Arc<Plan>], part: Part) -> Result<(Vec<Arc<Plan>>, Shard), String> {
    let all: u64 = plans.iter().map(|plan| u64::from(plan.trials)).sum();
    if all < u64::from(part.of) {
        return Err(format!("there are {all} trials in all: they cannot be cut into {} shards", part.of));
    }
    let border = |index: u32| all * u64::from(index) / u64::from(part.of);
    let (from, to) = (border(part.index - 1), border(part.index));
    let mut before = 0;
    let mut ours = Vec::new();
    for plan in plans {
        let (begin, end) = (before.max(from), (before + u64::from(plan.trials)).min(to));
        if begin < end {
            let within = |position: u64| u32::try_from(position).unwrap_or(u32::MAX);
            let (first_trial, trials) = (plan.first_trial.saturating_add(within(begin - before)), within(end - begin));
            ours.push(Arc::new(Plan { first_trial, trials, ..(**plan).clone() }));
        }
        before += u64::from(plan.trials);
    }
    let shard =
        Shard { index: part.index, of: part.of, scenarios: plans.len(), trials: usize::try_from(all).unwrap_or(usize::MAX) };
    Ok((ours, shard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn plans(trials: &[u32]) -> Vec<Arc<Plan>> {
        trials.iter().enumerate().map(|(n, trials)| crate::report::fixture::plan(&format!("s{n}"), *trials)).collect()
    }

    proptest! {
        #[test]
        fn every_trial_is_in_one_part(trials in prop::collection::vec(1u32..9, 1..8), of in 1u32..12) {
            let plans = plans(&trials);
            let all: u32 = trials.iter().sum();
            prop_assume!(all >= of);
            let mut seen = BTreeSet::new();
            for index in 1..=of {
                let (ours, shard) = cut(&plans, Part { index, of }).unwrap();
                prop_assert_eq!((shard.scenarios, shard.trials), (plans.len(), all as usize));
                prop_assert!(!ours.is_empty());
                for plan in ours {
                    for trial in plan.first_trial..plan.first_trial + plan.trials {
                        prop_assert!(seen.insert((plan.name.clone(), trial)), "{} trial {trial} is there twice", plan.name);
                    }
                }
            }
            prop_assert_eq!(seen.len(), all as usize);
        }
    }

    #[test]
    fn parts_are_named_and_nonsense_is_refused() {
        assert_eq!("2/4".parse(), Ok(Part { index: 2, of: 4 }));
        for wrong in ["0/4", "5/4", "4", "a/b", "1/0", "1/2/3", ""] {
            assert!(wrong.parse::<Part>().unwrap_err().contains("for instance 1/4"), "{wrong}");
        }
        assert!(cut(&plans(&[2]), Part { index: 1, of: 3 }).unwrap_err().contains("2 trials in all"));
    }
}
