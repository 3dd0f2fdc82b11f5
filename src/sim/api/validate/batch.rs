//! Validation of Jobs and `CronJob`s, but for what a policy's rules may say (`policy`).
//! Pod templates are `pod`'s.

use super::{non_negative, pod, policy};
use crate::sim::api::field::FieldError;
use crate::sim::api::select::LabelSelector;
use serde_json::{Value, json};

/// The most pods of an indexed Job at once.
const MOST_PARALLEL: i64 = 100_000;

fn text<'a>(parent: &'a Value, name: &str) -> &'a str {
    parent.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(parent: &Value, name: &str) -> Option<i64> {
    parent.get(name).and_then(Value::as_i64)
}

/// Checks a Job's spec. A generated selector is not there yet when a Job is new.
pub(super) fn job(spec: &Value, errors: &mut Vec<FieldError>) {
    job_spec(spec, "spec", errors);
    let Some(selector) = spec.get("selector").filter(|selector| !selector.is_null()) else {
        if spec.get("manualSelector") == Some(&json!(true)) {
            errors.push(FieldError::required("spec.selector", ""));
        }
        return;
    };
    let labels = spec.pointer("/template/metadata/labels").unwrap_or(&Value::Null);
    match LabelSelector::from_object(selector) {
        None => errors.push(FieldError::invalid("spec.selector", selector, "invalid label selector")),
        Some(parsed) if !parsed.matches_labels(labels) => {
            let why = "`selector` does not match template `labels`";
            errors.push(FieldError::invalid("spec.template.metadata.labels", labels, why));
        }
        Some(_) => {}
    }
}

fn job_spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        non_negative(spec, path, field, errors);
    }
    if number(spec, "maxFailedIndexes").is_some() && number(spec, "backoffLimitPerIndex").is_none() {
        errors.push(FieldError::required(format!("{path}.backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    pod::choice(spec, path, "completionMode", &["NonIndexed", "Indexed"], errors);
    if text(spec, "completionMode") == "Indexed" {
        indexed(spec, path, errors);
    } else {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
            if let Some(value) = spec.get(field).filter(|value| !value.is_null()) {
                errors.push(FieldError::invalid(format!("{path}.{field}"), value, "requires indexed completion mode"));
            }
        }
    }
    policy::failure_policy(spec, path, errors);
    if text(spec, "completionMode") == "Indexed" {
        policy::success_policy(spec, path, errors);
    }
    let has_failure_policy = spec.get("podFailurePolicy").is_some_and(Value::is_object);
    let replacements: &[&str] = if has_failure_policy { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    pod::choice(spec, path, "podReplacementPolicy", replacements, errors);
    let template = spec.pointer("/template/spec").unwrap_or(&Value::Null);
    pod::spec(template, &format!("{path}.template.spec"), errors);
    let place = format!("{path}.template.spec.restartPolicy");
    match text(template, "restartPolicy") {
        "" | "Always" => errors.push(FieldError::required(place, "valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" if has_failure_policy => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(FieldError::invalid(place, &json!("OnFailure"), why));
        }
        "OnFailure" | "Never" => {}
        other => errors.push(FieldError::not_supported(place, &json!(other), &["OnFailure", "Never"])),
    }
}

fn indexed(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let completions = number(spec, "completions");
    if completions.is_none() {
        errors.push(FieldError::required(format!("{path}.completions"), "when completion mode is Indexed"));
    }
    if let Some(parallelism) = number(spec, "parallelism").filter(|parallelism| *parallelism > MOST_PARALLEL) {
        let why = format!("must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed");
        errors.push(FieldError::invalid(format!("{path}.parallelism"), &json!(parallelism), &why));
    }
    if let Some(most) = number(spec, "maxFailedIndexes").filter(|most| completions.is_some_and(|completions| *most > completions))
    {
        let why = "must be less than or equal to completions";
        errors.push(FieldError::invalid(format!("{path}.maxFailedIndexes"), &json!(most), why));
    }
}

/// What a Job may not change.
pub(super) fn job_update(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    let at = |object: &Value, field: &str| object.pointer(&format!("/spec/{field}")).cloned().unwrap_or_default();
    let mut keep = |field: &str| {
        let (before, after) = (at(old, field), at(new, field));
        if before != after {
            errors.push(FieldError::invalid(format!("spec.{field}"), &after, "field is immutable"));
        }
    };
    let is_elastic = at(new, "completionMode") == "Indexed" && at(new, "completions") == at(new, "parallelism");
    if !is_elastic {
        keep("completions");
    }
    keep("selector");
    if at(old, "suspend") != json!(true) {
        keep("template");
    }
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        keep(field);
    }
}

/// Checks a `CronJob`'s spec.
pub(super) fn cron_job(spec: &Value, errors: &mut Vec<FieldError>) {
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else {
        if let Err(why) = crate::sim::cron::Schedule::parse(schedule) {
            errors.push(FieldError::invalid("spec.schedule", &json!(schedule), &why));
        }
        if schedule.contains("TZ") {
            let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.push(FieldError::invalid("spec.schedule", &json!(schedule), why));
        }
    }
    non_negative(spec, "spec", "startingDeadlineSeconds", errors);
    if let Some(zone) = spec.get("timeZone").and_then(Value::as_str) {
        if zone.is_empty() {
            errors.push(FieldError::invalid("spec.timeZone", &json!(""), "timeZone must be nil or non-empty string"));
        } else if zone.eq_ignore_ascii_case("local") {
            errors.push(FieldError::invalid(
                "spec.timeZone",
                &json!(zone),
                "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
            ));
        } else if crate::sim::cron::time_zone(zone).is_err() {
            errors.push(FieldError::invalid("spec.timeZone", &json!(zone), &format!("unknown time zone {zone}")));
        }
    }
    pod::choice(spec, "spec", "concurrencyPolicy", &["Allow", "Forbid", "Replace"], errors);
    job_spec(spec.pointer("/jobTemplate/spec").unwrap_or(&Value::Null), "spec.jobTemplate.spec", errors);
    if spec.pointer("/jobTemplate/spec/manualSelector") == Some(&json!(true)) {
        let why = "`selector` will be auto-generated";
        errors.push(FieldError::not_supported("spec.jobTemplate.spec.manualSelector", &json!(true), &["nil", "false"]));
        if let Some(selector) = spec.pointer("/jobTemplate/spec/selector") {
            errors.push(FieldError::invalid("spec.jobTemplate.spec.selector", selector, why));
        }
    }
    non_negative(spec, "spec", "successfulJobsHistoryLimit", errors);
    non_negative(spec, "spec", "failedJobsHistoryLimit", errors);
}
