//! What OpenShift adds to admission: the ranges of a new namespace, the host of a new Route, security context constraints of pods.
//! Its objects and its router are `sim::openshift`'s; projects are served by `rest/project`.
//!
//! Facts: openshift/api (route/v1, security/v1), the namespace-security-allocation-controller of cluster-policy-controller, and
//! apiserver-library-go's matching of constraints.

pub(super) mod scc;
#[cfg(test)]
mod tests;

use super::pipeline::text;
use super::pod_defaults::set;
use super::resource::{self, Resource};
use super::server::ApiServer;
use super::status::ApiError;
use serde_json::{Value, json};

/// API group of projects and requests for them.
pub(in crate::sim) const PROJECT_GROUP: &str = "project.openshift.io";
/// The domain under which Routes without a host get one.
pub(in crate::sim) const APPS_DOMAIN: &str = "apps.embedded.test";
/// Annotations of a namespace: whose ids its pods run with.
pub(super) const UID_RANGE: &str = "openshift.io/sa.scc.uid-range";
pub(super) const GROUPS: &str = "openshift.io/sa.scc.supplemental-groups";
pub(super) const MCS: &str = "openshift.io/sa.scc.mcs";

/// The first uid of the first namespace, and how many each gets (`1000000000-1999999999/10000`).
const FIRST_UID: u64 = 1_000_000_000;
const UIDS: u64 = 10_000;
/// How many labels of `SELinux` each namespace gets.
const LABELS: u64 = 5;

/// Changes a new object as OpenShift's admission does, or refuses it.
pub(super) fn admit(api: &ApiServer, resource: Resource, name: &str, object: &mut Value) -> Result<(), ApiError> {
    if resource == resource::PODS {
        return scc::admit(api, name, object);
    }
    if resource == resource::NAMESPACES {
        allocate(api, object);
    } else if resource.kind == "Route" && resource.group == "route.openshift.io" {
        give_host(name, object);
    }
    Ok(())
}

/// Gives a namespace its ids.
fn allocate(api: &ApiServer, namespace: &mut Value) {
    let metadata = &mut namespace["metadata"];
    set(metadata, "annotations", || json!({}));
    if metadata["annotations"].get(UID_RANGE).is_some() {
        return;
    }
    let block = api.ordinal("openshift.io/sa.scc.uid-range");
    let ids = format!("{}/{UIDS}", FIRST_UID + block * UIDS);
    set(&mut metadata["annotations"], UID_RANGE, || json!(ids));
    set(&mut metadata["annotations"], GROUPS, || json!(ids));
    set(&mut metadata["annotations"], MCS, || json!(label(block * LABELS)));
}

/// The `n`-th pair of categories: `s0:c1,c0`, `s0:c2,c0`, `s0:c2,c1`, ...
fn label(n: u64) -> String {
    let (mut high, mut below) = (1, 0);
    while below + high <= n {
        below += high;
        high += 1;
    }
    format!("s0:c{high},c{}", n - below)
}

/// Gives a Route what it was made without.
fn give_host(name: &str, route: &mut Value) {
    let namespace = text(route, "/metadata/namespace").to_owned();
    if text(route, "/spec/host").is_empty() {
        route["spec"]["host"] = json!(format!("{name}-{namespace}.{APPS_DOMAIN}"));
        set(&mut route["metadata"], "annotations", || json!({}));
        route["metadata"]["annotations"]["openshift.io/host.generated"] = json!("true");
    }
    let spec = &mut route["spec"];
    set(spec, "wildcardPolicy", || json!("None"));
    if spec.get("to").is_some_and(Value::is_object) {
        set(&mut spec["to"], "kind", || json!("Service"));
        set(&mut spec["to"], "weight", || json!(100));
    }
}
