//! From what single pods say to findings: one for each cause and workload, one of which leads.
//! The precedence of causes is written here.

use super::case::{Sign, evidence};
use super::finding::{Evidence, Finding, Subject};
use super::related;
use crate::observe::Index;
use std::collections::BTreeMap;

/// Causes in order of precedence: what stands earlier explains what stands later.
/// A lost node explains all that its pods show; a kill for memory explains every restart; what keeps a container from starting explains that nothing is ready;
/// a probe's kill explains the exit; a changed configuration explains a crash better than the crash itself.
const PRECEDENCE: [&str; 13] = [
    "node.unreachable",
    "node.notready",
    "oom.limit",
    "config.missing",
    "image.notfound",
    "start.command",
    "schedule.resources",
    "probe.startup",
    "probe.liveness",
    "config.bad-value",
    "crash.after-rollout",
    "crash.app-error",
    "probe.readiness",
];

fn rank(cause: &str) -> usize {
    PRECEDENCE.iter().position(|known| *known == cause).unwrap_or(PRECEDENCE.len())
}

/// Joins the signs of all pods to findings, in order of workload, then precedence.
pub fn findings(index: &Index, signs: Vec<Sign<'_>>) -> Vec<Finding> {
    let mut groups: BTreeMap<String, BTreeMap<usize, Vec<Sign<'_>>>> = BTreeMap::new();
    for sign in signs {
        let group = related::group_of(index, sign.pod);
        groups.entry(group).or_default().entry(rank(sign.cause)).or_default().push(sign);
    }
    let mut findings = Vec::new();
    for (group, causes) in groups {
        let names: Vec<&'static str> = causes.values().filter_map(|signs| Some(signs.first()?.cause)).collect();
        for (position, signs) in causes.into_values().enumerate() {
            if let Some(mut finding) = join(index, &group, signs) {
                finding.leading = position == 0;
                if position == 0 {
                    for other in names.iter().skip(1) {
                        add_alternative(&mut finding, other);
                    }
                }
                findings.push(finding);
            }
        }
    }
    findings
}

fn join(index: &Index, group: &str, mut signs: Vec<Sign<'_>>) -> Option<Finding> {
    signs.sort_by(|a, b| {
        (a.first_seen, &a.pod.reference.name, &a.container).cmp(&(b.first_seen, &b.pod.reference.name, &b.container))
    });
    let first = signs.first()?;
    let mut pods: Vec<&str> = signs.iter().map(|sign| sign.pod.reference.name.as_str()).collect();
    pods.sort_unstable();
    pods.dedup();
    let mut finding = Finding {
        cause: first.cause.to_owned(),
        subject: Subject {
            cluster: index.cluster().to_owned(),
            namespace: first.pod.reference.namespace.clone(),
            kind: "Pod".to_owned(),
            name: first.pod.reference.name.clone(),
            uid: first.pod.reference.uid.clone(),
            container: first.container.clone(),
        },
        at: index.now(),
        first_seen: first.first_seen,
        last_seen: signs.iter().map(|sign| sign.last_seen).max().unwrap_or(first.last_seen),
        count: signs.iter().fold(0, |sum, sign| sum.saturating_add(sign.count)),
        sources: Vec::new(),
        group: group.to_owned(),
        confidence: signs.iter().map(|sign| sign.confidence).max().unwrap_or(first.confidence),
        evidence: first.evidence.clone(),
        alternatives: Vec::new(),
        leading: false,
    };
    if pods.len() > 1 {
        finding.evidence.push(evidence("pod status", format!("{} pods of {group} show it: {}", pods.len(), pods.join(", "))));
    }
    finding.sources = sources(&finding.evidence);
    for alternative in signs.iter().flat_map(|sign| &sign.alternatives) {
        add_alternative(&mut finding, alternative);
    }
    Some(finding)
}

fn add_alternative(finding: &mut Finding, cause: &str) {
    if finding.cause != cause && !finding.alternatives.iter().any(|known| known == cause) {
        finding.alternatives.push(cause.to_owned());
    }
}

fn sources(evidence: &[Evidence]) -> Vec<String> {
    let mut sources: Vec<String> = Vec::new();
    for piece in evidence {
        if !sources.contains(&piece.source) {
            sources.push(piece.source.clone());
        }
    }
    sources
}
