//! Watches: order, transitions, bookmarks, the end, 410 and the watcher that lists again.

use super::*;
use futures::{StreamExt, TryStreamExt};
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher;

fn describe(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(map) => format!("ADDED {}", map.metadata.name.as_deref().unwrap()),
        WatchEvent::Modified(map) => format!("MODIFIED {}", map.metadata.name.as_deref().unwrap()),
        WatchEvent::Deleted(map) => format!("DELETED {}", map.metadata.name.as_deref().unwrap()),
        WatchEvent::Bookmark(_) => "BOOKMARK".to_owned(),
        WatchEvent::Error(status) => format!("ERROR {}", status.code),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_sends_transitions_of_its_selector_bookmarks_and_an_end() {
    let (api, client) = cluster();
    let maps = config_maps(&client);
    maps.create(&PostParams::default(), &config_map("a", json!({"on": "yes"}))).await.unwrap();
    let params = WatchParams::default().labels("on=yes").timeout(90);
    let stream = maps.watch(&params, "0").await.unwrap();
    let set = |value: &str| {
        api.modify(resource::CONFIG_MAPS, "shop", "a", crate::sim::api::Subresource::Main, |map| {
            map["metadata"]["labels"]["on"] = json!(value);
        })
        .unwrap();
    };
    set("no");
    set("no");
    set("yes");
    api.modify(resource::CONFIG_MAPS, "shop", "a", crate::sim::api::Subresource::Main, |map| map["data"]["key"] = json!("x"))
        .unwrap();
    api.delete(resource::CONFIG_MAPS, "shop", "a", &crate::sim::api::DeleteOptions::default()).unwrap();
    let seen: Vec<String> = stream.map_ok(|event| describe(&event)).try_collect().await.unwrap();
    assert_eq!(seen, ["ADDED a", "DELETED a", "ADDED a", "MODIFIED a", "DELETED a", "BOOKMARK", "BOOKMARK"]);
    assert_eq!(api.clock.elapsed().as_secs(), 90);
}

#[tokio::test(start_paused = true)]
async fn an_old_revision_ends_in_410_inside_the_stream() {
    let (api, client) = cluster();
    let maps = config_maps(&client);
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.unwrap();
    api.store.compact(resource::CONFIG_MAPS);
    let mut stream = maps.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    assert_eq!(describe(&stream.try_next().await.unwrap().unwrap()), "ERROR 410");
    assert!(stream.try_next().await.unwrap().is_none());
}

#[rstest::rstest]
#[case(watcher::Config::default())]
#[case(watcher::Config::default().streaming_lists())]
#[tokio::test(start_paused = true)]
async fn kubes_watcher_survives_compaction(#[case] config: watcher::Config) {
    let (api, client) = cluster();
    let maps = config_maps(&client);
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.unwrap();
    let mut stream = watcher::watcher(maps.clone(), config).boxed();
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Init) => seen.push("init".to_owned()),
            Ok(watcher::Event::InitApply(map)) => seen.push(format!("found {}", map.metadata.name.unwrap())),
            Ok(watcher::Event::InitDone) => {
                seen.push("ready".to_owned());
                if seen.len() > 4 {
                    break;
                }
                maps.create(&PostParams::default(), &config_map("b", json!({}))).await.unwrap();
                maps.delete("a", &DeleteParams::default()).await.unwrap();
                api.store.compact(resource::CONFIG_MAPS);
            }
            Ok(other) => unreachable!("{other:?}"),
            Err(error) => assert!(error.to_string().contains("410") || error.to_string().contains("too old"), "{error}"),
        }
    }
    assert_eq!(seen, ["init", "found a", "ready", "init", "found b", "ready"]);
}

/// One step of a history over few names, so that they collide.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Label(u8, bool),
    Delete(u8),
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    use proptest::prelude::*;
    prop_oneof![
        (0u8..4, 0u8..3).prop_map(|(name, value)| Step::Put(name, value)),
        (0u8..4, any::<bool>()).prop_map(|(name, on)| Step::Label(name, on)),
        (0u8..4).prop_map(Step::Delete),
    ]
}

fn take(api: &ApiServer, step: &Step) {
    let change = |name: u8, change: &dyn Fn(&mut Value)| {
        let _ = api.modify(resource::CONFIG_MAPS, "shop", &format!("n{name}"), crate::sim::api::Subresource::Main, change);
    };
    match step {
        Step::Put(name, value) => {
            let object = json!({"metadata": {"name": format!("n{name}"), "labels": {"on": "yes"}}});
            let _ = api.create(resource::CONFIG_MAPS, "shop", object);
            change(*name, &|map| map["data"] = json!({"value": value.to_string()}));
        }
        Step::Label(name, on) => change(*name, &|map| map["metadata"]["labels"]["on"] = json!(if *on { "yes" } else { "no" })),
        Step::Delete(name) => {
            let _ = api.delete(resource::CONFIG_MAPS, "shop", &format!("n{name}"), &crate::sim::api::DeleteOptions::default());
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn a_watch_from_any_revision_rebuilds_the_list(before in proptest::collection::vec(step(), 0..12), after in proptest::collection::vec(step(), 0..12), selected in proptest::bool::ANY) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (api, client) = cluster();
            let maps = config_maps(&client);
            let labels = if selected { "on=yes" } else { "" };
            let list = async || maps.list(&kube::api::ListParams::default().labels(labels)).await.unwrap();
            before.iter().for_each(|step| take(&api, step));
            let start = list().await;
            let mut known: std::collections::BTreeMap<String, ConfigMap> =
                start.items.into_iter().map(|map| (map.metadata.name.clone().unwrap(), map)).collect();
            after.iter().for_each(|step| take(&api, step));
            let params = WatchParams::default().labels(labels).timeout(5);
            let stream = maps.watch(&params, &start.metadata.resource_version.unwrap()).await.unwrap();
            let events: Vec<WatchEvent<ConfigMap>> = stream.try_collect().await.unwrap();
            for event in events {
                match event {
                    WatchEvent::Added(map) => assert!(known.insert(map.metadata.name.clone().unwrap(), map).is_none()),
                    WatchEvent::Modified(map) => assert!(known.insert(map.metadata.name.clone().unwrap(), map).is_some()),
                    WatchEvent::Deleted(map) => assert!(known.remove(map.metadata.name.as_deref().unwrap()).is_some()),
                    WatchEvent::Bookmark(_) => {}
                    WatchEvent::Error(status) => unreachable!("{status:?}"),
                }
            }
            assert_eq!(known.into_values().collect::<Vec<_>>(), list().await.items);
        });
    }
}
