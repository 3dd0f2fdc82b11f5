//! Kaplan and Meier's estimate for samples of which some are only known to be longer: the curve, its quantiles, their intervals.
//! Time-outs stay in as censored samples; leaving them out would make recovery look faster than it is.

use super::{Sample, real, two_sided_z};

/// One step of the estimate: from `time` on, until the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Seconds.
    pub time: f64,
    /// Samples not yet over just before `time`.
    pub at_risk: usize,
    /// Samples over at `time`.
    pub events: usize,
    /// The share estimated to be longer than `time` (E. L. Kaplan and P. Meier, JASA 53, 1958).
    pub survival: f64,
    /// Greenwood's sum of `d / (n (n - d))` up to `time`; the variance of `survival` is this times its square (M. Greenwood,
    /// Reports on Public Health and Medical Subjects 33, 1926). Infinite once `survival` is 0.
    pub greenwood: f64,
}

impl Step {
    /// The interval of `survival` on the log(-log) scale, which never leaves 0 to 1 (J. D. Kalbfleisch and R. L. Prentice, "The
    /// Statistical Analysis of Failure Time Data", 1980, §1.3). `None` where the estimate is 0: its variance is not defined there.
    #[must_use]
    pub fn interval(&self, confidence: f64) -> Option<(f64, f64)> {
        self.within(two_sided_z(confidence))
    }

    /// [`Step::interval`] for a quantile of the normal distribution, which takes longer to reckon than the rest.
    fn within(&self, z: f64) -> Option<(f64, f64)> {
        if self.survival <= 0.0 {
            return None;
        }
        let width = z * self.greenwood.sqrt() / self.survival.ln();
        // The logarithm is negative, and so is the width: the first exponent is the smaller one.
        Some((self.survival.powf((-width).exp()), self.survival.powf(width.exp())))
    }
}

/// The estimate's steps, one for each distinct time of a sample that is not censored.
#[must_use]
pub fn curve(samples: &[Sample]) -> Vec<Step> {
    let mut sorted = samples.to_vec();
    // A censored sample is still at risk at its own time: events of the same time come first.
    sorted.sort_by(|a, b| a.value.total_cmp(&b.value).then(a.censored.cmp(&b.censored)));
    let mut steps: Vec<Step> = Vec::new();
    let (mut survival, mut greenwood) = (1.0, 0.0);
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|sample| sample.value.total_cmp(&first.value).is_eq());
        let (events, all) = (same.clone().filter(|sample| !sample.censored).count(), same.count());
        if events > 0 {
            let (d, n) = (real(events), real(rest.len()));
            survival *= 1.0 - d / n;
            greenwood += d / (n * (n - d));
            steps.push(Step { time: first.value, at_risk: rest.len(), events, survival, greenwood });
        }
        rest = rest.get(all..).unwrap_or_default();
    }
    steps
}

/// How near two shares are to be the same: the steps are products of fractions.
const SAME: f64 = 1e-9;

/// The time by which the estimate of having happened reaches `q`; `None` when censoring hides it. Where the estimate meets `q`
/// exactly, the mean of that time and the next one, so that without censoring it is the usual sample median.
#[must_use]
pub fn quantile(samples: &[Sample], q: f64) -> Option<f64> {
    quantile_of(&curve(samples), q)
}

/// [`quantile`] of a curve that is there.
#[must_use]
pub fn quantile_of(steps: &[Step], q: f64) -> Option<f64> {
    let position = steps.iter().position(|step| 1.0 - step.survival >= q - SAME)?;
    let step = steps.get(position)?;
    if 1.0 - step.survival > q + SAME {
        return Some(step.time);
    }
    // The other half of an exact meeting may be hidden by censoring; at the very end there is no other half.
    let next = steps.get(position + 1);
    if step.survival <= SAME { Some(step.time) } else { next.map(|next| f64::midpoint(step.time, next.time)) }
}

/// The interval of the time by which `q` of all have happened: the times at which the curve's own interval contains `1 - q`
/// (R. Brookmeyer and J. Crowley, "A confidence interval for the median survival time", Biometrics 38, 1982). A bound that the
/// samples do not show is `None`.
#[must_use]
pub fn quantile_interval(samples: &[Sample], q: f64, confidence: f64) -> (Option<f64>, Option<f64>) {
    quantile_interval_of(&curve(samples), q, confidence)
}

/// [`quantile_interval`] of a curve that is there.
#[must_use]
pub fn quantile_interval_of(steps: &[Step], q: f64, confidence: f64) -> (Option<f64>, Option<f64>) {
    let z = two_sided_z(confidence);
    let below = |pick: fn((f64, f64)) -> f64| {
        let reached = |step: &&Step| step.within(z).is_some_and(|interval| pick(interval) <= 1.0 - q);
        steps.iter().find(reached).map(|step| step.time)
    };
    // Where the curve ends at 0 its interval is not defined; the estimate itself is below `1 - q` there, and so is a lower bound.
    let end = steps.last().filter(|step| step.survival <= 0.0).map(|step| step.time);
    (below(|(lower, _)| lower).or(end), below(|(_, upper)| upper))
}

