//! Who keeps an object as it is: Argo CD, Flux or Helm would change back what the healer changes, or fail over it.
//! What is refused for that is `object`'s.

use crate::engine::labels::{RUN, dns_label};
use crate::json::At as _;
use serde_json::Value;

/// Marks of the tools: where they stand, and whose they are.
const MARKS: [(&str, &str, &str); 6] = [
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("annotations", "meta.helm.sh/release-name", "Helm"),
    ("annotations", "fleet.cattle.io/bundle-id", "Fleet"),
];

/// Why an object is left to its owner, if it has one. What the run itself made is the run's, whatever it is labelled with.
pub(super) fn refusal(object: &Value, run: &str) -> Option<String> {
    let mark = |section: &str, key: &str| object.at(&format!("/metadata/{section}"))?.get(key)?.as_str();
    if mark("labels", RUN) == Some(dns_label(run, 63).as_str()) {
        return None;
    }
    let (section, key, tool) = MARKS.into_iter().find(|(section, key, _)| mark(section, key).is_some())?;
    let one = section.trim_end_matches('s');
    let name = mark(section, key).unwrap_or_default();
    Some(format!("it belongs to {tool} ({one} {key}: {name}), which would undo the change: make it there"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/api" } }), Some("Argo CD"))]
    #[case(json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "apps" } }), Some("Flux"))]
    #[case(json!({ "annotations": { "meta.helm.sh/release-name": "shop" } }), Some("Helm"))]
    // A chart that was only rendered says so, too, and nobody keeps it.
    #[case(json!({ "labels": { "app.kubernetes.io/managed-by": "Helm" } }), None)]
    #[case(json!({ "labels": { "argocd.argoproj.io/instance": "shop", RUN: "run-1" } }), None)]
    #[case(json!({ "labels": { "argocd.argoproj.io/instance": "shop", RUN: "another" } }), Some("Argo CD"))]
    #[case(json!({}), None)]
    fn what_a_tool_keeps_is_left_to_it(#[case] metadata: Value, #[case] tool: Option<&str>) {
        let found = refusal(&json!({ "metadata": metadata }), "run-1");
        assert_eq!(found.is_some(), tool.is_some(), "{found:?}");
        assert!(tool.is_none_or(|tool| found.unwrap().contains(tool)));
    }
}
