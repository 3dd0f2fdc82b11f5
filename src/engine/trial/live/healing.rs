//! The healer of a trial: when it is let decide, and what its actions are given. Deciding and carrying out are `heal`'s.

use super::Live;
use crate::detect::Finding;
use crate::heal;
use crate::observe::timeline::{Fact, Source};
use std::time::Duration;

impl Live<'_> {
    /// Lets the healer decide and act; says when it wants to look again.
    pub(super) async fn heal(&mut self, findings: &[Finding]) -> Option<Duration> {
        // Before the fault there is nothing to heal; what is found then is a false alarm.
        if !self.policy.acts || self.recorder.judge().requested().is_none() {
            return None;
        }
        let now = self.recorder.clock().elapsed();
        let judge = self.recorder.judge();
        let intents = heal::decide(findings, judge.index(), &self.policy, judge.actions(), now);
        if intents.is_empty() {
            return heal::next_deadline(findings, judge.index(), &self.policy, judge.actions(), now);
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
            let action = self.unless_stopped(healing.carry_out(&intent)).await?;
            self.record(Source::Healer, Fact::Action(action));
        }
        // What was done changes what is decided next.
        Some(self.recorder.clock().elapsed())
    }
}
