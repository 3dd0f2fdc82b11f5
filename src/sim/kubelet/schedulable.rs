//! What kubelets say when their node is cordoned or uncordoned: at their next look at its status, every ten seconds.
//! One watch serves all nodes; the taint is the node lifecycle controller's.

use crate::json::At as _;
use crate::sim::api::resource::NODES;
use crate::sim::api::{ApiServer, WatchItem};
use crate::sim::events::{EventRecorder, EventType, ObjectRef};
use crate::sim::store::ChangeKind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often a kubelet looks at its node's status.
const LOOK: Duration = Duration::from_secs(10);

/// Starts it; it runs until the runtime ends.
pub(crate) fn start(api: &Arc<ApiServer>) {
    let api = Arc::clone(api);
    tokio::spawn(async move {
        let mut recorders: BTreeMap<String, EventRecorder> = BTreeMap::new();
        loop {
            let mut watch = api.watch(NODES, None);
            while let Some(item) = watch.next().await {
                let Some((node, cordoned)) = turned(&item) else { continue };
                let known = recorders.entry(node.clone());
                let recorder = known.or_insert_with(|| EventRecorder::new(Arc::clone(&api), "kubelet", Some(&node))).clone();
                tokio::spawn(tell(Arc::clone(&api), recorder, node, cordoned));
            }
        }
    });
}

fn is_cordoned(node: &Value) -> bool {
    node.at("/spec/unschedulable") == Some(&Value::Bool(true))
}

fn turned(item: &WatchItem) -> Option<(String, bool)> {
    let before = item.previous.as_deref().filter(|_| item.kind == ChangeKind::Modified)?;
    let now = is_cordoned(&item.object);
    (is_cordoned(before) != now).then(|| Some((item.object.at("/metadata/name")?.as_str()?.to_owned(), now)))?
}

async fn tell(api: Arc<ApiServer>, recorder: EventRecorder, node: String, cordoned: bool) {
    let phase = Duration::from_millis(api.random.bits(&node, "status-look", 0) % 10_000);
    let past = (api.clock.elapsed() + LOOK).saturating_sub(phase).as_millis() % LOOK.as_millis();
    tokio::time::sleep(LOOK.saturating_sub(Duration::from_millis(u64::try_from(past).unwrap_or(0)))).await;
    let still = api.get(NODES, "", &node).is_ok_and(|node| is_cordoned(&node) == cordoned);
    if !still || api.heartbeats.silent(&node) {
        return;
    }
    let state = if cordoned { "NodeNotSchedulable" } else { "NodeSchedulable" };
    // The kubelet refers to its node by name: the uid of the reference is the node's name.
    let reference = ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.clone(),
        uid: node.clone(),
        ..ObjectRef::default()
    };
    recorder.event(&reference, EventType::Normal, state, &format!("Node {node} status is now: {state}"));
}
