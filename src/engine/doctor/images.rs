//! Whether the images of workloads are on the nodes already, as far as nodes tell. What is not there must be pulled, and whether a
//! registry has it is known only then.

use super::image_stream::{Source, Tagged, trigger};
use super::{ASK_WITHIN, Check, Grade, said};
use crate::cluster::request::retried;
use crate::json::At as _;
use crate::scenario::Plan;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "images";
/// A kubelet reports at most so many images (`nodeStatusMaxImages`).
const REPORTED: usize = 50;

pub(super) async fn check(client: &kube::Client, plans: &[&Plan]) -> Option<Check> {
    let (mut wanted, streams) = wanted(plans);
    if wanted.is_empty() {
        return None;
    }
    let all = wanted.len();
    for (image, stream) in streams {
        if stream.exists(client).await {
            wanted.remove(&image);
        }
    }
    if wanted.is_empty() {
        return Some(Check::new(NAME, Grade::Good, format!("all {all} are in image streams of the cluster"), ""));
    }
    let nodes: Api<Node> = Api::all(client.clone());
    let parameters = ListParams::default();
    let listed = retried("listing nodes", ASK_WITHIN, || nodes.list(&parameters)).await;
    Some(match listed {
        Ok(nodes) => {
            let told: Vec<Vec<String>> = nodes
                .items
                .into_iter()
                .filter_map(|node| node.status?.images)
                .map(|images| images.into_iter().filter_map(|image| image.names).flatten().map(|name| canonical(&name)).collect())
                .collect();
            judged(&wanted, &told)
        }
        Err(error) => {
            Check::new(NAME, Grade::Doubt, format!("which images are on the nodes cannot be told: {}", said(&error)), "")
        }
    })
}

/// Images of the plans' own manifests, with a scenario that has it and whether it may be pulled; and the image streams from which
/// some of them come.
fn wanted(plans: &[&Plan]) -> (BTreeMap<String, (String, bool)>, Vec<(String, Tagged)>) {
    let (mut wanted, mut streams) = (BTreeMap::new(), Vec::new());
    for plan in plans {
        // A scenario about an image that does not exist wants it to be absent.
        if plan.labels.get("class").is_some_and(|class| class == "image") {
            continue;
        }
        for manifest in &plan.manifests {
            for pointer in ["/spec/template/spec", "/spec", "/spec/jobTemplate/spec/template/spec"] {
                let Some(pod) = manifest.object.at(pointer) else { continue };
                for list in ["containers", "initContainers"] {
                    for container in pod.get(list).and_then(Value::as_array).into_iter().flatten() {
                        let text = |field: &str| container.get(field).and_then(Value::as_str).unwrap_or_default();
                        let put_in = trigger(plan, &manifest.object, text("name"));
                        // What the workload's own stream puts in is known only there.
                        if !text("image").is_empty() && put_in != Some(Source::Own) {
                            let stream = match put_in {
                                Some(Source::Cluster(stream)) => Some(stream),
                                _ => Tagged::of_image(text("image")),
                            };
                            streams.extend(stream.map(|stream| (text("image").to_owned(), stream)));
                            let pulled = text("imagePullPolicy") != "Never";
                            wanted.entry(text("image").to_owned()).or_insert((plan.name.clone(), pulled));
                        }
                    }
                }
            }
        }
    }
    (wanted, streams)
}

fn judged(wanted: &BTreeMap<String, (String, bool)>, told: &[Vec<String>]) -> Check {
    if told.iter().all(Vec::is_empty) {
        return Check::new(NAME, Grade::Doubt, "the nodes do not tell which images they have", "");
    }
    let there = |image: &str| told.iter().any(|node| node.contains(&canonical(image)));
    let absent: Vec<_> = wanted.iter().filter(|(image, _)| !there(image)).collect();
    if absent.is_empty() {
        return Check::new(NAME, Grade::Good, format!("all {} are on nodes", wanted.len()), "");
    }
    let never: Vec<_> =
        absent.iter().filter(|(_, (_, pulled))| !pulled).map(|(image, (plan, _))| format!("{image} ({plan})")).collect();
    let cut = told.iter().any(|node| node.iter().collect::<BTreeSet<_>>().len() >= REPORTED);
    if !never.is_empty() && !cut {
        let found = format!("not on any node, and never pulled: {}", never.join(", "));
        return Check::new(
            NAME,
            Grade::Bad,
            found,
            "load them into the nodes (`kind load docker-image`), or change imagePullPolicy",
        );
    }
    let list: Vec<_> = absent.iter().map(|(image, _)| image.as_str()).collect();
    let found = format!("not seen on the nodes, to be pulled: {}", list.join(", "));
    Check::new(
        NAME,
        Grade::Doubt,
        found,
        "pull or load them before, so that no trial waits for a registry; `comeback list --images`",
    )
}

/// An image's name as nodes write it: with registry, folder and tag.
fn canonical(image: &str) -> String {
    let (path, digest) = image.split_once('@').map_or((image, None), |(path, digest)| (path, Some(digest)));
    let last = path.rsplit('/').next().unwrap_or(path);
    let tagged = if last.contains(':') || digest.is_some() { path.to_owned() } else { format!("{path}:latest") };
    let first = tagged.split('/').next().unwrap_or_default();
    let has_registry = tagged.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let whole = match (has_registry, tagged.contains('/')) {
        (true, _) => tagged,
        (false, true) => format!("docker.io/{tagged}"),
        (false, false) => format!("docker.io/library/{tagged}"),
    };
    digest.map_or(whole.clone(), |digest| format!("{whole}@{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("busybox", "docker.io/library/busybox:latest")]
    #[case("busybox:1.37", "docker.io/library/busybox:1.37")]
    #[case("shop/api:2", "docker.io/shop/api:2")]
    #[case("quay.io/shop/api", "quay.io/shop/api:latest")]
    #[case("localhost:5000/web:missing", "localhost:5000/web:missing")]
    #[case("a/b@sha256:12", "docker.io/a/b@sha256:12")]
    fn names_are_compared_whole(#[case] image: &str, #[case] is: &str) {
        assert_eq!(canonical(image), is);
    }

    #[test]
    fn an_image_that_is_never_pulled_must_be_there() {
        let wanted = |pulled| BTreeMap::from([("shop/api:2".to_owned(), ("api".to_owned(), pulled))]);
        let there = [vec!["docker.io/shop/api:2".to_owned()]];
        assert_eq!(judged(&wanted(false), &there).grade, Grade::Good);
        let other = [vec!["docker.io/shop/api:1".to_owned()]];
        assert_eq!(judged(&wanted(false), &other).grade, Grade::Bad);
        assert_eq!(judged(&wanted(true), &other).grade, Grade::Doubt);
        assert_eq!(judged(&wanted(false), &[vec![]]).grade, Grade::Doubt);
    }
}
