//! The evidence of a trial that did not end as expected: its objects, events and logs, current and previous, as files.

use crate::engine::private;
use crate::observe::Index;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// A log longer than this is cut at its beginning.
const LOG_LINES: i64 = 2_000;

/// Writes everything that was observed last, and the logs as far as they can still be read.
///
/// # Errors
/// When a file cannot be written.
pub(super) async fn save(directory: &Path, index: &Index, client: &kube::Client, namespace: &str) -> Result<(), String> {
    private::create_dir_all(directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    let pods: Vec<_> = index.all_pods().collect();
    let mut objects: Vec<&Value> = pods.iter().map(|pod| pod.object.as_ref()).collect();
    for kind in ["Deployment", "ReplicaSet", "ConfigMap", "Secret", "Service", "EndpointSlice"] {
        objects.extend(index.records(kind).map(|(_, record)| record.object.as_ref()));
    }
    let text = serde_json::to_string_pretty(&objects).map_err(|error| error.to_string())?;
    write(directory, "objects.json", &text)?;
    write(directory, "events.txt", &events(index))?;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.into_iter().filter(|pod| pod.deleted.is_none()) {
        for (container, record) in &pod.containers {
            for previous in [false, true] {
                if previous && record.restart_count == 0 {
                    continue;
                }
                let parameters = LogParams {
                    container: Some(container.clone()),
                    previous,
                    tail_lines: Some(LOG_LINES),
                    ..LogParams::default()
                };
                // A container that never started has no log: that is no failure of ours.
                let log = tokio::time::timeout(Duration::from_secs(10), api.logs(&pod.reference.name, &parameters)).await;
                if let Ok(Ok(log)) = log {
                    let suffix = if previous { "-previous" } else { "" };
                    write(directory, &format!("{}-{container}{suffix}.log", pod.reference.name), &log)?;
                }
            }
        }
    }
    Ok(())
}

fn events(index: &Index) -> String {
    let mut events: Vec<_> = index.events().collect();
    events.sort_by(|a, b| a.last_seen.cmp(&b.last_seen).then_with(|| a.regarding.name.cmp(&b.regarding.name)));
    let mut text = String::new();
    for event in events {
        let _ = writeln!(
            text,
            "{:>10.3}s  {:<7} {:<24} x{:<4} {}/{}: {}",
            event.last_seen.as_secs_f64(),
            event.type_,
            event.reason,
            event.count,
            event.regarding.kind.to_lowercase(),
            event.regarding.name,
            event.message
        );
    }
    text
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = directory.join(name);
    private::write(&path, text.as_bytes()).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
