//! What is said of a run beside its results: commit, branch and pipeline, from the variables of CI systems or from git, and the images of
//! its workloads. Only these variables are read, each by its name: no secret gets here.

use crate::engine::saved::SavedPlans;
use crate::scenario::Plan;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The file of a run directory that keeps the labels for an upload later, on another machine.
pub const FILE: &str = "labels.json";

/// Which variables of which CI system say what, first come first served.
const VARIABLES: [(&str, &[&str]); 5] = [
    ("git.commit", &["GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILD_SOURCEVERSION", "CIRCLE_SHA1", "BUILDKITE_COMMIT"]),
    (
        "git.branch",
        &[
            "GITHUB_HEAD_REF",
            "GITHUB_REF_NAME",
            "CI_COMMIT_REF_NAME",
            "GIT_BRANCH",
            "BUILD_SOURCEBRANCHNAME",
            "CIRCLE_BRANCH",
            "BUILDKITE_BRANCH",
        ],
    ),
    ("git.repository", &["GITHUB_REPOSITORY", "CI_PROJECT_PATH", "CIRCLE_PROJECT_REPONAME"]),
    (
        "ci.pipeline",
        &["GITHUB_RUN_ID", "CI_PIPELINE_ID", "BUILD_TAG", "BUILD_BUILDID", "CIRCLE_WORKFLOW_ID", "BUILDKITE_BUILD_ID"],
    ),
    ("ci.job", &["GITHUB_JOB", "CI_JOB_NAME", "JOB_NAME", "CIRCLE_JOB"]),
];

/// Labels from an environment; `variable` looks one up.
#[must_use]
pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    VARIABLES
        .iter()
        .filter_map(|(label, names)| {
            let value = names.iter().filter_map(|name| variable(name)).find(|value| !value.trim().is_empty())?;
            Some(((*label).to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// Labels from the git repository of the working directory, where there is one and a `git` to ask.
#[must_use]
pub fn from_git() -> BTreeMap<String, String> {
    let ask = |arguments: &[&str]| {
        let output = duct::cmd("git", arguments).stderr_null().stdin_null().unchecked().stdout_capture().run().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let commit = ask(&["rev-parse", "HEAD"]).map(|commit| ("git.commit".to_owned(), commit));
    let branch = ask(&["rev-parse", "--abbrev-ref", "HEAD"]).filter(|branch| branch != "HEAD");
    // A commit that does not say what was run is worse than none.
    let changed = ask(&["status", "--porcelain", "--untracked-files=no"]).map(|_| ("git.dirty".to_owned(), "true".to_owned()));
    commit.into_iter().chain(branch.map(|branch| ("git.branch".to_owned(), branch))).chain(changed).collect()
}

/// The images that a run's workloads name: with a digest, `image.NAME` is the digest, else what follows the name, a tag.
#[must_use]
pub fn images(plans: &[Arc<Plan>]) -> BTreeMap<String, String> {
    let mut found = BTreeSet::new();
    for manifest in plans.iter().flat_map(|plan| &plan.manifests) {
        collect(&manifest.object, &mut found);
    }
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for image in &found {
        let (name, version) = split(image);
        labels.entry(format!("image.{name}")).or_default().insert(version.to_owned());
    }
    labels.into_iter().map(|(name, versions)| (name, versions.into_iter().collect::<Vec<_>>().join(" "))).collect()
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::Array(containers) if key.to_lowercase().ends_with("containers") => {
                        found.extend(containers.iter().filter_map(|one| one.get("image")?.as_str()).map(str::to_owned));
                    }
                    _ => collect(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|one| collect(one, found)),
        _ => {}
    }
}

/// `registry:5000/shop/api:1.2@sha256:…` is named `registry:5000/shop/api`; its digest says more than its tag.
fn split(image: &str) -> (&str, &str) {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let name_from = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest.get(name_from..).and_then(|last| last.find(':')) {
        Some(colon) => (&rest[..name_from + colon], &rest[name_from + colon + 1..]),
        None => (rest, "latest"),
    };
    (name, digest.unwrap_or(tag))
}

/// Labels of this working directory and environment, which the run directory keeps from now on: an upload may come from another
/// machine.
#[must_use]
pub fn of_here(directory: &Path) -> BTreeMap<String, String> {
    let mut labels = from_git();
    // A pipeline knows the branch that a detached checkout has lost.
    labels.extend(from_environment(|name| std::env::var(name).ok()));
    if let Ok(text) = serde_json::to_vec_pretty(&labels) {
        // Without it the upload lacks labels, nothing else; a full disk is the result file's to tell of.
        let _ = std::fs::write(directory.join(FILE), text);
    }
    labels
}

/// Labels that a run directory keeps; none where there are none.
#[must_use]
pub fn saved(directory: &Path) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let plans = std::fs::read(directory.join("plans.json")).ok();
    if let Some(saved) = plans.and_then(|bytes| serde_json::from_slice::<SavedPlans>(&bytes).ok()) {
        labels.extend(images(&saved.plans));
    }
    let kept = std::fs::read(directory.join(FILE)).ok();
    labels.extend(kept.and_then(|bytes| serde_json::from_slice::<BTreeMap<String, String>>(&bytes).ok()).unwrap_or_default());
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn ci_systems_say_commit_and_branch_and_nothing_else_is_read() {
        let github = |name: &str| match name {
            "GITHUB_SHA" => Some("4b0b00a".to_owned()),
            "GITHUB_HEAD_REF" => Some(String::new()),
            "GITHUB_REF_NAME" => Some("main".to_owned()),
            name => {
                assert!(!name.contains("TOKEN") && !name.contains("SECRET") && !name.contains("PASSWORD"), "{name}");
                None
            }
        };
        let labels = from_environment(github);
        assert_eq!(labels.get("git.commit").map(String::as_str), Some("4b0b00a"));
        assert_eq!(labels.get("git.branch").map(String::as_str), Some("main"));
        assert_eq!(labels.len(), 2);
    }

    #[rstest]
    #[case("busybox", "busybox", "latest")]
    #[case("shop/api:1.2", "shop/api", "1.2")]
    #[case("registry:5000/shop/api", "registry:5000/shop/api", "latest")]
    #[case("registry:5000/api:1@sha256:ab", "registry:5000/api", "sha256:ab")]
    fn an_image_has_a_name_and_a_version(#[case] image: &str, #[case] name: &str, #[case] version: &str) {
        assert_eq!(split(image), (name, version));
    }

    #[test]
    fn images_are_found_wherever_containers_are() {
        let pod = serde_json::json!({ "spec": { "template": { "spec": {
            "initContainers": [ { "image": "a:1" } ], "containers": [ { "image": "b" }, { "name": "none" } ] } } } });
        let mut found = BTreeSet::new();
        collect(&pod, &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a:1", "b"]);
    }
}
