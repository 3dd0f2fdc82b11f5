//! `config.missing`: a container cannot be made, or a volume cannot be mounted, because a ConfigMap, a Secret or a key of one is absent.
//! A value that is there but wrong is `crash`'s business.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::related::{self, Missing};
use crate::observe::index::ContainerRecord;
use crate::observe::index::container::State;

/// From the first refusal that names the object, while the container waits and the object is still absent.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    let State::Waiting(reason, message) = &container.state else { return None };
    let (missing, first_seen, last_seen, count, source) = match reason.as_str() {
        "CreateContainerConfigError" => {
            let missing = related::missing_in(message)?;
            let wait = container.waits.iter().rfind(|(_, known, _)| known == reason);
            let first = wait.map_or(container.since, |(at, _, _)| *at);
            let event = case
                .events_of(&container.name)
                .filter(|event| event.sort.reason == "Failed" && event.message.contains(message.as_str()))
                .max_by_key(|event| event.last_seen);
            let first = event.map_or(first, |event| event.first_seen.min(first));
            (missing, first, event.map_or(first, |event| event.last_seen), event.map_or(1, |event| event.count), "pod status")
        }
        "ContainerCreating" | "PodInitializing" => {
            // One sign for the pod is enough: a volume is nobody's in particular.
            if case.pod.containers.keys().next() != Some(container.name.as_str()) {
                return None;
            }
            let (event, missing) = case
                .events
                .iter()
                .filter(|event| event.sort.reason == "FailedMount")
                .filter_map(|event| Some((event, related::missing_in(&event.message)?)))
                .max_by_key(|(event, _)| event.last_seen)?;
            (missing, event.first_seen, event.last_seen, event.count, "event")
        }
        _ => return None,
    };
    if is_there_now(case, &missing) {
        return None;
    }
    let text = match &missing.key {
        Some(key) => format!("{} {} has no key {key}, which container {} reads", missing.kind, missing.name, container.name),
        None => format!("{} {} does not exist, and pod {} needs it", missing.kind, missing.name, case.pod.reference.name),
    };
    Some(Sign {
        cause: "config.missing",
        about: case.about(),
        container: (source == "pod status").then(|| container.name.clone()),
        first_seen,
        last_seen,
        count,
        confidence: Confidence::High,
        evidence: vec![evidence(source, format!("{text} (told {})", times(count)))],
        alternatives: Vec::new(),
    })
}

/// The kubelet tries again only every 10 to 15 s: an object that is there by now is not missing any more.
fn is_there_now(case: &Case<'_>, missing: &Missing) -> bool {
    let Some(object) = case.index.get(missing.kind, &missing.name) else { return false };
    missing.key.as_ref().is_none_or(|key| related::content_keys(object).contains(key))
}
