//! Our statistics against values of SciPy, statsmodels and lifelines (`fixtures/statistics/*.csv`, made by `generate.py` beside them).
//! Each test prints how many values it compared and the largest difference: `cargo test --lib statistics::fixtures -- --nocapture`.

use super::*;

/// The rows of a file, by column.
fn rows(name: &str) -> Vec<Row> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/statistics").join(format!("{name}.csv"));
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows: Vec<Row> = reader.deserialize().map(Result::unwrap).collect();
    assert!(!rows.is_empty(), "{name} has rows");
    rows
}

type Row = std::collections::BTreeMap<String, String>;

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

fn count(row: &Row, column: &str) -> usize {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ').map(|word| word.parse().unwrap()).collect()
}

/// `60 44+ 9`: a `+` marks a censored one.
fn samples(text: &str) -> Vec<Sample> {
    let one = |word: &str| Sample {
        value: word.trim_end_matches('+').parse().unwrap(),
        uncertainty: 0.0,
        censored: word.ends_with('+'),
    };
    text.split(' ').map(one).collect()
}

/// What was compared.
struct Comparison {
    what: &'static str,
    cases: usize,
    largest: f64,
}

impl Comparison {
    const fn of(what: &'static str) -> Self {
        Self { what, cases: 0, largest: 0.0 }
    }

    fn see(&mut self, ours: f64, theirs: f64) {
        self.cases += 1;
        self.largest = self.largest.max((ours - theirs).abs());
    }

    fn within(self, tolerance: f64) {
        println!("{}: {} values, largest difference {:.1e}", self.what, self.cases, self.largest);
        assert!(self.largest <= tolerance, "{}: {} is more than {tolerance}", self.what, self.largest);
    }
}

#[test]
fn wilsons_interval() {
    let mut seen = Comparison::of("Wilson (statsmodels)");
    for row in rows("wilson") {
        let (lower, upper) = wilson(count(&row, "successes"), count(&row, "n"), number(&row, "confidence"));
        seen.see(lower, number(&row, "lower"));
        seen.see(upper, number(&row, "upper"));
    }
    seen.within(1e-9);
}

#[test]
fn a_test_of_one_look_has_clopper_and_pearsons_interval() {
    let mut seen = Comparison::of("sequential interval, one look (SciPy, Clopper-Pearson)");
    for row in rows("clopper_pearson") {
        let look = sequential::Look { n: count(&row, "n"), proven_from: None, refuted_up_to: None };
        let (lower, upper) = sequential::interval(&[look], count(&row, "successes"), number(&row, "confidence"));
        seen.see(lower, number(&row, "lower"));
        seen.see(upper, number(&row, "upper"));
    }
    seen.within(2e-7);
}

#[test]
fn the_bound_of_passing_trials() {
    let mut seen = Comparison::of("all-pass bound (SciPy)");
    for row in rows("all_pass") {
        seen.see(all_pass::lower_bound(count(&row, "n"), number(&row, "confidence")), number(&row, "lower"));
    }
    seen.within(1e-9);
}

#[test]
fn ranks_of_quantiles() {
    let mut seen = Comparison::of("order statistics (SciPy)");
    for row in rows("order_statistics") {
        let ranks = order_statistics::ranks(count(&row, "n"), number(&row, "quantile"), number(&row, "confidence"));
        match ranks {
            None => assert!(row["lower"].is_empty() || row["upper"].is_empty(), "{row:?}"),
            Some(ranks) => {
                seen.see(real(ranks.lower), number(&row, "lower"));
                seen.see(real(ranks.upper), number(&row, "upper"));
            }
        }
    }
    seen.within(0.0);
}

#[test]
fn the_kaplan_meier_curve() {
    let (mut curve, mut interval) = (Comparison::of("Kaplan-Meier (SciPy)"), Comparison::of("its log-log interval (SciPy)"));
    for row in rows("kaplan_meier") {
        let steps = kaplan_meier::curve(&samples(&row["samples"]));
        let time = number(&row, "time");
        let step = steps.iter().find(|step| (step.time - time).abs() < 1e-9).unwrap();
        curve.see(step.survival, number(&row, "survival"));
        match step.interval(0.95) {
            None => assert!(row["lower"].is_empty(), "{row:?}"),
            Some((lower, upper)) => {
                interval.see(lower, number(&row, "lower"));
                interval.see(upper, number(&row, "upper"));
            }
        }
    }
    curve.within(1e-12);
    interval.within(1e-9);
}

