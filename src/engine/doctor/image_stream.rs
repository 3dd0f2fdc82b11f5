//! Images that OpenShift's own registry has under the names of `ImageStream`s, and workloads whose images such a stream puts in: neither
//! is missing because no node has it yet. What nodes have is `images`'.

use super::ASK_WITHIN;
use crate::cluster::kinds::Kind;
use crate::cluster::request::retried;
use crate::json::At as _;
use crate::scenario::Plan;
use serde_json::Value;

/// The internal registry, as workloads name it.
const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";
/// The annotation by which streams put their images into a workload.
const TRIGGERS: &str = "image.openshift.io/triggers";

/// A tag of a stream; without a tag, an image of it by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    namespace: String,
    name: String,
    tag: Option<String>,
}

impl Tagged {
    /// What an image of the internal registry is called in the cluster.
    pub(super) fn of_image(image: &str) -> Option<Self> {
        let path = image.strip_prefix(REGISTRY)?.strip_prefix('/')?;
        let (path, digest) = path.split_once('@').map_or((path, None), |(path, digest)| (path, Some(digest)));
        let (namespace, rest) = path.split_once('/')?;
        let (name, tag) = rest.split_once(':').map_or((rest, None), |(name, tag)| (name, Some(tag)));
        if name.is_empty() || name.contains('/') {
            return None;
        }
        let tag = if digest.is_some() { None } else { Some(tag.unwrap_or("latest").to_owned()) };
        Some(Self { namespace: namespace.to_owned(), name: name.to_owned(), tag })
    }

    /// Whether the cluster has it. What may not be read is not known to be there.
    pub(super) async fn exists(&self, client: &kube::Client) -> bool {
        let api = Kind::image_stream().api(client, &self.namespace);
        let found = retried("reading an ImageStream", ASK_WITHIN, || api.get_opt(&self.name)).await;
        found.ok().flatten().is_some_and(|stream| self.is_in(&stream.data))
    }

    fn is_in(&self, stream: &Value) -> bool {
        let Some(tag) = &self.tag else { return true };
        let tags = stream.at("/status/tags").and_then(Value::as_array).into_iter().flatten();
        let has_images = |tag: &Value| tag.get("items").and_then(Value::as_array).is_some_and(|items| !items.is_empty());
        tags.into_iter().any(|known| known.get("tag").is_some_and(|known| known == tag.as_str()) && has_images(known))
    }
}

/// What puts the image into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A stream that the workload brings with it: what it has is known only in the trial.
    Own,
    /// A stream of the cluster.
    Cluster(Tagged),
}

/// The stream that puts the image into a container, if one does.
pub(super) fn trigger(plan: &Plan, workload: &Value, container: &str) -> Option<Source> {
    let annotations = workload.at("/metadata/annotations")?;
    let triggers: Value = serde_json::from_str(annotations.get(TRIGGERS)?.as_str()?).ok()?;
    let wanted = format!("@.name==\"{container}\"");
    let from = triggers.as_array()?.iter().find_map(|trigger| {
        let path = trigger.get("fieldPath")?.as_str()?.replace(' ', "").replace('\'', "\"");
        path.contains(&wanted).then(|| trigger.get("from")).flatten()
    })?;
    if from.get("kind").is_none_or(|kind| kind != "ImageStreamTag") {
        return None;
    }
    let (name, tag) = from.get("name")?.as_str()?.split_once(':')?;
    if let Some(namespace) = from.get("namespace").and_then(Value::as_str) {
        return Some(Source::Cluster(Tagged {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            tag: Some(tag.to_owned()),
        }));
    }
    // In the trial's own namespace, which has what the manifests bring.
    let own = |object: &Value| {
        object.get("kind").is_some_and(|kind| kind == "ImageStream")
            && object.at("/metadata/name").is_some_and(|known| known == name)
    };
    plan.manifests.iter().any(|manifest| own(&manifest.object)).then_some(Source::Own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{LoadOptions, load};
    use serde_json::json;

    fn tagged(namespace: &str, name: &str, tag: Option<&str>) -> Tagged {
        Tagged { namespace: namespace.to_owned(), name: name.to_owned(), tag: tag.map(ToOwned::to_owned) }
    }

    #[test]
    fn only_images_of_the_internal_registry_are_streams() {
        let of = |rest: &str| Tagged::of_image(&format!("{REGISTRY}{rest}"));
        assert_eq!(of("/shop/web:2"), Some(tagged("shop", "web", Some("2"))));
        assert_eq!(of("/shop/web"), Some(tagged("shop", "web", Some("latest"))));
        assert_eq!(of("/shop/web@sha256:12"), Some(tagged("shop", "web", None)));
        assert_eq!((of("/shop"), of("/shop/a/b:1"), of("x/shop/web:2")), (None, None, None));
        assert_eq!(Tagged::of_image("quay.io/shop/web:2"), None);
    }

    #[test]
    fn a_tag_without_an_image_is_not_there() {
        let stream =
            json!({ "status": { "tags": [{ "tag": "2", "items": [{ "image": "sha256:1" }] }, { "tag": "3", "items": [] }] } });
        let of = |tag| tagged("shop", "web", tag).is_in(&stream);
        assert_eq!((of(Some("2")), of(Some("3")), of(Some("4")), of(None)), (true, false, false, true));
    }

    #[test]
    fn a_trigger_names_the_stream_of_its_container() {
        let loaded = load(&["builtin:pod-deleted".to_owned()], &LoadOptions::default()).unwrap();
        let plan = &loaded.plans[0];
        let with = |from: Value| {
            let triggers = json!([{ "from": from, "fieldPath": "spec.template.spec.containers[?(@.name==\"web\")].image" }]);
            json!({ "metadata": { "annotations": { TRIGGERS: triggers.to_string() } } })
        };
        let shared = with(json!({ "kind": "ImageStreamTag", "name": "web:2", "namespace": "shop" }));
        assert_eq!(trigger(plan, &shared, "web"), Some(Source::Cluster(tagged("shop", "web", Some("2")))));
        assert_eq!(trigger(plan, &shared, "side"), None);
        // Its own namespace would need the stream among the manifests.
        assert_eq!(trigger(plan, &with(json!({ "kind": "ImageStreamTag", "name": "web:2" })), "web"), None);
    }
}
