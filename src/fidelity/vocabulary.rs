//! The comparison of an object whose order of states is chance: the seeds differ among themselves, so the recording may differ
//! from each. What remains is which states there are, and when each comes for the first time.

use super::projection::Track;
use super::report::Report;
use super::tolerances::Tolerances;

pub(super) fn compare(track: &Track, others: &[Track], tolerances: &Tolerances, end: f64, subject: &str, report: &mut Report) {
    let passing = tolerances.passing(&track.kind);
    let recorded = lasting(track, passing);
    for (at, state) in &recorded {
        let firsts: Vec<f64> = others.iter().filter_map(|other| first(other, state)).collect();
        if firsts.is_empty() {
            if *at < end {
                report.diverges(subject, Some(*at), format!("recorded, but in none of {} seeds: {state}", others.len()));
            }
            continue;
        }
        // A state that passes may be skipped: when it comes for the first time is bounded by the first that lasted.
        let lasted = |other: &Track| lasting(other, passing).into_iter().find(|(_, seen)| seen == state).map(|(at, _)| at);
        let times: Vec<f64> = firsts.iter().copied().chain(others.iter().filter_map(lasted)).collect();
        if firsts.len() == others.len() && !tolerances.range(&times, &track.kind, state).contains(at) {
            let low = times.iter().copied().fold(f64::INFINITY, f64::min);
            let high = times.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let text = format!("first at {at:.2}s recorded, at {low:.2} to {high:.2}s simulated: {state}");
            report.diverges(subject, Some(*at), text);
        }
    }
    let Some((one, rest)) = others.split_first() else { return };
    let mut missed: Vec<String> = Vec::new();
    for (at, state) in lasting(one, passing) {
        let everywhere = rest.iter().all(|other| lasting(other, passing).iter().any(|(_, seen)| *seen == state));
        if at < end && everywhere && first(track, &state).is_none() && !missed.contains(&state) {
            report.diverges(subject, None, format!("in every seed, but not recorded: {state}"));
            missed.push(state);
        }
    }
}

/// The distinct states that lasted, with the time at which each did first.
fn lasting(track: &Track, passing: f64) -> Vec<(f64, String)> {
    let mut states: Vec<(f64, String)> = Vec::new();
    for (index, (at, state)) in track.states.iter().enumerate() {
        let lasted = track.states.get(index + 1).is_none_or(|(until, _)| until - at > passing);
        if lasted && !states.iter().any(|(_, known)| known == state) {
            states.push((*at, state.clone()));
        }
    }
    states
}

fn first(track: &Track, state: &str) -> Option<f64> {
    track.states.iter().find(|(_, one)| one == state).map(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(states: &[(f64, &str)]) -> Track {
        let states = states.iter().map(|(at, state)| (*at, (*state).to_owned())).collect();
        Track { kind: "deployments".to_owned(), name: "app".to_owned(), born: 0.0, states }
    }

    fn found(recorded: &[(f64, &str)], others: &[&[(f64, &str)]]) -> Vec<String> {
        let mut report = Report::default();
        let others: Vec<_> = others.iter().map(|states| track(states)).collect();
        compare(&track(recorded), &others, &Tolerances::shipped().unwrap(), 900.0, "app", &mut report);
        report.divergences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_state_that_passes_does_not_set_the_time() {
        let seeds: [&[(f64, &str)]; 2] = [
            &[(0.0, "two"), (50.0, "one"), (60.0, "none"), (70.0, "two")],
            &[(0.0, "two"), (1.0, "one"), (2.0, "none"), (52.0, "one"), (90.0, "none")],
        ];
        let recorded = |first: f64| [(0.0, "two"), (1.0, "one"), (2.0, "none"), (first, "one"), (first + 9.0, "none")];
        assert_eq!(found(&recorded(51.0), &seeds), Vec::<String>::new());
        assert_eq!(
            found(&recorded(200.0), &seeds),
            ["app at 200.0s: first at 200.00s recorded, at 1.00 to 52.00s simulated: one"]
        );
    }

    #[test]
    fn order_is_free_but_states_and_first_times_are_not() {
        let seeds: [&[(f64, &str)]; 2] =
            [&[(0.0, "two"), (10.0, "one"), (20.0, "none")], &[(0.0, "two"), (12.0, "none"), (20.0, "one")]];
        assert_eq!(found(&[(0.0, "two"), (11.0, "one"), (15.0, "none"), (30.0, "one")], &seeds), Vec::<String>::new());
        assert_eq!(
            found(&[(0.0, "two"), (11.0, "three"), (15.0, "none"), (20.0, "one")], &seeds),
            ["app at 11.0s: recorded, but in none of 2 seeds: three"]
        );
        assert_eq!(found(&[(0.0, "two"), (15.0, "none")], &seeds), ["app: in every seed, but not recorded: one"]);
        assert_eq!(
            found(&[(0.0, "two"), (15.0, "none"), (300.0, "one")], &seeds),
            ["app at 300.0s: first at 300.00s recorded, at 10.00 to 20.00s simulated: one"]
        );
    }
}
