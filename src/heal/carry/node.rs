//! The steps on nodes: cordon, drain through eviction, reboot of the machine. What is done to a node is announced before, so that it
//! is taken back when the run ends: nodes are others', too.

use super::object::Trouble;
use super::{Done, FIELD_MANAGER, Healing};
use crate::cluster::kinds::resolve;
use crate::cluster::machine::{Act, CONTROL_PLANE, Limit, Machines};
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::detect::{Finding, Subject};
use crate::engine::labels::PROBE;
use crate::fault::machine::{Done as MachineDone, is_ready};
use crate::heal::action::ActionOutcome;
use crate::heal::decide::node_of;
use crate::observe::index::text;
use crate::observe::watch::plain;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, EvictParams, ListParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

/// What acting on nodes needs.
pub struct Nodes<'a> {
    /// Told of each change of a node before it is made. What cannot be told is not done.
    pub announce: &'a AnnounceNode<'a>,
    /// The machines of the nodes, where they can be reached.
    pub machines: Option<&'a dyn Machines>,
    /// The labels of the trial's pods, where the namespace is others', too.
    pub pods: Option<&'a str>,
}

/// What is about to be done to a node.
pub enum NodeChange {
    /// Its object changes.
    Object {
        /// The object before.
        before: Value,
        /// The object after.
        after: Value,
    },
    /// Something is done to its machine.
    Machine {
        /// The node's object.
        node: Value,
        /// What.
        done: MachineDone,
    },
}

/// Takes what is about to be done to a node.
pub type AnnounceNode<'a> = dyn Fn(NodeChange) -> BoxFuture<'static, Result<(), RequestError>> + Send + Sync + 'a;

