//! A run inside the cluster, for `comeback submit`: what is shipped, what is made, how it is followed, and how results come back.
//! Running a shard is the same `run` as everywhere; putting shards together is `saved`'s; what is printed is `cli`'s.
//!
//! Kubernetes is the distributed engine. All trials are cut as `--shard` cuts them, and each shard is an index of one Indexed Job, so
//! that placing, restarting and counting pods is the Job controller's. Everything lies in a namespace of the run's own (`home`), with
//! its lease, so that `comeback cleanup` finds and removes it as any other run; what must lie outside (`ClusterRole`s, roles in
//! namespaces of others) has an undo record there before it is made.
//!
//! - **Shipped** are plans, not files: scenarios as they were read, rendered and checked on the submitter's side, so that every shard
//!   was cut from the same whole and no program or file is needed in the pods. They are a Secret: manifests may hold values of Secrets.
//! - **Results** lie in the home, trial by trial, as `ConfigMap`s (`store`): no volume has to be there, no database to be reached, and
//!   what a pod had finished outlives it. The name of a piece is that of its trial: the API server itself keeps a trial from being there
//!   twice. A pod that follows a killed one waits until the lease of its predecessor's run has run out, cleans up after it, takes over
//!   its finished trials, and tries what is left. Trials that were cut off are begun again, and the report says so.
//! - **The end** of a pod is its exit code 0 (all trials of the shard are stored, whatever their verdicts) with a summary as its
//!   termination message: counts, the shard's own exit code, and a digest over all results, which is checked when they are collected.
//! - **The order of removal**: the Job with its pods, which clean up after themselves; what their runs left all the same; roles; the home.

pub mod bundle;
pub mod collect;
pub mod follow;
pub mod make;
pub mod objects;
pub mod predecessor;
pub mod store;

use super::home::Home;
use super::saved::SavedPlans;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::observe::timeline::Reference;
use crate::scenario::Verdict;
use crate::scenario::model::Order;
use kube::api::{DeleteParams, PropagationPolicy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a pod that is told to end may take to undo, remove and verify: its grace period.
pub const POD_GRACE: Duration = Duration::from_mins(2);
/// How long the Job may take to be gone with its pods.
const JOB_GONE_WITHIN: Duration = Duration::from_secs(150);

/// Everything that the pods are told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// The run's id.
    pub id: String,
    /// The submitter's version: that of the image must be the same.
    pub version: String,
    /// The run's seed.
    pub seed: u64,
    /// How many shards.
    pub shards: u32,
    /// The whole run.
    pub plans: SavedPlans,
    /// In which order each shard runs its scenarios.
    pub order: Order,
    /// Trials at once in each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// No further trial of a shard after one of it with an unexpected verdict.
    pub fail_fast: bool,
    /// Namespaces of others that the run may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_namespace: Vec<String>,
    /// How many pods a fault may hit, as `--max-pods` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pods: Option<String>,
    /// The submitter's command line.
    pub command: Vec<String>,
}

/// The termination message of a pod: what came of its shard. At most 4 KiB, of which this needs a tenth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Which shard, from 1 on.
    pub shard: u32,
    /// The run of the attempt that ended it.
    pub attempt: String,
    /// Trials by verdict.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// How many of them earlier attempts had finished.
    pub taken_over: usize,
    /// The shard's own exit code, as `comeback run --shard` would have ended.
    pub exit_code: u8,
    /// The digest over all of the shard's results.
    pub results: String,
}

/// What became of a Job that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// There was none.
    None,
    /// It is gone, with its pods.
    Gone,
    /// Its pods are still ending.
    Ending,
}

/// Ends the Job of a home with its pods, which undo and remove what they made.
///
/// # Errors
/// The server's refusal.
pub async fn stop(client: &kube::Client, home: &Home) -> Result<Stopped, RequestError> {
    let what = format!("removing job {}/{}", home.namespace, objects::NAME);
    let jobs = super::namespace::own_kind("Job")?.api(client, &home.namespace);
    let parameters = DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    match retried(&what, REQUEST_BUDGET, || jobs.delete(objects::NAME, &parameters)).await {
        Ok(_) => {
            let gone = wait::until(&jobs, objects::NAME, JOB_GONE_WITHIN, |job| job.is_none()).await?;
            Ok(if gone { Stopped::Gone } else { Stopped::Ending })
        }
        Err(error) if error.is_not_found() => Ok(Stopped::None),
        Err(error) => Err(error),
    }
}

/// The Job of a run, as one that is left is named.
#[must_use]
pub fn job(run: &str) -> Reference {
    Reference { kind: "Job".to_owned(), namespace: super::home::name(run), name: objects::NAME.to_owned(), uid: String::new() }
}
