//! The tables of nodes, events, configuration, quotas, access and the API server's own kinds.
//! What runs, what is stored and what connects is in the other files.

use super::{Cell, NONE, age, plain};
use crate::sim::api::resource::Resource;
use serde_json::{Value, json};

/// The cells of any other built-in kind; none for those whose table is name and creation.
pub(super) fn cells(resource: Resource, cell: &Cell<'_>) -> Option<Vec<Value>> {
    let named = |columns: &[Value]| std::iter::once(cell.name()).chain(columns.iter().cloned()).chain([cell.age()]).collect();
    Some(match resource.kind {
        "Node" => node(cell),
        "Event" => event(cell),
        "Namespace" => named(&[json!(cell.text("/status/phase"))]),
        "ConfigMap" => named(&[json!(size(cell, "/data") + size(cell, "/binaryData"))]),
        "Secret" => named(&[json!(cell.text("/type")), json!(size(cell, "/data"))]),
        "ServiceAccount" | "DeviceClass" | "ResourceClaimTemplate" => named(&[]),
        "ResourceQuota" => quota(cell),
        "RoleBinding" | "ClusterRoleBinding" => binding(cell),
        "PriorityClass" => vec![
            cell.name(),
            json!(cell.number("/value")),
            cell.flag("/globalDefault", false),
            cell.age(),
            json!(cell.text("/preemptionPolicy")),
        ],
        "Lease" => named(&[json!(cell.text("/spec/holderIdentity"))]),
        "RuntimeClass" => named(&[json!(cell.text("/handler"))]),
        "CertificateSigningRequest" => certificate(cell),
        "APIService" => named(&[json!(service(cell)), json!(available(cell))]),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => named(&[cell.count("/webhooks")]),
        "ValidatingAdmissionPolicy" => named(&[cell.count("/spec/validations"), json!(parameter_kind(cell))]),
        "MutatingAdmissionPolicy" => named(&[cell.count("/spec/mutations"), json!(parameter_kind(cell))]),
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
            named(&[json!(cell.text("/spec/policyName")), json!(parameter(cell))])
        }
        "ResourceClaim" => named(&[json!(claim_state(cell))]),
        "ResourceSlice" => {
            named(&[json!(cell.text("/spec/nodeName")), json!(cell.text("/spec/driver")), json!(cell.text("/spec/pool/name"))])
        }
        "FlowSchema" => flow(cell),
        "PriorityLevelConfiguration" => level(cell),
        _ => return None,
    })
}

