//! Tests of the controller with the Job controller on a paused clock that begins at midnight, the first of January 2026.

use super::super::object::is_pod_active;
use super::super::testing::Cluster;
use super::*;
use crate::sim::api::resource::PODS;

fn create(cluster: &Cluster, spec: Value) {
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "bad"}]}});
    let mut cron =
        json!({"metadata": {"name": "c"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}});
    for (field, value) in spec.as_object().unwrap() {
        cron["spec"][field] = value.clone();
    }
    cluster.create(CRON_JOBS, cron);
}

fn names(cluster: &Cluster) -> Vec<String> {
    cluster.all(JOBS).iter().map(|job| name(job).to_owned()).collect()
}

/// Ends every pod well.
fn finish(cluster: &Cluster) {
    for pod in cluster.all(PODS).into_iter().filter(is_pod_active) {
        let end = |pod: &mut Value| pod["status"] = json!({"phase": "Succeeded"});
        cluster.api.modify(PODS, "shop", name(&pod), Subresource::Status, end).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_starts_at_each_minute_and_old_ones_go() {
    let cluster = Cluster::start();
    create(&cluster, json!({"schedule": "*/2 * * * *"}));
    cluster.pass(119.0).await;
    assert!(names(&cluster).is_empty());
    cluster.pass(2.0).await;
    // Minutes since 1970: 2026-01-01T00:02Z.
    assert_eq!(names(&cluster), ["c-29453762"]);
    let job = cluster.get(JOBS, "c-29453762");
    assert_eq!(
        job["metadata"]["annotations"],
        json!({"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T00:02:00Z"})
    );
    let status = cluster.get(CRON_JOBS, "c")["status"].clone();
    assert_eq!(text(&status, "/active/0/name"), "c-29453762");
    assert_eq!(text(&status, "/lastScheduleTime"), "2026-01-01T00:02:00Z");
    finish(&cluster);
    cluster.pass(5.0).await;
    let status = cluster.get(CRON_JOBS, "c")["status"].clone();
    assert!(status.get("active").is_none() && status["lastSuccessfulTime"].is_string(), "{status}");
    assert_eq!(cluster.events("SawCompletedJob"), ["Saw completed job: c-29453762, condition: Complete x1"]);
    for _ in 0..3 {
        cluster.pass(119.0).await;
        finish(&cluster);
        cluster.pass(5.0).await;
    }
    assert_eq!(names(&cluster), ["c-29453764", "c-29453766", "c-29453768"], "three that succeeded are kept");
    assert_eq!(cluster.events("SuccessfulDelete"), ["Deleted job c-29453762 x1"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_not_over_forbids_or_is_replaced_by_the_next() {
    let cluster = Cluster::start();
    create(&cluster, json!({"concurrencyPolicy": "Forbid"}));
    cluster.pass(125.0).await;
    assert_eq!(names(&cluster), ["c-29453761"]);
    let told = "Not starting job because prior execution is running and concurrency policy is Forbid x1";
    assert_eq!(cluster.events("JobAlreadyActive"), [told]);
    finish(&cluster);
    cluster.pass(10.0).await;
    assert_eq!(names(&cluster), ["c-29453761", "c-29453762"], "the time that was missed is made up for");
    cluster.change(CRON_JOBS, "c", |cron| cron["spec"]["concurrencyPolicy"] = json!("Replace"));
    cluster.pass(60.0).await;
    assert_eq!(names(&cluster), ["c-29453761", "c-29453763"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_late_is_missed_and_a_suspended_schedule_rests() {
    let cluster = Cluster::start();
    create(&cluster, json!({"suspend": true, "startingDeadlineSeconds": 10}));
    cluster.pass(90.0).await;
    assert!(names(&cluster).is_empty());
    cluster.change(CRON_JOBS, "c", |cron| cron["spec"]["suspend"] = json!(false));
    cluster.pass(5.0).await;
    assert!(names(&cluster).is_empty(), "the minute before was more than ten seconds ago");
    cluster.pass(30.0).await;
    assert_eq!(names(&cluster), ["c-29453762"]);
}

#[tokio::test(start_paused = true)]
async fn a_time_zone_moves_the_hour() {
    let cluster = Cluster::start();
    create(&cluster, json!({"schedule": "30 1 * * *", "timeZone": "Europe/Berlin"}));
    cluster.pass(1_790.0).await;
    assert!(names(&cluster).is_empty());
    cluster.pass(20.0).await;
    let job = cluster.all(JOBS).pop().unwrap();
    let annotation = &job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert_eq!(annotation, "2026-01-01T01:30:00+01:00");
}
