//! How containers end: memory, signals, exec sessions, programs that do not exist.
//! Only tests; the numbers come from the recordings.

use super::container::{Container, Signal};
use super::trial::{finish, sh, spec};
use crate::sim::profile::Cgroup;
use rstest::rstest;
use std::time::Duration;
use tokio::time::Instant;

const MEBIBYTE: u64 = 1024 * 1024;

#[rstest]
#[case::doubling("sleep 3; exec awk 'BEGIN{s=\"x\"; while(1) s=s s}'", 3.0, 3.6)]
#[case::leak(
    "exec awk 'BEGIN{c=\"x\"; for(i=0;i<20;i++) c=c c; for(i=0;;i++){a[i]=c i; print \"leaked\", i+1, \"MiB\"; fflush(); system(\"sleep 0.5\")}}'",
    14.0,
    15.2
)]
#[case::tail("sleep 4; tail /dev/zero", 4.0, 4.5)]
#[case::variable("x=0123456789; while :; do x=$x$x; done", 0.0, 0.5)]
#[tokio::test(start_paused = true)]
async fn memory_ends_a_container_when_the_recorded_one_died(
    #[case] script: &str,
    #[case] earliest: f64,
    #[case] latest: f64,
    #[values(Cgroup::V1, Cgroup::V2)] cgroup: Cgroup,
) {
    let mut spec = spec(&["sh", "-c", script], Vec::new());
    (spec.memory_limit, spec.cgroup) = (Some(32 * MEBIBYTE), cgroup);
    let began = Instant::now();
    let (lines, code, oom, limits) = finish(spec).await;
    assert_eq!((code, oom, limits.len()), (137, true, 0), "{lines:?}");
    let took = began.elapsed().as_secs_f64();
    assert!((earliest..latest).contains(&took), "{took}");
    if script.contains("leaked") {
        assert_eq!(lines.last().map(String::as_str), Some("leaked 30 MiB"));
    }
}

