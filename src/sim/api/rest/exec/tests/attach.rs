//! `Api::attach` of an unmodified kube client: output from now on, input as the container's fields have it.

use super::{ended, line, pods, pods_of};
use kube::api::AttachParams;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn it_shows_what_the_container_writes_from_now_on() {
    let (_cluster, pods) = pods("echo before; sleep 10; printf 'no end'; echo bad >&2; sleep 1; echo .").await;
    let mut process = pods.attach("p", &AttachParams::default()).await.unwrap();
    let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
    let mut first = [0; 6];
    tokio::time::timeout(Duration::from_millis(5_900), stdout.read_exact(&mut first))
        .await
        .expect("not before the line ends")
        .unwrap();
    assert_eq!(&first, b"no end");
    let (mut rest, mut errors) = (String::new(), String::new());
    stdout.read_to_string(&mut rest).await.unwrap();
    stderr.read_to_string(&mut errors).await.unwrap();
    assert_eq!((rest.as_str(), errors.as_str()), (".\n", "bad\n"));
}

#[tokio::test(start_paused = true)]
async fn input_goes_to_the_process_and_ends_with_the_first_client_where_that_is_asked_for() {
    let script = "while read -r line; do echo \"got $line\"; done; echo end";
    for once in [true, false] {
        let container =
            json!({"name": "app", "image": "busybox", "command": ["sh", "-c", script], "stdin": true, "stdinOnce": once});
        let (cluster, pods) = pods_of(container).await;
        for word in ["one", "two"] {
            let mut process = pods.attach("p", &AttachParams::default().stdin(true)).await.unwrap();
            let (mut stdin, mut stdout) = (process.stdin().unwrap(), process.stdout().unwrap());
            stdin.write_all(format!("{word}\n").as_bytes()).await.unwrap();
            assert_eq!(line(&mut stdout).await, format!("got {word}\n"));
            stdin.shutdown().await.unwrap();
            drop(stdin);
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, if once { "end\n" } else { "" });
            assert_eq!(ended(process).await["status"], "Success");
            if once {
                break;
            }
        }
        assert_eq!(cluster.limits.since(0), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_with_a_terminal_prompts_echoes_and_logs_it() {
    let container = json!({"name": "app", "image": "busybox", "command": ["sh"], "stdin": true, "stdinOnce": true, "tty": true});
    let (_cluster, pods) = pods_of(container).await;
    let mut process = pods.attach("p", &AttachParams::default().stdin(true).stderr(false).tty(true)).await.unwrap();
    let (mut stdin, mut stdout) = (process.stdin().unwrap(), process.stdout().unwrap());
    stdin.write_all(b"echo $((6 * 7))\r").await.unwrap();
    assert_eq!(line(&mut stdout).await, "echo $((6 * 7))\r\n");
    assert_eq!(line(&mut stdout).await, "42\r\n");
    stdin.write_all(b"exit\r").await.unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "/ # exit\r\n");
    // Until its container is started again, the log is the one of its last run.
    let log = pods.logs("p", &kube::api::LogParams::default()).await.unwrap();
    assert_eq!(log, "/ # echo $((6 * 7))\r\n42\r\n/ # exit\r\n");
}
