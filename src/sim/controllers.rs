//! The controllers of the simulated control plane, one file each; started together.
//! Each reads watches and writes through [`ApiServer`], after the latencies of its profile.

mod context;
mod cron_job;
mod daemon_set;
mod deployment;
pub(crate) mod disruption;
mod endpoint_slice;
mod endpoints;
mod garbage_collector;
mod horizontal_pod_autoscaler;
mod job;
mod namespace;
mod node_lifecycle;
pub(crate) mod object;
mod pod_garbage;
mod pods;
pub(crate) mod queue;
mod quota;
mod replica_set;
mod revisions;
pub(crate) mod selector;
mod stateful_set;
mod taint_eviction;
mod ttl_after_finished;
pub(crate) mod volumes;

#[cfg(test)]
pub(crate) mod testing;

use super::api::ApiServer;
use super::limits::Limits;
use super::profile::Profile;
pub(crate) use context::Context;
use std::sync::Arc;

/// Starts the controller of autoscalers, which asks `runtime` what pods use.
pub fn start_autoscaling(api: &Arc<ApiServer>, profile: &Profile, runtime: &super::kubelet::Runtime) {
    horizontal_pod_autoscaler::start(&Context::new(api, &profile.latencies, "horizontal-pod-autoscaler"), runtime);
}

/// Starts every controller but that of autoscalers; they run until the runtime ends.
pub fn start(api: &Arc<ApiServer>, profile: &Profile, _limits: &Limits) {
    let context = |name| Context::new(api, &profile.latencies, name);
    deployment::start(&context("deployment-controller"));
    replica_set::start(&context("replicaset-controller"));
    replica_set::start_replication(&context("replication-controller"));
    stateful_set::start(&context("statefulset-controller"));
    daemon_set::start(&context("daemonset-controller"));
    job::start(&context("job-controller"), &context("job-controller-orphans"));
    cron_job::start(&context("cronjob-controller"));
    ttl_after_finished::start(&context("ttl-after-finished-controller"));
    endpoint_slice::start(&context("endpoint-slice-controller"));
    endpoints::start(&context("endpoint-controller"));
    namespace::start_filling(&context("serviceaccount-controller"));
    namespace::start_emptying(&context("namespace-controller"));
    quota::start(&context("resourcequota-controller"));
    node_lifecycle::start(&context("node-controller"));
    taint_eviction::start(&context("taint-eviction-controller"));
    pod_garbage::start(&context("pod-garbage-collector"));
    disruption::start(&context("controllermanager"));
    disruption::start_relieving(&context("disruption-controller"));
    volumes::binder::start(&context("persistentvolume-controller"));
    volumes::protection::start_claims(&context("pvc-protection-controller"));
    volumes::protection::start_volumes(&context("pv-protection-controller"));
    volumes::protection::start_ephemeral(&context("ephemeral_volume"));
    garbage_collector::start(&context("garbage-collector-controller"));
}
