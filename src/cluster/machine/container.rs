//! The machines of kind's nodes: containers of docker or podman on this computer, reached by the command line through duct.
//! A node is one of them only if kind says so in its providerID and the container has that node's machine id.

use super::script::{BLOCK, CUT, MEND, RESUME_SERVER, START, STOP_SERVER, UNBLOCK};
use super::{Act, Limit, Machine, Machines, Runtime, TakenBack};
use crate::cluster::request::RequestError;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::time::Duration;

/// The label that kind gives its containers.
const LABEL: &str = "io.x-k8s.kind.cluster";
/// The services of a node of kind.
const KUBELET: &str = "kubelet";
const CONTAINERD: &str = "containerd";
/// How long one command may take; starting a machine is the slowest.
const COMMAND_WITHIN: Duration = Duration::from_mins(1);

/// The containers of one kind cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    runtime: Runtime,
    cluster: String,
}

/// What the command line tells of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Off,
}

impl Containers {
    /// The containers behind nodes with these providerIDs (`kind://docker/CLUSTER/NODE`). `None`: they are no nodes of kind.
    /// Blocking.
    ///
    /// # Errors
    /// They are kind's, and their containers cannot be reached from here, with the reason.
    pub fn behind<'a>(provider_ids: impl IntoIterator<Item = &'a str>) -> Option<Result<Self, String>> {
        let mut found: Option<Self> = None;
        let mut names = Vec::new();
        for id in provider_ids {
            let (runtime, cluster, node) = parse(id)?;
            let here = Self { runtime, cluster: cluster.to_owned() };
            if found.get_or_insert_with(|| here.clone()) != &here {
                return Some(Err("its nodes belong to several clusters of kind".to_owned()));
            }
            names.push(node.to_owned());
        }
        let found = found?;
        let filter = format!("label={LABEL}={}", found.cluster);
        let listed = match run(found.runtime, &["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]) {
            Ok(listed) => listed,
            Err(error) => return Some(Err(error)),
        };
        let absent: Vec<_> = names.iter().filter(|name| !listed.lines().any(|line| line.trim() == *name)).cloned().collect();
        if absent.is_empty() {
            return Some(Ok(found));
        }
        Some(Err(format!(
            "its nodes are containers of {} on another computer: {} not here",
            found.runtime,
            if absent.len() == 1 { format!("{} is", absent[0]) } else { format!("{} are", absent.join(", ")) }
        )))
    }

    async fn find(&self, node: &Value) -> Result<Machine, RequestError> {
        let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = text("/metadata/name");
        let what = format!("looking for the container of node {name}");
        let own = parse(text("/spec/providerID"))
            .filter(|(runtime, cluster, node)| (*runtime, *cluster, *node) == (self.runtime, self.cluster.as_str(), name));
        if own.is_none() {
            let id = text("/spec/providerID");
            return Err(RequestError::of(&what, format!("its providerID {id:?} is none of kind cluster {}", self.cluster)));
        }
        let runtime = self.runtime;
        let told = command(&what, runtime, vec!["inspect".into(), "--type".into(), "container".into(), name.to_owned()]).await?;
        let told: Value = serde_json::from_str(&told).map_err(|error| RequestError::of(&what, error.to_string()))?;
        let label = told.pointer("/0/Config/Labels").and_then(|labels| labels.get(LABEL)).and_then(Value::as_str);
        if label != Some(self.cluster.as_str()) {
            return Err(RequestError::of(
                &what,
                format!("{runtime} container {name} is not one of kind cluster {}", self.cluster),
            ));
        }
        let id = told.pointer("/0/Id").and_then(Value::as_str).unwrap_or_default().to_owned();
        match state_of(&told) {
            State::Running => {}
            State::Paused => return Err(RequestError::of(&what, format!("{runtime} container {name} is paused already"))),
            State::Off => return Err(RequestError::of(&what, format!("{runtime} container {name} does not run"))),
        }
        // A cluster of the same name may run on another computer: its nodes have other ids.
        let own = command(&what, runtime, vec!["exec".into(), id.clone(), "cat".into(), "/etc/machine-id".into()]).await?;
        if own.trim() != text("/status/nodeInfo/machineID") {
            let message = format!("{runtime} container {name} on this computer is another machine than the node of this cluster");
            return Err(RequestError::of(&what, message));
        }
        Ok(Machine::Container { runtime, id, name: name.to_owned() })
    }
}

