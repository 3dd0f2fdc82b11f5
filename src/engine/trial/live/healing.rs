//! The healer of a trial: when it is let decide, and what its actions are given. Deciding and carrying out are `heal`'s.

use super::Live;
use crate::detect::Finding;
use crate::heal;
use crate::observe::timeline::{Fact, Source};
use std::time::Duration;

/// The pause before what was done before is asked for again.
const RECALL_AGAIN: Duration = Duration::from_secs(5);

impl Live<'_> {
    /// Lets the healer decide and act; says when it wants to look again.
    pub(super) async fn heal(&mut self, findings: &[Finding]) -> Option<Duration> {
        // Before the fault there is nothing to heal; what is found then is a false alarm.
        if !self.policy.acts || self.recorder.judge().requested().is_none() {
            return None;
        }
        if findings.is_empty() {
            return None;
        }
        if !self.recall().await {
            return Some(self.recorder.clock().elapsed() + RECALL_AGAIN);
        }
        let now = self.recorder.clock().elapsed();
        let judge = self.recorder.judge();
        let earlier = self.memory.as_deref().map(heal::Memory::earlier).unwrap_or_default();
        let history = [earlier, judge.actions()].concat();
        let intents = heal::decide(findings, judge.index(), &self.policy, &history, now);
        if intents.is_empty() {
            return heal::next_deadline(findings, judge.index(), &self.policy, &history, now);
        }
        (self.phase)("heal");
        for intent in intents {
            let (client, namespace) = (self.session.client.clone(), self.namespace.clone());
            let (index, baseline) = (self.recorder.judge().index().clone(), self.steady_baseline.clone());
            // In a namespace of the run's own, everything goes with the namespace.
            let announce = self.announcing();
            let announce: Option<&heal::Announce<'_>> = if self.plan.existing.is_some() { Some(&announce) } else { None };
            let (machines, pods) = (self.machines(), self.plan.existing.as_ref().map(|existing| existing.selector.clone()));
            let announce_node = self.announcing_nodes();
            let nodes = heal::Nodes { announce: &announce_node, machines: machines.as_deref(), pods: pods.as_deref() };
            let run = self.run_label.clone();
            let healing = heal::Healing {
                client: &client,
                index: &index,
                baseline: baseline.as_deref(),
                namespace: &namespace,
                announce,
                nodes: (!self.safety.spare_nodes).then_some(nodes),
                run: &run,
            };
            let clock = index.server_now().filter(|_| self.memory.is_some());
            let mut memory = self.memory.take();
            let work = async {
                match (&mut memory, clock) {
                    (Some(memory), Some(clock)) => memory.carry_out(&healing, &intent, clock).await,
                    _ => healing.carry_out(&intent).await,
                }
            };
            let action = self.unless_stopped(work).await;
            self.memory = memory;
            self.record(Source::Healer, Fact::Action(action?));
        }
        // What was done changes what is decided next.
        Some(self.recorder.clock().elapsed())
    }

    /// Reads what healers before this one did; whether it is known. A namespace of the run's own has seen none.
    async fn recall(&mut self) -> bool {
        if self.memory.is_some() || self.plan.existing.is_none() {
            return true;
        }
        let Some(clock) = self.recorder.judge().index().server_now() else { return false };
        let (client, namespace, policy) = (self.session.client.clone(), self.namespace.clone(), self.policy.clone());
        let now = self.recorder.clock().elapsed();
        let recall = async { heal::Memory::recall(&client, &namespace, &policy, now, clock).await };
        match self.unless_stopped(recall).await {
            Some(Ok(memory)) => self.memory = Some(Box::new(memory)),
            // Who does not know what was done does nothing.
            Some(Err(error)) => tracing::warn!("the healer does nothing yet: {error}"),
            None => return false,
        }
        self.memory.is_some()
    }
}
