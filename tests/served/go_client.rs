//! A small program with client-go, built from the module cache, against a served cluster.

use crate::server::{Cluster, program};
use std::path::Path;
use std::process::Command;

#[tokio::test]
async fn client_go_works_with_its_defaults() {
    let Some(go) = program("go", &[]) else { return };
    let cluster = Cluster::start(10.0).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, cluster.served.kubeconfig()).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/served/go");
    let built = folder.path().join("client");
    let run = move || {
        let mut build = Command::new(go);
        build.args(["build", "-o"]).arg(&built).arg("./client").current_dir(source).env("GOFLAGS", "-mod=mod");
        let output = build.output().unwrap();
        if !output.status.success() {
            // Without the modules there is nothing to try.
            eprintln!("NOT RUN: the Go client cannot be built: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(Command::new(built).arg(config).output().unwrap())
    };
    let Some(output) = tokio::task::spawn_blocking(run).await.unwrap() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
    cluster.served.stop().unwrap();
}
