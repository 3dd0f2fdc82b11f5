//! The tables of workloads: deployments, replica sets, stateful sets, daemon sets, jobs, autoscalers and what belongs to them.
//! Pods are in `pods`.

use super::{Cell, NONE, age, plain};
use crate::sim::api::resource::Resource;
use jiff::Timestamp;
use serde_json::{Value, json};

const CONTAINERS: &str = "/spec/template/spec/containers";

/// The cells of a workload; none for other kinds.
pub(super) fn cells(resource: Resource, cell: &Cell<'_>) -> Option<Vec<Value>> {
    let [names, images] = cell.containers(CONTAINERS);
    let number = |pointer: &str| json!(cell.number(pointer));
    Some(match resource.kind {
        "Deployment" => vec![
            cell.name(),
            ready(cell),
            number("/status/updatedReplicas"),
            number("/status/availableReplicas"),
            cell.age(),
            names,
            images,
            cell.selector("/spec/selector"),
        ],
        "ReplicaSet" => vec![
            cell.name(),
            number("/spec/replicas"),
            number("/status/replicas"),
            number("/status/readyReplicas"),
            cell.age(),
            names,
            images,
            cell.selector("/spec/selector"),
        ],
        "ReplicationController" => vec![
            cell.name(),
            number("/spec/replicas"),
            number("/status/replicas"),
            number("/status/readyReplicas"),
            cell.age(),
            names,
            images,
            cell.labels("/spec/selector"),
        ],
        "StatefulSet" => vec![cell.name(), ready(cell), cell.age(), names, images],
        "DaemonSet" => vec![
            cell.name(),
            number("/status/desiredNumberScheduled"),
            number("/status/currentNumberScheduled"),
            number("/status/numberReady"),
            number("/status/updatedNumberScheduled"),
            number("/status/numberAvailable"),
            cell.labels("/spec/template/spec/nodeSelector"),
            cell.age(),
            names,
            images,
            cell.selector("/spec/selector"),
        ],
        "Job" => vec![
            cell.name(),
            json!(job_status(cell)),
            json!(completions(cell)),
            json!(duration(cell)),
            cell.age(),
            names,
            images,
            cell.selector("/spec/selector"),
        ],
        "CronJob" => cron_job(cell),
        "HorizontalPodAutoscaler" => autoscaler(cell),
        "PodDisruptionBudget" => budget(cell),
        "ControllerRevision" => vec![cell.name(), json!(controller(cell)), number("/revision"), cell.age()],
        "PodTemplate" => {
            let [names, images] = cell.containers("/template/spec/containers");
            vec![cell.name(), names, images, cell.labels("/template/metadata/labels")]
        }
        _ => return None,
    })
}

fn ready(cell: &Cell<'_>) -> Value {
    json!(format!("{}/{}", cell.number("/status/readyReplicas"), cell.number("/spec/replicas")))
}

fn job_status(cell: &Cell<'_>) -> &'static str {
    let rest = [("Suspended", "Suspended"), ("FailureTarget", "FailureTarget"), ("SuccessCriteriaMet", "SuccessCriteriaMet")];
    if cell.is("Complete") {
        "Complete"
    } else if cell.is("Failed") {
        "Failed"
    } else if cell.is_deleted() {
        "Terminating"
    } else {
        rest.iter().find(|(condition, _)| cell.is(condition)).map_or("Running", |(_, status)| *status)
    }
}

fn completions(cell: &Cell<'_>) -> String {
    let succeeded = cell.number("/status/succeeded");
    let parallelism = cell.number("/spec/parallelism");
    match cell.object.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    }
}

fn duration(cell: &Cell<'_>) -> String {
    let Ok(begun) = cell.text("/status/startTime").parse::<Timestamp>() else { return String::new() };
    let ended = cell.text("/status/completionTime").parse::<Timestamp>().unwrap_or(cell.now);
    age::span(ended.duration_since(begun).as_secs())
}

