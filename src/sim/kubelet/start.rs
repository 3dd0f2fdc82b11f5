//! Starting one container: back-off, image, configuration, creation, start, postStart hook, with events and reasons.
//! Whether it should be started is decided in `sync`.

use super::agent::lock;
use super::backoff::go_seconds;
use super::environment;
use super::expansion::expand;
use super::hook;
use super::image;
use super::instance::{Finish, Instance};
use super::mount::tmpfs_of;
use super::pod::{PodRecord, Waiting};
use super::registry::{Image, Program};
use super::resources::{ContainerLimits, oom_score_adj};
use super::runtime::RuntimeContainer;
use super::security;
use super::storage;
use super::terminate::{Stop, stop_instance};
use super::worker::Worker;
use crate::sim::events::EventType::{Normal, Warning};
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::profile::spread::LOAD;
use crate::sim::program::console::Console;
use crate::sim::program::model;
use crate::sim::program::{Container as Process, ContainerSpec, FileSystem};
use k8s_openapi::api::core::v1::Container;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// What containerd and runc say before the reason of a program that cannot be started.
const RUNC: &str = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ";

/// Why a container was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartError {
    /// It is in back-off until then.
    CrashLoop { until: Instant },
    /// Anything else.
    Failed,
}

/// A program ready to be created.
struct Prepared {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    filesystem: FileSystem,
}

impl Worker {
    /// Starts a container whose newest dead instance (as this sync saw it) ended at `exit`.
    pub(super) async fn start_container(&self, container: &Container, exit: Option<Instant>) -> Result<(), StartError> {
        let record = &self.record;
        if let Some(until) = exit.and_then(|exit| self.back_off(container, exit)) {
            return Err(StartError::CrashLoop { until });
        }
        let image = match image::ensure(record, container).await {
            Ok(image) => image,
            Err(waiting) => {
                let error = format!("Error: {}", waiting.reason);
                return Err(self.failed(container, waiting, &error));
            }
        };
        let prepared = match self.prepare(container, &image) {
            Ok(prepared) => prepared,
            Err(waiting) => {
                let error = format!("Error: {}", waiting.message);
                return Err(self.failed(container, waiting, &error));
            }
        };
        let latencies = &record.agent.profile.latencies;
        sleep(record.latency("create", latencies.create)).await;
        record.container_event(&container.name, Normal, "Created", "Container created");
        sleep(record.latency("start", latencies.start)).await;
        let instance = self.launch(container, &image, prepared)?;
        record.container_event(&container.name, Normal, "Started", "Container started");
        if let Err(message) = hook::post_start(record, container, &instance).await {
            record.container_event(&container.name, Warning, "FailedPostStartHook", "PostStartHook failed");
            let grace = record.state().spec.termination_grace_period_seconds.unwrap_or(30);
            stop_instance(record, container, &instance, &Stop { message: "FailedPostStartHook", grace, deleting: false }).await;
            self.wait_with(container, Waiting { reason: "PostStartHookError", message });
            return Err(StartError::Failed);
        }
        record.state().waiting.remove(&container.name);
        Ok(())
    }

    /// The end of the back-off that a container is in; else its record moves on.
    fn back_off(&self, container: &Container, exit: Instant) -> Option<Instant> {
        let record = &self.record;
        let resources = serde_json::to_string(&container.resources).unwrap_or_default();
        let image = container.image.as_deref().unwrap_or_default();
        let key = format!("{}/{}/{image}/{resources}", record.uid, container.name);
        let now = Instant::now();
        let delay = {
            let mut crashes = lock(&record.agent.crashes);
            let delay = crashes.in_force(&key, exit, now);
            if delay.is_none() {
                crashes.next(&key, exit, now);
            }
            delay?
        };
        let pod = record.full_name();
        let event = format!("Back-off restarting failed container {} in pod {pod}", container.name);
        record.container_event(&container.name, Warning, "BackOff", &event);
        let message = format!("back-off {} restarting failed container={} pod={pod}", go_seconds(delay), container.name);
        self.wait_with(container, Waiting { reason: "CrashLoopBackOff", message });
        Some(exit + delay)
    }

    fn wait_with(&self, container: &Container, waiting: Waiting) {
        self.record.state().waiting.insert(container.name.clone(), waiting);
    }

    fn failed(&self, container: &Container, waiting: Waiting, event: &str) -> StartError {
        self.record.container_event(&container.name, Warning, "Failed", event);
        self.wait_with(container, waiting);
        StartError::Failed
    }

