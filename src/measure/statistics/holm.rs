//! Holm's correction: several comparisons in one gate, and still at most one chance in twenty of a single false one.
//! The comparisons are `fisher`'s and `mann_whitney`'s.

use super::real;

/// The p-values corrected for their number, in the order given (S. Holm, "A simple sequentially rejective multiple test procedure",
/// Scandinavian Journal of Statistics 6, 1979). Those at or below a level are rejected at that level over all.
#[must_use]
pub fn adjusted(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (position, index) in order.into_iter().enumerate() {
        least = least.max(real(p_values.len() - position) * p_values[index]).min(1.0);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smallest_counts_as_often_as_there_are_comparisons() {
        let corrected = adjusted(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(corrected.iter().zip(expected).all(|(ours, theirs)| (ours - theirs).abs() < 1e-12), "{corrected:?}");
        assert_eq!(adjusted(&[]), Vec::<f64>::new());
    }

    proptest! {
        #[test]
        fn never_smaller_than_before_and_the_smallest_is_bonferronis(p in prop::collection::vec(0.0f64..=1.0, 1..20)) {
            for (before, after) in p.iter().zip(adjusted(&p)) {
                prop_assert!(*before <= after && after <= 1.0);
            }
            let smallest = p.iter().copied().fold(1.0, f64::min);
            let least = adjusted(&p).into_iter().fold(1.0, f64::min);
            prop_assert!((least - (smallest * real(p.len())).min(1.0)).abs() < 1e-12);
        }
    }
}
