//! Detectors of the user's own in whole trials: an expression and a program, in time and in vain, live and judged again.

use super::faults::run;
use comeback::detect::Confidence;
use comeback::measure::result::TrialResult;
use comeback::scenario::Verdict;
use std::path::Path;

/// A pod that says that its queue is stuck once its ConfigMap says so.
fn scenario(detectors: &str, more: &str) -> String {
    format!(
        "apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: {{ name: own }}
spec:
  summary: A stuck queue
  workload:
    inline:
      - {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: queue }}, data: {{ state: fine }} }}
      - {{ apiVersion: v1, kind: Secret, metadata: {{ name: hidden }}, stringData: {{ word: geheim }} }}
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {{ name: web }}
        spec:
          selector: {{ matchLabels: {{ app: web }} }}
          template:
            metadata: {{ labels: {{ app: web }} }}
            spec: {{ containers: [{{ name: web, image: \"busybox:1.37\", command: [sh, -c, \"sleep 100000\"] }}] }}
  detectors: [{detectors}]
{more}"
    )
}

const STUCK: &str = "  fault: [{ setConfig: { configMap: queue, key: state, value: stuck } }]
  effect: { until: [{ cel: { kind: ConfigMap, name: queue, expression: \"object.data.state == 'stuck'\" } }] }
  detect: { cause: shop.queue-stuck, within: 10s }
  recover: { hold: 20s }
";

const EXPRESSION: &str =
    "{ cel: { cause: shop.queue-stuck, kind: ConfigMap, expression: \"object.data.state == 'stuck'\", message: it is stuck } }";

fn trial(detectors: &str, more: &str, folder: &Path) -> (TrialResult, String) {
    std::fs::write(folder.join("one.yaml"), scenario(detectors, more)).unwrap();
    let trial = run(folder).scenarios.remove(0).trials.remove(0);
    let timeline = std::fs::read_to_string(folder.join("run").join(&trial.timeline)).unwrap();
    (trial, timeline)
}

/// A program in the folder of the scenario that finds the queue by a word in what it is told, and notes all that it is told.
fn program(folder: &Path, answer: &str) -> String {
    let script = format!(
        "while read -r line; do printf '%s\\n' \"$line\" >> told; case $line in
           '{{\"look\"'*) {answer} echo \"{{\\\"done\\\":${{line#*:}}\";;
           *'\"state\":\"stuck\"'*) found=yes;;
         esac; done"
    );
    std::fs::write(folder.join("find.sh"), script).unwrap();
    "{ program: { run: [sh, find.sh], causes: [shop.queue-stuck], kinds: [ConfigMap, Secret] } }".to_owned()
}

const SAYS: &str = "if [ -n \"$found\" ]; then printf '%s\\n' \
                    '{\"finding\":{\"cause\":\"shop.queue-stuck\",\"kind\":\"ConfigMap\",\"name\":\"queue\",\"message\":\"stuck\"}}'; fi;";

#[test]
fn an_expression_finds_what_it_says_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let (found, _) = trial(EXPRESSION, STUCK, folder.path());
    assert_eq!(found.verdict, Verdict::Recovered, "{}", found.reason);
    let [one] = found.findings.as_slice() else { panic!("{:#?}", found.findings) };
    assert_eq!(
        (one.cause.as_str(), one.subject.kind.as_str(), one.subject.name.as_str()),
        ("shop.queue-stuck", "ConfigMap", "queue")
    );
    let other = EXPRESSION.replace("== 'stuck'", "== 'lost'");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(trial(&other, STUCK, folder.path()).0.verdict, Verdict::Undetected);
}

#[test]
fn a_program_finds_without_time_passing_and_sees_no_secret() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (found, timeline) = trial(&program(one.path(), SAYS), STUCK, one.path());
    assert_eq!(found.verdict, Verdict::Recovered, "{}", found.reason);
    let [finding] = found.findings.as_slice() else { panic!("{:#?}", found.findings) };
    assert_eq!((finding.sources[0].as_str(), finding.group.as_str()), ("program", "configmap/queue"));
    let told = std::fs::read_to_string(one.path().join("told")).unwrap();
    assert!(told.contains("\"name\":\"hidden\"") && !told.contains("geheim") && !told.contains("Z2VoZWlt"), "{told}");
    assert!(!told.contains("\"kind\":\"Pod\""), "it asked for other kinds");
    // One seed, one timeline, however quick the program was.
    assert_eq!(trial(&program(two.path(), SAYS), STUCK, two.path()).1, timeline);
}

#[test]
fn what_is_found_in_a_control_is_a_false_alarm() {
    let quiet = "  steady: { hold: 10s }\n  expect: quiet\n";
    for (expression, verdict) in [("'fine'", Verdict::FalseAlarm), ("'stuck'", Verdict::Quiet)] {
        let folder = tempfile::tempdir().unwrap();
        let (trial, _) = trial(&EXPRESSION.replace("'stuck'", expression), quiet, folder.path());
        assert_eq!(trial.verdict, verdict, "{}", trial.reason);
    }
}

#[test]
fn what_fails_to_look_is_an_error_that_keeps_what_was_seen() {
    for (detector, why) in [
        ("{ program: { run: [sh, -c, \"echo nonsense; sleep 60\"], causes: [shop.queue-stuck] } }", "a line that is no answer"),
        ("{ program: { run: [./none], causes: [shop.queue-stuck] } }", "could not be started"),
        (
            "{ cel: { cause: shop.queue-stuck, kind: ConfigMap, expression: \"object.metadata.name\", message: m } }",
            "has no truth for ConfigMap",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (trial, timeline) = trial(detector, STUCK, folder.path());
        assert_eq!(trial.verdict, Verdict::Error);
        assert!(trial.reason.contains(why), "{}", trial.reason);
        assert!(timeline.contains("namespaceReady") && trial.leftovers.is_empty());
    }
}

#[test]
fn a_line_of_ones_own_raises_the_confidence_of_what_is_found() {
    let more = "  patterns: [{ topic: crash, words: [\"Flux lost\"] }]\n";
    for (more, sure) in [(more, true), ("", false)] {
        let folder = tempfile::tempdir().unwrap();
        let text = scenario("", &format!("{more}  effect: {{ within: 2m }}\n  recover: {{ within: 1m }}\n  expect: regressed\n"));
        let text = text.replace("sleep 100000", "echo the flux lost it; exit 3");
        std::fs::write(folder.path().join("one.yaml"), text).unwrap();
        let trial = run(folder.path()).scenarios.remove(0).trials.remove(0);
        assert_eq!(trial.verdict, Verdict::Regressed, "{}", trial.reason);
        let found = trial.findings.iter().find(|finding| finding.cause == "crash.app-error").unwrap();
        let told = found.evidence.iter().any(|evidence| evidence.text.contains("the flux lost it"));
        assert_eq!((found.confidence == Confidence::High, told), (sure, sure), "{:#?}", found.evidence);
    }
}
