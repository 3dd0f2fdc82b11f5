//! What kube-proxy says when its node has booted. What it does, connecting services, is `network`'s.
//! Its pod is not modelled: on a real node it is one of the first that the kubelet starts anew.

use super::host::Host;
use crate::sim::api::resource::EVENTS;
use crate::sim::clock::format_micros;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// From the kubelet's start to kube-proxy's word (recorded: 2.35 s).
const START: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(2_700));

/// Waits until kube-proxy runs again after the boot of this machine, and has it say so.
pub(super) async fn start(host: &Host) {
    let boots = host.switches().boots;
    sleep(host.api.random.between(&host.node.name, "kube-proxy", boots, START.0, START.1)).await;
    // The host keeps the sender.
    let _link = host.link.subscribe().wait_for(|up| *up).await;
    let (name, now) = (&host.node.name, host.api.clock.now());
    let event = json!({
        "metadata": {"name": format!("{name}.{:016x}", now.as_nanosecond()), "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": name, "uid": name},
        "action": "StartKubeProxy", "reason": "Starting", "type": "Normal", "source": {},
        "eventTime": format_micros(now), "firstTimestamp": null, "lastTimestamp": null,
        "reportingComponent": "kube-proxy", "reportingInstance": format!("kube-proxy-{name}"),
    });
    // Without this word nothing is missing but the word.
    let _created = host.api.create(EVENTS, "default", event);
}