fn size(cell: &Cell<'_>, pointer: &str) -> usize {
    cell.object.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

fn node(cell: &Cell<'_>) -> Vec<Value> {
    let ready = cell.list("/status/conditions").iter().find(|condition| condition["type"] == "Ready");
    let status = match ready {
        Some(condition) if condition["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let unschedulable = cell.flag("/spec/unschedulable", false) == json!(true);
    let roles = roles(cell);
    let address = |kind: &str| {
        let found = cell.list("/status/addresses").iter().find(|address| address["type"] == kind);
        json!(found.and_then(|address| address["address"].as_str()).unwrap_or(NONE))
    };
    let architecture = cell.text("/status/nodeInfo/architecture");
    let kernel = match cell.text("/status/nodeInfo/kernelVersion") {
        "" => "<unknown>",
        version => version,
    };
    vec![
        cell.name(),
        json!(if unschedulable { format!("{status},SchedulingDisabled") } else { status.to_owned() }),
        json!(if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }),
        cell.age(),
        json!(cell.text("/status/nodeInfo/kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        cell.text_or("/status/nodeInfo/osImage", "<unknown>"),
        json!(if architecture.is_empty() { kernel.to_owned() } else { format!("{kernel} ({architecture})") }),
        cell.text_or("/status/nodeInfo/containerRuntimeVersion", "<unknown>"),
    ]
}

fn roles(cell: &Cell<'_>) -> Vec<String> {
    let labels = cell.object.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let mut roles: Vec<String> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role.to_owned()),
            None if key == "kubernetes.io/role" => value.as_str().map(ToOwned::to_owned),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn event(cell: &Cell<'_>) -> Vec<Value> {
    let first_of = |pointers: &[&'static str]| {
        pointers.iter().copied().find(|pointer| !cell.text(pointer).is_empty()).map_or(json!("<unknown>"), |p| cell.since(p))
    };
    let series = cell.object.pointer("/series").is_some_and(|series| !series.is_null());
    let last = if series {
        cell.since("/series/lastObservedTime")
    } else {
        first_of(&["/lastTimestamp", "/firstTimestamp", "/eventTime"])
    };
    let count = if series { cell.number("/series/count") } else { cell.number("/count").max(1) };
    let kind = cell.text("/involvedObject/kind").to_lowercase();
    let name = cell.text("/involvedObject/name");
    let either = |first: &str, second: &str| match cell.text(first) {
        "" => cell.text(second).to_owned(),
        text => text.to_owned(),
    };
    let component = either("/source/component", "/reportingComponent");
    let instance = either("/source/host", "/reportingInstance");
    vec![
        last,
        json!(cell.text("/type")),
        json!(cell.text("/reason")),
        json!(if name.is_empty() { kind } else { format!("{kind}/{name}") }),
        json!(cell.text("/involvedObject/fieldPath")),
        json!(if instance.is_empty() { component } else { format!("{component}, {instance}") }),
        json!(cell.text("/message").trim()),
        first_of(&["/firstTimestamp", "/eventTime"]),
        json!(count),
        cell.name(),
    ]
}

fn quota(cell: &Cell<'_>) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let used = cell.object.pointer("/status/used").unwrap_or(&Value::Null);
    for (name, hard) in cell.object.pointer("/status/hard").and_then(Value::as_object).into_iter().flatten() {
        let used = used.get(name).map_or_else(|| "0".to_owned(), plain);
        let side = if name.starts_with("limits.") { &mut limits } else { &mut requests };
        side.push(format!("{name}: {used}/{}", plain(hard)));
    }
    vec![cell.name(), json!(requests.join(", ")), json!(limits.join(", ")), cell.age()]
}

fn binding(cell: &Cell<'_>) -> Vec<Value> {
    let of = |kind: &str| {
        let subjects = cell.list("/subjects").iter().filter(|subject| subject["kind"] == kind);
        let name = |subject: &Value| {
            let name = subject["name"].as_str().unwrap_or_default();
            match subject["namespace"].as_str() {
                Some(namespace) if kind == "ServiceAccount" => format!("{namespace}/{name}"),
                _ => name.to_owned(),
            }
        };
        json!(subjects.map(name).collect::<Vec<_>>().join(", "))
    };
    let role = format!("{}/{}", cell.text("/roleRef/kind"), cell.text("/roleRef/name"));
    vec![cell.name(), json!(role), cell.age(), of("User"), of("Group"), of("ServiceAccount")]
}

fn certificate(cell: &Cell<'_>) -> Vec<Value> {
    let decided = |kind: &str| cell.list("/status/conditions").iter().any(|condition| condition["type"] == kind);
    let decision = match (decided("Denied"), decided("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    };
    let failed = if decided("Failed") { ",Failed" } else { "" };
    let issued = if cell.text("/status/certificate").is_empty() { "" } else { ",Issued" };
    let lasts = cell.object.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
    vec![
        cell.name(),
        cell.age(),
        cell.text_or("/spec/signerName", NONE),
        json!(cell.text("/spec/username")),
        json!(lasts.map_or_else(|| NONE.to_owned(), age::span)),
        json!(format!("{decision}{failed}{issued}")),
    ]
}

fn service(cell: &Cell<'_>) -> String {
    if cell.object.pointer("/spec/service").is_none_or(Value::is_null) {
        return "Local".to_owned();
    }
    format!("{}/{}", cell.text("/spec/service/namespace"), cell.text("/spec/service/name"))
}

fn available(cell: &Cell<'_>) -> String {
    let found = cell.list("/status/conditions").iter().find(|condition| condition["type"] == "Available");
    let Some(condition) = found else { return "Unknown".to_owned() };
    let status = condition["status"].as_str().unwrap_or_default();
    match condition["reason"].as_str().filter(|reason| status != "True" && !reason.is_empty()) {
        Some(reason) => format!("{status} ({reason})"),
        None => status.to_owned(),
    }
}

fn parameter_kind(cell: &Cell<'_>) -> String {
    if cell.object.pointer("/spec/paramKind").is_none_or(Value::is_null) {
        return "<unset>".to_owned();
    }
    format!("{}/{}", cell.text("/spec/paramKind/apiVersion"), cell.text("/spec/paramKind/kind"))
}

fn parameter(cell: &Cell<'_>) -> String {
    match (cell.text("/spec/paramRef/namespace"), cell.text("/spec/paramRef/name")) {
        (_, "") => "<unset>".to_owned(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

fn claim_state(cell: &Cell<'_>) -> String {
    let allocated = cell.object.pointer("/status/allocation").is_some_and(|allocation| !allocation.is_null());
    let mut states = Vec::new();
    if cell.is_deleted() {
        states.push("deleted");
    } else if !allocated {
        states.push("pending");
    }
    if allocated {
        states.push("allocated");
        if !cell.list("/status/reservedFor").is_empty() {
            states.push("reserved");
        }
    }
    states.join(",")
}

fn flow(cell: &Cell<'_>) -> Vec<Value> {
    let dangling = cell.list("/status/conditions").iter().find(|condition| condition["type"] == "Dangling");
    vec![
        cell.name(),
        json!(cell.text("/spec/priorityLevelConfiguration/name")),
        json!(cell.number("/spec/matchingPrecedence")),
        cell.text_or("/spec/distinguisherMethod/type", NONE),
        cell.age(),
        json!(dangling.and_then(|condition| condition["status"].as_str()).unwrap_or("?")),
    ]
}

fn level(cell: &Cell<'_>) -> Vec<Value> {
    let number = |pointer: &str| cell.object.pointer(pointer).cloned().unwrap_or_else(|| json!(NONE));
    vec![
        cell.name(),
        json!(cell.text("/spec/type")),
        number("/spec/limited/nominalConcurrencyShares"),
        number("/spec/limited/limitResponse/queuing/queues"),
        number("/spec/limited/limitResponse/queuing/handSize"),
        number("/spec/limited/limitResponse/queuing/queueLengthLimit"),
        cell.age(),
    ]
}
