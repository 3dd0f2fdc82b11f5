//! Faults on the machines of nodes, past the API: on kind by the node's container, on the embedded cluster by its simulation; on
//! others the scenario is skipped. The last ready node of a control plane is never touched.

use super::timing::node_fault;

node_fault! {
    /// `pauseNode`: freezes the node's machine with all its processes; `for` ends it (default: at the end of the trial). Nobody
    /// hears of it at once: the node is given up 50 s after its kubelet's last word, and its pods move when they tolerate that no
    /// longer (5 min, where they do not say otherwise). Effect: the node is seen not Ready.
    ///
    /// ```yaml
    /// pauseNode: { deployment: pool }
    /// ```
    pub struct PauseNode {}
}

node_fault! {
    /// `rebootNode`: cuts the power of the node's machine and gives it back: at once, or after `for`. Effect: a container of each
    /// of the trial's pods on it is seen ended or restarted, or the node is seen not Ready.
    ///
    /// ```yaml
    /// rebootNode: { deployment: pool }
    /// ```
    pub struct RebootNode {}
}

node_fault! {
    /// `stopKubelet`: stops the kubelet; containers go on, but nobody restarts, probes or reports them. Effect: the node is seen
    /// not Ready, as with `pauseNode`.
    ///
    /// ```yaml
    /// stopKubelet: { deployment: pool }
    /// ```
    pub struct StopKubelet {}
}

node_fault! {
    /// `partitionNode`: drops every packet between the node, with its pods, and all others. What runs on the node goes on and
    /// reaches itself. Effect: the node is seen not Ready, as with `pauseNode`.
    ///
    /// ```yaml
    /// partitionNode: { deployment: pool }
    /// ```
    pub struct PartitionNode {}
}
