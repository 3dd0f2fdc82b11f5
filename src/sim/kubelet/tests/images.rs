//! Images that cannot be had, images that can, and images whose program nobody knows.

use super::{World, script};
use crate::sim::limits::LimitKind;
use crate::sim::profile::{ImageStandIn, Profile};
use rstest::rstest;
use serde_json::{Value, json};

fn with_image(image: &str) -> Value {
    let mut app = script("sleep 100000");
    app["image"] = json!(image);
    app
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_climbs_the_recorded_ladder_one_sync_behind() {
    let world = World::new(1);
    world.pod(&json!({"containers": [with_image("example.invalid/nope:1")]}));
    world.pass(10.0).await;
    insta::assert_snapshot!(world.states().join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Pending app:waiting:ErrImagePull:0:unready:-
    ");
    insta::assert_snapshot!(world.events().join("\n"), @r#"
    Normal Pulling x1 Pulling image "example.invalid/nope:1"
    Warning Failed x1 Failed to pull image "example.invalid/nope:1": rpc error: code = NotFound desc = failed to pull and unpack image "example.invalid/nope:1": failed to resolve reference "example.invalid/nope:1": example.invalid/nope:1: not found
    Warning Failed x1 Error: ErrImagePull
    Normal BackOff x1 Back-off pulling image "example.invalid/nope:1"
    Warning Failed x1 Error: ImagePullBackOff
    "#);
    world.pass(10.0).await;
    assert_eq!(world.states().last().unwrap(), "Pending app:waiting:ImagePullBackOff:0:unready:-");
    let message = world.get()["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Back-off pulling image \"example.invalid/nope:1\": ErrImagePull: rpc error: code = NotFound"));
    world.pass(340.0).await;
    let pulls = world.events().into_iter().find(|event| event.starts_with("Normal Pulling")).unwrap();
    assert!(pulls.starts_with("Normal Pulling x5") || pulls.starts_with("Normal Pulling x6"), "{pulls}");
}

#[rstest]
#[case("Bad//Name", "IfNotPresent", "InvalidImageName", "Warning InspectFailed")]
#[case("example.invalid/absent:1", "Never", "ErrImageNeverPull", "Warning ErrImageNeverPull")]
#[tokio::test(start_paused = true)]
async fn errors_without_a_back_off_repeat(#[case] image: &str, #[case] policy: &str, #[case] reason: &str, #[case] event: &str) {
    let world = World::new(1);
    let mut app = with_image(image);
    app["imagePullPolicy"] = json!(policy);
    world.pod(&json!({"containers": [app]}));
    world.pass(62.0).await;
    assert_eq!(world.states().last().unwrap(), &format!("Pending app:waiting:{reason}:0:unready:-"));
    let events = world.events();
    let said = events.iter().find(|said| said.starts_with(event)).unwrap();
    assert!(["x5 ", "x6 ", "x7 "].iter().any(|count| said.contains(count)), "{said}");
    assert!(events.iter().any(|said| said.ends_with(&format!(" Error: {reason}"))));
}

#[rstest]
#[case("busybox")]
#[case("busybox:1.37")]
#[case("quay.io/quay/busybox:latest")]
#[tokio::test(start_paused = true)]
async fn busybox_is_there_under_its_usual_names(#[case] image: &str) {
    let world = World::new(1);
    world.pod(&json!({"containers": [with_image(image)]}));
    world.pass(3.0).await;
    assert_eq!(world.states().last().unwrap(), "Running app:running::0:ready:-");
    assert!(world.limits.since(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn always_pulls_what_is_present_too() {
    let world = World::new(1);
    let mut app = with_image("busybox:1.36");
    app["imagePullPolicy"] = json!("Always");
    world.pod(&json!({"containers": [app]}));
    world.pass(3.0).await;
    let events = world.events();
    assert_eq!(events[0], "Normal Pulling x1 Pulling image \"busybox:1.36\"");
    assert!(events[1].starts_with("Normal Pulled x1 Successfully pulled image \"busybox:1.36\" in "), "{}", events[1]);
    assert!(events[1].ends_with("ms including waiting). Image size: 2181898 bytes."), "{}", events[1]);
}

#[tokio::test(start_paused = true)]
async fn an_image_whose_program_is_unknown_is_a_limit_unless_it_has_a_stand_in() {
    let world = World::new(1);
    let mut app = with_image("shop/api:3");
    app["command"] = Value::Null;
    world.pod(&json!({"containers": [app.clone()]}));
    world.pass(5.0).await;
    let limits = world.limits.since(0);
    assert_eq!(limits.len(), 1);
    assert_eq!(
        (limits[0].kind, limits[0].construct.as_str(), limits[0].subject.as_str()),
        (LimitKind::Image, "shop/api:3", "t/p/app")
    );
    assert_eq!(limits[0].help, "give a stand-in: spec.workload.images: { \"shop/api:3\": { command: [...] } }");

    let mut profile = Profile::default();
    let command = vec!["sleep".to_owned(), "100000".to_owned()];
    profile.images.push(ImageStandIn { pattern: "shop/api:*".to_owned(), command, model: None });
    let world = World::with_profile(1, &profile);
    world.pod(&json!({"containers": [app]}));
    world.pass(5.0).await;
    assert_eq!(world.states().last().unwrap(), "Running app:running::0:ready:-");
    assert!(world.limits.since(0).is_empty());
}
