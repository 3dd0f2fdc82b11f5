//! Exits and what follows: the free first restart, crash-loop back-off, probe kills, hooks and programs that fail.

use super::{World, script};
use crate::sim::profile::{Profile, Version};
use proptest::prelude::*;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_crash_loop_goes_through_the_recorded_states() {
    let world = World::new(1);
    world.pod(&json!({"containers": [script("sleep 5; exit 1")]}));
    world.pass(64.0).await;
    insta::assert_snapshot!(world.states()[..11].join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Running app:running::0:ready:-
    Running app:terminated:Error:0:unready:-
    Running app:running::1:ready:Error
    Running app:terminated:Error:1:unready:Error
    Running app:waiting:CrashLoopBackOff:1:unready:Error
    Running app:running::2:ready:Error
    Running app:terminated:Error:2:unready:Error
    Running app:waiting:CrashLoopBackOff:2:unready:Error
    Running app:running::3:ready:Error
    ");
    let uid = world.get()["metadata"]["uid"].as_str().unwrap().to_owned();
    let back_off = format!("Warning BackOff x3 Back-off restarting failed container app in pod p_t({uid})");
    assert!(world.events().contains(&back_off), "{:#?}", world.events());
    let restart = world.when(0.0, "running::1") - world.when(0.0, "terminated:Error:0");
    assert!(restart < 0.5, "the first restart is free: {restart}");
}

/// Restart gaps of a container that runs 5 s: `exit` of run n to the start of run n + 1, in seconds.
async fn gaps(version: Version, seed: u64, count: u32) -> Vec<f64> {
    let world = World::with_profile(seed, &Profile { version, ..Profile::default() });
    world.pod(&json!({"containers": [script("sleep 5; exit 1")]}));
    world.pass(900.0).await;
    (0..count)
        .map(|n| world.when(0.0, &format!("running::{}", n + 1)) - world.when(0.0, &format!("running::{n}")) - 5.0)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn gaps_follow_the_recorded_law() {
    for seed in 0..5 {
        let gaps = gaps(Version::V1_36, seed, 6).await;
        let bounds = [(0.0, 1.5), (10.0, 17.5), (20.0, 32.5), (40.0, 62.5), (80.0, 112.5), (160.0, 202.5)];
        for (gap, (low, high)) in gaps.iter().zip(bounds) {
            assert!((low..high).contains(gap), "seed {seed}: {gaps:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn older_kubelets_look_each_ten_to_fifteen_seconds() {
    let world = World::with_profile(1, &Profile { version: Version::V1_34, ..Profile::default() });
    world.pod(&json!({"containers": [script("sleep 5; exit 1")]}));
    world.pass(120.0).await;
    let third = world.when(0.0, "terminated:Error:2");
    let shown = world.when(third, "CrashLoopBackOff") - third;
    assert!((9.9..16.1).contains(&shown), "{shown}");
    let restart = world.when(third, "running::3") - third;
    assert!((19.0..31.5).contains(&restart), "{restart}");
}

#[tokio::test(start_paused = true)]
async fn a_liveness_kill_restarts_in_the_same_sync_and_is_judged_by_the_exit_before() {
    let world = World::new(1);
    let mut app = script("x");
    app["command"] = json!(["sleep", "100000"]);
    app["livenessProbe"] = json!({"exec": {"command": ["false"]}, "periodSeconds": 2, "failureThreshold": 3});
    world.pod(&json!({"containers": [app]}));
    world.pass(247.0).await;
    insta::assert_snapshot!(world.states().join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Running app:running::0:ready:-
    Running app:running::1:ready:Error
    Running app:running::2:ready:Error
    Running app:running::3:ready:Error
    Running app:running::4:ready:Error
    Running app:waiting:CrashLoopBackOff:4:unready:Error
    Running app:running::5:ready:Error
    ");
    let events = world.events();
    assert!(events.iter().any(|event| event.starts_with("Warning Unhealthy x18 Liveness probe failed: ")), "{events:#?}");
    assert!(events.contains(&"Normal Killing x6 Container app failed liveness probe, will be restarted".to_owned()));
    assert!(events.iter().any(|event| event.starts_with("Warning BackOff x2 ")));
    assert_eq!(world.get()["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 137);
}

#[tokio::test(start_paused = true)]
async fn a_startup_probe_that_never_passes_keeps_the_pod_unready() {
    let world = World::new(3);
    let mut app = script("trap \"exit 0\" TERM; while :; do sleep 1; done");
    app["startupProbe"] = json!({"exec": {"command": ["false"]}, "periodSeconds": 2});
    world.pod(&json!({"containers": [app]}));
    world.pass(25.0).await;
    insta::assert_snapshot!(world.states().join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Running app:running::0:unready:-
    Running app:running::1:unready:Completed
    Running app:running::2:unready:Completed
    Running app:waiting:CrashLoopBackOff:2:unready:Completed
    ");
    assert!(world.events().contains(&"Normal Killing x3 Container app failed startup probe, will be restarted".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_readiness_probe_decides_about_ready_alone() {
    let world = World::new(3);
    let mut app = script("sleep 100000");
    app["readinessProbe"] = json!({"exec": {"command": ["true"]}, "periodSeconds": 5});
    world.pod(&json!({"containers": [app.clone()]}));
    world.pass(8.0).await;
    assert_eq!(world.states().last().unwrap(), "Running app:running::0:ready:-");
    let delay = world.when(0.0, ":ready") - world.when(0.0, "running");
    assert!(delay < 0.1 || (4.9..5.2).contains(&delay), "{delay}");

    let failing = World::new(4);
    app["readinessProbe"]["exec"]["command"] = json!(["false"]);
    failing.pod(&json!({"containers": [app]}));
    failing.pass(60.0).await;
    assert_eq!(failing.states().last().unwrap(), "Running app:running::0:unready:-");
    let unhealthy = failing.events().into_iter().find(|event| event.contains("Unhealthy")).unwrap();
    assert!(["x12", "x13", "x14"].iter().any(|count| unhealthy.contains(count)), "{unhealthy}");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_exist_is_a_start_error() {
    let world = World::new(3);
    let mut app = script("x");
    app["command"] = json!(["/no/such/binary"]);
    world.pod(&json!({"containers": [app]}));
    world.pass(20.0).await;
    insta::assert_snapshot!(world.states()[..5].join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Running app:waiting:RunContainerError:0:unready:StartError
    Running app:waiting:RunContainerError:1:unready:StartError
    Running app:waiting:CrashLoopBackOff:1:unready:StartError
    ");
    let text = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/no/such/binary\": stat /no/such/binary: no such file or directory";
    assert!(world.events().iter().any(|event| event.starts_with("Warning Failed") && event.ends_with(&format!("Error: {text}"))));
    let last = &world.get()["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!(
        (&last["exitCode"], &last["startedAt"], &last["message"]),
        (&json!(128), &json!("1970-01-01T00:00:00Z"), &json!(text))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_post_start_hook_kills_the_container() {
    let world = World::new(3);
    let mut app = script("sleep 100000");
    app["lifecycle"] = json!({"postStart": {"exec": {"command": ["false"]}}});
    let pod = world.pod(&json!({"terminationGracePeriodSeconds": 1, "containers": [app]}));
    world.pass(9.0).await;
    insta::assert_snapshot!(world.states().join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Running app:waiting:PostStartHookError:0:unready:Error
    Running app:waiting:PostStartHookError:1:unready:Error
    Running app:waiting:CrashLoopBackOff:1:unready:Error
    ");
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let events = world.events();
    assert!(events.contains(&"Warning FailedPostStartHook x2 PostStartHook failed".to_owned()), "{events:#?}");
    assert!(events.contains(&"Normal Killing x2 FailedPostStartHook".to_owned()));
    assert!(
        events.contains(&format!("Warning BackOff x2 Back-off restarting failed container app in pod p_t({uid})")),
        "{events:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_in_order_and_crash_like_others() {
    let world = World::new(3);
    let init = |name: &str, text: &str| {
        let mut container = script(text);
        container["name"] = json!(name);
        container
    };
    world.pod(&json!({"containers": [script("sleep 100000")], "initContainers": [init("one", "sleep 3"), init("two", "sleep 1; exit 2")]}));
    world.pass(27.0).await;
    let states = world.states();
    let order = [
        "one:running::0:unready",
        "one:terminated:Completed:0:ready",
        "two:running::0",
        "two:terminated:Error:0",
        "two:running::1",
        "two:waiting:CrashLoopBackOff:1",
    ];
    let mut from = 0;
    for text in order {
        from +=
            states[from..].iter().position(|state| state.contains(text)).unwrap_or_else(|| panic!("no {text} in {states:#?}"));
        assert!(states[from].starts_with("Pending") && states[from].contains("app:waiting:PodInitializing"), "{}", states[from]);
    }
    assert!(world.get()["status"]["conditions"][1]["message"] == "containers with incomplete status: [two]");
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_is_down_makes_the_pod_unready() {
    let world = World::new(3);
    let mut sidecar = script("sleep 7; exit 3");
    sidecar["name"] = json!("side");
    sidecar["restartPolicy"] = json!("Always");
    world.pod(&json!({"containers": [script("sleep 100000")], "initContainers": [sidecar]}));
    world.pass(20.0).await;
    let down = "Running side:terminated:Error:1:unready:Error app:running::0:ready:-";
    assert!(world.states().contains(&down.to_owned()), "{:#?}", world.states());
    assert_eq!(world.get()["status"]["conditions"][2]["message"], "containers with unready status: [side]");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn restart_counts_never_fall_and_equal_seeds_are_equal(seed in 0u64..1_000, run in 1u32..8, code in 0i32..3) {
        let play = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let world = World::new(seed);
                world.pod(&json!({"containers": [script(&format!("sleep {run}; exit {code}"))]}));
                world.pass(200.0).await;
                world.timeline()
            })
        };
        let timeline = play();
        prop_assert_eq!(&timeline, &play());
        let counts: Vec<u32> = timeline.iter().filter_map(|line| line.split("app:").nth(1)?.split(':').nth(2)?.parse().ok()).collect();
        prop_assert!(counts.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", counts);
        prop_assert!(counts.last().is_some_and(|count| *count >= 3));
    }
}

#[tokio::test(start_paused = true)]
async fn another_image_in_a_running_pod_restarts_its_container() {
    let world = World::new(3);
    world.pod(&json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [script("sleep 100000")]}));
    world.pass(10.0).await;
    let change = |pod: &mut serde_json::Value| pod["spec"]["containers"][0]["image"] = json!("busybox:1.37");
    world.api.modify(crate::sim::api::resource::PODS, "t", "p", crate::sim::api::Subresource::Main, change).unwrap();
    world.pass(10.0).await;
    assert_eq!(world.states().last().unwrap(), "Running app:running::1:ready:Error");
    assert_eq!(world.get()["status"]["containerStatuses"][0]["image"], "docker.io/library/busybox:1.37");
    assert!(world.events().contains(&"Normal Killing x1 Container app definition changed, will be restarted".to_owned()));
}
