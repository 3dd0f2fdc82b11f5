//! Questions get the answers that the rows give, and no others.

use super::databases::number;
use super::made::{MONDAY, WEEK, recovered, run, scenario, unrecovered};
use comeback::history::{Access, Address, History, Times, Window};

fn filled(address: &Address) -> History {
    let mut history = History::open(address, Access::Write).unwrap();
    for week in 0..3 {
        let mut run = run(&format!("run-{week}"), MONDAY + week * WEEK);
        if week == 2 {
            "v1.37.0".clone_into(&mut run.fingerprint.kubernetes);
            run.labels.insert("git.branch".to_owned(), "feature".to_owned());
        }
        history.put_run(&run).unwrap();
        for name in ["pod-deleted", "oom"] {
            let scenario = scenario(name);
            history.put_scenario(&run, &scenario).unwrap();
            // More than one row of `tallies`.
            for index in 0..70 {
                history.put_trial(&run, &scenario, &recovered(index, 10.0 + f64::from(index) / 10.0)).unwrap();
            }
            history.put_trial(&run, &scenario, &unrecovered(70)).unwrap();
        }
    }
    history
}

pub fn runs_are_listed_by_time_and_label(address: &Address) {
    let mut history = filled(address);
    let ids = |history: &mut History, window: &Window, limit| {
        history.runs(window, limit).unwrap().into_iter().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut history, &Window::all(), 2), ["run-2", "run-1"]);
    let late = Window { since: MONDAY + WEEK, ..Window::all() };
    assert_eq!(ids(&mut history, &late, 10), ["run-2", "run-1"]);
    let main = Window { label: Some(("git.branch".into(), "main".into())), ..Window::all() };
    assert_eq!(ids(&mut history, &main, 10), ["run-1", "run-0"]);
    assert_eq!(history.run_id("latest").unwrap(), "run-2");
    assert_eq!(history.run_id("run-1").unwrap(), "run-1");
    assert!(history.run_id("run").unwrap_err().to_string().contains("several"));
    assert!(history.run_id("%").unwrap_err().to_string().contains("no run `%`"));
}

pub fn cells_sum_up_trials_by_week_and_environment(address: &Address) {
    let mut history = filled(address);
    let cells = history.cells(&Window::all(), Times::All).unwrap();
    assert_eq!(cells.len(), 6);
    assert!(cells.iter().all(|cell| cell.sums.valid == 71 && cell.sums.expected == 70 && cell.runs == 1), "{cells:?}");
    assert!(cells.iter().all(|cell| cell.recoveries.len() == 71 && cell.detections.len() == 70));
    let weeks: Vec<i64> = cells.iter().filter(|cell| cell.name == "oom").map(|cell| cell.week).collect();
    assert_eq!(weeks.iter().max().unwrap() - weeks.iter().min().unwrap(), 2);
    let longest = cells[0].recoveries.iter().find(|sample| sample.censored).unwrap();
    assert!((longest.value - 300.0).abs() < 1e-9);
    assert!((cells[0].recoveries[0].uncertainty - 0.25).abs() < 1e-9);
    let by_workload = history.workloads(&Window::all()).unwrap();
    assert_eq!(by_workload.iter().map(|cell| cell.sums.trials).sum::<usize>(), 6 * 71);
    assert!(by_workload.iter().all(|cell| cell.name == "deployment/pool"));
}

pub fn old_runs_are_forgotten_with_all_their_rows(address: &Address) {
    let mut history = filled(address);
    assert_eq!(history.outdated(Some(MONDAY + 1), None).unwrap(), ["run-0"]);
    assert_eq!(history.outdated(None, Some(1)).unwrap(), ["run-0", "run-1"]);
    assert!(history.outdated(None, None).unwrap().is_empty());
    history.forget(&["run-0".to_owned(), "run-1".to_owned()], None).unwrap();
    for table in ["labels", "scenarios", "workloads", "trials", "stamps", "tallies"] {
        let of_others = format!("SELECT COUNT(*) FROM {table} WHERE run_id <> 'run-2'");
        assert_eq!(number(address, &of_others), 0, "{table}");
    }
    assert_eq!(number(address, "SELECT COUNT(*) FROM trials"), 142);
    assert_eq!(number(address, "SELECT COUNT(*) FROM fingerprints"), 1);
}

pub fn what_passed_on_retry_is_flaky_and_stays_a_miss(address: &Address) {
    let mut history = History::open(address, Access::Write).unwrap();
    let (run, scenario) = (run("run-0", MONDAY), scenario("pod-deleted"));
    history.put_run(&run).unwrap();
    history.put_scenario(&run, &scenario).unwrap();
    let mut flaky = unrecovered(0);
    flaky.retries = vec![unrecovered(0), recovered(0, 12.0)];
    let mut broken = unrecovered(1);
    broken.retries = vec![unrecovered(1)];
    for trial in [flaky, broken] {
        history.put_trial(&run, &scenario, &trial).unwrap();
    }
    let rows = history.flaky(&Window::all()).unwrap();
    // No revision is mixed: both first attempts, which count, failed.
    assert_eq!(rows.iter().map(|row| (row.mixed, row.on_retry)).collect::<Vec<_>>(), [(0, 1)]);
    let trials = &history.run("run-0").unwrap().scenarios[0].trials;
    assert_eq!(trials[0].retries, ["unrecovered", "recovered"]);
    assert_eq!(trials.iter().map(|trial| (trial.flaky, trial.expected)).collect::<Vec<_>>(), [(true, false), (false, false)]);
    let cells = history.cells(&Window::all(), Times::All).unwrap();
    assert_eq!((cells[0].sums.trials, cells[0].sums.valid, cells[0].sums.expected), (2, 2, 0));
}
