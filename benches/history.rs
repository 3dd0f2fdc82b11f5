//! How fast a history answers with 100,000 trials in it: `cargo bench --bench history`, on SQLite; with `COMEBACK_BENCH_HISTORY` set to a
//! URL of an empty PostgreSQL database, on that. Every question is about all trials; it prints the slowest of ten, and fails above
//! 100 ms.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark that cannot run has no figure")]

use comeback::history::record::{RunRecord, ScenarioRecord};
use comeback::history::{Access, Address, History, Times, Window, compare, rto, stability, trend};
use comeback::measure::result::{Durations, Fingerprint, Measured, Outcome, Stamp, Stamps, TrialResult};
use comeback::scenario::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const SCENARIOS: u32 = 16;
const TRIALS: u32 = 5;
const RUNS: u32 = 1250;
const LIMIT: Duration = Duration::from_millis(100);

fn main() {
    // `cargo test --benches` starts benchmarks, too; they are for `cargo bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let address = std::env::var("COMEBACK_BENCH_HISTORY")
        .map_or_else(|_| Address::Sqlite(folder.path().join("history.db")), |url| url.parse().expect("an address"));
    let mut history = History::open(&address, Access::Write).expect("a history");
    let began = Instant::now();
    fill(&mut history);
    println!("{} trials written in {:.1?} to {address}", RUNS * SCENARIOS * TRIALS, began.elapsed());
    let all = Window::all();
    let labelled = Window { label: Some(("git.branch".to_owned(), "main".to_owned())), ..Window::all() };
    let fingerprints = history.fingerprints().expect("an answer");
    let mut slow = false;
    let mut question = |name: &str, ask: &mut dyn FnMut(&mut History)| {
        let mut times: Vec<Duration> = (0..10)
            .map(|_| {
                let began = Instant::now();
                ask(&mut history);
                began.elapsed()
            })
            .collect();
        times.sort();
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        slow |= median > LIMIT;
        println!("{name:<28} median {median:>8.1?}   slowest {most:>8.1?}");
    };
    question("list", &mut |history| drop(history.runs(&all, 20).expect("an answer")));
    question("list of a branch", &mut |history| drop(history.runs(&labelled, 20).expect("an answer")));
    question("show", &mut |history| drop(history.run("run-00700").expect("an answer")));
    question("cells", &mut |history| drop(history.cells(&all, Times::All).expect("an answer")));
    question("cells of a branch", &mut |history| drop(history.cells(&labelled, Times::All).expect("an answer")));
    question("trend", &mut |history| drop(trend::trends(&history.cells(&all, Times::Recovery).expect("an answer"))));
    question("stability", &mut |history| drop(stability::of_trials(&history.cells(&all, Times::None).expect("an answer"))));
    question("stability by workload", &mut |history| {
        drop(stability::of_workloads(&history.workloads(&all).expect("an answer")));
    });
    question("flaky", &mut |history| drop(history.flaky(&all).expect("an answer")));
    question("compare", &mut |history| {
        let (a, b) = (history.run("run-00001").expect("a run"), history.run("run-01200").expect("a run"));
        drop(compare::compare(&a, &b));
    });
    question("report rto", &mut |history| {
        drop(rto::report(&history.cells(&all, Times::All).expect("an answer"), &fingerprints, None));
    });
    question("outdated", &mut |history| drop(history.outdated(None, Some(100)).expect("an answer")));
    assert!(!slow, "a question took more than {LIMIT:?}");
}

/// A year and a half of runs, several a day, with a change of Kubernetes in it.
fn fill(history: &mut History) {
    for number in 0..RUNS {
        let run = RunRecord {
            id: format!("run-{number:05}"),
            version: "0.1.0".to_owned(),
            started: 1_750_000_000_000_000 + i64::from(number) * 36_000_000_000,
            finished: None,
            seed: 1,
            command: Vec::new(),
            provider: "kind".to_owned(),
            cluster: "ci".to_owned(),
            fingerprint: Fingerprint {
                kubernetes: if number < RUNS / 2 { "v1.35.4" } else { "v1.36.2" }.to_owned(),
                nodes: 3,
                ..Fingerprint::default()
            },
            complete: true,
            outcome: Some(Outcome::Passed),
            exit_code: Some(0),
            expected_trials: 80,
            labels: BTreeMap::from([
                ("git.branch".to_owned(), if number % 3 == 0 { "main" } else { "feature" }.to_owned()),
                ("git.commit".to_owned(), format!("{:040}", number / 2)),
            ]),
        };
        history.put_run(&run).expect("written");
        for scenario in 0..SCENARIOS {
            let record = ScenarioRecord {
                name: format!("scenario-{scenario:02}"),
                file: String::new(),
                labels: BTreeMap::from([("class".to_owned(), format!("class-{}", scenario % 4))]),
                summary: String::new(),
                expect: vec![Verdict::Recovered],
                rto: Some(60.0),
                detect: None,
                workloads: BTreeSet::from([format!("deployment/app-{}", scenario % 5)]),
                outcome: None,
            };
            history.put_scenario(&run, &record).expect("written");
            for index in 0..TRIALS {
                history.put_trial(&run, &record, &trial(number, scenario, index)).expect("written");
            }
        }
    }
}

fn trial(run: u32, scenario: u32, index: u32) -> TrialResult {
    let noise = f64::from((run * 7919 + scenario * 104_729 + index * 1_299_709) % 10_000) / 1000.0;
    let verdict = if noise > 9.7 { Verdict::Late } else { Verdict::Recovered };
    let exact = |value| Some(Measured { value, uncertainty: 0.05, censored: false });
    let stamp = |at| Some(Stamp { at, earliest: at - 0.05, server: None });
    TrialResult {
        durations: Durations { to_detect: exact(noise), to_recover: exact(20.0 + noise * 4.2), ..Durations::default() },
        stamps: Stamps { requested: stamp(10.0), effective: stamp(11.0), stable_from: stamp(31.0 + noise), ..Stamps::default() },
        ..TrialResult::without_measurements(index, 1, verdict, "recovered within the RTO and held for 30s")
    }
}
