//! The remediation service of `by: webhook` in a trial: each workload that is found broken is told to it once, and its claims are
//! recorded. Second opinions on findings are asked for beside that. Asking is `heal::service`'s and `heal::opinion`'s.

use super::Live;
use crate::detect::{Finding, Subject};
use crate::heal::{self, ClaimStatus, Incident, opinion};
use crate::observe::timeline::{Fact, Source};
use crate::observe::watch::Seen;
use crate::scenario::Healer;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

/// Who was told of what, and the conversations that go on. They end with the trial.
#[derive(Debug, Default)]
pub(super) struct Asked {
    groups: BTreeSet<String>,
    /// The groups and causes on which a second opinion was asked for.
    shown: BTreeSet<(String, String)>,
    talks: JoinSet<()>,
}

impl Live<'_> {
    /// Tells the service of what is found and was not told yet.
    pub(super) fn ask_service(&mut self, findings: &[Finding]) {
        self.ask_for_opinions(findings);
        let plan = std::sync::Arc::clone(&self.plan);
        let Some(settings) = plan.heal.webhook.as_ref().filter(|_| plan.heal.healer() == Healer::Webhook) else { return };
        if self.recorder.judge().requested().is_none() {
            return;
        }
        let mut incidents = Vec::new();
        for finding in findings.iter().filter(|finding| finding.leading) {
            let index = self.recorder.judge().index();
            if self.asked.groups.contains(&finding.group) || !heal::is_to_be_healed(finding, index) {
                continue;
            }
            let resource = index.pod(&finding.subject.uid).map(|pod| index.workload_of(pod));
            let resource = resource.map_or_else(
                || finding.subject.clone(),
                |workload| Subject {
                    kind: workload.kind,
                    name: workload.name,
                    uid: workload.uid,
                    container: None,
                    ..finding.subject.clone()
                },
            );
            incidents.push(Incident {
                id: format!("{}/{}/{}", self.run_label, finding.group, finding.cause),
                resource,
                finding: finding.clone(),
                run: self.run_label.clone(),
                now: index.server_now(),
            });
            self.asked.groups.insert(finding.group.clone());
        }
        for incident in incidents {
            (self.phase)("heal");
            let (settings, sink) = (settings.clone(), self.sink.clone());
            self.asked.talks.spawn(async move {
                heal::remediate(&settings, &incident, |claim| drop(sink.send(Seen::Claim(claim)))).await;
            });
        }
    }

    /// Asks for a second opinion on what is found and was not shown yet.
    fn ask_for_opinions(&mut self, findings: &[Finding]) {
        let plan = std::sync::Arc::clone(&self.plan);
        let Some(settings) = plan.detect.as_ref().and_then(|detect| detect.second_opinion.as_ref()) else { return };
        if self.recorder.judge().requested().is_none() {
            return;
        }
        for finding in findings.iter().filter(|finding| finding.leading) {
            let shown = (finding.group.clone(), finding.cause.clone());
            if self.asked.shown.contains(&shown) {
                continue;
            }
            if let Some(instance) = opinion::instance(settings, finding, self.recorder.judge().index()) {
                self.asked.shown.insert(shown);
                let (settings, finding, sink) = (settings.clone(), finding.clone(), self.sink.clone());
                self.asked.talks.spawn(async move {
                    let opinion = opinion::second_opinion(&settings, &finding, instance).await;
                    drop(sink.send(Seen::Opinion(opinion)));
                });
            }
        }
    }

    /// Records what a healer says.
    pub(super) fn claimed(&mut self, claim: heal::Claim) {
        let claim = heal::Claim { at: self.elapsed(), ..claim };
        if claim.status == ClaimStatus::Unanswered {
            tracing::debug!("{}: {}", claim.by, claim.message.as_deref().unwrap_or_default());
        }
        self.record(Source::Healer, Fact::Claim(claim));
    }
}
