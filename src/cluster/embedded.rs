//! The embedded cluster: each trial gets a simulation of its own, made from the trial's seed alone.
//! How Kubernetes behaves is simulated in `sim`; nothing else in the harness knows of it.

use super::machine::simulated::Simulated;
use super::{Cluster, ClusterError, Session, TrialClock, TrialContext};
use crate::measure::result::{ClusterInfo, Fingerprint};
use crate::scenario::model::Need;
use crate::sim::api::client;
use crate::sim::cluster::Simulation;
use crate::sim::profile::{Cgroup, ImageStandIn, Profile, Version};
use crate::sim::program::model::Choice;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-01-01T00:00:00Z, the earliest beginning of simulated time, in seconds of Unix.
const EPOCH: i64 = 1_767_225_600;
const DAY: u64 = 86_400;

/// The embedded cluster.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    profile: Profile,
}

impl Embedded {
    /// An embedded cluster with a profile of its own.
    #[must_use]
    pub const fn new(profile: Profile) -> Self {
        Self { profile }
    }
}

impl Cluster for Embedded {
    fn info(&self) -> ClusterInfo {
        let (kubernetes, cap) = match self.profile.version {
            Version::V1_34 => ("v1.34", "5m0s"),
            Version::V1_36 => ("v1.36", "5m0s"),
        };
        let cgroup = match self.profile.cgroup {
            Cgroup::V1 => "v1",
            Cgroup::V2 => "v2",
        };
        let properties = [("cgroup", cgroup), ("crashLoopBackOffCap", cap), ("profile", self.profile.name)];
        ClusterInfo {
            provider: "embedded".to_owned(),
            name: "embedded".to_owned(),
            fingerprint: Fingerprint {
                kubernetes: kubernetes.to_owned(),
                nodes: self.profile.nodes.len(),
                simulated: true,
                properties: properties
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            },
        }
    }

    fn capabilities(&self) -> Vec<Need> {
        // Each trial gets the nodes, and the kind of cluster, that its scenario needs.
        let each = [
            Need::MultiNode,
            Need::Exec,
            Need::NetworkPolicy,
            Need::NodeControl,
            Need::Metrics,
            Need::ChaosMesh,
            Need::Openshift,
            Need::CgroupV1,
            Need::OwnMachines,
            Need::PrivateRegistry,
        ];
        let second = (self.profile.cgroup == Cgroup::V2).then_some(Need::CgroupV2);
        each.into_iter().chain(second).collect()
    }

    fn is_virtual_time(&self) -> bool {
        true
    }

    fn open<'a>(&'a self, trial: &'a TrialContext) -> BoxFuture<'a, Result<Session, ClusterError>> {
        async move {
            let mut profile = self.profile.clone();
            if trial.nodes > profile.nodes.len() {
                profile = profile.with_nodes(trial.nodes);
            }
            profile.mirror.clone_from(&trial.registry);
            profile.chaos_mesh = trial.chaos_mesh;
            profile.openshift |= trial.openshift;
            if trial.cgroup_v1 {
                profile.cgroup = Cgroup::V1;
            }
            profile.images.extend(trial.images.iter().map(|(pattern, stand_in)| ImageStandIn {
                pattern: pattern.clone(),
                command: stand_in.command.clone(),
                model: stand_in.model.clone().map(|model| Choice { model, options: stand_in.options.clone() }),
            }));
            let epoch = epoch_of(trial.seed);
            let simulation = Arc::new(Simulation::start(trial.seed, epoch, profile));
            let clock = TrialClock::starting_at(epoch);
            let client = client(Arc::clone(&simulation.api), simulation.runtime.clone(), &simulation.profile)
                .map_err(|error| ClusterError::new(format!("the embedded cluster did not start: {}", error.message)))?;
            let limits = simulation.limits.clone();
            let machines = Some(Arc::new(Simulated::new(Arc::clone(&simulation))) as Arc<dyn super::machine::Machines>);
            Ok(Session { client, token: None, clock, limits, machines, requests: None, guard: simulation })
        }
        .boxed()
    }
}

/// The simulated time at which a trial begins: some second of 2026-01-01, fixed by the seed.
fn epoch_of(seed: u64) -> jiff::Timestamp {
    let second = EPOCH + i64::try_from(seed % DAY).unwrap_or_default();
    jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Api, ListParams};

    #[test]
    fn time_begins_where_the_seed_says() {
        assert_eq!(epoch_of(0).to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(epoch_of(DAY + 61).to_string(), "2026-01-01T00:01:01Z");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_a_working_client_on_the_simulated_clock() {
        let cluster = Embedded::default();
        let trial = TrialContext { seed: 61, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let session = cluster.open(&trial).await.unwrap();
        let namespaces: Api<Namespace> = Api::all(session.client.clone());
        let names: Vec<_> =
            namespaces.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|found| found.metadata.name).collect();
        assert!(names.contains(&"default".to_owned()), "{names:?}");
        assert_eq!(session.clock.epoch.to_string(), "2026-01-01T00:01:01Z");
        assert!(cluster.info().fingerprint.simulated);
    }
}
