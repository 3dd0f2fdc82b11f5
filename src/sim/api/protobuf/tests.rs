//! Bodies as Go's clients write them, and bodies that nobody should write.

use super::*;
use proptest::prelude::*;

fn key(number: u8, wire: u8) -> u8 {
    number << 3 | wire
}

fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    [&[key(number, 2), u8::try_from(content.len()).unwrap()], content].concat()
}

fn number(number: u8, value: u8) -> Vec<u8> {
    vec![key(number, 0), value]
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), bytes(1, &meta), bytes(2, raw), bytes(3, b""), bytes(4, b"")].concat()
}

#[test]
fn fields_pointers_lists_maps_and_special_types() {
    // metadata{name, creationTimestamp{}}, spec{replicas: 0, paused: false, progressDeadlineSeconds: 9, template{spec{containers}}}
    let metadata = [bytes(1, b"web"), bytes(8, b""), bytes(11, &[bytes(1, b"app"), bytes(2, b"web")].concat())].concat();
    let limit = bytes(1, &[bytes(1, b"cpu"), bytes(2, &bytes(1, b"500m"))].concat());
    let port = [bytes(1, b""), number(3, 80)].concat();
    let container = [bytes(1, b"app"), bytes(3, b"sleep"), bytes(3, b"9"), bytes(6, &port), bytes(8, &limit)].concat();
    let template = bytes(2, &bytes(2, &container));
    let surge = bytes(2, &[number(1, 1), number(2, 0), bytes(3, b"25%")].concat());
    let strategy = [bytes(1, b"RollingUpdate"), bytes(2, &surge)].concat();
    let spec = [number(1, 0), number(7, 0), number(9, 9), bytes(3, &template), bytes(4, &strategy)].concat();
    let body = envelope("apps/v1", "Deployment", &[bytes(1, &metadata), bytes(2, &spec), bytes(3, b"")].concat());
    assert_eq!(
        decode(&body).unwrap(),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "status": {},
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {
                "replicas": 0, "progressDeadlineSeconds": 9,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
                "template": {"spec": {"containers": [{
                    "name": "app", "command": ["sleep", "9"], "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "500m"}},
                }]}},
            },
        })
    );
}

#[test]
fn secrets_and_options_of_any_group() {
    let data = bytes(2, &[bytes(1, b"key"), bytes(2, b"value")].concat());
    assert_eq!(decode(&envelope("v1", "Secret", &data)).unwrap()["data"], json!({"key": "dmFsdWU="}));
    let options = decode(&envelope("policy/v1", "DeleteOptions", &number(1, 0))).unwrap();
    assert_eq!(options["gracePeriodSeconds"], 0);
}

#[test]
fn nonsense_is_refused() {
    for body in [&b""[..], b"{}", b"k8s\0\xff", &envelope("v1", "Nothing", b""), &envelope("v1", "Pod", b"\x0a\x7f")] {
        assert_eq!(decode(body).unwrap_err().code, 400);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(raw in prop::collection::vec(any::<u8>(), 0..120)) {
        for kind in ["Pod", "Secret", "ConfigMap", "DeleteOptions"] {
            let _ = decode(&envelope("v1", kind, &raw));
        }
        let _ = decode(&raw);
    }
}
