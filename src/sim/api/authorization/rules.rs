//! Whether a rule covers what is wanted, and whether a binding's subject means a user.
//! Pure functions of the objects; which rules apply is the parent's.

use super::Attributes;
use crate::sim::api::authentication::User;
use serde_json::Value;

/// Whether a rule covers what is wanted.
pub(super) fn covers(rule: &Value, wanted: &Attributes) -> bool {
    let list = |field: &str| rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
    let has = |field: &str, value: &str| list(field).any(|one| one == "*" || one == value);
    if !has("verbs", &wanted.verb) {
        return false;
    }
    if !wanted.path.is_empty() {
        return list("nonResourceURLs").any(|pattern| match pattern.strip_suffix('*') {
            Some(begin) => wanted.path.starts_with(begin),
            None => wanted.path == pattern,
        });
    }
    let qualified = wanted.qualified();
    let resource = list("resources").any(|one| {
        one == "*" || one == qualified || (!wanted.subresource.is_empty() && one.strip_prefix("*/") == Some(&wanted.subresource))
    });
    let names = rule["resourceNames"].as_array().map_or(0, Vec::len);
    has("apiGroups", &wanted.group) && resource && (names == 0 || list("resourceNames").any(|name| name == wanted.name))
}

/// Whether a subject of a binding (in `namespace`, empty for cluster role bindings) means a user.
pub(super) fn means(subject: &Value, user: &User, namespace: &str) -> bool {
    let text = |field: &str| subject[field].as_str().unwrap_or_default();
    match text("kind") {
        "User" => user.name == text("name"),
        "Group" => user.groups.iter().any(|group| group == text("name")),
        "ServiceAccount" => {
            let space = if text("namespace").is_empty() { namespace } else { text("namespace") };
            user.name == format!("system:serviceaccount:{space}:{}", text("name"))
        }
        _ => false,
    }
}
