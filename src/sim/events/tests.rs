//! Tests of the recorder on a paused clock: what a watcher of events sees.

use super::*;
use crate::sim::clock::Clock;
use crate::sim::random::Random;
use crate::sim::store::Object;

fn recorder() -> (Arc<ApiServer>, EventRecorder, ObjectRef) {
    let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
    let api = ApiServer::new(clock, Random::new(1));
    api.create(crate::sim::api::resource::NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
    let recorder = EventRecorder::new(Arc::clone(&api), "kubelet", Some("node-1"));
    let object = ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: "shop".to_owned(),
        name: "app".to_owned(),
        uid: "u".to_owned(),
        resource_version: "7".to_owned(),
        field_path: Some("spec.containers{app}".to_owned()),
    };
    (api, recorder, object)
}

async fn settled(api: &ApiServer) -> Vec<Object> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    api.list(EVENTS, Some("shop"))
}

#[tokio::test(start_paused = true)]
async fn equal_events_are_one_object_that_counts() {
    let (api, recorder, mut object) = recorder();
    recorder.event(&object, EventType::Normal, "Started", "Container started");
    tokio::time::sleep(Duration::from_secs(10)).await;
    object.resource_version = "9".to_owned();
    recorder.event(&object, EventType::Normal, "Started", "Container started");
    let events = settled(&api).await;
    assert_eq!(events.len(), 1);
    let mut event = (*events[0]).clone();
    assert!(event["metadata"]["name"].as_str().unwrap().starts_with("app."));
    assert_eq!(event["metadata"]["name"].as_str().unwrap().len(), "app.".len() + 16);
    event.as_object_mut().unwrap().remove("metadata");
    assert_eq!(
        event,
        json!({
            "apiVersion": "v1", "kind": "Event",
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "app", "uid": "u",
                "resourceVersion": "7", "fieldPath": "spec.containers{app}"},
            "reason": "Started", "message": "Container started", "type": "Normal", "count": 2,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:10Z", "eventTime": null,
            "source": {"component": "kubelet", "host": "node-1"},
            "reportingComponent": "kubelet", "reportingInstance": "node-1",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn from_the_tenth_message_on_similar_events_are_combined() {
    let (api, recorder, object) = recorder();
    for n in 0..15 {
        recorder.event(&object, EventType::Warning, "FailedCreate", &format!("pod {n} refused"));
    }
    let events = settled(&api).await;
    assert_eq!(events.len(), 10, "nine of their own and one combined");
    let combined: Vec<_> = events.iter().filter(|event| event["reportingComponent"] == "").collect();
    assert_eq!(combined.len(), 1);
    assert_eq!(combined[0]["message"], "(combined from similar events): pod 14 refused");
    assert_eq!(combined[0]["count"], 6);
    assert_eq!(combined[0]["source"]["component"], "kubelet");
}

#[tokio::test(start_paused = true)]
async fn messages_more_than_ten_minutes_apart_are_not_similar() {
    let (api, recorder, object) = recorder();
    for n in 0..12 {
        recorder.event(&object, EventType::Warning, "FailedCreate", &format!("pod {n} refused"));
        tokio::time::sleep(Duration::from_secs(601)).await;
    }
    assert_eq!(settled(&api).await.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn the_spam_filter_holds_back_writes_but_not_counts_and_each_type_has_its_own() {
    let (api, recorder, object) = recorder();
    for _ in 0..40 {
        recorder.event(&object, EventType::Warning, "Unhealthy", "Readiness probe failed: ");
    }
    recorder.event(&object, EventType::Normal, "Killing", "Stopping container app");
    let counts = |events: &[Object]| {
        let mut counts: Vec<_> = events.iter().map(|e| (e["reason"].as_str().unwrap().to_owned(), e["count"].clone())).collect();
        counts.sort_by(|a, b| a.0.cmp(&b.0));
        counts
    };
    let expected = |unhealthy: u64| vec![("Killing".to_owned(), json!(1)), ("Unhealthy".to_owned(), json!(unhealthy))];
    assert_eq!(counts(&settled(&api).await), expected(25));
    tokio::time::sleep(Duration::from_mins(5)).await;
    recorder.event(&object, EventType::Warning, "Unhealthy", "Readiness probe failed: ");
    assert_eq!(counts(&settled(&api).await), expected(41));
    recorder.event(&object, EventType::Warning, "Unhealthy", "Readiness probe failed: ");
    assert_eq!(counts(&settled(&api).await), expected(41));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_deleted_is_created_again_with_its_count() {
    let (api, recorder, object) = recorder();
    recorder.event(&object, EventType::Normal, "Pulled", "here");
    let events = settled(&api).await;
    let name = events[0]["metadata"]["name"].as_str().unwrap();
    api.delete(EVENTS, "shop", name, &crate::sim::api::DeleteOptions::default()).unwrap();
    recorder.event(&object, EventType::Normal, "Pulled", "here");
    let events = settled(&api).await;
    assert_eq!((events.len(), &events[0]["count"]), (1, &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_an_hour_after_its_last_write() {
    let (api, recorder, object) = recorder();
    expiry::start(&api);
    recorder.event(&object, EventType::Normal, "Pulled", "here");
    tokio::time::sleep(Duration::from_mins(30)).await;
    recorder.event(&object, EventType::Normal, "Pulled", "here");
    tokio::time::sleep(Duration::from_secs(3_590)).await;
    assert_eq!(settled(&api).await.len(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(settled(&api).await.len(), 0);
}