impl Machines for Containers {
    fn of<'a>(&'a self, node: &'a Value) -> BoxFuture<'a, Result<Machine, RequestError>> {
        self.find(node).boxed()
    }

    fn carry_out<'a>(&'a self, machine: &'a Machine, act: &'a Act, _limit: &'a Limit) -> BoxFuture<'a, Result<(), RequestError>> {
        async move {
            let what = format!("breaking {machine}");
            let (runtime, id) = container(&what, machine)?;
            let words: Vec<&str> = match act {
                Act::Pause => vec!["pause", id],
                Act::PowerOff => vec!["kill", id],
                Act::Reboot => vec!["restart", "--time", "0", id],
                Act::StopKubelet => vec!["exec", id, "systemctl", "stop", KUBELET],
                Act::StopContainerRuntime => vec!["exec", id, "systemctl", "stop", CONTAINERD],
                Act::Partition { mark } => vec!["exec", id, "sh", "-c", CUT, "sh", mark],
                Act::BlockRegistry { mark } => vec!["exec", id, "sh", "-c", BLOCK, "sh", mark],
                Act::PauseApiServer { mark, seconds } => {
                    let words = ["exec", id, "sh", "-c", STOP_SERVER, "sh", mark, &seconds.to_string()].map(ToOwned::to_owned);
                    return command(&what, runtime, words.to_vec()).await.map(drop);
                }
            };
            command(&what, runtime, words.into_iter().map(ToOwned::to_owned).collect()).await.map(drop)
        }
        .boxed()
    }

    fn take_back<'a>(
        &'a self,
        machine: &'a Machine,
        act: &'a Act,
        _limit: &'a Limit,
    ) -> BoxFuture<'a, Result<TakenBack, RequestError>> {
        take_back(machine, act).boxed()
    }

    fn carry_the_control_plane(&self) -> bool {
        true
    }
}

/// Takes an act back from a container; what is needed for that stands in the record.
///
/// # Errors
/// The command line is missing or fails, or the machine is in a state that somebody else put it in.
pub async fn take_back(machine: &Machine, act: &Act) -> Result<TakenBack, RequestError> {
    let what = format!("mending {machine}");
    let (runtime, id) = container(&what, machine)?;
    let Some(state) = state(&what, runtime, id).await? else { return Ok(TakenBack::Gone) };
    let words: Vec<&str> = match (act, state) {
        (Act::Pause, State::Paused) => vec!["unpause", id],
        (Act::PowerOff | Act::Reboot, State::Off) => vec!["start", id],
        // Rules and stopped services do not outlive a machine's power.
        (Act::Pause | Act::PowerOff | Act::Reboot, _) | (_, State::Off) => return Ok(TakenBack::Already),
        (_, State::Paused) => {
            return Err(RequestError::of(&what, format!("it is paused: `{runtime} unpause {id}` first")));
        }
        (Act::StopKubelet, State::Running) => vec!["exec", id, "sh", "-c", START, "sh", KUBELET],
        (Act::StopContainerRuntime, State::Running) => vec!["exec", id, "sh", "-c", START, "sh", CONTAINERD],
        (Act::Partition { mark }, State::Running) => vec!["exec", id, "sh", "-c", MEND, "sh", mark],
        (Act::BlockRegistry { mark }, State::Running) => vec!["exec", id, "sh", "-c", UNBLOCK, "sh", mark],
        (Act::PauseApiServer { mark, .. }, State::Running) => vec!["exec", id, "sh", "-c", RESUME_SERVER, "sh", mark],
    };
    let told = command(&what, runtime, words.into_iter().map(ToOwned::to_owned).collect()).await?;
    // What docker itself does tells no such thing.
    Ok(if told.trim() == "no" { TakenBack::Already } else { TakenBack::Now })
}

fn container<'a>(what: &str, machine: &'a Machine) -> Result<(Runtime, &'a str), RequestError> {
    match machine {
        // What stands in a record was written by whoever may write to the cluster.
        Machine::Container { runtime, id, .. } if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok((*runtime, id))
        }
        Machine::Container { id, .. } => Err(RequestError::of(what, format!("{id:?} is no container's id"))),
        Machine::Simulated { .. } => Err(RequestError::of(what, "it was part of an embedded cluster, which has ended")),
        Machine::Host { .. } => Err(RequestError::of(what, "it is no container of this computer")),
    }
}

