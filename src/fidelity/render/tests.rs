//! What people read: the parts that must be there, and the width.

use super::{html, terminal};
use crate::fidelity::known::{Known, sort};
use crate::fidelity::projection::Track;
use crate::fidelity::recording::Recording;
use crate::fidelity::report::{Divergence, Pair, Report};
use crate::fidelity::tolerances::Tolerances;

fn track(states: &[(f64, &str)]) -> Track {
    let states = states.iter().map(|(at, state)| (*at, (*state).to_owned())).collect();
    Track { kind: "pods".to_owned(), name: "app-HASH-*".to_owned(), born: 0.1, states }
}

fn sample() -> (Report, Recording, Tolerances) {
    let recorded = track(&[
        (0.1, "Pending"),
        (0.6, "Running · Ready=True · [app running last= ready=true]"),
        (5.6, "Running · Ready=False(ContainersNotReady: containers with unready status: [app]) · [app terminated:Error:1]"),
        (16.2, "Running · Ready=True · [app running last=terminated:Error:1 ready=true]"),
    ]);
    let simulated = track(&[
        (0.1, "Pending"),
        (0.7, "Running · Ready=True · [app running last= ready=true]"),
        (5.9, "Running · Ready=False(ContainersNotReady: containers with unready status: [app]) · [app terminated:<Error>:2]"),
    ]);
    let divergence = |subject: &str, at, text: &str| Divergence { subject: subject.to_owned(), at, text: text.to_owned() };
    let report = Report {
        name: "crash-loop".to_owned(),
        seeds: 1,
        states: 4,
        events: 2,
        divergences: vec![
            divergence("pods app-HASH-*", Some(5.6), "1 of 1 seeds differ, first seed 1, step 2"),
            divergence("events", None, "x2 recorded, x0 to x0 simulated: Pod Warning FailedMount: slow"),
        ],
        pairs: vec![Pair { recorded: Some(recorded), simulated: Some(simulated) }],
    };
    let recording = Recording { name: "crash-loop".to_owned(), length: 900.0, ..Recording::default() };
    (report, recording, Tolerances::shipped().unwrap())
}

fn known() -> Vec<Known> {
    let text = |text: &str| text.to_owned();
    vec![Known { recording: text("crash-loop"), contains: text("FailedMount"), reason: text("a slow machine") }]
}

#[test]
fn two_timelines_fit_eighty_columns() {
    let (report, recording, tolerances) = sample();
    let text = terminal::render(&report, &sort(&report, &known()), &recording, &tolerances, 80, &|_, text| text.to_owned());
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let text_in_one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text_in_one_line.contains("(known: a slow machine)"), "{text}");
    for part in ["pods app-HASH-*", "  recorded", "simulated, first seed", "─── here they part", "Known divergences"] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    let first = text.lines().find(|line| line.contains("Pending")).unwrap();
    assert_eq!(first.matches("0.1s Pending").count(), 2, "{first}");
}

#[test]
fn tones_tell_where_they_part() {
    let (report, recording, tolerances) = sample();
    let paint = |tone, text: &str| format!("{tone:?}:{text}");
    let text = terminal::render(&report, &sort(&report, &known()), &recording, &tolerances, 100, &paint);
    let parted = text.lines().position(|line| line.contains("here they part")).unwrap();
    assert!(text.lines().skip(parted).take(2).all(|line| line.starts_with("Bad:")), "{text}");
    assert!(text.lines().take(parted).all(|line| !line.starts_with("Bad:")), "{text}");
}

#[test]
fn a_page_stands_alone_and_escapes() {
    let (report, recording, tolerances) = sample();
    let page = html::render(&report, &sort(&report, &known()), &recording, &tolerances);
    assert!(!page.contains("<Error>") && !page.contains("http") && !page.contains("<script"));
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("<tr class=\"parted first\">").count(), 1, "{page}");
    assert!(page.contains("<td class=\"t\">0.1s</td><td>Pending</td><td class=\"t\">0.1s</td><td>Pending</td>"), "{page}");
}
