//! What it takes to watch a namespace of thousands of pods: `cargo bench --bench watching`. `max alloc` is what stays of them in the index.

use comeback::observe::index::Index;
use comeback::observe::timeline::{Fact, Observation, Source};
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}

const PODS: usize = 5_000;

/// A pod of a Deployment as the API server of 1.36 shows it, without its managedFields.
fn pod(n: usize) -> Value {
    let (name, set) = (format!("load-{}-7f9c6d4b8d-{n:05}", n / 100), format!("load-{}-7f9c6d4b8d", n / 100));
    let condition = |kind: &str| json!({ "type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-11-22T10:00:05Z", "observedGeneration": 1 });
    let toleration = |key: &str| json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
    let mount = json!({ "name": "kube-api-access-x2v4k", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" });
    let projected = json!({ "defaultMode": 420, "sources": [
        { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } },
    ] });
    let conditions: Vec<Value> =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition).to_vec();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "generateName": format!("{set}-"), "namespace": "load", "uid": uid(n), "resourceVersion": (1000 + n).to_string(),
            "generation": 1, "creationTimestamp": "2026-11-22T10:00:00Z",
            "labels": { "app": format!("load-{}", n / 100), "tier": "load", "pod-template-hash": "7f9c6d4b8d" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": uid(PODS + n / 100),
                "controller": true, "blockOwnerDeletion": true }],
        },
        "spec": {
            "containers": [{
                "name": "app", "image": "busybox:1.36", "command": ["sh", "-c", "while :; do sleep 5; done"], "imagePullPolicy": "IfNotPresent",
                "resources": { "limits": { "memory": "64Mi" }, "requests": { "cpu": "10m", "memory": "64Mi" } },
                "readinessProbe": { "exec": { "command": ["true"] }, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3 },
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "volumeMounts": [mount],
            }],
            "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "nodeName": format!("worker-{}", n % 60), "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0, "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {}, "serviceAccount": "default",
            "serviceAccountName": "default", "terminationGracePeriodSeconds": 30,
            "tolerations": [toleration("node.kubernetes.io/not-ready"), toleration("node.kubernetes.io/unreachable")],
            "volumes": [{ "name": "kube-api-access-x2v4k", "projected": projected }],
        },
        "status": {
            "phase": "Running", "observedGeneration": 1, "qosClass": "Burstable", "startTime": "2026-11-22T10:00:01Z", "conditions": conditions,
            "hostIP": "172.18.0.3", "hostIPs": [{ "ip": "172.18.0.3" }], "podIP": format!("10.244.{}.{}", n / 250, n % 250),
            "podIPs": [{ "ip": format!("10.244.{}.{}", n / 250, n % 250) }],
            "containerStatuses": [{
                "name": "app", "image": "docker.io/library/busybox:1.36", "ready": true, "started": true, "restartCount": 0, "lastState": {},
                "imageID": "docker.io/library/busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7",
                "containerID": format!("containerd://{n:064x}"), "state": { "running": { "startedAt": "2026-11-22T10:00:04Z" } },
                "resources": { "limits": { "memory": "64Mi" }, "requests": { "cpu": "10m", "memory": "64Mi" } },
                "user": { "linux": { "uid": 0, "gid": 0, "supplementalGroups": [0, 10] } },
            }],
        },
    })
}

fn uid(n: usize) -> String {
    format!("{:08x}-77f3-44f8-b961-{n:012x}", n.wrapping_mul(0x9e37_79b9) & 0xffff_ffff)
}

/// One of the four events of a pod that starts.
fn event(n: usize) -> Value {
    let (n, which) = (n / 4, n % 4);
    let name = format!("load-{}-7f9c6d4b8d-{n:05}", n / 100);
    let (reason, message) = [
        ("Scheduled", format!("Successfully assigned load/{name} to worker-{}", n % 60)),
        ("Pulled", "Container image \"busybox:1.36\" already present on machine and can be accessed by the pod".to_owned()),
        ("Created", "Container created".to_owned()),
        ("Started", "Container started".to_owned()),
    ][which]
        .clone();
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": reason, "message": message, "count": 1,
        "metadata": { "name": format!("{name}.18e9e5{n:06x}{which}"), "namespace": "load", "uid": uid(4 * PODS + 4 * n + which),
            "resourceVersion": (20_000 + n).to_string(), "creationTimestamp": "2026-11-22T10:00:01Z" },
        "involvedObject": { "apiVersion": "v1", "kind": "Pod", "name": name, "namespace": "load", "uid": uid(n), "fieldPath": "spec.containers{app}" },
        "firstTimestamp": "2026-11-22T10:00:01Z", "lastTimestamp": "2026-11-22T10:00:01Z", "eventTime": null,
        "source": { "component": "kubelet", "host": "worker-1" }, "reportingComponent": "kubelet", "reportingInstance": "worker-1",
    })
}

/// What is observed comes and goes; what the index keeps of it stays.
fn observed(index: &mut Index, objects: impl Iterator<Item = Value>) {
    for (seq, object) in (0..).zip(objects) {
        let at = Duration::from_millis(seq);
        index.apply(&Observation { seq, at, source: Source::Watch, fact: Fact::Object(Arc::new(object)) });
    }
}

#[divan::bench(sample_count = 3)]
fn pods(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(PODS)).bench(|| {
        let mut index = Index::new("bench");
        observed(&mut index, (0..PODS).map(pod));
        assert_eq!(index.pods().filter(|pod| pod.ready).count(), PODS);
        index
    });
}

#[divan::bench(sample_count = 3)]
fn their_events(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(4 * PODS)).bench(|| {
        let mut index = Index::new("bench");
        observed(&mut index, (0..4 * PODS).map(event));
        assert_eq!(index.events().count(), 4 * PODS);
        index
    });
}
