//! From what single pods say to findings: one for each cause and workload, one of which leads.
//! The precedence of causes is that of their list.

use super::case::{SignOf, evidence};
use super::finding::{Evidence, Finding, Subject};
use crate::observe::Index;
use crate::scenario::cause::CAUSES;
use std::collections::BTreeMap;

/// The user's causes stand first, in their own order: whoever writes a detector knows the workload.
fn rank(cause: &str, own: &[String]) -> usize {
    let ours = || CAUSES.iter().position(|known| *known == cause).unwrap_or(CAUSES.len());
    own.iter().position(|known| known == cause).unwrap_or_else(|| own.len() + ours())
}

/// Joins the signs of all objects to findings, in order of workload, then precedence; `own` are the user's causes.
pub fn findings(index: &Index, signs: Vec<SignOf<'_>>, own: &[String]) -> Vec<Finding> {
    let mut groups: BTreeMap<String, BTreeMap<usize, Vec<SignOf<'_>>>> = BTreeMap::new();
    for sign in signs {
        groups.entry(sign.about.group.clone()).or_default().entry(rank(sign.cause, own)).or_default().push(sign);
    }
    let mut findings = Vec::new();
    for (group, causes) in groups {
        let names: Vec<&str> = causes.values().filter_map(|signs| Some(signs.first()?.cause)).collect();
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

fn join(index: &Index, group: &str, mut signs: Vec<SignOf<'_>>) -> Option<Finding> {
    signs.sort_by(|a, b| {
        (a.first_seen, &a.about.object.name, &a.container).cmp(&(b.first_seen, &b.about.object.name, &b.container))
    });
    let first = signs.first()?;
    let of_pods = signs.iter().filter(|sign| sign.about.object.kind == "Pod");
    let mut pods: Vec<&str> = of_pods.map(|sign| sign.about.object.name.as_str()).collect();
    pods.sort_unstable();
    pods.dedup();
    let mut finding = Finding {
        cause: first.cause.to_owned(),
        subject: Subject {
            cluster: index.cluster().to_owned(),
            namespace: first.about.object.namespace.clone(),
            kind: first.about.object.kind.clone(),
            name: first.about.object.name.clone(),
            uid: first.about.object.uid.clone(),
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
