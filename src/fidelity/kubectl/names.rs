//! Which object a command line means: kinds in all their spellings, and the paths of objects.

use super::super::Error;
use crate::sim::api::resource::{self, Resource};

/// One object, or with an empty name all of a kind.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) resource: Resource,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Target {
    /// The path of its collection.
    pub(super) fn collection(&self) -> String {
        let (group, version) = (self.resource.group, self.resource.version);
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        if self.resource.namespaced {
            format!("{root}/namespaces/{}/{}", self.namespace, self.resource.plural)
        } else {
            format!("{root}/{}", self.resource.plural)
        }
    }

    /// Its own path.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }
}

const SHORT: [(&str, &str); 16] = [
    ("po", "pods"),
    ("deploy", "deployments"),
    ("rs", "replicasets"),
    ("sts", "statefulsets"),
    ("ds", "daemonsets"),
    ("cm", "configmaps"),
    ("svc", "services"),
    ("ns", "namespaces"),
    ("no", "nodes"),
    ("pvc", "persistentvolumeclaims"),
    ("pv", "persistentvolumes"),
    ("quota", "resourcequotas"),
    ("pdb", "poddisruptionbudgets"),
    ("sa", "serviceaccounts"),
    ("hpa", "horizontalpodautoscalers"),
    ("cj", "cronjobs"),
];

/// The resource of a word: plural, singular, short, with or without its group.
pub(super) fn resource_of(word: &str) -> Result<Resource, Error> {
    let plain = word.split('.').next().unwrap_or(word).to_lowercase();
    let plural = SHORT.iter().find(|(short, _)| *short == plain).map_or(plain.as_str(), |(_, plural)| plural);
    resource::ALL
        .iter()
        .copied()
        .find(|resource| resource.plural == plural || resource.kind.to_lowercase() == plural)
        .ok_or_else(|| Error::new(format!("the embedded cluster has no kind {word:?}")))
}

/// The targets of `KIND/NAME`..., `KIND NAME`... or `KIND`.
pub(super) fn targets(words: &[String], namespace: &str) -> Result<Vec<Target>, Error> {
    let target = |resource, name: &str| Target { resource, namespace: namespace.to_owned(), name: name.to_owned() };
    if words.iter().any(|word| word.contains('/')) {
        return words
            .iter()
            .map(|word| {
                let (kind, name) = word.split_once('/').unwrap_or((word, ""));
                Ok(target(resource_of(kind)?, name))
            })
            .collect();
    }
    let Some((kind, names)) = words.split_first() else { return Err(Error::new("expected a kind and a name")) };
    let resource = resource_of(kind)?;
    if names.is_empty() {
        return Ok(vec![target(resource, "")]);
    }
    Ok(names.iter().map(|name| target(resource, name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&["deploy/app"], "/apis/apps/v1/namespaces/n/deployments/app")]
    #[case(&["cm", "cfg"], "/api/v1/namespaces/n/configmaps/cfg")]
    #[case(&["ns", "n"], "/api/v1/namespaces/n")]
    #[case(&["pod/p"], "/api/v1/namespaces/n/pods/p")]
    #[case(&["quota", "q"], "/api/v1/namespaces/n/resourcequotas/q")]
    fn objects_have_paths(#[case] words: &[&str], #[case] path: &str) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(targets(&words, "n").unwrap()[0].path(), path);
    }
}
