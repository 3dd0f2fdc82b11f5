//! The one registry of the simulated world that wants credentials: whose it takes, and what the runtime says when it has none that fit.
//! It asks for them as a registry with a password file does (`Basic`). When images are pulled is `image`'s business.

use super::environment::byte_data;
use super::image_name::ImageName;
use super::pod::PodRecord;
use super::registry::{Answer, Image, unresolved};
use crate::sim::api::resource::SECRETS;
use k8s_openapi::ByteString;
use serde_json::Value;

/// Its name, which exists nowhere else.
const HOST: &str = "private.invalid";
/// Whom it knows.
const KNOWN: (&str, &str) = ("comeback", "correct-horse");

/// Whether an image comes from it.
pub(super) fn is_private(name: &ImageName) -> bool {
    name.host == HOST
}

/// The Secrets with credentials that a pod names, as they are now, and the names of those that are not there.
pub(super) fn pull_secrets(record: &PodRecord) -> (Vec<Value>, Vec<String>) {
    let spec = std::sync::Arc::clone(&record.state().spec);
    let (mut found, mut lacking) = (Vec::new(), Vec::new());
    for name in spec.image_pull_secrets.iter().flatten().map(|secret| &secret.name).filter(|name| !name.is_empty()) {
        match record.agent.api.get(SECRETS, &record.namespace, name) {
            Ok(secret) => found.push(Value::clone(&secret)),
            Err(_) => lacking.push(name.clone()),
        }
    }
    (found, lacking)
}

/// What it answers to somebody with these Secrets. Each of their credentials is tried, as the kubelet does.
pub(super) fn answer(image: Image, name: &ImageName, secrets: &[Value]) -> Answer {
    let given: Vec<(String, String)> = secrets.iter().flat_map(credentials).collect();
    if given.iter().any(|(user, password)| (user.as_str(), password.as_str()) == KNOWN) {
        return Answer::Found(image);
    }
    let refusal = if given.iter().all(|(user, password)| user.is_empty() || password.is_empty()) {
        "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
            .to_owned()
    } else {
        let tag = name.version.trim_start_matches([':', '@']);
        format!("unexpected status from HEAD request to https://{HOST}/v2/{}/manifests/{tag}: 401 Unauthorized", name.path)
    };
    Answer::Refused(format!("{}{refusal}", unresolved(&name.full())))
}

/// The credentials for this registry in a Secret of one of the two types that kubelets read.
fn credentials(secret: &Value) -> Vec<(String, String)> {
    let data = byte_data(SECRETS, secret);
    let read = |key: &str| data.get(key).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let registries = match secret["type"].as_str() {
        Some("kubernetes.io/dockerconfigjson") => read(".dockerconfigjson").and_then(|config| config.get("auths").cloned()),
        Some("kubernetes.io/dockercfg") => read(".dockercfg"),
        _ => None,
    };
    let registries = registries.as_ref().and_then(Value::as_object).into_iter().flatten();
    registries.filter(|(registry, _)| host_of(registry) == HOST).map(|(_, entry)| credential(entry)).collect()
}

fn host_of(registry: &str) -> &str {
    let plain = registry.trim_start_matches("https://").trim_start_matches("http://");
    plain.split('/').next().unwrap_or_default()
}

/// User and password of an entry, of which `auth` has both in one.
fn credential(entry: &Value) -> (String, String) {
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    let joint = serde_json::from_value::<ByteString>(entry["auth"].clone()).map(|bytes| bytes.0).unwrap_or_default();
    let joint = String::from_utf8(joint).unwrap_or_default();
    match joint.split_once(':') {
        Some((user, password)) => (user.to_owned(), password.to_owned()),
        None => (text("username").to_owned(), text("password").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::kubelet::registry::look_up;
    use crate::sim::profile::Profile;
    use crate::sim::random::Random;
    use rstest::rstest;
    use serde_json::json;

    fn ask(secrets: &[Value]) -> Result<(), String> {
        let name = ImageName::parse("private.invalid/shop/web:1").unwrap();
        let Answer::Found(image) = look_up(&Profile::default(), Random::new(1), "private.invalid/shop/web:1", &name) else {
            panic!("the registry has it")
        };
        match answer(image, &name, secrets) {
            Answer::Found(_) => Ok(()),
            Answer::Refused(why) => Err(why),
        }
    }

    fn secret(kind: &str, key: &str, config: &Value) -> Value {
        json!({ "type": kind, "stringData": { key: config.to_string() } })
    }

    #[rstest]
    #[case("private.invalid", json!({ "username": "comeback", "password": "correct-horse" }), true)]
    #[case("https://private.invalid/v1/", json!({ "auth": "Y29tZWJhY2s6Y29ycmVjdC1ob3JzZQ==" }), true)]
    #[case("private.invalid", json!({ "username": "comeback", "password": "old" }), false)]
    #[case("elsewhere.invalid", json!({ "username": "comeback", "password": "correct-horse" }), false)]
    fn credentials_open_it(#[case] registry: &str, #[case] entry: Value, #[case] fits: bool) {
        let config = json!({ registry: entry });
        let modern = secret("kubernetes.io/dockerconfigjson", ".dockerconfigjson", &json!({ "auths": config }));
        let old = secret("kubernetes.io/dockercfg", ".dockercfg", &config);
        assert_eq!((ask(std::slice::from_ref(&modern)).is_ok(), ask(&[old]).is_ok()), (fits, fits));
        let opaque = json!({ "type": "Opaque", "stringData": modern["stringData"] });
        assert!(ask(&[opaque]).is_err(), "kubelets read the two types alone");
    }

    #[test]
    fn refusals_are_those_of_containerd() {
        let prefix = "failed to pull and unpack image \"private.invalid/shop/web:1\": failed to resolve reference \"private.invalid/shop/web:1\": ";
        let nobody = ask(&[]).unwrap_err();
        assert_eq!(
            nobody.strip_prefix(prefix),
            Some(
                "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
            )
        );
        let entry = json!({ "auths": { "private.invalid": { "username": "comeback", "password": "old" } } });
        let wrong = ask(&[secret("kubernetes.io/dockerconfigjson", ".dockerconfigjson", &entry)]).unwrap_err();
        assert_eq!(
            wrong.strip_prefix(prefix),
            Some("unexpected status from HEAD request to https://private.invalid/v2/shop/web/manifests/1: 401 Unauthorized")
        );
    }
}
