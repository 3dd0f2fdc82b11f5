//! What each change makes of a template.

use super::*;
use rstest::rstest;

fn workload(container: Value) -> Value {
    json!({"spec": {"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}}}})
}

fn only(workload: &Value) -> &Value {
    workload.at("/spec/template/spec/containers/0").unwrap()
}

fn limits(limit: &str, request: Option<&str>) -> Value {
    let mut container = json!({"name": "app", "resources": {"limits": {"memory": limit, "cpu": "1"}}});
    if let Some(request) = request {
        container["resources"]["requests"] = json!({"memory": request, "cpu": "1"});
    }
    workload(container)
}

#[rstest]
#[case::guaranteed_stays_guaranteed("32Mi", Some("32Mi"), Ok(("48Mi", Some("48Mi"))))]
#[case::burstable_keeps_its_proportion("32Mi", Some("16Mi"), Ok(("48Mi", Some("24Mi"))))]
#[case::no_request("32Mi", None, Ok(("48Mi", None)))]
#[case::capped("100Mi", Some("100Mi"), Ok(("128Mi", Some("128Mi"))))]
#[case::at_the_cap("128Mi", None, Err("the limit is 128Mi, the most that is allowed (4 x the first limit, 32Mi)"))]
fn memory_is_raised_to_the_cap(
    #[case] limit: &str,
    #[case] request: Option<&str>,
    #[case] expected: Result<(&str, Option<&str>), &str>,
) {
    let mut object = limits(limit, request);
    let result = set_memory(&mut object, "app", &SetMemory::default(), 32 << 20);
    match expected {
        Ok((limit, request)) => {
            assert_eq!(result, Ok(()));
            assert_eq!(text(only(&object), "/resources/limits/memory"), limit);
            assert_eq!(only(&object).at("/resources/requests/memory").and_then(Value::as_str), request);
            assert_eq!(text(only(&object), "/resources/limits/cpu"), "1");
        }
        Err(reason) => assert_eq!(result, Err(reason.to_owned())),
    }
}

#[test]
fn a_container_that_is_not_there_or_has_no_limit_is_refused() {
    let mut object = workload(json!({"name": "app"}));
    assert!(set_memory(&mut object, "app", &SetMemory::default(), 1).is_err());
    assert_eq!(
        relax_probe(&mut object, "side", "probe.liveness", &RelaxProbe::default(), true),
        Err("the template has no container side".to_owned())
    );
}

fn probed(field: &str) -> Value {
    let mut container = json!({"name": "app"});
    container[field] = json!({"exec": {"command": ["true"]}, "periodSeconds": 2, "failureThreshold": 3, "initialDelaySeconds": 5, "timeoutSeconds": 1});
    workload(container)
}

#[test]
fn a_start_that_a_liveness_probe_cuts_short_gets_a_startup_probe() {
    let mut object = probed("livenessProbe");
    relax_probe(&mut object, "app", "probe.liveness", &RelaxProbe::default(), true).unwrap();
    let container = only(&object);
    assert_eq!(container["livenessProbe"]["failureThreshold"], 3, "liveness stays as strict as it was");
    assert_eq!(container["startupProbe"]["exec"], container["livenessProbe"]["exec"]);
    assert_eq!(container["startupProbe"]["failureThreshold"], 18);
    assert_eq!(container["startupProbe"].get("initialDelaySeconds"), None);
    relax_probe(&mut object, "app", "probe.startup", &RelaxProbe::default(), false).unwrap();
    assert_eq!(only(&object)["startupProbe"]["failureThreshold"], 54);
}

#[rstest]
#[case("livenessProbe", "probe.liveness")]
#[case("readinessProbe", "probe.readiness")]
fn a_running_container_gets_more_failures_and_more_time(#[case] field: &str, #[case] cause: &str) {
    let mut object = probed(field);
    relax_probe(&mut object, "app", cause, &RelaxProbe::default(), false).unwrap();
    assert_eq!(only(&object)[field]["failureThreshold"], 9);
    assert_eq!(only(&object)[field]["timeoutSeconds"], 3);
    assert_eq!(only(&object).get("startupProbe"), None);
}

#[test]
fn a_restart_is_marked_as_kubectl_does() {
    let mut object = workload(json!({"name": "app"}));
    mark_restart(&mut object, "2026-11-21T08:00:00.25Z".parse().unwrap()).unwrap();
    assert_eq!(object["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT], "2026-11-21T08:00:00Z");
    assert_eq!(object["spec"]["template"]["metadata"]["labels"]["app"], "a");
}

#[test]
fn a_rollback_takes_the_older_template_without_its_hash() {
    let mut object = workload(json!({"name": "app", "image": "new"}));
    let mut older = workload(json!({"name": "app", "image": "old"}));
    older["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = json!("abc");
    roll_back(&mut object, &older).unwrap();
    assert_eq!(only(&object)["image"], "old");
    assert_eq!(object["spec"]["template"]["metadata"]["labels"], json!({"app": "a"}));
}
