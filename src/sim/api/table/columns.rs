//! The columns of every kind's table: of the built-in ones as a real server lists them, of custom ones as they are defined.
//! What stands in the built-in kinds' cells is in the other files.

use super::{age, json_path};
use crate::sim::api::resource::Resource;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The columns of a built-in kind, parted by `|`: `+` before a name is for wide output, `*` after it for object names,
/// `#` for integers, `?` for booleans, `@` for moments.
fn described(resource: Resource) -> &'static str {
    match resource.plural {
        "configmaps" => "Name*|Data|Age",
        "endpoints" => "Name*|Endpoints|Age",
        "events" => "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name*",
        "namespaces" => "Name*|Status|Age",
        "nodes" => "Name*|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime",
        "persistentvolumeclaims" => {
            "Name*|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|+VolumeMode"
        }
        "persistentvolumes" => {
            "Name*|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|+VolumeMode"
        }
        "pods" => "Name*|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates",
        "podtemplates" => "Name*|Containers|Images|Pod Labels",
        "replicationcontrollers" | "replicasets" => "Name*|Desired#|Current#|Ready#|Age|+Containers|+Images|+Selector",
        "resourcequotas" => "Name*|Request|Limit|Age",
        "secrets" => "Name*|Type|Data|Age",
        "serviceaccounts" | "deviceclasses" | "resourceclaimtemplates" => "Name*|Age",
        "services" => "Name*|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector",
        "apiservices" => "Name*|Service|Available|Age",
        "controllerrevisions" => "Name*|Controller|Revision|Age",
        "daemonsets" => "Name*|Desired#|Current#|Ready#|Up-to-date#|Available#|Node Selector|Age|+Containers|+Images|+Selector",
        "deployments" => "Name*|Ready|Up-to-date|Available|Age|+Containers|+Images|+Selector",
        "statefulsets" => "Name*|Ready|Age|+Containers|+Images",
        "horizontalpodautoscalers" => "Name*|Reference|Targets|MinPods|MaxPods|Replicas|Age",
        "cronjobs" => "Name*|Schedule|Timezone|Suspend?|Active#|Last Schedule|Age|+Containers|+Images|+Selector",
        "jobs" => "Name*|Status|Completions|Duration|Age|+Containers|+Images|+Selector",
        "certificatesigningrequests" => "Name*|Age|SignerName|Requestor|RequestedDuration|Condition",
        "ingressclasses" => "Name*|Controller|Parameters|Age",
        "ingresses" => "Name*|Class|Hosts|Address|Ports|Age",
        "ipaddresses" => "Name*|ParentRef",
        "networkpolicies" => "Name*|Pod-Selector|Age",
        "servicecidrs" => "Name*|CIDRs|Age",
        "poddisruptionbudgets" => "Name*|Min Available|Max Unavailable|Allowed Disruptions#|Age",
        "clusterrolebindings" | "rolebindings" => "Name*|Role|Age|+Users|+Groups|+ServiceAccounts",
        "csidrivers" => "Name*|AttachRequired?|PodInfoOnMount?|StorageCapacity?|TokenRequests|RequiresRepublish?|Modes|Age",
        "csinodes" => "Name*|Drivers#|Age",
        "storageclasses" => "Name*|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
        "volumeattachments" => "Name*|Attacher*|PV|Node|Attached?|Age",
        "volumeattributesclasses" => "Name*|DriverName|Age",
        "mutatingadmissionpolicies" => "Name*|Mutations#|ParamKind|Age",
        "mutatingadmissionpolicybindings" | "validatingadmissionpolicybindings" => "Name*|PolicyName|ParamRef|Age",
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => "Name*|Webhooks#|Age",
        "validatingadmissionpolicies" => "Name*|Validations#|ParamKind|Age",
        "priorityclasses" => "Name*|Value#|Global-Default?|Age|PreemptionPolicy",
        "leases" => "Name*|Holder|Age",
        "runtimeclasses" => "Name*|Handler|Age",
        "endpointslices" => "Name*|AddressType|Ports|Endpoints|Age",
        "resourceclaims" => "Name*|State|Age",
        "resourceslices" => "Name*|Node|Driver|Pool|Age",
        "flowschemas" => "Name*|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL",
        "prioritylevelconfigurations" => "Name*|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age",
        _ => "Name*|Created At@",
    }
}

/// The definitions of a built-in kind's columns.
pub(super) fn built_in(resource: Resource) -> Vec<Value> {
    described(resource).split('|').map(definition).collect()
}

fn definition(column: &str) -> Value {
    let (column, priority) = column.strip_prefix('+').map_or((column, 0), |column| (column, 1));
    let (column, format) = column.strip_suffix('*').map_or((column, ""), |column| (column, "name"));
    let kinds = [('#', "integer"), ('?', "boolean"), ('@', "date")];
    let found = kinds.iter().find_map(|(mark, kind)| Some((column.strip_suffix(*mark)?, *kind)));
    let (name, kind) = found.unwrap_or((column, "string"));
    json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
}

/// The definitions of a custom kind's columns.
pub(super) fn custom(columns: &[Value]) -> Vec<Value> {
    let name = definition("Name*");
    if columns.is_empty() {
        return vec![name, definition("Age@")];
    }
    let own = columns.iter().map(|column| {
        let text = |field: &str| column.get(field).and_then(Value::as_str).unwrap_or_default();
        json!({
            "name": text("name"), "type": text("type"), "format": text("format"), "description": text("description"),
            "priority": column.get("priority").and_then(Value::as_i64).unwrap_or(0),
        })
    });
    std::iter::once(name).chain(own).collect()
}

/// The cells of a custom object.
pub(super) fn custom_cells(columns: &[Value], object: &Value, now: Timestamp) -> Vec<Value> {
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    let age = json!([{"type": "date", "jsonPath": ".metadata.creationTimestamp"}]);
    let columns = if columns.is_empty() { age.as_array().map(Vec::as_slice).unwrap_or_default() } else { columns };
    let own = columns.iter().map(|column| {
        let path = column.get("jsonPath").and_then(Value::as_str).unwrap_or_default();
        match json_path::find(object, path).as_slice() {
            [] => Value::Null,
            [one] => cell(column.get("type").and_then(Value::as_str).unwrap_or_default(), one, now),
            many => json!(many.iter().map(|value| super::plain(value)).collect::<Vec<_>>().join(" ")),
        }
    });
    std::iter::once(name).chain(own).collect()
}

fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        ("integer", Value::Number(number)) => {
            // A whole number may be written as a float.
            let whole = number.as_i64().map(|whole| json!(whole));
            whole.or_else(|| number.as_f64().map(|float| json!(float.trunc()))).unwrap_or_default()
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => value.clone(),
        ("date", Value::String(moment)) => json!(age::since(moment, now)),
        _ => Value::Null,
    }
}
