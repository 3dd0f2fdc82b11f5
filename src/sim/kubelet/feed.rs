//! How kubelets hear of their pods: one watch for all nodes, whose changes go to the node that the pod is bound to.
//! A real kubelet's watch selects its pods by `spec.nodeName`; a watch for each of many nodes would look at every change.

use crate::json::At as _;
use crate::sim::api::ApiServer;
use crate::sim::api::resource::PODS;
use crate::sim::store::{ChangeKind, Object};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// What a kubelet hears of one of its pods.
pub(super) type News = (ChangeKind, Object);

#[derive(Debug)]
struct Line {
    /// Changes up to this revision were in the list that the line began with.
    from: u64,
    sender: mpsc::UnboundedSender<News>,
}

#[derive(Debug, Default)]
struct Lines {
    by_node: BTreeMap<String, Line>,
    running: bool,
}

/// The lines to all nodes. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed {
    lines: Arc<Mutex<Lines>>,
}

fn node_of(pod: &Value) -> Option<&str> {
    pod.at("/spec/nodeName").and_then(Value::as_str).filter(|name| !name.is_empty())
}

fn revision(object: &Value) -> u64 {
    object.at("/metadata/resourceVersion").and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Feed {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line to a node, in place of any it had: its present pods, then every change. Ends when changes were missed.
    pub(super) fn subscribe(&self, api: &Arc<ApiServer>, node: &str) -> mpsc::UnboundedReceiver<News> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (from, pods) = api.store.list(PODS, None);
        for pod in pods.into_iter().filter(|pod| node_of(pod) == Some(node)) {
            // The receiver is in our hands.
            let _ = sender.send((ChangeKind::Added, pod));
        }
        let start = {
            let mut lines = self.lines();
            lines.by_node.insert(node.to_owned(), Line { from, sender });
            !std::mem::replace(&mut lines.running, true)
        };
        if start {
            tokio::spawn(self.clone().run(Arc::clone(api)));
        }
        receiver
    }

    async fn run(self, api: Arc<ApiServer>) {
        loop {
            let mut watch = api.watch(PODS, None);
            while let Some(item) = watch.next().await {
                self.pass_on(item.kind, item.object);
            }
            self.lines().by_node.clear();
        }
    }

    fn pass_on(&self, kind: ChangeKind, pod: Object) {
        let Some(node) = node_of(&pod) else { return };
        let mut lines = self.lines();
        let Some(line) = lines.by_node.get(node) else { return };
        if revision(&pod) <= line.from {
            return;
        }
        let node = node.to_owned();
        if line.sender.send((kind, pod)).is_err() {
            // That kubelet has stopped, or listens no more.
            lines.by_node.remove(&node);
        }
    }
}
