//! What the tests of programs share: a container that runs a command to its end on a paused clock.
//! Only for tests.

use super::filesystem::{FileSystem, Mount};
use super::{Container, ContainerSpec};

/// A container of busybox with this command line.
pub fn spec(argv: &[&str], mounts: Vec<Mount>) -> ContainerSpec {
    ContainerSpec { filesystem: FileSystem::with_mounts(mounts), ..ContainerSpec::alone(argv) }
}

/// Runs a container to its end: its log, its code, whether memory ended it, what was not simulated.
pub async fn finish(spec: ContainerSpec) -> (Vec<String>, i32, bool, Vec<String>) {
    let limits = spec.limits.clone();
    let container = Container::start(spec).unwrap();
    let exit = container.exit().wait_for(Option::is_some).await.unwrap().unwrap();
    let lines = container.log().since(0).into_iter().map(|line| line.text).collect();
    (lines, exit.code, exit.oom_killed, limits.since(0).into_iter().map(|limit| limit.construct).collect())
}

/// Runs a script with `sh -c`: its log as one text, and its code. Nothing in it may be unsupported.
pub async fn sh(script: &str) -> (String, i32) {
    let (lines, code, _, limits) = finish(spec(&["sh", "-c", script], Vec::new())).await;
    assert_eq!(limits, Vec::<String>::new(), "{script}");
    (lines.join("\n"), code)
}
