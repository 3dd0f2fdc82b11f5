//! How the maps and lists of a kind merge: by which keys, as sets, or whole; walked along the kind's own types.
//! `schema/structure.txt` holds what a 1.36 publishes of the built-in types (only what is not the default):
//! a type per paragraph (`!`: atomic), below it its fields with their type (`[list]`, `{map}`), how server-side apply
//! (`apply:` keys, none for a set) and strategic merge (`patch:` strategy and key) merge them, and whether Go always writes them.

use super::custom::structural;
use super::resource::Resource;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::OnceLock;

/// How a list merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListKind<'a> {
    /// Entries are objects told apart by these fields.
    Keyed(Vec<&'a str>),
    /// Entries are scalars, each at most once.
    Set,
    /// One value as a whole.
    Atomic,
}

/// What is known of one place in an object.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// What is inside: of a list what its items are.
    inner: Shape<'a>,
    /// How server-side apply merges a list here.
    pub(super) apply: ListKind<'a>,
    /// How a strategic merge patch merges a list here.
    pub(super) patch: ListKind<'a>,
    /// Whether a map here is taken as one value.
    pub(super) atomic: bool,
    /// Whether the value is there even when nobody set it.
    pub(super) always: bool,
}

#[derive(Clone, Copy, Debug)]
enum Shape<'a> {
    /// A built-in type.
    Type(&'static Type),
    /// A map whose values are of a built-in type.
    Values(&'static str),
    /// A structural schema.
    Schema(&'a Value),
    /// Maps merge, lists do not.
    Plain,
}

#[derive(Debug, Default)]
struct Type {
    atomic: bool,
    fields: HashMap<&'static str, Field>,
}

#[derive(Debug, Default)]
struct Field {
    target: &'static str,
    is_map: bool,
    apply: Option<Vec<&'static str>>,
    patch: Option<&'static str>,
    atomic: bool,
    always: bool,
}

fn types() -> &'static HashMap<&'static str, Type> {
    static TYPES: OnceLock<HashMap<&'static str, Type>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let mut types: HashMap<&'static str, Type> = HashMap::new();
        let mut current = "";
        for line in include_str!("schema/structure.txt").lines() {
            if let Some(field) = line.strip_prefix(' ') {
                let Some((name, field)) = read_field(field) else { continue };
                types.entry(current).or_default().fields.insert(name, field);
            } else {
                current = line.trim_end_matches('!');
                types.insert(current, Type { atomic: line.ends_with('!'), fields: HashMap::new() });
            }
        }
        types
    })
}

fn read_field(line: &'static str) -> Option<(&'static str, Field)> {
    let mut words = line.split(' ');
    let (name, target) = (words.next()?, words.next()?);
    let is_map = target.starts_with('{');
    let mut field = Field { target: target.trim_matches(['[', ']', '{', '}', '-']), is_map, ..Field::default() };
    for word in words {
        match word.split_once(':') {
            Some(("apply", keys)) => field.apply = Some(keys.split(',').filter(|key| !key.is_empty()).collect()),
            Some(("patch", how)) => field.patch = Some(how),
            _ => {
                field.atomic |= word == "atomic";
                field.always |= word == "always";
            }
        }
    }
    Some((name, field))
}

/// The published name of a built-in kind's type, without `io.k8s.`.
pub(super) fn definition_name(resource: Resource) -> String {
    let package = match resource.group.split('.').next().unwrap_or_default() {
        "" => "api.core".to_owned(),
        "apiextensions" => "apiextensions-apiserver.pkg.apis.apiextensions".to_owned(),
        "apiregistration" => "kube-aggregator.pkg.apis.apiregistration".to_owned(),
        group => format!("api.{group}"),
    };
    format!("{package}.{}.{}", resource.version, resource.kind)
}

const METADATA: &str = "apimachinery.pkg.apis.meta.v1.ObjectMeta";

impl<'a> Place<'a> {
    /// The root of an object of a resource; `schema` is a custom kind's.
    pub(super) fn root(resource: Resource, schema: Option<&'a Value>) -> Self {
        let inner = match schema {
            Some(schema) => Shape::Schema(schema),
            None if resource.is_built_in() => types().get(definition_name(resource).as_str()).map_or(Shape::Plain, Shape::Type),
            None => Shape::Plain,
        };
        Self { inner, ..Self::plain() }
    }

    fn plain() -> Self {
        Self { inner: Shape::Plain, apply: ListKind::Atomic, patch: ListKind::Atomic, atomic: false, always: false }
    }

    /// A field of the object at the root: metadata is the same for every kind.
    pub(super) fn top(&self, name: &str) -> Self {
        if name == "metadata" {
            return types().get(METADATA).map_or_else(Self::plain, |inner| Self {
                inner: Shape::Type(inner),
                always: true,
                ..Self::plain()
            });
        }
        self.field(name)
    }

