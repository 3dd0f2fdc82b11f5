//! A served cluster for one test, on a free port.
//! What is asked of it is the tests' business.

use comeback::sim::profile::{NodeShape, Profile};
use comeback::sim::serve::{Notice, ServeOptions, Served};
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
        let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let told = Arc::clone(&notices);
        #[expect(clippy::disallowed_methods, reason = "certificates are valid around the present")]
        let now = jiff::Timestamp::now();
        let options = ServeOptions {
            seed: 1,
            epoch: now,
            profile: profile(),
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

/// Long enough for anything here, in real time.
pub const PATIENCE: Duration = Duration::from_secs(60);
