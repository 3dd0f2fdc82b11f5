//! Eviction of one pod, as `kubectl drain` does it: a refusal of a budget is waited out, for a while.
//! Which pods are evicted was decided before.

use super::inject::gone_or;
use super::{FaultError, Prepared, Prey};
use crate::cluster::request::{RequestError, is_transient, pause};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, EvictParams, Preconditions};
use std::time::Duration;
use tokio::time::Instant;

/// How long refusals are waited out.
const EVICTED_WITHIN: Duration = Duration::from_mins(1);
/// How long after a refusal the next attempt is made.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Evicts one pod; says so where it was refused at first.
pub(super) async fn evict(
    client: &kube::Client,
    prepared: &Prepared,
    prey: &Prey,
    grace: Option<u32>,
) -> Result<Option<String>, FaultError> {
    let name = &prey.reference.name;
    let what = format!("evicting pod/{name}");
    let pods: Api<Pod> = Api::namespaced(client.clone(), &prepared.namespace);
    let preconditions = Some(Preconditions { uid: Some(prey.reference.uid.clone()), resource_version: None });
    let delete_options = DeleteParams { grace_period_seconds: grace, preconditions, ..DeleteParams::default() };
    let parameters = EvictParams { delete_options: Some(delete_options), ..EvictParams::default() };
    let began = Instant::now();
    let mut refusal = None;
    for attempt in 0.. {
        let Err(error) = pods.evict(name, &parameters).await else { break };
        let transient = is_transient(&error);
        let error = RequestError::new(&what, &error);
        // An earlier attempt was carried out and only its answer was lost.
        if error.is_not_found() && attempt > 0 {
            break;
        }
        if !transient {
            return Err(gone_or(error));
        }
        let refused = error.code == 429;
        let pause = if refused { AGAIN_AFTER } else { pause(attempt) };
        if began.elapsed() + pause > EVICTED_WITHIN {
            let error =
                RequestError { message: format!("{} (asked for {} s)", error.message, EVICTED_WITHIN.as_secs()), ..error };
            return Err(if refused { FaultError::NoTarget(error.to_string()) } else { error.into() });
        }
        if refused {
            refusal = Some(error.message);
        }
        tokio::time::sleep(pause).await;
    }
    Ok(refusal.map(|why| format!("the eviction of pod {name} was refused for {} s: {why}", began.elapsed().as_secs())))
}
