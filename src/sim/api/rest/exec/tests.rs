//! `Api::exec` of an unmodified kube client against a command that the test plays.

use super::*;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A client whose every exec runs `run`.
fn client(run: fn(Vec<u8>) -> Result<Option<ExecResult>, StartFailure>) -> kube::Client {
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let headers = request.headers().clone();
        let query = request.uri().query().unwrap().to_owned();
        async move {
            let key = headers[header::SEC_WEBSOCKET_KEY].to_str().unwrap().to_owned();
            let offered = headers[header::SEC_WEBSOCKET_PROTOCOL].to_str().unwrap().to_owned();
            assert!(offered.contains(PROTOCOLS[0]));
            let wants = |name: &str| query.contains(&format!("{name}=true"));
            let session = Session {
                run: Arc::new(move |stdin| Box::pin(std::future::ready(run(stdin)))),
                command: vec!["sh".to_owned()],
                stdin: wants("stdin"),
                stdout: wants("stdout"),
                stderr: wants("stderr"),
                tty: false,
                latency: Duration::from_millis(25),
            };
            upgrade(&headers, &key, PROTOCOLS[0], session).await
        }
    });
    kube::Client::new(service, "shop")
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of what a container answers")]
fn result(stdout: &[u8], stderr: &[u8], code: i32) -> Result<Option<ExecResult>, StartFailure> {
    Ok(Some(ExecResult { stdout: stdout.to_vec(), stderr: stderr.to_vec(), code }))
}

#[tokio::test(start_paused = true)]
async fn output_and_exit_code_arrive() {
    let pods: Api<Pod> = Api::default_namespaced(client(|_| result(&vec![b'x'; 100_000], b"bad", 3)));
    let mut process = pods.exec("p", ["sh"], &AttachParams::default()).await.unwrap();
    let status = process.take_status().unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    process.stdout().unwrap().read_to_end(&mut stdout).await.unwrap();
    process.stderr().unwrap().read_to_string(&mut stderr).await.unwrap();
    let status = serde_json::to_value(status.await.unwrap()).unwrap();
    assert_eq!((stdout.len(), stderr.as_str()), (100_000, "bad"));
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"], json!([{"reason": "ExitCode", "message": "3"}]));
    process.join().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn standard_input_arrives_whole() {
    let pods: Api<Pod> = Api::default_namespaced(client(|stdin| result(&stdin, b"", 0)));
    let mut process = pods.exec("p", ["cat"], &AttachParams::default().stdin(true).stderr(false)).await.unwrap();
    let status = process.take_status().unwrap();
    let mut stdin = process.stdin().unwrap();
    stdin.write_all(b"one ").await.unwrap();
    stdin.write_all(b"two").await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    let mut stdout = String::new();
    process.stdout().unwrap().read_to_string(&mut stdout).await.unwrap();
    assert_eq!((stdout.as_str(), status.await.unwrap().status.as_deref()), ("one two", Some("Success")));
}

#[tokio::test(start_paused = true)]
async fn an_input_that_stays_open_is_said_and_ends_the_wait() {
    let pods: Api<Pod> = Api::default_namespaced(client(|_| result(b"", b"", 0)));
    let mut process = pods.exec("p", ["cat"], &AttachParams::default().stdin(true)).await.unwrap();
    let _open = process.stdin().unwrap();
    let status = process.take_status().unwrap().await.unwrap();
    assert!(status.message.unwrap().contains("when its standard input is closed"));
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_exist_fails_as_the_runtime_says() {
    let missing = |_| Err(StartFailure { message: "exec: \"foo\": executable file not found in $PATH".to_owned() });
    let pods: Api<Pod> = Api::default_namespaced(client(missing));
    let mut process = pods.exec("p", ["foo"], &AttachParams::default()).await.unwrap();
    let status = process.take_status().unwrap().await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("InternalError"));
    assert!(
        status.message.unwrap().ends_with("unable to start container process: exec: \"foo\": executable file not found in $PATH")
    );
}