#[cfg(test)]
mod tests {
    use super::super::order_statistics;
    use super::*;
    use proptest::prelude::*;

    fn sample((value, censored): (f64, bool)) -> Sample {
        Sample { value, uncertainty: 0.0, censored }
    }

    /// The 6-MP arm of E. J. Freireich et al., Blood 21, 1963: remission in weeks, the example of most textbooks.
    fn six_mp() -> Vec<Sample> {
        let over = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0].map(|time| (time, false));
        let censored = [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0].map(|time| (time, true));
        over.into_iter().chain(censored).map(sample).collect()
    }

    #[test]
    fn the_textbook_example_comes_out_as_published() {
        // Time, at risk, survival and its standard error, as Kleinbaum and Klein, "Survival Analysis", table 2.2 ff. have them.
        let published = [
            (6.0, 21, 0.8571, 0.0764),
            (7.0, 17, 0.8067, 0.0869),
            (10.0, 15, 0.7529, 0.0963),
            (13.0, 12, 0.6902, 0.1068),
            (16.0, 11, 0.6275, 0.1141),
            (22.0, 7, 0.5378, 0.1282),
            (23.0, 6, 0.4482, 0.1346),
        ];
        let steps = curve(&six_mp());
        assert_eq!(steps.len(), published.len());
        for (step, (time, at_risk, survival, error)) in steps.iter().zip(published) {
            assert_eq!((step.time, step.at_risk), (time, at_risk));
            assert!((step.survival - survival).abs() < 5e-5, "{step:?}");
            assert!((step.survival * step.greenwood.sqrt() - error).abs() < 5e-5, "{step:?}");
        }
        assert_eq!(quantile(&six_mp(), 0.5), Some(23.0));
        // R's survfit(conf.type = "log-log") says 13 to infinity.
        assert_eq!(quantile_interval(&six_mp(), 0.5, 0.95), (Some(13.0), None));
        assert_eq!(quantile(&six_mp(), 0.9), None);
    }

    #[test]
    fn nothing_but_time_outs_shows_no_quantile() {
        let samples: Vec<_> = [(300.0, true); 5].map(sample).to_vec();
        assert_eq!((quantile(&samples, 0.5), quantile_interval(&samples, 0.5, 0.95)), (None, (None, None)));
        assert!(curve(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn without_censoring_it_is_the_empirical_distribution(mut values in prop::collection::vec(0u32..50, 1..40)) {
            let samples: Vec<_> = values.iter().map(|value| sample((f64::from(*value), false))).collect();
            values.sort_unstable();
            for step in curve(&samples) {
                let longer = values.iter().filter(|value| f64::from(**value) > step.time).count();
                prop_assert!((step.survival - real(longer) / real(values.len())).abs() < 1e-9);
            }
            let middle = values.len() / 2;
            let median = if values.len() % 2 == 1 { f64::from(values[middle]) } else { f64::midpoint(f64::from(values[middle - 1]), f64::from(values[middle])) };
            prop_assert_eq!(quantile(&samples, 0.5), Some(median));
        }

        #[test]
        fn the_curve_falls_and_its_interval_holds_it(values in prop::collection::vec((0u32..50, any::<bool>()), 1..40)) {
            let samples: Vec<_> = values.into_iter().map(|(value, censored)| sample((f64::from(value), censored))).collect();
            let steps = curve(&samples);
            prop_assert!(steps.is_sorted_by(|a, b| a.survival > b.survival && a.time < b.time));
            for step in &steps {
                if let Some((lower, upper)) = step.interval(0.95) {
                    prop_assert!(0.0 <= lower && lower <= step.survival && step.survival <= upper && upper <= 1.0, "{:?}", step);
                }
            }
            let (lower, upper) = quantile_interval(&samples, 0.5, 0.95);
            if let (Some(lower), Some(median)) = (lower, quantile(&samples, 0.5)) { prop_assert!(lower <= median); }
            if let (Some(upper), Some(median)) = (upper, quantile(&samples, 0.5)) { prop_assert!(median <= upper); }
        }

        #[test]
        fn censoring_a_sample_never_makes_the_median_earlier(values in prop::collection::vec(0u32..50, 1..30), which in any::<prop::sample::Index>()) {
            let mut samples: Vec<_> = values.iter().map(|value| sample((f64::from(*value), false))).collect();
            let before = quantile(&samples, 0.5).unwrap();
            let which = which.index(samples.len());
            samples[which].censored = true;
            prop_assert!(quantile(&samples, 0.5).is_none_or(|after| after >= before));
        }

        #[test]
        fn few_samples_bound_no_median(n in 1usize..6) {
            prop_assert_eq!(order_statistics::ranks(n, 0.5, 0.95), None);
        }
    }
}
