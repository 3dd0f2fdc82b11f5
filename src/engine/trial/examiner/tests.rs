//! Programs that answer, and all the ways in which they do not: each bounded in time and memory, with what was wrong.

use super::*;
use crate::detect::Confidence;
use rstest::rstest;

fn detector(script: &str, timeout: Duration) -> ProgramDetector {
    ProgramDetector {
        run: ["sh", "-c", script].map(ToOwned::to_owned).to_vec(),
        causes: vec!["shop.stuck".to_owned()],
        kinds: Vec::new(),
        timeout: Some(timeout),
        env: std::collections::BTreeMap::from([("OWN".to_owned(), "yes".to_owned())]),
    }
}

const LONG: Duration = Duration::from_secs(20);

fn place() -> Place {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Place { folder, namespace: "shop".to_owned(), run: "r1".to_owned(), kubeconfig: None }
}

async fn asked(script: &str, timeout: Duration) -> Result<Vec<Answered>, String> {
    Examiner::start(&detector(script, timeout), &place())?.ask(vec![r#"{"seen":{"kind":"Pod"}}"#.to_owned()]).await
}

#[tokio::test]
async fn it_is_told_and_answers_look_by_look() {
    // It finds what it was told of last, and in which surroundings.
    let script = r#"test -f Cargo.toml && test -z "$KUBECONFIG" || exit 7
        while read -r line; do case $line in
            *look*) n=${line#*:}; echo "{\"finding\":{\"cause\":\"shop.stuck\",\"kind\":\"Pod\",\"name\":\"$last\",\"message\":\"$COMEBACK_NAMESPACE $COMEBACK_RUN $OWN\"}}"; echo "{\"done\":$n";;
            *) last=${line#*name\":\"}; last=${last%%\"*};;
        esac; done"#;
    let mut examiner = Examiner::start(&detector(script, LONG), &place()).unwrap();
    for name in ["a", "b"] {
        let found = examiner.ask(vec![format!(r#"{{"seen":{{"name":"{name}"}}}}"#)]).await.unwrap();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.name.as_str(), one.message.as_str(), one.confidence), (name, "shop r1 yes", Confidence::Medium));
    }
}

#[rstest]
#[case::hangs("echo waiting >&2; sleep 60", "no answer within 500ms; it said: waiting")]
#[case::ends("echo so >&2; exit 3", "it ended with exit code 3 without an answer; it said: so")]
#[case::garbage("echo hello; sleep 60", "it wrote a line that is no answer")]
#[case::unknown_key(r#"echo '{"fnding":{}}'; sleep 60"#, "unknown variant `fnding`")]
#[case::no_text(r"printf '\377\n'; sleep 60", "something else than UTF-8")]
#[case::one_long_line("head -c 1000000000 /dev/zero", "a line of more than 64 KiB")]
#[case::other_look(r#"echo '{"done":9}'; sleep 60"#, "it answered look 9 and was asked for look 1")]
#[case::other_cause(
    r#"echo '{"finding":{"cause":"shop.else","kind":"Pod","name":"a","message":"m"}}'; sleep 60"#,
    "`shop.else`, which is not among its `causes`"
)]
#[case::without_end(
    r#"yes '{"finding":{"cause":"shop.stuck","kind":"Pod","name":"a","message":"m"}}'"#,
    "more than 1000 things at once"
)]
#[tokio::test(start_paused = true)]
async fn what_it_does_wrong_is_told_in_time(#[case] script: &str, #[case] why: &str) {
    let began = tokio::time::Instant::now();
    let timeout = if why.contains("500ms") { Duration::from_millis(500) } else { LONG };
    let error = asked(script, timeout).await.unwrap_err();
    assert!(error.contains(why) && error.len() < 2_000, "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO, "simulated time stands still");
}

#[tokio::test]
async fn one_that_never_reads_holds_up_nobody() {
    let mut examiner = Examiner::start(&detector("sleep 60", Duration::from_millis(500)), &place()).unwrap();
    // More than a pipe holds.
    let news = (0..200).map(|_| "x".repeat(10_000)).collect();
    assert!(examiner.ask(news).await.unwrap_err().contains("no answer within 500ms"));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_started() {
    let none = ProgramDetector { run: vec!["./no-such-program".to_owned()], ..detector("", LONG) };
    assert!(Examiner::start(&none, &place()).unwrap_err().contains("could not be started"));
}