/// As on a real node: 16 MiB grown by doubling die at 24 MiB, while the old and the new string are there, and live at 36 MiB.
#[rstest]
#[case::too_low(24, (137, true))]
#[case::enough(36, (0, false))]
#[tokio::test(start_paused = true)]
async fn doubling_holds_both_strings(#[case] mebibytes: u64, #[case] end: (i32, bool)) {
    let mut spec =
        spec(&["awk", "BEGIN { s = \"x\"; for (i = 0; i < 24; i++) s = s s; while (j++ < 5) system(\"sleep 1\") }"], Vec::new());
    spec.memory_limit = Some(mebibytes * MEBIBYTE);
    let (lines, code, oom, limits) = finish(spec).await;
    assert_eq!(((code, oom), limits.len()), (end, 0), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn on_a_full_node_the_kernel_kills() {
    let mut spec = spec(&["awk", "BEGIN { s = \"x\"; while (1) s = s s }"], Vec::new());
    spec.node_memory = super::node_memory::NodeMemory::new(64 * MEBIBYTE, 0);
    let (_, code, oom, limits) = finish(spec).await;
    assert_eq!((code, oom, limits), (137, true, Vec::<String>::new()));
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_joined_conditions_does_not_grow() {
    let mut spec =
        spec(&["awk", "BEGIN { s = sprintf(\"%1000000s\", \"\"); while (s s && i++ < 50) t = length(s s) }"], Vec::new());
    spec.memory_limit = Some(8 * MEBIBYTE);
    let (lines, code, oom, _) = finish(spec).await;
    assert_eq!((code, oom), (0, false), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn on_cgroup_v1_a_child_dies_alone() {
    let script = "head -c 41943040 /dev/zero | tail -c 41943040 >/dev/null; echo $?; sleep 1; echo on";
    let mut spec = spec(&["sh", "-c", script], Vec::new());
    (spec.memory_limit, spec.cgroup) = (Some(32 * MEBIBYTE), Cgroup::V1);
    let (lines, code, ..) = finish(spec.clone()).await;
    assert_eq!((lines, code), (vec!["Killed".to_owned(), "137".to_owned(), "on".to_owned()], 0));
    spec.cgroup = Cgroup::V2;
    spec.filesystem = super::FileSystem::default();
    let (lines, code, oom, _) = finish(spec).await;
    assert_eq!((lines.len(), code, oom), (0, 137, true));
}

async fn after_term(script: &str, direct: bool) -> (f64, i32, Vec<String>) {
    let argv: Vec<&str> = if direct { script.split(' ').collect() } else { vec!["sh", "-c", script] };
    let container = Container::start(spec(&argv, Vec::new())).unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let began = Instant::now();
    container.signal(Signal::Term);
    let mut exit = container.exit();
    if tokio::time::timeout(Duration::from_secs(30), exit.wait_for(Option::is_some)).await.is_err() {
        container.signal(Signal::Kill);
    }
    let exit = exit.wait_for(Option::is_some).await.unwrap().unwrap();
    (began.elapsed().as_secs_f64(), exit.code, container.log().since(0).into_iter().map(|line| line.text).collect())
}

#[rstest]
#[case::no_handler("while :; do sleep 1; done", false, 30.0, 137)]
#[case::sleep_itself("sleep 1000", true, 30.0, 137)]
#[case::after_the_child("trap 'exit 0' TERM; while :; do sleep 1; done", false, 0.5, 0)]
#[case::wait_is_interrupted("trap 'exit 3' TERM; sleep 1000 & wait", false, 0.0, 3)]
#[case::tail_of_nothing("tail -f /dev/null", true, 30.0, 137)]
#[tokio::test(start_paused = true)]
async fn termination(#[case] script: &str, #[case] direct: bool, #[case] after: f64, #[case] code: i32) {
    let (took, ended, _) = after_term(script, direct).await;
    assert_eq!(ended, code);
    assert!((took - after).abs() < 0.05, "{took}");
}

#[tokio::test(start_paused = true)]
async fn exec_sessions_share_files_and_processes() {
    let script = "trap 'echo got it' USR1; touch /tmp/ready; while :; do sleep 1; done";
    let container = Container::start(spec(&["sh", "-c", script], Vec::new())).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let result = container.exec(&words("test -e /tmp/ready"), b"", None).await.unwrap().unwrap();
    assert_eq!(result.code, 0);
    let result = container.exec(&words("cat /tmp/none -"), b"in", None).await.unwrap().unwrap();
    assert_eq!((result.stdout.as_slice(), result.code), (&b"in"[..], 1));
    assert_eq!(String::from_utf8_lossy(&result.stderr), "cat: can't open '/tmp/none': No such file or directory\n");
    assert_eq!(container.exec(&words("sleep 10"), b"", Some(Duration::from_secs(1))).await, Ok(None));
    assert!(container.exec(&words("/no/such"), b"", None).await.is_err());
    for command in ["kill -9 1", "kill -TERM 1", "kill -USR1 1"] {
        container.exec(&words(command), b"", None).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(container.exit().get().is_none());
    assert_eq!(container.log().since(0).len(), 1);
    let session = words("sleep 100");
    let (result, ()) = tokio::join!(container.exec(&session, b"", None), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        container.signal(Signal::Kill);
    });
    assert_eq!(result.unwrap().unwrap().code, 137);
}

#[rstest]
#[case(&["/no/such/binary"], "exec: \"/no/such/binary\": stat /no/such/binary: no such file or directory")]
#[case(&["nosuch"], "exec: \"nosuch\": executable file not found in $PATH")]
#[case(&["/tmp"], "exec: \"/tmp\": is a directory")]
#[case(&["/etc/passwd"], "exec: \"/etc/passwd\": permission denied")]
#[tokio::test(start_paused = true)]
async fn programs_that_do_not_start(#[case] argv: &[&str], #[case] message: &str) {
    assert_eq!(Container::start(spec(argv, Vec::new())).unwrap_err().message, message);
}

#[tokio::test(start_paused = true)]
async fn gaps_are_reported_with_their_place() {
    let mut limited = spec(&["sh", "-c", "echo a\n  traceroute http://x && echo healthy"], Vec::new());
    let (lines, code, _, limits) = finish(limited.clone()).await;
    assert_eq!((code, limits), (127, vec!["traceroute".to_owned()]));
    assert_eq!(lines, ["a", "sh: traceroute: not simulated"]);
    assert_eq!(limited.limits.since(0)[0].position.as_deref(), Some("line 2, column 3"));
    limited.image = "python:3".to_owned();
    limited.argv = vec!["python".to_owned()];
    let (_, code, _, limits) = finish(limited).await;
    assert_eq!((code, limits.len()), (127, 2));
}

#[tokio::test(start_paused = true)]
async fn a_loop_without_sleep_lets_time_pass() {
    let container = Container::start(spec(&["sh", "-c", "while :; do :; done"], Vec::new())).unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(container.exit().get().is_none());
}

#[rstest]
#[case::restart_count("n=$(cat /tmp/n 2>/dev/null || echo 0); echo $((n+1)) > /tmp/n; cat /tmp/n", "1", 0)]
#[case::paths(
    "mkdir -p /a/b; cd /a; touch b/x y; echo * b/*; ls; rm -r /a; ls /a",
    "b y b/x\nb\ny\nls: /a: No such file or directory",
    1
)]
#[case::child_killed("sleep 5 & kill -9 $!; wait $!; echo $?", "Killed\n137", 0)]
#[case::last_line("printf 'no newline'", "no newline", 0)]
#[case::standard_error("echo a >&2; echo b > /proc/1/fd/1; echo c > /dev/stdout", "a\nb\nc", 0)]
#[case::time("sleep 1.5; date +%S", "01", 0)]
#[case::awk("printf 'a 1\\nb 2\\nc 3\\n' | awk '$2>1{n+=$2; print $1} END{print n, NR}'", "b\nc\n5 3", 0)]
#[case::awk_functions(
    "awk 'BEGIN{print length(\"abc\"), substr(\"hello\",2,3), index(\"abc\",\"c\"), toupper(\"x\"); n=split(\"a:b\",p,\":\"); print n, p[2]; printf \"%d %s\\n\", 3.7, \"y\"}'",
    "3 ell 3 X\n2 b\n3 y",
    0
)]
#[case::text(
    "printf 'b 2\\na 1\\nb 2\\n' | sort | uniq -c; echo a:b:c | cut -d: -f2-; echo abc | tr a-b A-B; seq 1 2 5 | tail -n 1; expr 2 + 3; expr abc : 'a\\(.\\)'",
    "      1 a 1\n      2 b 2\nb:c\nABc\n5\n5\nb",
    0
)]
#[case::grep(
    "printf 'one\\ntwo\\n' > /tmp/f; grep -q two /tmp/f && echo y; grep -v one /tmp/f; grep -c . /tmp/f; grep -E 'o(n|x)e' /tmp/f; grep three /tmp/f",
    "y\ntwo\n2\none",
    1
)]
#[tokio::test(start_paused = true)]
async fn scripts(#[case] script: &str, #[case] output: &str, #[case] code: i32) {
    assert_eq!(sh(script).await, (output.to_owned(), code));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]
    #[test]
    fn no_script_breaks_the_interpreter(script in "([a-z$(){}'\"`|&;<>*?!\\[\\]=: \n0-9\\\\#-]|if |then |fi|for |do |done|while |case |esac| in |echo |\\$\\(\\(){0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let spec = spec(&["sh", "-c", &script], Vec::new());
            let limits = spec.limits.clone();
            let container = Container::start(spec).unwrap();
            let mut exit = container.exit();
            // A script may wait for ever; it may not fail.
            let _ = tokio::time::timeout(Duration::from_millis(200), exit.wait_for(Option::is_some)).await;
            assert!(limits.since(0).iter().all(|limit| limit.construct != "the interpreter failed"), "{script:?}");
        });
    }

    #[test]
    fn quoted_text_comes_through(text in "[ -~&&[^']]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (output, code) = runtime.block_on(sh(&format!("x='{text}'; printf '%s\\n' \"$x\"")));
        assert_eq!((output, code), (text, 0));
    }
}
