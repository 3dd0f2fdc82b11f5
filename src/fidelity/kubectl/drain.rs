//! `kubectl cordon`, `uncordon` and `drain`: the node is marked, and its pods are evicted, with a retry every five seconds.

use super::command::Line;
use super::{Kubectl, STRATEGIC, refusal};
use crate::fidelity::Error;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long kubectl waits before it asks again for an eviction that a budget refused.
const RETRY: Duration = Duration::from_secs(5);
/// How often it asks whether an evicted pod is gone.
const POLL: Duration = Duration::from_secs(1);

impl Kubectl {
    /// Marks the node as schedulable or not.
    pub(super) async fn cordon(&self, node: &str, cordoned: bool) -> Result<(), Error> {
        let value = if cordoned { json!(true) } else { Value::Null };
        self.changed(&format!("/api/v1/nodes/{node}"), STRATEGIC, &json!({"spec": {"unschedulable": value}})).await
    }

    /// Evicts every pod but those of a `DaemonSet`; gives up after `--timeout`, as the recorded one did.
    pub(super) async fn drain(&self, node: &str, line: &Line) -> Result<(), Error> {
        self.cordon(node, true).await?;
        let timeout = line.option("--timeout").and_then(|text| text.parse::<jiff::SignedDuration>().ok());
        let timeout = timeout.and_then(|timeout| timeout.try_into().ok()).unwrap_or(Duration::from_hours(1));
        let list = self.get("/api/v1/pods").await.map_err(refusal("listing pods"))?;
        let of_daemon_set = |pod: &Value| {
            let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            owners.into_iter().flatten().any(|owner| owner["kind"] == "DaemonSet")
        };
        let pods = list["items"].as_array().into_iter().flatten();
        let pods = pods.filter(|pod| pod.pointer("/spec/nodeName") == Some(&json!(node)) && !of_daemon_set(pod));
        let evictions = pods.map(|pod| self.evict(pod, Instant::now() + timeout));
        for evicted in futures::future::join_all(evictions).await {
            evicted?;
        }
        Ok(())
    }

    /// Evicts one pod and waits until it is gone; the end of the time is no error, as the recorded drain went on.
    async fn evict(&self, pod: &Value, deadline: Instant) -> Result<(), Error> {
        let part = |name: &str| pod.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/pods/{}", part("namespace"), part("name"));
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": part("name"), "namespace": part("namespace")},
        });
        let all = async {
            loop {
                match self.post(&format!("{path}/eviction"), &eviction).await {
                    Ok(_) => break,
                    Err(kube::Error::Api(status)) if status.code == 429 => sleep(RETRY).await,
                    Err(kube::Error::Api(status)) if status.code == 404 && status.message.contains("pods") => return Ok(()),
                    Err(error) => return Err(refusal(format!("evicting {path}"))(error)),
                }
            }
            while self.get(&path).await.is_ok_and(|now| now.pointer("/metadata/uid") == pod.pointer("/metadata/uid")) {
                sleep(POLL).await;
            }
            Ok(())
        };
        timeout_at(deadline, all).await.unwrap_or(Ok(()))
    }
}
