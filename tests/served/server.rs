//! A served cluster for one test, on a free port.
//! What is asked of it is the tests' business.

use comeback::sim::profile::{NodeShape, Profile, Without};
use comeback::sim::serve::{Notice, ServeOptions, Served};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A cluster of one control plane and two workers.
pub fn profile() -> Profile {
    let shape = Profile::default().nodes[0].clone();
    let node = |name: &str, control_plane| NodeShape { name: name.to_owned(), control_plane, ..shape.clone() };
    Profile { nodes: vec![node("control-plane", true), node("worker", false), node("worker2", false)], ..Profile::default() }
}

/// A served cluster, and what it told its user.
pub struct Cluster {
    pub served: Served,
    pub notices: Arc<Mutex<Vec<Notice>>>,
}

impl Cluster {
    pub async fn start(speed: f64) -> Self {
        Self::with(speed, Without::default()).await
    }

    pub async fn with(speed: f64, without: Without) -> Self {
        let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let told = Arc::clone(&notices);
        #[expect(clippy::disallowed_methods, reason = "certificates are valid around the present")]
        let now = jiff::Timestamp::now();
        let options = ServeOptions {
            seed: 1,
            epoch: now,
            profile: Profile { without, ..profile() },
            speed,
            port: 0,
            now,
            notify: Arc::new(move |notice| told.lock().unwrap().push(notice)),
        };
        Self { served: Served::start(options).await.unwrap(), notices }
    }

    /// kube's own client, as an administrator.
    pub async fn client(&self) -> kube::Client {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(self.served.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }
}

/// Waits until a watch shows an object as it should be, for at most [`PATIENCE`].
pub async fn until<K, C>(api: Api<K>, name: &str, condition: C)
where
    K: kube::Resource + Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
    C: Fn(Option<&K>) -> bool,
{
    let seen = kube::runtime::wait::await_condition(api, name, condition);
    tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("not in time: {name}")).unwrap();
}

/// Whether a pod runs.
pub fn runs(pod: Option<&Pod>) -> bool {
    pod.and_then(|pod| pod.status.as_ref()).is_some_and(|status| status.phase.as_deref() == Some("Running"))
}

/// A program, on PATH or in the cache of the cluster scripts; without it one line says what did not run.
pub fn program(name: &str, places: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os("COMEBACK_CLUSTER_CACHE").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        Some(cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?.join("comeback-cluster"))
    });
    let cached = cache.iter().flat_map(|cache| places.iter().map(|place| cache.join(place)));
    let found = std::env::split_paths(&path).chain(cached).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("NOT RUN: {name} is neither on PATH nor in the cache of the cluster scripts");
    }
    found
}

/// Starts a program that runs beside the test, with its output in a file.
pub fn start(program: &Path, arguments: &[String], log: &Path) -> Background {
    let log = std::fs::File::create(log).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Background(command.spawn().unwrap())
}

/// A program that ends with the test.
pub struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Long enough for anything here, in real time.
pub const PATIENCE: Duration = Duration::from_mins(1);
