//! What clients look up in the documents.

use super::*;

fn document(path: &str) -> Value {
    serde_json::from_slice(&third(&[], path).unwrap()).unwrap()
}

#[test]
fn a_group_has_its_kinds_and_what_they_need() {
    let apps = document("apis/apps/v1");
    let schemas = &apps["components"]["schemas"];
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(deployment["x-kubernetes-group-version-kind"][0]["kind"], "Deployment");
    let spec = "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec";
    assert_eq!(deployment["properties"]["spec"]["allOf"][0]["$ref"], spec);
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-list-type"], "map");
    assert!(containers["description"].as_str().is_some_and(|text| !text.is_empty()));
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    assert!(patch["parameters"].as_array().unwrap().iter().any(|parameter| parameter["name"] == "fieldValidation"));
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
}

#[test]
fn every_reference_leads_to_a_schema() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    for part in parts(&[]) {
        let document = document(&part.path());
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            assert!(document.pointer(&reference[1..]).is_some(), "{}: {reference}", part.path());
        }
    }
}

#[test]
fn the_index_leads_to_every_document() {
    let index = index(&[]);
    for (path, place) in index["paths"].as_object().unwrap() {
        assert_eq!(place["serverRelativeURL"], format!("/openapi/v3/{path}"));
        assert!(third(&[], path).is_some(), "{path}");
    }
    assert!(third(&[], "apis/none/v1").is_none());
    let all: Value = serde_json::from_slice(&second(&[])).unwrap();
    assert_eq!(
        all["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"]["$ref"],
        "#/definitions/io.k8s.api.core.v1.PodSpec"
    );
}
