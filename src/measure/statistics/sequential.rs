//! A test that looks at a success rate again and again and stops as soon as a claim is proven or refuted, with error rates that hold
//! however often it looks. Which trials are run is the engine's; the interval afterwards is `sequential::interval`'s.

mod interval;

pub use interval::interval;

use super::real;

/// The test is looked at after every so many trials, whatever runs at once: the result must not depend on the concurrency.
pub const LOOK_EVERY: u32 = 4;

/// What a test has shown so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The success rate is the claimed one, or higher.
    Proven,
    /// The success rate is below the claimed one.
    Refuted,
    /// Neither.
    Undecided,
}

/// One look: how many valid trials there were, and from where on the test stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Valid trials so far.
    pub n: usize,
    /// From so many successes on the claim is proven; `None`: not at this look.
    pub proven_from: Option<usize>,
    /// Up to so many successes the claim is refuted; `None`: not at this look.
    pub refuted_up_to: Option<usize>,
}

impl Look {
    /// What so many successes decide.
    #[must_use]
    pub fn decide(&self, successes: usize) -> Decision {
        if self.proven_from.is_some_and(|from| successes >= from) {
            Decision::Proven
        } else if self.refuted_up_to.is_some_and(|up_to| successes <= up_to) {
            Decision::Refuted
        } else {
            Decision::Undecided
        }
    }
}

/// A group-sequential test of `rate >= claim` with exact boundaries. Of all runs whose true rate is below the claim, at most
/// `(1 - confidence) / 2` prove it; of all whose rate is the claimed one or higher, at most as many refute it.
///
/// Each error is spent as the valid trials come in, `error * ln(1 + (e - 1) n / most)` up to the n-th (K. K. G. Lan and D. L. DeMets,
/// "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983, the function like Pocock's: early looks get a fair
/// share, and most runs of a good system end early). Boundaries are exact for the binomial distribution: the distribution of
/// successes among the runs that are not yet decided is carried from look to look (P. Armitage, C. K. McPherson and B. C. Rowe, JRSS
/// A 132, 1969; C. Jennison and B. W. Turnbull, "Group Sequential Methods", 2000, §12.1). Looks may come at any n that does not depend
/// on the outcomes, so trials that say nothing just do not count.
#[derive(Clone, Debug)]
pub struct Test {
    claim: f64,
    error: f64,
    most: usize,
    looks: Vec<Look>,
    undecided: Spread,
    proven: f64,
    refuted: f64,
}

impl Test {
    /// A test of a claim between 0 and 1, of at most so many trials, before the first look.
    #[must_use]
    pub fn new(claim: f64, confidence: f64, most: usize) -> Self {
        let undecided = Spread::start();
        Self { claim, error: error(confidence), most: most.max(1), looks: Vec::new(), undecided, proven: 0.0, refuted: 0.0 }
    }

    /// Looks at n valid trials, more than at the last look.
    pub fn look(&mut self, n: usize) -> Look {
        self.undecided.advance(n, self.claim);
        let allowed = self.error * spent(real(n.min(self.most)) / real(self.most));
        let proven_from = self.undecided.take_from_above(allowed - self.proven);
        let refuted_up_to = self.undecided.take_from_below(allowed - self.refuted);
        self.proven += proven_from.map_or(0.0, |(_, share)| share);
        self.refuted += refuted_up_to.map_or(0.0, |(_, share)| share);
        let look = Look { n, proven_from: proven_from.map(|(k, _)| k), refuted_up_to: refuted_up_to.map(|(k, _)| k) };
        self.looks.push(look);
        look
    }

    /// All looks so far.
    #[must_use]
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// At most this share of runs ends with a wrong decision, on either side.
    #[must_use]
    pub const fn error(&self) -> f64 {
        self.error
    }
}

/// The largest error on either side.
fn error(confidence: f64) -> f64 {
    (1.0 - confidence) / 2.0
}

/// The share of the error that may have been spent by then.
fn spent(share_of_trials: f64) -> f64 {
    (1.0 + (std::f64::consts::E - 1.0) * share_of_trials).ln()
}

/// How many trials prove the claim when all of them pass and are valid; `None` where `most` are too few.
#[must_use]
pub fn all_pass_needed(claim: f64, confidence: f64, most: usize) -> Option<usize> {
    let mut test = Test::new(claim, confidence, most);
    let every = LOOK_EVERY as usize;
    let looks = (1..=most / every).map(|look| look * every).chain((!most.is_multiple_of(every)).then_some(most));
    looks.map(|n| test.look(n)).find(|look| look.decide(look.n) == Decision::Proven).map(|look| look.n)
}

/// The fewest trials to allow at all, so that passing ones can prove the claim; `None` where a hundred thousand are too few.
#[must_use]
pub fn least_most(claim: f64, confidence: f64) -> Option<usize> {
    // With all of the error left for the last look it is the exact test of that many trials.
    let fewest = super::all_pass::trials_needed(claim, 1.0 - error(confidence))?;
    (fewest..=100_000.min(fewest * 4)).find(|most| all_pass_needed(claim, confidence, *most).is_some())
}

/// How many successes the undecided runs have, as shares of all runs.
#[derive(Clone, Debug)]
struct Spread {
    n: usize,
    /// The fewest successes that an undecided run can have.
    from: usize,
    /// Shares, from `from` successes on.
    shares: Vec<f64>,
}

impl Spread {
    fn start() -> Self {
        Self { n: 0, from: 0, shares: vec![1.0] }
    }

    /// On to n trials, each a success with probability p.
    fn advance(&mut self, n: usize, p: f64) {
        for _ in self.n..n {
            self.shares.push(0.0);
            for k in (0..self.shares.len()).rev() {
                let stayed = self.shares[k] * (1.0 - p);
                let rose = if k > 0 { self.shares[k - 1] * p } else { 0.0 };
                self.shares[k] = stayed + rose;
            }
        }
        self.n = self.n.max(n);
    }

    /// Takes out as many of the highest as `allowed` permits: from how many successes on, and their share.
    fn take_from_above(&mut self, allowed: f64) -> Option<(usize, f64)> {
        let mut taken = 0.0;
        let mut kept = self.shares.len();
        while let Some(share) = kept.checked_sub(1).map(|last| self.shares[last]).filter(|share| taken + share <= allowed) {
            taken += share;
            kept -= 1;
        }
        let some = kept < self.shares.len();
        self.shares.truncate(kept);
        some.then_some((self.from + kept, taken))
    }

    /// Takes out as many of the lowest as `allowed` permits: up to how many successes, and their share.
    fn take_from_below(&mut self, allowed: f64) -> Option<(usize, f64)> {
        let mut taken = 0.0;
        let mut gone = 0;
        while let Some(share) = self.shares.get(gone).filter(|share| taken + **share <= allowed) {
            taken += share;
            gone += 1;
        }
        self.shares.drain(..gone);
        self.from += gone;
        (gone > 0).then(|| (self.from - 1, taken))
    }

    /// Takes out what a look has decided: the shares that are proven and refuted.
    fn decide(&mut self, look: &Look) -> (f64, f64) {
        let end = look.proven_from.map_or(self.shares.len(), |from| from.saturating_sub(self.from).min(self.shares.len()));
        let proven = self.shares.drain(end..).sum();
        let gone = look.refuted_up_to.map_or(0, |up_to| (up_to + 1).saturating_sub(self.from).min(self.shares.len()));
        let refuted = self.shares.drain(..gone).sum();
        self.from += gone;
        (proven, refuted)
    }
}

#[cfg(test)]
mod tests;
