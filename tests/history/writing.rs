//! What is written is there, once, whole, whoever else writes.

use super::databases::number;
use super::made::{MONDAY, recovered, run, scenario, unrecovered};
use comeback::history::observe::Sighting;
use comeback::history::{Access, Address, History, Times, Window};
use comeback::measure::result::Outcome;

fn open(address: &Address) -> History {
    History::open(address, Access::Write).unwrap()
}

fn put(history: &mut History, id: &str) {
    let (run, scenario) = (run(id, MONDAY), scenario("pod-deleted"));
    history.put_run(&run).unwrap();
    history.put_scenario(&run, &scenario).unwrap();
    for trial in [recovered(0, 12.5), recovered(1, 75.0), unrecovered(2)] {
        history.put_trial(&run, &scenario, &trial).unwrap();
    }
}

pub fn a_run_is_there_as_it_was_written(address: &Address) {
    let mut history = open(address);
    put(&mut history, "a");
    let detail = History::open(address, Access::Read).unwrap().run("a").unwrap();
    assert_eq!((detail.run.trials, detail.run.valid, detail.run.expected), (3, 3, 1));
    assert_eq!((detail.run.rto_counts, detail.run.rto_kept), (3, 1));
    assert_eq!(detail.run.outcome.as_deref(), Some("passed"));
    assert_eq!(detail.labels["git.branch"], "main");
    let trials = &detail.scenarios[0].trials;
    assert_eq!(trials[0].to_recover, Some(12.5));
    assert_eq!((trials[2].verdict.as_str(), trials[2].to_recover_censored), ("unrecovered", true));
    assert_eq!(number(address, "SELECT COUNT(*) FROM stamps"), 4);
    assert_eq!(history.fingerprints().unwrap()[0].1.nodes, 3);
}

pub fn an_upload_that_comes_twice_changes_nothing(address: &Address) {
    let counts = || {
        ["runs", "labels", "scenarios", "workloads", "trials", "stamps", "findings", "actions", "tallies", "fingerprints"]
            .map(|table| number(address, &format!("SELECT COUNT(*) FROM {table}")))
    };
    let mut history = open(address);
    put(&mut history, "a");
    let (once, detail) = (counts(), history.run("a").unwrap());
    put(&mut history, "a");
    assert_eq!((counts(), history.run("a").unwrap()), (once, detail));
}

pub fn a_trial_that_is_judged_anew_replaces_the_old_one(address: &Address) {
    let mut history = open(address);
    put(&mut history, "a");
    history.put_trial(&run("a", MONDAY), &scenario("pod-deleted"), &recovered(2, 20.0)).unwrap();
    let cells = history.cells(&Window::all(), Times::All).unwrap();
    assert_eq!((cells[0].sums.trials, cells[0].sums.expected, cells[0].sums.rto_kept), (3, 2, 2));
    assert!(cells[0].recoveries.iter().all(|sample| !sample.censored), "{:?}", cells[0].recoveries);
}

pub fn a_complete_run_stays_complete(address: &Address) {
    let mut history = open(address);
    let complete = run("a", MONDAY);
    history.put_run(&complete).unwrap();
    let mut begun = complete.clone();
    (begun.complete, begun.outcome, begun.finished) = (false, None, None);
    history.put_run(&begun).unwrap();
    assert!(history.run("a").unwrap().run.complete);
    let mut failed = complete;
    failed.outcome = Some(Outcome::Failed);
    history.put_run(&failed).unwrap();
    assert_eq!(history.run("a").unwrap().run.outcome.as_deref(), Some("failed"));
}

pub fn several_write_at_once(address: &Address) {
    // All of them open a history that is not there yet.
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let mut history = open(address);
                let (run, scenario) = (run(&format!("run-{}", writer % 4), MONDAY), scenario("pod-deleted"));
                history.put_run(&run).unwrap();
                history.put_scenario(&run, &scenario).unwrap();
                for index in 0..20 {
                    // Two write the same run, each its own half and some of the other's.
                    let trial = recovered(index + 15 * (writer / 4), 12.0);
                    history.put_trial(&run, &scenario, &trial).unwrap();
                }
            });
        }
    });
    let runs = open(address).runs(&Window::all(), 100).unwrap();
    assert_eq!(runs.iter().map(|run| run.trials).collect::<Vec<_>>(), [35; 4]);
    assert_eq!(number(address, "SELECT COUNT(*) FROM trials"), 140);
    assert_eq!(number(address, "SELECT COUNT(*) FROM schema_version"), comeback::history::schema::VERSION);
}

pub fn foreign_text_is_kept(address: &Address) {
    let mut history = open(address);
    let (run, scenario) = (run("a", MONDAY), scenario("pod-deleted"));
    history.put_run(&run).unwrap();
    history.put_scenario(&run, &scenario).unwrap();
    let mut trial = unrecovered(0);
    "a'; DROP TABLE runs; --\0\u{1b}[31m 🦀 \u{202e}x".clone_into(&mut trial.reason);
    history.put_trial(&run, &scenario, &trial).unwrap();
    let mut long = unrecovered(1);
    long.reason = "é".repeat(5_000_000);
    history.put_trial(&run, &scenario, &long).unwrap();
    let kept = history.run("a").unwrap();
    assert_eq!(kept.scenarios[0].trials[0].reason, trial.reason.replace('\0', "\u{fffd}"));
    let cut = &kept.scenarios[0].trials[1].reason;
    assert!(cut.chars().count() < 5000 && cut.ends_with("more bytes)"), "{}", cut.len());
}

pub fn sightings_without_a_gap_are_one(address: &Address) {
    const MINUTE: i64 = 60_000_000;
    let mut history = open(address);
    let seen = |first: i64, last: i64| Sighting {
        cluster: "prod".into(),
        namespace: "shop".into(),
        workload: "deployment/api".into(),
        cause: "oom.limit".into(),
        first_seen: MONDAY + first * MINUTE,
        last_seen: MONDAY + last * MINUTE,
        signals: 2,
    };
    for sighting in [seen(0, 10), seen(0, 10), seen(200, 230), seen(5, 40)] {
        history.put_sighting(&sighting).unwrap();
    }
    assert_eq!(number(address, "SELECT COUNT(*) FROM observations"), 2);
    // One that reaches from the first to the second joins them.
    history.put_sighting(&seen(90, 150)).unwrap();
    assert_eq!(number(address, "SELECT COUNT(*) FROM observations"), 1);
    assert_eq!(number(address, "SELECT MAX(last_seen) - MIN(first_seen) FROM observations"), 230 * MINUTE);
    history.put_look("prod", "shop", MONDAY).unwrap();
    history.put_look("prod", "shop", MONDAY + MINUTE).unwrap();
    assert_eq!(number(address, "SELECT COUNT(*) FROM looks"), 1);
}
