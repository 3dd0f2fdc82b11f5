//! `workload.registry` and `workload.imagePullSecrets`: where the images of all pods come from, and with which credentials.
//! Stand-ins for images on the embedded cluster are elsewhere.

use serde_json::{Value, json};

/// Where every container of every pod of an object takes its image from: `registry` takes the place of the registry that its name
/// gives, or, where it gives none, of the usual one. The rest of the name stays as it is written.
pub fn take_from(object: &mut Value, registry: &str) {
    let Some(spec) = pod_spec(object) else { return };
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::String(image)) = container.get_mut("image") {
                *image = moved(image, registry);
            }
        }
    }
}

/// Adds the secrets to the pods of an object.
pub fn add_secrets(object: &mut Value, secrets: &[String]) {
    let Some(Value::Object(spec)) = pod_spec(object) else { return };
    let list = spec.entry("imagePullSecrets").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    for secret in secrets {
        if !list.iter().any(|known| known.get("name").and_then(Value::as_str) == Some(secret)) {
            list.push(json!({ "name": secret }));
        }
    }
}

/// An image's name with another registry.
#[must_use]
pub fn moved(image: &str, registry: &str) -> String {
    let first = image.split_once('/').map(|(first, _)| first);
    // As docker reads names: the first part is a registry if it looks like a host.
    let own = first.filter(|first| first.contains(['.', ':']) || *first == "localhost");
    let rest = own.and_then(|own| image.strip_prefix(own)?.strip_prefix('/')).unwrap_or(image);
    format!("{}/{rest}", registry.trim_end_matches('/'))
}

/// Why a text is no registry; none where it is one.
#[must_use]
pub fn registry_problem(text: &str) -> Option<&'static str> {
    if text.contains("://") {
        return Some("a registry is written without `https://`");
    }
    let host = text.split('/').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_:/[]".contains(c);
    if text.ends_with('/') || text.contains("//") || !text.chars().all(fits) {
        return Some("a registry is a host, with a port where it needs one, and folders in lower case");
    }
    (!host.contains(['.', ':']) && host != "localhost")
        .then_some("without a `.` or a port its first part would be taken for a folder of the usual registry")
}

fn pod_spec(object: &mut Value) -> Option<&mut Value> {
    let pointer = match object.get("kind").and_then(Value::as_str)? {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    object.pointer_mut(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("busybox:1.37", "reg.local:5000/busybox:1.37")]
    #[case("shop/api:1", "reg.local:5000/shop/api:1")]
    #[case("docker.io/library/busybox:1.37", "reg.local:5000/library/busybox:1.37")]
    #[case("quay.io/a/b@sha256:00", "reg.local:5000/a/b@sha256:00")]
    #[case("localhost/a", "reg.local:5000/a")]
    fn the_registry_is_replaced_and_the_name_stays(#[case] image: &str, #[case] is: &str) {
        assert_eq!(moved(image, "reg.local:5000"), is);
    }

    #[rstest]
    #[case("reg.local", true)]
    #[case("localhost:5000/mirror", true)]
    #[case("https://reg.local", false)]
    #[case("mirror", false)]
    #[case("reg.local/", false)]
    fn registries(#[case] text: &str, #[case] is: bool) {
        assert_eq!(registry_problem(text).is_none(), is);
    }

    #[test]
    fn all_containers_of_all_kinds_of_pods_are_meant() {
        let pod = json!({ "initContainers": [{ "image": "a" }], "containers": [{ "image": "b" }], "imagePullSecrets": [{ "name": "own" }] });
        for (mut object, pointer) in [
            (json!({ "kind": "Pod", "spec": pod }), "/spec"),
            (
                json!({ "kind": "CronJob", "spec": { "jobTemplate": { "spec": { "template": { "spec": pod } } } } }),
                "/spec/jobTemplate/spec/template/spec",
            ),
            (json!({ "kind": "StatefulSet", "spec": { "template": { "spec": pod } } }), "/spec/template/spec"),
        ] {
            take_from(&mut object, "r.io");
            add_secrets(&mut object, &["own".to_owned(), "more".to_owned()]);
            let spec = object.pointer(pointer).unwrap();
            assert_eq!(
                (&spec["initContainers"][0]["image"], &spec["containers"][0]["image"]),
                (&json!("r.io/a"), &json!("r.io/b"))
            );
            assert_eq!(spec["imagePullSecrets"], json!([{ "name": "own" }, { "name": "more" }]));
        }
        let mut other = json!({ "kind": "ConfigMap", "data": {} });
        take_from(&mut other, "r.io");
        assert_eq!(other, json!({ "kind": "ConfigMap", "data": {} }));
    }
}
