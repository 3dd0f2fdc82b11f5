//! Results made by hand for the tests of reports: one scenario of each kind that a reader meets.
//! Never compiled into the binary.

use crate::detect::{Confidence, Evidence, Finding, Subject};
use crate::exit_code::ExitCode;
use crate::heal::{ActionOutcome, ActionRecord};
use crate::measure::result::*;
use crate::scenario::plan::{EffectPlan, RecoverPlan};
use crate::scenario::{Heal, Plan, Thresholds, Verdict};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An exact duration.
pub fn exact(value: f64) -> Measured {
    Measured { value, uncertainty: 0.01, censored: false }
}

/// A lower bound.
pub fn more_than(value: f64) -> Measured {
    Measured { value, uncertainty: 0.0, censored: true }
}

/// A rate with made-up but plausible bounds.
pub fn rate(successes: usize, n: usize, lower: f64, upper: f64) -> Rate {
    #[expect(clippy::cast_precision_loss, reason = "small numbers of a test")]
    let observed = (n > 0).then(|| successes as f64 / n as f64);
    Rate { successes, n, observed, lower, upper, confidence: 0.95, method: "wilson".into() }
}

/// A finding of `cause`.
pub fn finding(cause: &str, text: &str) -> Finding {
    Finding {
        cause: cause.into(),
        subject: Subject {
            cluster: "embedded".into(),
            namespace: "comeback-x7k2p".into(),
            kind: "Pod".into(),
            name: "pool-6d5f7c9b8-4xk2p".into(),
            uid: "5f0c".into(),
            container: Some("pool".into()),
        },
        at: Duration::from_millis(21_250),
        first_seen: Duration::from_secs(20),
        last_seen: Duration::from_secs(21),
        count: 3,
        sources: vec!["pod status".into()],
        group: "deployment/pool".into(),
        confidence: Confidence::High,
        evidence: vec![Evidence { source: "pod status".into(), text: text.into() }],
        alternatives: vec![],
        leading: true,
    }
}

/// A trial with a verdict.
pub fn trial(index: u32, verdict: Verdict, reason: &str) -> TrialResult {
    TrialResult {
        index,
        seed: 1000 + u64::from(index),
        verdict,
        reason: reason.into(),
        reasons: vec![],
        namespace: "comeback-x7k2p".into(),
        stamps: Stamps::default(),
        durations: Durations::default(),
        findings: vec![],
        actions: vec![],
        claims: vec![],
        healed_by: None,
        leftovers: vec![],
        notes: vec![],
        timeline: format!("timelines/{index}.jsonl"),
        evidence: None,
        retries: vec![],
    }
}

/// A trial that recovered.
pub fn recovered(index: u32, detect: f64, recover: f64, who: Who) -> TrialResult {
    let how = if who == Who::Comeback { How::Healed } else { How::Mitigated };
    TrialResult {
        durations: Durations { to_detect: Some(exact(detect)), to_recover: Some(exact(recover)), ..Durations::default() },
        healed_by: Some(HealedBy { who, name: None, how, evidence: vec![] }),
        ..trial(index, Verdict::Recovered, "recovered within the RTO and held for 45s")
    }
}

/// A scenario of these trials.
pub fn scenario(name: &str, expect: Verdict, outcome: Outcome, reason: &str, trials: Vec<TrialResult>) -> ScenarioResult {
    let valid = trials.iter().filter(|trial| trial.verdict.is_valid()).count();
    let expected = trials.iter().filter(|trial| trial.verdict == expect).count();
    let mut counts = BTreeMap::new();
    for trial in &trials {
        *counts.entry(trial.verdict).or_insert(0) += 1;
    }
    let recovers = expect == Verdict::Recovered;
    ScenarioResult {
        name: name.into(),
        file: format!("scenarios/crash/{name}.yaml"),
        labels: BTreeMap::from([("class".to_owned(), "crash".to_owned())]),
        summary: "A bad value in a ConfigMap crashes the pool".into(),
        expect: vec![expect],
        outcome,
        passed: outcome == Outcome::Passed,
        reason: reason.into(),
        success_rate: rate(expected, valid, 0.2, 0.9),
        sequential: None,
        within_rto: recovers.then(|| rate(expected, valid, 0.2, 0.9)),
        rto: recovers.then_some(60.0),
        detect: recovers.then(|| DetectObjective { cause: "config.bad-value".into(), within: 45.0 }),
        counts,
        recovery: None,
        detection: None,
        healing: None,
        comparison: None,
        planned: Some(trials.len()),
        retried: Retried::of(&trials, &[expect]),
        trials,
    }
}

