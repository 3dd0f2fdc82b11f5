//! The harness as a real process, killed when it has sent so many bytes to the server.

use crate::proxy::Relay;
use crate::world::World;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    ByItself,
    Killed,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Outcome {
    pub ended: Ended,
    pub code: Option<i32>,
    /// What it sent to the server, in bytes.
    pub sent: u64,
    /// What it wrote, for a failed test.
    pub output: String,
}

/// Starts the harness against a world.
pub struct Harness {
    folder: PathBuf,
    server: SocketAddr,
    kubeconfig: String,
    /// What of the environment it is given: tools that reach machines.
    environment: Vec<(String, String)>,
    runs: AtomicU64,
}

impl Harness {
    pub fn new(folder: &Path, world: &World, variables: &[&str]) -> Self {
        let (server, kubeconfig) = (world.address, world.kubeconfig.clone());
        let environment = variables.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        Self { folder: folder.to_owned(), server, kubeconfig, environment, runs: AtomicU64::new(0) }
    }

    /// Runs scenarios, up to the point.
    pub fn run(&self, scenarios: &[&str], point: Option<u64>) -> Outcome {
        let out = format!("run-{}", self.runs.fetch_add(1, Ordering::Relaxed));
        let mut arguments: Vec<String> = [
            "run",
            "--cluster",
            "context",
            "--allow-namespace",
            "shop,till",
            "--allow",
            "cluster-faults",
            "--no-progress",
            "--concurrency",
            "3",
            "--out",
            &out,
        ]
        .map(ToOwned::to_owned)
        .to_vec();
        arguments.extend(scenarios.iter().map(|scenario| format!("{scenario}.yaml")));
        self.start(&arguments, point)
    }

    /// Submits scenarios into the cluster, up to the point.
    pub fn submit(&self, scenarios: &[&str], image: &str, point: Option<u64>) -> Outcome {
        let out = format!("run-{}", self.runs.fetch_add(1, Ordering::Relaxed));
        let options = [
            "submit",
            "--cluster",
            "context",
            "--allow-namespace",
            "shop,till",
            "--image",
            image,
            "--shards",
            "2",
            "--out",
            &out,
        ];
        let mut arguments: Vec<String> = options.map(ToOwned::to_owned).to_vec();
        arguments.extend(scenarios.iter().map(|scenario| format!("{scenario}.yaml")));
        self.start(&arguments, point)
    }

    /// Cleans up after all runs, up to the point.
    pub fn cleanup(&self, point: Option<u64>) -> Outcome {
        self.start(&["cleanup", "--all"].map(ToOwned::to_owned), point)
    }

    fn start(&self, arguments: &[String], point: Option<u64>) -> Outcome {
        let child: Arc<Mutex<Option<Child>>> = Arc::default();
        let (victim, killed) = (Arc::clone(&child), Arc::new(Mutex::new(false)));
        let told = Arc::clone(&killed);
        let relay = Relay::start(self.server, point, move || {
            if let Some(child) = victim.lock().unwrap().as_mut() {
                *told.lock().unwrap() = child.try_wait().unwrap().is_none();
                // SIGKILL: nothing can be done about it.
                let _ = child.kill();
            }
        });
        let config = self.folder.join("kubeconfig");
        std::fs::write(&config, self.kubeconfig.replace(&self.server.to_string(), &relay.address.to_string())).unwrap();
        let output = self.folder.join("output");
        let file = std::fs::File::create(&output).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        command.args(arguments).current_dir(&self.folder).env_clear().env("KUBECONFIG", &config).env("HOME", &self.folder);
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let mut held = child.lock().unwrap();
        *held = Some(command.spawn().unwrap());
        let pid = held.as_ref().unwrap().id();
        drop(held);
        let status = wait(&child, pid);
        let ended = if *killed.lock().unwrap() { Ended::Killed } else { Ended::ByItself };
        Outcome { ended, code: status.code(), sent: relay.sent(), output: std::fs::read_to_string(&output).unwrap() }
    }
}

/// Waits for a process without keeping the lock that killing it needs.
fn wait(child: &Mutex<Option<Child>>, _pid: u32) -> std::process::ExitStatus {
    let (tell, wake) = std::sync::mpsc::channel::<()>();
    loop {
        if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
            drop(tell);
            return status;
        }
        // Nobody sends: this is a pause between two looks at the process.
        let _ = wake.recv_timeout(std::time::Duration::from_millis(10));
    }
}
