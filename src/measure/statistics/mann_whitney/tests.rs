//! Laws of the comparison and published critical values; values of SciPy are in `statistics::fixtures`.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn exact_sample(value: f64) -> Sample {
    Sample { value, uncertainty: 0.0, censored: false }
}

fn samples(values: &[f64]) -> Vec<Sample> {
    values.iter().copied().map(exact_sample).collect()
}

// measurement.md: the smallest two-sided p at 3 v 3 is 0.10, at 4 v 4 0.029.
#[rstest]
#[case(3, 3, 0.1)]
#[case(4, 4, 2.0 / 70.0)]
#[case(5, 5, 2.0 / 252.0)]
#[case(1, 1, 1.0)]
fn the_smallest_possible(#[case] n: usize, #[case] m: usize, #[case] p: f64) {
    let low: Vec<f64> = (0u32..).take(m).map(f64::from).collect();
    let high: Vec<f64> = (100u32..).take(n).map(f64::from).collect();
    let found = compare(&samples(&high), &samples(&low)).unwrap();
    assert!((found.two_sided - p).abs() < 1e-12 && (smallest(n, m) - p).abs() < 1e-12 && (found.smallest - p).abs() < 1e-12);
    assert!((found.a - 1.0).abs() < 1e-12 && found.exact);
}

// Two-sided 5 % critical values of U (Mann and Whitney's tables, as S. Siegel, "Nonparametric Statistics", 1956, table K has
// them): the largest U that is still significant.
#[rstest]
#[case(4, 4, 0)]
#[case(5, 5, 2)]
#[case(8, 8, 13)]
#[case(10, 10, 23)]
#[case(10, 20, 55)]
#[case(20, 20, 127)]
fn critical_values_of_u(#[case] n: usize, #[case] m: usize, #[case] critical: usize) {
    // Samples with a given U: each stands above as many of the baseline's as are left to count.
    let of_u = |mut u: usize| {
        let baseline: Vec<f64> = (0u32..).take(m).map(f64::from).collect();
        let ours: Vec<f64> = (0..n)
            .map(|index| {
                let above = u.min(m);
                u -= above;
                f64::from(u32::try_from(above).unwrap()) - 0.5 - f64::from(u32::try_from(index).unwrap()) * 1e-3
            })
            .collect();
        compare(&samples(&ours), &samples(&baseline)).unwrap()
    };
    let (at, above) = (of_u(critical), of_u(critical + 1));
    assert!((at.u - real(critical)).abs() < 1e-9);
    assert!(at.two_sided <= 0.05 && above.two_sided > 0.05, "{at:?} {above:?}");
}

#[test]
fn differences_below_the_uncertainty_are_ties() {
    let vague = |value| Sample { value, uncertainty: 0.6, censored: false };
    let ours: Vec<_> = [10.5, 10.7, 10.9, 11.0].map(vague).to_vec();
    let theirs: Vec<_> = [10.0, 10.1, 10.2, 10.4].map(vague).to_vec();
    let found = compare(&ours, &theirs).unwrap();
    assert!((found.a - 0.5).abs() < 1e-12 && (found.two_sided - 1.0).abs() < 1e-12, "{found:?}");
    assert!(compare(&samples(&[10.5, 10.7, 10.9, 11.0]), &samples(&[10.0, 10.1, 10.2, 10.4])).unwrap().two_sided < 0.05);
}

#[test]
fn a_time_out_is_longer_than_what_ended_before_it() {
    let out = |value| Sample { value, uncertainty: 0.0, censored: true };
    assert_eq!(longer(&out(300.0), &exact_sample(10.0)), Ordering::Greater);
    assert_eq!(longer(&exact_sample(10.0), &out(300.0)), Ordering::Less);
    assert_eq!(longer(&out(300.0), &out(60.0)), Ordering::Equal);
    assert_eq!(longer(&out(60.0), &exact_sample(100.0)), Ordering::Equal, "it may be either");
    let found = compare(&[out(300.0); 4], &samples(&[10.0, 11.0, 12.0, 13.0])).unwrap();
    assert!(found.two_sided < 0.03 && (found.a - 1.0).abs() < 1e-12, "{found:?}");
}

#[test]
fn many_samples_are_approximated() {
    let values = |from: u32| (from..from + 60).map(|value| exact_sample(f64::from(value))).collect::<Vec<_>>();
    let found = compare(&values(30), &values(0)).unwrap();
    assert!(!found.exact && found.longer < 1e-6 && found.a > 0.8, "{found:?}");
    let same = compare(&values(0), &values(0)).unwrap();
    assert!(same.two_sided > 0.99 && (same.a - 0.5).abs() < 1e-12, "{same:?}");
    assert_eq!(compare(&[], &values(0)), None);
}

fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let one = (0u32..30, prop::sample::select(vec![0.0, 0.5, 2.0]), prop::bool::weighted(0.2));
    let sample = |(value, uncertainty, censored)| Sample { value: f64::from(value), uncertainty, censored };
    prop::collection::vec(one.prop_map(sample), 1..9)
}

proptest! {
    #[test]
    fn it_is_a_probability_and_symmetric(ours in any_samples(), theirs in any_samples()) {
        let (one, other) = (compare(&ours, &theirs).unwrap(), compare(&theirs, &ours).unwrap());
        prop_assert!((one.a + other.a - 1.0).abs() < 1e-12);
        prop_assert!((one.two_sided - other.two_sided).abs() < 1e-9);
        prop_assert!(0.0 < one.two_sided && one.two_sided <= 1.0 && one.smallest <= 2.0 * one.longer + 1e-12);
    }

    /// By counting each choice of as many of all: the definition itself.
    #[test]
    fn it_is_the_permutation_distribution(ours in any_samples(), theirs in any_samples()) {
        prop_assume!(ours.len() + theirs.len() <= 11);
        let all: Vec<Sample> = ours.iter().chain(&theirs).copied().collect();
        let statistic = |chosen: u32| -> i64 {
            let is = |index: &usize| chosen & (1 << index) != 0;
            let (us, them): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(is);
            us.iter().flat_map(|a| them.iter().map(|b| longer(&all[*a], &all[*b]) as i64)).sum()
        };
        let seen = statistic((1 << ours.len()) - 1);
        let sums: Vec<i64> = (0u32..1 << all.len()).filter(|chosen| chosen.count_ones() as usize == ours.len()).map(statistic).collect();
        let longer = real(sums.iter().filter(|sum| **sum >= seen).count()) / real(sums.len());
        prop_assert!((compare(&ours, &theirs).unwrap().longer - longer).abs() < 1e-9);
    }
}