#[test]
fn the_kaplan_meier_median() {
    let mut seen = Comparison::of("Kaplan-Meier median and interval (lifelines)");
    for row in rows("kaplan_meier_median") {
        let samples = samples(&row["samples"]);
        let optional = |column: &str| (!row[column].is_empty()).then(|| number(&row, column));
        // lifelines has no mean of two times where the curve meets a half exactly: it takes the first.
        let steps = kaplan_meier::curve(&samples);
        let exactly = steps.iter().any(|step| (step.survival - 0.5).abs() < 1e-9);
        if !exactly {
            assert_eq!(quantile(&samples, 0.5).is_none(), optional("median").is_none(), "{row:?}");
            if let (Some(ours), Some(theirs)) = (quantile(&samples, 0.5), optional("median")) {
                seen.see(ours, theirs);
            }
        }
        let (lower, upper) = kaplan_meier::quantile_interval(&samples, 0.5, 0.95);
        for (ours, theirs) in [(lower, optional("lower")), (upper, optional("upper"))] {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => seen.see(ours, theirs),
                // At the curve's end lifelines takes 0 for the bound; R and we say that it is not known.
                (None, Some(theirs)) => {
                    assert!(steps.last().is_some_and(|step| step.survival <= 0.0 && (step.time - theirs).abs() < 1e-9));
                }
                (ours, theirs) => assert_eq!(ours, theirs, "{row:?}"),
            }
        }
    }
    seen.within(1e-12);
}

#[test]
fn the_comparison_of_times() {
    let mut seen = [
        ("exact", 1e-12, Comparison::of("Mann-Whitney, exact (SciPy)")),
        ("permutation", 1e-12, Comparison::of("Mann-Whitney with ties, all permutations (SciPy)")),
        ("asymptotic", 1e-7, Comparison::of("Mann-Whitney with ties, many samples (SciPy)")),
    ];
    let mut effect = Comparison::of("U, A and Hodges-Lehmann (SciPy, numpy)");
    for row in rows("mann_whitney") {
        let (ours, theirs) = (samples(&row["samples"]), samples(&row["baseline"]));
        let found = mann_whitney::compare(&ours, &theirs).unwrap();
        let (_, _, seen) = seen.iter_mut().find(|(method, ..)| *method == row["method"]).unwrap();
        assert_eq!(found.exact, row["method"] != "asymptotic", "{row:?}");
        seen.see(found.two_sided, number(&row, "twoSided"));
        seen.see(found.longer, number(&row, "longer"));
        effect.see(found.u, number(&row, "u"));
        effect.see(found.a, number(&row, "a"));
        effect.see(hodges_lehmann::shift(&ours, &theirs, 0.95).unwrap().value.unwrap(), number(&row, "shift"));
    }
    for (_, tolerance, seen) in seen {
        seen.within(tolerance);
    }
    effect.within(1e-9);
}

#[test]
fn fishers_test() {
    let mut seen = Comparison::of("Fisher, one-sided (SciPy)");
    for row in rows("fisher") {
        let [k, n, b, m] = ["successes", "n", "baselineSuccesses", "baselineN"].map(|column| count(&row, column));
        seen.see(fisher::lower(k, n, b, m), number(&row, "p"));
    }
    seen.within(1e-10);
}

#[test]
fn holms_correction() {
    let mut seen = Comparison::of("Holm (statsmodels)");
    for row in rows("holm") {
        for (ours, theirs) in holm::adjusted(&numbers(&row["p"])).into_iter().zip(numbers(&row["adjusted"])) {
            seen.see(ours, theirs);
        }
    }
    seen.within(1e-12);
}

#[test]
fn the_boundaries_of_the_sequential_test() {
    let mut seen = Comparison::of("sequential boundaries (the definition in Python)");
    let mut test: Option<(String, sequential::Test)> = None;
    for row in rows("sequential") {
        let key = format!("{} {} {}", row["claim"], row["confidence"], row["most"]);
        if test.as_ref().is_none_or(|(known, _)| *known != key) {
            test = Some((key, sequential::Test::new(number(&row, "claim"), number(&row, "confidence"), count(&row, "most"))));
        }
        let look = test.as_mut().unwrap().1.look(count(&row, "n"));
        for (ours, column) in [(look.proven_from, "provenFrom"), (look.refuted_up_to, "refutedUpTo")] {
            assert_eq!(ours.is_none(), row[column].is_empty(), "{row:?}");
            if let Some(ours) = ours {
                seen.see(real(ours), number(&row, column));
            }
        }
    }
    seen.within(0.0);
}