fn cron_job(cell: &Cell<'_>) -> Vec<Value> {
    let [names, images] = cell.containers("/spec/jobTemplate/spec/template/spec/containers");
    let last =
        if cell.text("/status/lastScheduleTime").is_empty() { json!(NONE) } else { cell.since("/status/lastScheduleTime") };
    let suspended = if cell.flag("/spec/suspend", false) == json!(true) { "True" } else { "False" };
    vec![
        cell.name(),
        json!(cell.text("/spec/schedule")),
        cell.text_or("/spec/timeZone", NONE),
        json!(suspended),
        cell.count("/status/active"),
        last,
        cell.age(),
        names,
        images,
        cell.selector("/spec/jobTemplate/spec/selector"),
    ]
}

fn autoscaler(cell: &Cell<'_>) -> Vec<Value> {
    let least = cell.object.pointer("/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), ToString::to_string);
    vec![
        cell.name(),
        json!(format!("{}/{}", cell.text("/spec/scaleTargetRef/kind"), cell.text("/spec/scaleTargetRef/name"))),
        json!(metrics(cell)),
        json!(least),
        json!(cell.number("/spec/maxReplicas")),
        json!(cell.number("/status/currentReplicas")),
        cell.age(),
    ]
}

fn metrics(cell: &Cell<'_>) -> String {
    const MOST: usize = 2;
    let (wanted, current) = (cell.list("/spec/metrics"), cell.list("/status/currentMetrics"));
    if wanted.is_empty() {
        return NONE.to_owned();
    }
    let list: Vec<String> = wanted.iter().enumerate().map(|(n, metric)| target(metric, current.get(n))).collect();
    if list.len() > MOST { format!("{} + {} more...", list[..MOST].join(", "), list.len() - MOST) } else { list.join(", ") }
}

/// `cpu: 12%/80%`, `100m/500m`, `<unknown>/1k (avg)`.
fn target(metric: &Value, status: Option<&Value>) -> String {
    let kind = metric["type"].as_str().unwrap_or_default();
    let field = match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".to_owned(),
    };
    let wanted = &metric[field]["target"];
    let value = |pointer: &str| status.and_then(|status| status.get(field)?.pointer(pointer)).map(plain);
    let unknown = || "<unknown>".to_owned();
    let average = wanted.get("averageValue").map(plain);
    let named = |text: String| match metric[field]["name"].as_str() {
        Some(name) => format!("{name}: {text}"),
        None => text,
    };
    match (kind, average) {
        ("Pods", average) => {
            format!("{}/{}", value("/current/averageValue").unwrap_or_else(unknown), average.unwrap_or_default())
        }
        ("Object" | "External", Some(average)) => {
            format!("{}/{average} (avg)", value("/current/averageValue").unwrap_or_else(unknown))
        }
        ("Object" | "External", None) => {
            let wanted = wanted.get("value").map(plain).unwrap_or_default();
            format!("{}/{wanted}", value("/current/value").unwrap_or_else(unknown))
        }
        (_, Some(average)) => named(format!("{}/{average}", value("/current/averageValue").unwrap_or_else(unknown))),
        (_, None) => {
            let percent = |value: String| format!("{value}%");
            let wanted = wanted.get("averageUtilization").map(plain).map_or_else(|| "<auto>".to_owned(), percent);
            named(format!("{}/{wanted}", value("/current/averageUtilization").map_or_else(unknown, percent)))
        }
    }
}

fn budget(cell: &Cell<'_>) -> Vec<Value> {
    let limit = |pointer: &str| json!(cell.object.pointer(pointer).map_or_else(|| "N/A".to_owned(), plain));
    vec![
        cell.name(),
        limit("/spec/minAvailable"),
        limit("/spec/maxUnavailable"),
        json!(cell.number("/status/disruptionsAllowed")),
        cell.age(),
    ]
}

fn controller(cell: &Cell<'_>) -> String {
    let Some(owner) = cell.list("/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true) else {
        return NONE.to_owned();
    };
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let group = text("apiVersion").rsplit_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
    format!("{}{group}/{}", text("kind").to_lowercase(), text("name"))
}
