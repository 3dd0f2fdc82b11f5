//! The embedded cluster against recordings of a real Kubernetes 1.36: states, reasons, messages, events and times,
//! within the tolerances of `fixtures/traces/tolerances.yaml`.

#[path = "fidelity/compare.rs"]
mod compare;
#[path = "fidelity/projection.rs"]
mod projection;
#[path = "fidelity/recording.rs"]
mod recording;
#[path = "fidelity/replay.rs"]
mod replay;

use compare::{Report, Tolerances};
use rstest::rstest;

fn tolerances() -> Tolerances {
    serde_saphyr::from_str(include_str!("../fixtures/traces/tolerances.yaml")).unwrap()
}

#[rstest]
#[case("healthy")]
#[case("crash-loop")]
#[case("bad-liveness")]
#[case("oom")]
#[case("image-pull")]
fn agrees_with_the_recording(#[case] name: &str) {
    let tolerances = tolerances();
    let recorded = recording::read(name);
    let simulated: Vec<_> = (1..=tolerances.seeds).map(|seed| replay::replay(&recorded, seed)).collect();
    let mut report = Report::default();
    let lives: Vec<_> = simulated.iter().map(|facts| projection::lives(facts)).collect();
    compare::lives(name, &tolerances, &projection::lives(&recorded.facts), &lives, &mut report);
    let events: Vec<_> = simulated.iter().map(|facts| projection::events(facts)).collect();
    compare::events(&tolerances, &projection::events(&recorded.facts), &events, &mut report);
    println!("{name}: {} states and {} kinds of events compared over {} seeds", report.states, report.events, tolerances.seeds);
    let shown: Vec<_> = report.divergences.iter().take(12).map(|divergence| format!("  - {divergence}")).collect();
    assert!(report.divergences.is_empty(), "{name}: {} divergences\n{}", report.divergences.len(), shown.join("\n"));
}
