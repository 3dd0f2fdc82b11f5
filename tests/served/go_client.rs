//! A small program with client-go, built from the module cache, against a served cluster.

use crate::server::{Cluster, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The required modules that are not in the module cache.
fn missing(go: &Path, source: &Path) -> Vec<String> {
    let ask = |arguments: &[&str]| {
        let output = Command::new(go).args(arguments).current_dir(source).output().unwrap();
        assert!(output.status.success(), "go {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let cache = PathBuf::from(ask(&["env", "GOMODCACHE"]).trim());
    let manifest: serde_json::Value = serde_json::from_str(&ask(&["mod", "edit", "-json"])).unwrap();
    let required = manifest["Require"].as_array().into_iter().flatten().map(|module| {
        let name = |field: &str| module[field].as_str().unwrap().to_owned();
        format!("{}@{}", name("Path"), name("Version"))
    });
    // The cache writes a capital as an exclamation mark and the small letter.
    let folder = |name: &str| -> String {
        name.chars().map(|c| if c.is_uppercase() { format!("!{}", c.to_lowercase()) } else { c.to_string() }).collect()
    };
    required.filter(|name| !cache.join(folder(name)).is_dir()).collect()
}

/// Sees to it that every required module is in the module cache; else what Go says about it.
fn modules(go: &Path, source: &Path, environment: &[(&str, &str)]) -> Result<(), String> {
    if missing(go, source).is_empty() {
        return Ok(());
    }
    let mut download = Command::new(go);
    let output = download.args(["mod", "download"]).current_dir(source).envs(environment.iter().copied()).output().unwrap();
    if missing(go, source).is_empty() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned())
}

#[test]
fn only_absent_modules_are_no_failure() {
    let Some(go) = program("go", &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let manifest = |text: &str| std::fs::write(folder.path().join("go.mod"), text).unwrap();
    manifest("module example.invalid/a\n\ngo 1.22\n");
    assert_eq!(modules(&go, folder.path(), &[]), Ok(()));
    // This name is reserved for what does not exist.
    manifest("module example.invalid/a\n\ngo 1.22\n\nrequire example.invalid/b v1.0.0\n");
    let absent = modules(&go, folder.path(), &[("GOPROXY", "off")]).unwrap_err();
    assert!(absent.contains("example.invalid/b@v1.0.0"), "{absent}");
    manifest("module\n");
    assert!(std::panic::catch_unwind(|| missing(&go, folder.path())).is_err(), "a malformed go.mod is a failure");
}

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
        if let Err(absent) = modules(&go, &source, &[]) {
            eprintln!("NOT RUN: the Go client's modules are neither in the module cache nor to be had: {absent}");
            return None;
        }
        let mut build = Command::new(go);
        build.args(["build", "-o"]).arg(&built).arg("./client").current_dir(source).env("GOFLAGS", "-mod=readonly");
        let output = build.output().unwrap();
        assert!(output.status.success(), "the Go client does not build: {}", String::from_utf8_lossy(&output.stderr));
        Some(Command::new(built).arg(config).output().unwrap())
    };
    let Some(output) = tokio::task::spawn_blocking(run).await.unwrap() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
    cluster.served.stop().unwrap();
}