    /// A field of the object at this place.
    pub(super) fn field(&self, name: &str) -> Self {
        match self.inner {
            Shape::Type(of) => of.fields.get(name).map_or_else(Self::plain, Self::of_field),
            Shape::Values(target) => Self::of_type(target),
            Shape::Schema(schema) => structural::field(schema, name).map_or_else(Self::plain, Self::of_schema),
            Shape::Plain => Self::plain(),
        }
    }

    /// An entry of the list at this place.
    pub(super) fn item(&self) -> Self {
        let atomic = match self.inner {
            Shape::Type(of) => of.atomic,
            Shape::Schema(schema) => is_atomic(schema),
            Shape::Values(_) | Shape::Plain => false,
        };
        Self { inner: self.inner, atomic, ..Self::plain() }
    }

    fn of_type(name: &str) -> Self {
        let Some(found) = types().get(name) else { return Self::plain() };
        Self { inner: Shape::Type(found), atomic: found.atomic, ..Self::plain() }
    }

    fn of_field(field: &'static Field) -> Self {
        let target = Self::of_type(field.target);
        let inner = if field.is_map && !field.target.is_empty() { Shape::Values(field.target) } else { target.inner };
        let apply = match field.apply.as_deref() {
            None => ListKind::Atomic,
            Some([]) => ListKind::Set,
            Some(keys) => ListKind::Keyed(keys.to_vec()),
        };
        let patch = match field.patch.map(|how| how.split_once('/').unwrap_or((how, ""))) {
            Some((_, key)) if !key.is_empty() => ListKind::Keyed(vec![key]),
            Some((how, _)) if how.starts_with("merge") => ListKind::Set,
            _ => ListKind::Atomic,
        };
        Self { inner, apply, patch, atomic: field.atomic || (!field.is_map && target.atomic), always: field.always }
    }

    fn of_schema(schema: &'a Value) -> Self {
        let apply = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => ListKind::Set,
            Some("map") => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
                ListKind::Keyed(keys.filter_map(Value::as_str).collect())
            }
            _ => ListKind::Atomic,
        };
        let inner = schema.get("items").map_or(Shape::Schema(schema), Shape::Schema);
        Self { inner, apply, atomic: is_atomic(schema), ..Self::plain() }
    }
}

fn is_atomic(schema: &Value) -> bool {
    schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic")
}

/// The extensions that a built-in type's field is published with: (name, value).
pub(super) fn extensions(definition: &str, field: &str) -> Vec<(&'static str, Value)> {
    let Some(field) = types().get(definition).and_then(|of| of.fields.get(field)) else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(keys) = &field.apply {
        found.push(("x-kubernetes-list-type", Value::from(if keys.is_empty() { "set" } else { "map" })));
        if !keys.is_empty() {
            found.push(("x-kubernetes-list-map-keys", Value::from(keys.clone())));
        }
    }
    if field.atomic {
        found.push(("x-kubernetes-map-type", Value::from("atomic")));
    }
    if let Some((how, key)) = field.patch.map(|how| how.split_once('/').unwrap_or((how, ""))) {
        found.push(("x-kubernetes-patch-strategy", Value::from(how.replace('+', ","))));
        if !key.is_empty() {
            found.push(("x-kubernetes-patch-merge-key", Value::from(key)));
        }
    }
    found
}

/// Whether a built-in type is published as atomic.
pub(super) fn is_atomic_type(definition: &str) -> bool {
    types().get(definition).is_some_and(|of| of.atomic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::resource::{DEPLOYMENTS, PODS, SERVICES};

    fn at(resource: Resource, path: &[&str]) -> Place<'static> {
        path.iter().fold(Place::root(resource, None), |place, name| if *name == "[]" { place.item() } else { place.field(name) })
    }

    #[test]
    fn lists_merge_by_their_published_keys() {
        let container = ["spec", "template", "spec", "containers", "[]"];
        let ports = at(DEPLOYMENTS, &[&container[..], &["ports"]].concat());
        assert_eq!(ports.apply, ListKind::Keyed(vec!["containerPort", "protocol"]));
        assert_eq!(ports.patch, ListKind::Keyed(vec!["containerPort"]));
        assert_eq!(at(SERVICES, &["spec", "ports"]).apply, ListKind::Keyed(vec!["port", "protocol"]));
        assert_eq!(at(PODS, &["spec", "tolerations"]).patch, ListKind::Atomic);
        assert_eq!(at(PODS, &["spec", "volumes"]).patch, ListKind::Keyed(vec!["name"]));
        assert_eq!(at(PODS, &["metadata", "finalizers"]).apply, ListKind::Set);
        assert!(at(DEPLOYMENTS, &["spec", "selector"]).atomic);
        assert!(at(PODS, &["spec", "nodeSelector"]).atomic);
        assert!(at(PODS, &["metadata", "ownerReferences"]).item().atomic);
        assert!(!at(SERVICES, &["spec", "selector"]).always);
    }

    #[test]
    fn every_built_in_kind_has_a_type() {
        for resource in super::super::resource::ALL {
            assert!(types().contains_key(definition_name(*resource).as_str()), "{}", definition_name(*resource));
        }
    }
}