/// Runtime, cluster and node of a providerID of kind.
fn parse(provider_id: &str) -> Option<(Runtime, &str, &str)> {
    let mut parts = provider_id.strip_prefix("kind://")?.split('/');
    let (runtime, cluster, node) = (parts.next()?, parts.next()?, parts.next()?);
    let known = [Runtime::Docker, Runtime::Podman, Runtime::Nerdctl];
    let runtime = known.into_iter().find(|known| known.program() == runtime)?;
    parts.next().is_none().then_some((runtime, cluster, node))
}

fn state_of(told: &Value) -> State {
    let is = |field: &str| told.pointer(&format!("/0/State/{field}")).and_then(Value::as_bool).unwrap_or(false);
    match (is("Paused"), is("Running")) {
        (true, _) => State::Paused,
        (false, true) => State::Running,
        (false, false) => State::Off,
    }
}

/// The state of a container; `None` if there is none of this id.
async fn state(what: &str, runtime: Runtime, id: &str) -> Result<Option<State>, RequestError> {
    let filter = format!("id={id}");
    let words = ["ps", "--all", "--no-trunc", "--filter", &filter, "--format", "{{.ID}}"].map(ToOwned::to_owned).to_vec();
    if !command(what, runtime, words).await?.lines().any(|line| line.trim() == id) {
        return Ok(None);
    }
    let told = command(what, runtime, ["inspect", "--type", "container", id].map(ToOwned::to_owned).to_vec()).await?;
    serde_json::from_str(&told)
        .map(|told: Value| Some(state_of(&told)))
        .map_err(|error| RequestError::of(what, error.to_string()))
}

async fn command(what: &str, runtime: Runtime, words: Vec<String>) -> Result<String, RequestError> {
    let work = tokio::task::spawn_blocking(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(runtime, &words)
    });
    match tokio::time::timeout(COMMAND_WITHIN, work).await {
        Ok(Ok(done)) => done.map_err(|error| RequestError::of(what, error)),
        Ok(Err(_)) => Err(RequestError::of(what, format!("{runtime} could not be started"))),
        Err(_) => Err(RequestError::of(what, format!("{runtime} did not answer within {} s", COMMAND_WITHIN.as_secs()))),
    }
}

/// Runs docker or podman; its output, or why there is none.
fn run(runtime: Runtime, words: &[&str]) -> Result<String, String> {
    let output = duct::cmd(runtime.program(), words).stdin_null().stdout_capture().stderr_capture().unchecked().run();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("the nodes are containers of {runtime}, and `{runtime}` is not installed here"),
        _ => format!("`{runtime}` could not be started: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing").to_owned();
    let verb = words.first().copied().unwrap_or_default();
    Err(format!("`{runtime} {verb}` failed: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("kind://docker/comeback/comeback-worker", Some((Runtime::Docker, "comeback", "comeback-worker")))]
    #[case("kind://podman/a/b", Some((Runtime::Podman, "a", "b")))]
    #[case("kind://sh/a/b", None)]
    #[case("kind://docker/a/b/c", None)]
    #[case("aws:///eu-west-1a/i-0", None)]
    #[case("", None)]
    fn only_kinds_own_ids_name_a_container(#[case] id: &str, #[case] is: Option<(Runtime, &str, &str)>) {
        assert_eq!(parse(id), is);
    }

    #[test]
    fn a_record_can_name_no_option_as_a_container() {
        let machine = |id: &str| Machine::Container { runtime: Runtime::Docker, id: id.to_owned(), name: "x".to_owned() };
        assert!(container("mending", &machine("0af3")).is_ok());
        for id in ["", "--help", "x"] {
            assert!(container("mending", &machine(id)).is_err());
        }
    }

    #[test]
    fn clusters_of_others_have_no_containers_here() {
        assert_eq!(Containers::behind(["aws:///eu-west-1a/i-0"]), None);
        assert_eq!(Containers::behind([]), None);
        assert!(Containers::behind(["kind://docker/a/x", "kind://docker/b/y"]).unwrap().is_err());
    }

    #[test]
    fn a_paused_container_also_counts_as_running_for_docker() {
        assert_eq!(state_of(&json!([{ "State": { "Paused": true, "Running": true } }])), State::Paused);
        assert_eq!(state_of(&json!([{ "State": { "Paused": false, "Running": true } }])), State::Running);
        assert_eq!(state_of(&json!([{ "State": {} }])), State::Off);
    }
}