impl Healing<'_> {
    pub(super) async fn cordon_node(&self, finding: &Finding) -> Done {
        match self.node(finding).await {
            Err(done) => *done,
            Ok((subject, node)) => match self.cordon(&subject, &node).await {
                Ok(done) => done,
                Err(trouble) => trouble.on(subject),
            },
        }
    }

    pub(super) async fn drain_node(&self, finding: &Finding) -> Done {
        match self.node(finding).await {
            Err(done) => *done,
            Ok((subject, node)) => match self.drain(&subject, &node).await {
                Ok(done) => done,
                Err(trouble) => trouble.on(subject),
            },
        }
    }

    pub(super) async fn reboot_node(&self, finding: &Finding) -> Done {
        match self.node(finding).await {
            Err(done) => *done,
            Ok((subject, node)) => match self.reboot(&subject, node).await {
                Ok(done) => done,
                Err(trouble) => trouble.on(subject),
            },
        }
    }

    fn nodes(&self) -> Result<&Nodes<'_>, Trouble> {
        let help = "nodes are shared with others; `--allow cluster-faults` lets the healer act on them";
        self.nodes.as_ref().ok_or_else(|| Trouble::refused(help))
    }

    async fn node_api(&self) -> Result<Api<DynamicObject>, Trouble> {
        Ok(resolve(self.client, None, "Node").await?.api(self.client, ""))
    }

    /// The node of a finding, as it is now.
    async fn node(&self, finding: &Finding) -> Result<(Subject, Value), Box<Done>> {
        let Some(name) = node_of(finding, self.index) else {
            return Err(Box::new(Trouble::refused("the pod is on no node").on(finding.subject.clone())));
        };
        let mut subject = Subject { namespace: String::new(), ..self.subject("Node", &name, "") };
        let found = async {
            self.nodes()?;
            let api = self.node_api().await?;
            self.read(&api, &subject).await
        };
        match found.await {
            Ok(node) => {
                text(&node, "/metadata/uid").clone_into(&mut subject.uid);
                Ok((subject, node))
            }
            Err(trouble) => Err(Box::new(trouble.on(subject))),
        }
    }

    async fn cordon(&self, subject: &Subject, before: &Value) -> Result<Done, Trouble> {
        if before.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
            return Ok(Done::nothing(subject.clone(), ActionOutcome::NoOp, "it is cordoned already"));
        }
        let all = self.all_nodes().await?;
        if !all.iter().any(|node| text(node, "/metadata/name") != subject.name && takes_pods(node)) {
            return Err(Trouble::refused("no other node takes pods: its pods would have nowhere to go"));
        }
        let mut after = before.clone();
        after["spec"]["unschedulable"] = json!(true);
        (self.nodes()?.announce)(NodeChange::Object { before: before.clone(), after }).await?;
        let api = self.node_api().await?;
        // Another node of this name has another uid, and is refused by the server.
        let patch = Patch::Merge(json!({ "metadata": { "uid": subject.uid }, "spec": { "unschedulable": true } }));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        retried(&format!("cordoning Node {}", subject.name), REQUEST_BUDGET, || api.patch(&subject.name, &params, &patch))
            .await?;
        Ok(Done {
            subject: subject.clone(),
            outcome: ActionOutcome::Acted,
            note: None,
            before: Some(json!({ "spec": {} })),
            after: Some(json!({ "spec": { "unschedulable": true } })),
            replaces: Vec::new(),
        })
    }

    async fn drain(&self, subject: &Subject, node: &Value) -> Result<Done, Trouble> {
        let cordoned = self.cordon(subject, node).await?;
        let pods = self.pods_on(&subject.name).await?;
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace);
        let (mut evicted, mut refused) = (Vec::new(), Vec::new());
        for pod in &pods {
            let (name, uid) = (text(pod, "/metadata/name"), text(pod, "/metadata/uid").to_owned());
            let preconditions = Some(Preconditions { uid: Some(uid.clone()), resource_version: None });
            let delete_options = DeleteParams { preconditions, ..DeleteParams::default() };
            let parameters = EvictParams { delete_options: Some(delete_options), ..EvictParams::default() };
            match api.evict(name, &parameters).await {
                Ok(_) => evicted.push((name, uid)),
                // Whoever replaced or removed it has done the same.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => refused.push(RequestError::new(&format!("evicting Pod {name}"), &error).to_string()),
            }
        }
        let outcome = match (evicted.is_empty(), refused.is_empty()) {
            (false, _) => ActionOutcome::Acted,
            // A budget that allows none now may allow one later.
            (true, false) => ActionOutcome::Failed,
            (true, true) => cordoned.outcome,
        };
        let names: Vec<&str> = evicted.iter().map(|(name, _)| *name).collect();
        let mut notes: Vec<String> = Vec::new();
        if pods.is_empty() {
            notes.push("no pod of the trial was on it".to_owned());
        }
        if !names.is_empty() {
            notes.push(format!("evicted {}", names.join(", ")));
        }
        notes.extend(refused);
        let after = json!({ "spec": { "unschedulable": true }, "evicted": names });
        Ok(Done {
            outcome,
            note: Some(notes.join("; ")),
            before: cordoned.before.or_else(|| Some(json!({}))),
            after: Some(after),
            replaces: evicted.into_iter().map(|(_, uid)| uid).collect(),
            ..cordoned
        })
    }

    /// The trial's pods on a node that a drain evicts: not those of `DaemonSets`, static ones, and ended ones.
    async fn pods_on(&self, node: &str) -> Result<Vec<Value>, Trouble> {
        let kind = resolve(self.client, None, "Pod").await?;
        let api = kind.api(self.client, self.namespace);
        let on_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let on_node = self.nodes()?.pods.iter().fold(on_node, |parameters, pods| parameters.labels(pods));
        let list = retried(&format!("listing the pods on {node}"), REQUEST_BUDGET, || api.list(&on_node)).await?;
        let is_evicted = |pod: &Value| {
            let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            let of_daemon_set = owners.into_iter().flatten().any(|owner| text(owner, "/kind") == "DaemonSet");
            let mirror = !text(pod, "/metadata/annotations/kubernetes.io~1config.mirror").is_empty();
            let leaving = !text(pod, "/metadata/deletionTimestamp").is_empty();
            let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
            let ours = pod.pointer("/metadata/labels").is_some_and(|labels| labels.get(PROBE).is_some());
            !(of_daemon_set || mirror || leaving || ended || ours)
        };
        Ok(list.items.into_iter().map(|pod| plain(pod, &kind.resource)).filter(is_evicted).collect())
    }

    async fn reboot(&self, subject: &Subject, node: Value) -> Result<Done, Trouble> {
        let nodes = self.nodes()?;
        let Some(machines) = nodes.machines else {
            return Err(Trouble::refused("the machines of this cluster's nodes cannot be reached from here"));
        };
        if machines.carry_the_control_plane() && is_control_plane(&node) {
            let all = self.all_nodes().await?;
            let another =
                |other: &&Value| is_control_plane(other) && is_ready(other) && text(other, "/metadata/name") != subject.name;
            if !all.iter().any(|other| another(&other)) {
                return Err(Trouble::refused("no other node of the control plane is ready"));
            }
        }
        // A machine that cannot be told from others, or is in a state that somebody put it in, is left alone.
        let machine = machines.of(&node).await.map_err(|error| Trouble::refused(error.to_string()))?;
        let mark = format!("comeback {} {} healing {}", self.run, self.namespace, subject.name);
        let done = MachineDone { machine, act: Act::Reboot, limit: Limit { mark, seconds: 0 } };
        let (what, before) = (done.machine.to_string(), shown(&node));
        (nodes.announce)(NodeChange::Machine { node, done: done.clone() }).await?;
        machines.carry_out(&done.machine, &done.act, &done.limit).await?;
        Ok(Done {
            subject: subject.clone(),
            outcome: ActionOutcome::Acted,
            note: Some(format!("{what} was switched off and on")),
            before: Some(before),
            after: None,
            replaces: Vec::new(),
        })
    }

    async fn all_nodes(&self) -> Result<Vec<Value>, Trouble> {
        let kind = resolve(self.client, None, "Node").await?;
        let api = kind.api(self.client, "");
        let parameters = ListParams::default();
        let list = retried("listing nodes", REQUEST_BUDGET, || api.list(&parameters)).await?;
        Ok(list.items.into_iter().map(|node| plain(node, &kind.resource)).collect())
    }
}

/// What a reboot is expected to change.
fn shown(node: &Value) -> Value {
    let boot = text(node, "/status/nodeInfo/bootID");
    if boot.is_empty() { json!({ "ready": is_ready(node) }) } else { json!({ "ready": is_ready(node), "bootID": boot }) }
}

fn is_control_plane(node: &Value) -> bool {
    node.pointer("/metadata/labels").is_some_and(|labels| labels.get(CONTROL_PLANE).is_some())
}

fn takes_pods(node: &Value) -> bool {
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    let tainted = taints.into_iter().flatten().any(|taint| matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute"));
    is_ready(node) && node.pointer("/spec/unschedulable") != Some(&Value::Bool(true)) && !tainted
}