    /// Environment, command and file system.
    fn prepare(&self, container: &Container, image: &Image) -> Result<Prepared, Waiting> {
        let record = &self.record;
        let config_error = |message| Waiting { reason: "CreateContainerConfigError", message };
        let (env, spec) = {
            let state = record.state();
            (environment::build(&record.agent, &state, container).map_err(config_error)?, Arc::clone(&state.spec))
        };
        let own = container.security_context.as_ref();
        let of_pod = spec.security_context.as_ref();
        let non_root = own.and_then(|c| c.run_as_non_root).or_else(|| of_pod.and_then(|c| c.run_as_non_root)) == Some(true);
        let user = own.and_then(|c| c.run_as_user).or_else(|| of_pod.and_then(|c| c.run_as_user));
        if non_root && user.unwrap_or(0) == 0 {
            let problem = match user {
                None => "container has runAsNonRoot and image will run as root",
                Some(_) => "container's runAsUser breaks non-root policy",
            };
            return Err(config_error(format!("{problem} (pod: \"{}\", container: {})", record.full_name(), container.name)));
        }
        let argv = self.argv(container, image, &env)?;
        let filesystem = FileSystem::with_mounts(self.mounts_of(&spec, container, &env))
            .with_tmpfs(tmpfs_of(&spec, container))
            .with_disk(record.agent.host.disk.clone());
        // The runtime makes it before it starts the program as somebody else.
        for (path, text) in &image.files {
            // Nothing is there yet that could refuse it.
            let _ = filesystem.store(path, text.clone().into_bytes());
        }
        filesystem.make_directories(container.working_dir.as_deref().unwrap_or("/"));
        let filesystem = filesystem.with_access(security::access(&spec, container));
        Ok(Prepared { argv, env, filesystem })
    }

    fn argv(&self, container: &Container, image: &Image, env: &BTreeMap<String, String>) -> Result<Vec<String>, Waiting> {
        if let Program::StandIn(command) = &image.program {
            return Ok(command.clone());
        }
        let expanded = |list: &Option<Vec<String>>| list.iter().flatten().map(|text| expand(text, env)).collect::<Vec<_>>();
        let (command, args) = (expanded(&container.command), expanded(&container.args));
        if let Program::Model { choice, stand_in } = &image.program
            && let Some(model) = model::by_name(&choice.model)
        {
            let ours = command.first().is_some_and(|word| model.has_program(word));
            let argv = if *stand_in && !ours { model.argv(Vec::new(), Vec::new()) } else { model.argv(command, args) };
            return if argv.is_empty() { Err(self.unknown_program(container)) } else { Ok(argv) };
        }
        match (&image.program, command.is_empty(), args.is_empty()) {
            (Program::Unknown, true, _) => Err(self.unknown_program(container)),
            (_, true, true) => Ok(vec!["sh".to_owned()]),
            _ => Ok(command.into_iter().chain(args).collect()),
        }
    }

    /// The embedded cluster cannot know what this image would run: said once, and the container waits.
    fn unknown_program(&self, container: &Container) -> Waiting {
        let image = container.image.clone().unwrap_or_default();
        let help = format!("give a stand-in: spec.workload.images: {{ \"{image}\": {{ command: [...] }} }}");
        self.record.agent.limits.report(Limit {
            kind: LimitKind::Image,
            uid: self.record.uid.clone(),
            subject: subject(&self.record, container),
            construct: image.clone(),
            position: None,
            help: help.clone(),
        });
        Waiting {
            reason: "CreateContainerError",
            message: format!("the embedded cluster does not know the program of image \"{image}\": {help}"),
        }
    }