/// A run with a pass, a failure with evidence, a false green found out, a control, an invalid one and a skipped one.
pub fn run() -> RunResult {
    let mut late = trial(1, Verdict::Late, "recovered after 1m20s, 20s after the RTO of 1m0s");
    late.durations = Durations { to_detect: Some(exact(2.5)), to_recover: Some(exact(80.0)), ..Durations::default() };
    late.findings =
        vec![finding("config.bad-value", "container pool exited 1 three times within 40s; ConfigMap pool changed 3s before")];
    late.actions = vec![ActionRecord {
        id: "a1".into(),
        step: "revertConfig".into(),
        subject: Subject { kind: "ConfigMap".into(), name: "pool".into(), ..Subject::default() },
        cause: "config.bad-value".into(),
        at: Duration::from_secs(22),
        outcome: ActionOutcome::Acted,
        reason: "data.workers: many → 4".into(),
        before: Some(serde_json::json!({"data": {"workers": "many"}})),
        after: Some(serde_json::json!({"data": {"workers": "4"}})),
        replaces: vec![],
    }];
    let mut unrecovered = trial(
        2,
        Verdict::Unrecovered,
        "`ready: {deployment: pool}` never held for 45s within 5m0s; last seen: 0 of 2 pods Ready, pool-6d5f7c9b8-4xk2p waiting for CrashLoopBackOff",
    );
    unrecovered.durations = Durations { to_detect: Some(exact(3.0)), to_recover: Some(more_than(300.0)), ..Durations::default() };
    unrecovered.findings =
        vec![finding("config.bad-value", "panic: invalid value \"many\" \u{1b}[31mred\u{0} & <tag> for WORKERS")];
    unrecovered.evidence = Some("evidence/crash-loop-after-config-change-2".into());
    unrecovered.notes = vec!["hold stretched to 71s".into()];
    let mut regressed = trial(0, Verdict::Regressed, "Ready for 30s of every cycle, never for a whole hold of 30s");
    regressed.durations.to_recover = Some(more_than(300.0));
    let scenarios = vec![
        scenario(
            "crash-after-rollout",
            Verdict::Recovered,
            Outcome::Passed,
            "3 of 3 trials recovered",
            (0..3).map(|index| recovered(index, 1.2 + f64::from(index), 12.4 + f64::from(index), Who::Comeback)).collect(),
        ),
        scenario(
            "crash-loop-after-config-change",
            Verdict::Recovered,
            Outcome::Failed,
            "1 trial late, 1 unrecovered",
            vec![recovered(0, 2.25, 31.0, Who::Comeback), late, unrecovered],
        ),
        scenario("false-green-crash-loop", Verdict::Regressed, Outcome::Passed, "1 of 1 trial regressed", vec![regressed]),
        scenario(
            "healthy-control",
            Verdict::Quiet,
            Outcome::Passed,
            "nothing was detected",
            vec![trial(0, Verdict::Quiet, "nothing was detected in 35s")],
        ),
        scenario(
            "oom-limit-too-low",
            Verdict::Recovered,
            Outcome::Inconclusive,
            "no valid trial",
            vec![trial(0, Verdict::Invalid, "the effect was never seen: no container was OOM killed within 2m0s")],
        ),
        scenario(
            "shop-api",
            Verdict::Recovered,
            Outcome::Skipped,
            "image shop/api:1 has no known program; give a stand-in under `images:`",
            vec![],
        ),
    ];
    whole(scenarios)
}

