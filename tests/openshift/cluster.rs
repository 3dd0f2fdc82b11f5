//! A served OpenShift, with a client for its administrator and one for its ordinary user.

use super::world::World;
use comeback::sim::profile::{NodeShape, Profile};
use comeback::sim::serve::ServeOptions;
use comeback::sim::serve::kubeconfig::DEVELOPER;
use kube::api::{Api, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use std::sync::Arc;

/// The cluster, until it is dropped.
pub struct OpenShift {
    /// As the administrator sees it.
    pub world: World,
    /// As the ordinary user does.
    pub developer: kube::Client,
}

impl OpenShift {
    /// A cluster in which time runs this many times as fast.
    pub fn start(speed: f64) -> Self {
        let world = World::served(options(speed));
        let developer = world.runtime.block_on(async {
            let read = Kubeconfig::from_yaml(&world.kubeconfig).unwrap();
            let context = KubeConfigOptions { context: Some(DEVELOPER.to_owned()), ..KubeConfigOptions::default() };
            kube::Client::try_from(kube::Config::from_custom_kubeconfig(read, &context).await.unwrap()).unwrap()
        });
        Self { world, developer }
    }

    /// The objects of a kind for the ordinary user; in a namespace, or cluster-scoped ones.
    pub fn mine(&self, group: &str, kind: &str, plural: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
        match namespace {
            Some(namespace) => Api::namespaced_with(self.developer.clone(), namespace, &resource),
            None => Api::all_with(self.developer.clone(), &resource),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a served cluster's certificates and its first day are of the present")]
fn options(speed: f64) -> ServeOptions {
    let shape = Profile::default().nodes[0].clone();
    let node = |name: &str, control_plane| NodeShape { name: name.to_owned(), control_plane, ..shape.clone() };
    let nodes = vec![node("embedded-control-plane", true), node("embedded-worker", false), node("embedded-worker2", false)];
    ServeOptions {
        seed: 1,
        epoch: jiff::Timestamp::now(),
        profile: Profile { nodes, openshift: true, ..Profile::default() },
        speed,
        port: 0,
        now: jiff::Timestamp::now(),
        notify: Arc::new(|_| {}),
    }
}