    /// Runs the program: an instance that lives, or one that died at once.
    fn launch(&self, container: &Container, image: &Image, prepared: Prepared) -> Result<Instance, StartError> {
        let record = &self.record;
        let agent = &record.agent;
        let (attempt, hostname, network, sandbox) = {
            let state = record.state();
            let attempt = state.newest(&container.name).map_or(0, |newest| newest.attempt + 1);
            // A sandbox is made before anything is started in it.
            let network = state.sandbox.as_ref().map_or_else(|| agent.network.clone(), |sandbox| sandbox.network.clone());
            (attempt, environment::hostname(&state).to_owned(), network, state.sandboxes)
        };
        let allocated = record.state().resize.allocated(container);
        let limits = ContainerLimits::of(&allocated);
        let oom_score_adj = oom_score_adj(&record.state().spec.containers, container, agent.node.memory_bytes);
        let entity = format!("{}/{}", record.uid, container.name);
        let loading = agent.api.random.lognormal(&entity, "load", u64::from(attempt), agent.profile.latencies.load, LOAD);
        let result = Process::start(ContainerSpec {
            uid: record.uid.clone(),
            subject: subject(record, container),
            image: container.image.clone().unwrap_or_default(),
            model: match &image.program {
                Program::Model { choice, .. } => Some(choice.clone()),
                _ => None,
            },
            argv: prepared.argv,
            env: prepared.env,
            working_directory: container.working_dir.clone().unwrap_or_else(|| "/".to_owned()),
            hostname,
            filesystem: prepared.filesystem.clone(),
            network,
            memory_limit: limits.memory,
            cpu_limit: limits.processor,
            node_memory: agent.host.memory(),
            oom_score_adj,
            cgroup: agent.profile.cgroup,
            console: Console {
                stdin: container.stdin == Some(true),
                stdin_once: container.stdin_once == Some(true),
                tty: container.tty == Some(true),
            },
            loading,
            wake: agent.profile.latencies.wake,
            clock: agent.api.clock,
            random: agent.api.random,
            limits: agent.limits.clone(),
            tasks: agent.host.switches().machine.clone(),
        });
        let mut instance = Instance {
            id: agent.api.random.hex(&entity, "container", u64::from(attempt), 64),
            attempt,
            sandbox,
            written: container.image.clone().unwrap_or_default(),
            image: image.name.clone(),
            image_id: image.id.clone(),
            started: None,
            finish: None,
            process: None,
            filesystem: prepared.filesystem,
        };
        match result {
            Ok(process) => {
                let process = Arc::new(process);
                instance.started = Some((Instant::now(), agent.api.clock.seconds()));
                instance.process = Some(Arc::clone(&process));
                let started = RuntimeContainer {
                    uid: record.uid.clone(),
                    name: container.name.clone(),
                    restart: attempt,
                    container: Arc::clone(&process),
                };
                agent.runtime.add(started);
                record.state().resize.started(&container.name);
                self.keep(container, instance.clone());
                storage::watch(record, &process, &instance.filesystem);
                await_exit(Arc::clone(record), container.name.clone(), instance.id.clone(), process);
                Ok(instance)
            }
            Err(_) if image.program == Program::Unknown => {
                let waiting = self.unknown_program(container);
                let error = format!("Error: {}", waiting.message);
                Err(self.failed(container, waiting, &error))
            }
            Err(failure) => {
                let message = format!("{RUNC}{}", failure.message);
                instance.finish = Some(Finish {
                    at: Instant::now(),
                    stamp: agent.api.clock.seconds(),
                    code: 128,
                    reason: "StartError",
                    message: Some(message.clone()),
                });
                self.keep(container, instance);
                let error = format!("Error: {message}");
                Err(self.failed(container, Waiting { reason: "RunContainerError", message }, &error))
            }
        }
    }

    /// Keeps the instance and the one before it.
    fn keep(&self, container: &Container, instance: Instance) {
        {
            let mut state = self.record.state();
            let instances = state.instances.entry(container.name.clone()).or_default();
            instances.push(instance);
            let surplus = instances.len().saturating_sub(2);
            let old: Vec<String> = instances.drain(..surplus).map(|instance| instance.id).collect();
            state.results.retain(|(_, id), _| !old.contains(id));
        }
        self.record.containers_changed();
    }
}

/// `namespace/pod/container`, as limits name it.
pub(super) fn subject(record: &PodRecord, container: &Container) -> String {
    format!("{}/{}/{}", record.namespace, record.name, container.name)
}

/// How long after a start containerd can tell of an end at the earliest: recordings show every program as running for a
/// moment, however soon it ends.
const FIRST_NOTICE: Duration = Duration::from_millis(50);

/// Records the end of a process when the runtime tells of it.
pub(super) fn await_exit(record: Arc<PodRecord>, name: String, id: String, process: Arc<Process>) {
    let tasks = record.agent.tasks.clone();
    let notice = Instant::now() + record.latency("notice", FIRST_NOTICE);
    tasks.spawn(async move {
        let mut exit = process.exit();
        let ended = exit.wait_for(Option::is_some).await.ok().flatten();
        if let Some(exit) = ended {
            sleep_until(notice).await;
            record.record_exit(&name, &id, exit, process.ended_at().unwrap_or_else(Instant::now));
        }
    });
}
