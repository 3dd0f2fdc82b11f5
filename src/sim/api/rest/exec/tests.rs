//! `Api::exec` of an unmodified kube client into a simulated container.
//! `Api::attach` is in `attach`.

mod attach;

use crate::sim::api::client;
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, PostParams};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A cluster with a pod that runs `script`.
async fn pods(script: &str) -> (Simulation, Api<Pod>) {
    pods_of(json!({"name": "app", "image": "busybox", "command": ["sh", "-c", script]})).await
}

/// A cluster with a pod of this container.
async fn pods_of(container: serde_json::Value) -> (Simulation, Api<Pod>) {
    let simulation = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
    let client = client(simulation.api.clone(), simulation.runtime.clone(), &simulation.profile).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [container]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    (simulation, pods)
}

async fn line(from: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    while bytes.last() != Some(&b'\n') {
        bytes.push(from.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

async fn ended(mut process: AttachedProcess) -> serde_json::Value {
    let status = process.take_status().unwrap().await.unwrap();
    process.join().await.unwrap();
    serde_json::to_value(status).unwrap()
}

#[tokio::test(start_paused = true)]
async fn output_and_exit_code_arrive() {
    let (_cluster, pods) = pods("sleep 1000").await;
    let script = "yes | head -c 100000; printf bad >&2; exit 3";
    let mut process = pods.exec("p", ["sh", "-c", script], &AttachParams::default()).await.unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    process.stdout().unwrap().read_to_end(&mut stdout).await.unwrap();
    process.stderr().unwrap().read_to_string(&mut stderr).await.unwrap();
    assert_eq!((stdout.len(), stderr.as_str()), (100_000, "bad"));
    let status = ended(process).await;
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"], json!([{"reason": "ExitCode", "message": "3"}]));
}

#[tokio::test(start_paused = true)]
async fn standard_input_and_output_are_live() {
    let (_cluster, pods) = pods("sleep 1000").await;
    let script = "while read -r line; do echo \"got $line\"; done; echo end";
    let mut process = pods.exec("p", ["sh", "-c", script], &AttachParams::default().stdin(true).stderr(false)).await.unwrap();
    let (mut stdin, mut stdout) = (process.stdin().unwrap(), process.stdout().unwrap());
    for word in ["one", "two"] {
        stdin.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        assert_eq!(line(&mut stdout).await, format!("got {word}\n"));
    }
    stdin.shutdown().await.unwrap();
    drop(stdin);
    assert_eq!(line(&mut stdout).await, "end\n");
    assert_eq!(ended(process).await["status"], "Success");
}

#[tokio::test(start_paused = true)]
async fn a_shell_at_a_terminal_prompts_echoes_and_goes_on_after_an_interrupt() {
    let (_cluster, pods) = pods("sleep 1000").await;
    let wanted = AttachParams::default().stdin(true).stderr(false).tty(true);
    let mut process = pods.exec("p", ["sh"], &wanted).await.unwrap();
    let (mut stdin, mut stdout) = (process.stdin().unwrap(), process.stdout().unwrap());
    let mut prompt = [0; 4];
    stdout.read_exact(&mut prompt).await.unwrap();
    assert_eq!(&prompt, b"/ # ");
    stdin.write_all(b"echo a; cd /tmp\r").await.unwrap();
    assert_eq!(line(&mut stdout).await, "echo a; cd /tmp\r\n");
    assert_eq!(line(&mut stdout).await, "a\r\n");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stdin.write_all(b"sleep 100\r").await.unwrap();
    assert_eq!(line(&mut stdout).await, "/tmp # sleep 100\r\n");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stdin.write_all(b"\x03").await.unwrap();
    assert_eq!(line(&mut stdout).await, "^C\r\n");
    stdin.write_all(b"if true; then\recho $((6 * 7))\rfi\rexit 4\r").await.unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("> 42\r\n"), "{rest:?}");
    assert_eq!(ended(process).await["details"]["causes"][0]["message"], "4");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_ends_its_command() {
    let (_cluster, pods) = pods("sleep 1000").await;
    let process = pods.exec("p", ["sleep", "500"], &AttachParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    process.abort();
    drop(process);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut process = pods.exec("p", ["ps"], &AttachParams::default()).await.unwrap();
    let mut stdout = String::new();
    process.stdout().unwrap().read_to_string(&mut stdout).await.unwrap();
    assert!(stdout.contains("sleep 1000") && !stdout.contains("sleep 500"), "{stdout}");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_exist_fails_as_the_runtime_says() {
    let (_cluster, pods) = pods("sleep 1000").await;
    let mut process = pods.exec("p", ["foo"], &AttachParams::default()).await.unwrap();
    let status = process.take_status().unwrap().await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("InternalError"));
    assert!(
        status.message.unwrap().ends_with("unable to start container process: exec: \"foo\": executable file not found in $PATH")
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_stops_its_program() {
    let (_cluster, pods) = pods("sleep 1000").await;
    let script = "i=0; while true; do head -c 65536 /dev/zero; i=$((i + 1)); echo $i > /tmp/pieces; done";
    let unread = pods.exec("p", ["sh", "-c", script], &AttachParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_mins(10)).await;
    let mut process = pods.exec("p", ["cat", "/tmp/pieces"], &AttachParams::default()).await.unwrap();
    let mut pieces = String::new();
    process.stdout().unwrap().read_to_string(&mut pieces).await.unwrap();
    assert!((1..8).contains(&pieces.trim().parse::<u32>().unwrap()), "{pieces} pieces of 64 KiB wait somewhere");
    drop(unread);
}