/// A gate with each outcome, on that run.
pub fn gate() -> GateResult {
    let objective = |objective, scenario: Option<&str>, required: &str, observed: &str, outcome| Objective {
        objective,
        scenario: scenario.map(str::to_owned),
        class: None,
        required: required.to_owned(),
        observed: observed.to_owned(),
        interval: None,
        outcome,
        next: None,
        comparison: None,
    };
    let interval = |lower, upper, method: &str| Interval {
        lower: Some(lower),
        upper: Some(upper),
        confidence: 0.95,
        method: method.to_owned(),
    };
    let mut rate = objective(
        ObjectiveKind::SuccessRate,
        Some("crash-after-rollout"),
        "90 % of trials as expected (the lower bound of the interval)",
        "5 of 5 (100 %)",
        Outcome::Inconclusive,
    );
    rate.interval = Some(interval(0.5655, 1.0, "wilson"));
    rate.next = Some("35 trials, all passing, would prove it: --trials 35".to_owned());
    let mut class = objective(
        ObjectiveKind::WithinRto,
        None,
        "90 % of trials within the RTO of 1m (observed)",
        "8 of 8 (100 %)",
        Outcome::Passed,
    );
    class.class = Some("crash".to_owned());
    class.interval = Some(interval(0.6756, 1.0, "wilson"));
    let alarms = objective(
        ObjectiveKind::FalseAlarms,
        None,
        "no false alarm",
        "0 false alarms in 3 valid trials of controls",
        Outcome::Passed,
    );
    let new = objective(
        ObjectiveKind::Baseline,
        Some("shop-<api>"),
        "no worse than the baseline",
        "new: the baseline does not have it",
        Outcome::Skipped,
    );
    let mut slower = objective(
        ObjectiveKind::RecoveryRegression,
        Some("crash-after-rollout"),
        "recovery no slower than the baseline's, by more than 10 % of its median",
        "median 20.5s, was 10.5s (p = 0.002)",
        Outcome::Failed,
    );
    slower.interval = Some(interval(8.0, 12.5, "hodgesLehmann"));
    slower.next = Some("compare this run's trials with the baseline's; if it is meant, take a new baseline".to_owned());
    GateResult {
        outcome: Outcome::Failed,
        targets: None,
        baseline: Some(BaselineInfo {
            reference: "main".to_owned(),
            run: "20261120-080639-abcde".to_owned(),
            started_at: "2026-11-20T08:06:39.000000Z".to_owned(),
            not_comparable: None,
        }),
        objectives: vec![rate, class, alarms, new, slower],
    }
}

fn whole(scenarios: Vec<ScenarioResult>) -> RunResult {
    RunResult {
        api_version: "comeback.dev/v1alpha1".into(),
        kind: "RunResult".into(),
        complete: true,
        expected: Expected { scenarios: 6, trials: 9 },
        run: Run {
            id: "20261121-080639-x7k2p".into(),
            version: "0.1.0".into(),
            started_at: "2026-11-21T08:06:39.000000Z".into(),
            finished_at: Some("2026-11-21T08:06:41.500000Z".into()),
            seed: 42,
            command: vec!["comeback".into(), "run".into(), "scenarios".into()],
            shard: None,
        },
        cluster: ClusterInfo {
            provider: "embedded".into(),
            name: "embedded".into(),
            fingerprint: Fingerprint { kubernetes: "v1.36.0".into(), nodes: 1, simulated: true, properties: BTreeMap::new() },
        },
        scenarios,
        lift: Vec::new(),
        gate: None,
        summary: Summary {
            scenarios: 6,
            passed: 3,
            failed: 1,
            inconclusive: 1,
            skipped: 1,
            flaky: 0,
            success_rate: rate(5, 6, 0.436, 0.97),
            within_rto: rate(4, 6, 0.3, 0.903),
        },
        outcome: Outcome::Failed,
        exit_code: 1,
        exit_reasons: vec![
            ExitReason {
                code: 1,
                name: ExitCode::ObjectiveMissed,
                reason: "crash-loop-after-config-change: 1 trial late, 1 unrecovered".into(),
            },
            ExitReason { code: 4, name: ExitCode::Inconclusive, reason: "oom-limit-too-low: no valid trial".into() },
        ],
        warnings: vec!["5 trials can prove a success rate of 0.57; 0.9 needs 35".into()],
    }
}

/// A plan of a name and a number of trials; what it does is of no importance here.
pub fn plan(name: &str, trials: u32) -> Arc<Plan> {
    let minute = Duration::from_mins(1);
    Arc::new(Plan {
        name: name.into(),
        file: format!("scenarios/crash/{name}.yaml"),
        labels: BTreeMap::new(),
        summary: String::new(),
        needs: vec![],
        manifests: vec![],
        existing: None,
        render: Vec::new(),
        registry: None,
        images: BTreeMap::new(),
        steady: None,
        faults: vec![],
        effect: EffectPlan { until: None, within: minute },
        detect: None,
        thresholds: Thresholds::default(),
        detectors: Vec::new(),
        ladders: Vec::new(),
        patterns: Vec::new(),
        heal: Heal::default(),
        throughout: None,
        recover: RecoverPlan { until: vec![], rto: Some(minute), hold: minute, within: minute },
        expect: vec![Verdict::Recovered],
        first_trial: 0,
        comparison: None,
        trials,
        retries: 0,
    })
}
