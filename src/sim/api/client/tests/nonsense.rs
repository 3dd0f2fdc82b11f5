//! Whatever is sent, the server answers with a Status or a result, and never falls over.

use super::*;
use kube::client::Body;
use proptest::prelude::*;

/// JSON of the field names that the server looks at, with values of any type.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z%./é-]{0,6}".prop_map(Value::from),
        Just(json!("busybox:1.36")),
        Just(json!("10%")),
    ];
    let name = prop::sample::select(vec![
        "metadata",
        "name",
        "generateName",
        "labels",
        "finalizers",
        "spec",
        "status",
        "template",
        "selector",
        "matchLabels",
        "containers",
        "image",
        "env",
        "value",
        "valueFrom",
        "resources",
        "limits",
        "requests",
        "cpu",
        "memory",
        "ports",
        "port",
        "containerPort",
        "volumes",
        "volumeMounts",
        "mountPath",
        "strategy",
        "rollingUpdate",
        "maxSurge",
        "replicas",
        "livenessProbe",
        "httpGet",
        "exec",
        "tolerations",
        "hard",
        "pods",
        "data",
        "stringData",
        "type",
        "clusterIP",
        "managedFields",
        "fieldsV1",
        "$patch",
        "ownerReferences",
        "uid",
        "deletionTimestamp",
        "kind",
        "apiVersion",
        "op",
        "path",
        "preconditions",
        "configMap",
        "emptyDir",
        "scopes",
    ]);
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn no_request_makes_it_fall(
        bodies in prop::collection::vec((object(), 0usize..6, 0usize..8), 1..6),
        raw in ".{0,20}",
    ) {
        const COLLECTIONS: [&str; 8] = [
            "/api/v1/namespaces/shop/pods", "/apis/apps/v1/namespaces/shop/deployments", "/api/v1/namespaces/shop/services",
            "/api/v1/namespaces/shop/configmaps", "/api/v1/namespaces/shop/secrets", "/api/v1/namespaces/shop/resourcequotas",
            "/apis/x.io/v1/namespaces/shop/things", "/apis/events.k8s.io/v1/namespaces/shop/events",
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (_api, client) = cluster();
            for (mut body, verb, collection) in bodies {
                let path = COLLECTIONS[collection];
                if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.insert("name".to_owned(), json!("a"));
                }
                let (method, path, media_type) = match verb {
                    0 | 1 => ("POST", path.to_owned(), "application/json"),
                    2 => ("PUT", format!("{path}/a"), "application/json"),
                    3 => ("PATCH", format!("{path}/a"), "application/merge-patch+json"),
                    4 => ("PATCH", format!("{path}/a?fieldManager=me"), "application/apply-patch+yaml"),
                    _ => ("PATCH", format!("{path}/a"), "application/strategic-merge-patch+json"),
                };
                let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
                let response = client.send(request.body(Body::from(body.to_string().into_bytes())).unwrap()).await.unwrap();
                let answer: Value = serde_json::from_slice(&response.into_body().collect_bytes().await.unwrap()).unwrap();
                assert!(answer.is_object());
            }
            let request = http::Request::post(COLLECTIONS[0]).body(Body::from(raw.into_bytes())).unwrap();
            assert_eq!(client.send(request).await.unwrap().status().as_u16(), 400);
        });
    }
}
