//! Discovery beside that of a real 1.36.2 (`recorded.txt`: one line per resource; without `componentstatuses` and proxies,
//! which are not simulated).

use super::*;

/// The lines of an aggregated discovery document.
fn lines(document: &Value) -> Vec<String> {
    let words = |value: &Value| {
        let all = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        all.collect::<Vec<_>>().join(",")
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    for group in document["items"].as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            for resource in version["resources"].as_array().unwrap() {
                let subresources: Vec<String> = resource["subresources"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|sub| format!("{}:{}", text(&sub["subresource"]), words(&sub["verbs"])))
                    .collect();
                lines.push(format!(
                    "{} {} {} {} {} {} {} short={} categories={} sub={}",
                    group["metadata"]["name"].as_str().unwrap_or("core"),
                    text(&version["version"]),
                    text(&resource["resource"]),
                    text(&resource["responseKind"]["kind"]),
                    text(&resource["scope"]),
                    text(&resource["singularResource"]),
                    words(&resource["verbs"]),
                    words(&resource["shortNames"]),
                    words(&resource["categories"]),
                    subresources.join(";"),
                ));
            }
        }
    }
    lines
}

#[test]
fn aggregated_discovery_is_the_recorded_one() {
    let ours: Vec<String> = [true, false].into_iter().flat_map(|core| lines(&aggregated(&[], core))).collect();
    let recorded: Vec<&str> = include_str!("recorded.txt").lines().collect();
    assert_eq!(ours, recorded);
}

#[test]
fn a_group_prefers_its_first_version() {
    let group = one_group(&[], "autoscaling").unwrap();
    assert_eq!(group["preferredVersion"]["groupVersion"], "autoscaling/v2");
    assert_eq!(group["versions"].as_array().unwrap().len(), 2);
    assert!(resource_list(&[], "autoscaling", "v1").is_some());
    assert!(resource_list(&[], "autoscaling", "v3").is_none());
}
