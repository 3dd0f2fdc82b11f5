//! What a user may do: the rules of roles and bindings (RBAC), and the superusers of `system:masters`.
//! Who a user is was decided before, in `authentication`; reviews about both are REST's.

pub(super) mod bootstrap;
mod rules;
#[cfg(test)]
mod tests;

use super::authentication::User;
use super::resource::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES};
use super::server::ApiServer;
use super::status::ApiError;
use crate::sim::api::select::LabelSelector;
use serde_json::{Value, json};

/// What a request wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// `get`, `list`, `create`, ...
    pub(super) verb: String,
    /// API group, empty for the core group.
    pub(super) group: String,
    /// Plural of the resource; empty for a path that is none.
    pub(super) resource: String,
    /// The subresource, empty for the object itself.
    pub(super) subresource: String,
    /// The object's name, empty for all.
    pub(super) name: String,
    /// The namespace, empty for the whole cluster.
    pub(super) namespace: String,
    /// The path, when it is no resource's.
    pub(super) path: String,
}

impl Attributes {
    fn qualified(&self) -> String {
        if self.subresource.is_empty() { self.resource.clone() } else { format!("{}/{}", self.resource, self.subresource) }
    }

    /// The 403 of a user who may not do this.
    pub(super) fn forbidden(&self, user: &User) -> ApiError {
        let user = &user.name;
        if !self.path.is_empty() {
            let message = format!("forbidden: User \"{user}\" cannot {} path \"{}\"", self.verb, self.path);
            return ApiError { code: 403, reason: "Forbidden", message, details: Some(json!({})) };
        }
        let of_group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let name = if self.name.is_empty() { String::new() } else { format!(" \"{}\"", self.name) };
        let place = match self.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace \"{namespace}\""),
        };
        let message = format!(
            "{}{of_group}{name} is forbidden: User \"{user}\" cannot {} resource \"{}\" in API group \"{}\" {place}",
            self.resource,
            self.verb,
            self.qualified(),
            self.group,
        );
        let mut details = json!({"kind": self.resource});
        for (field, value) in [("name", &self.name), ("group", &self.group)] {
            if !value.is_empty() {
                details[field] = json!(value);
            }
        }
        ApiError { code: 403, reason: "Forbidden", message, details: Some(details) }
    }
}

/// Why something is allowed, in the words of a review; `None` when it is not.
pub(super) fn allowed(api: &ApiServer, user: &User, attributes: &Attributes) -> Option<String> {
    if user.groups.iter().any(|group| group == "system:masters") {
        return Some(String::new());
    }
    grants(api, user, &attributes.namespace)
        .find(|grant| grant.rules.iter().any(|rule| rules::covers(rule, attributes)))
        .map(|grant| grant.reason)
}

/// The rules that apply to a user in a namespace (and in the whole cluster).
pub(super) fn rules_of(api: &ApiServer, user: &User, namespace: &str) -> Vec<Value> {
    grants(api, user, namespace).flat_map(|grant| grant.rules).collect()
}

/// The rules that one binding gives to a user.
struct Grant {
    rules: Vec<Value>,
    reason: String,
}

fn grants(api: &ApiServer, user: &User, namespace: &str) -> impl Iterator<Item = Grant> {
    let everywhere = api.list(CLUSTER_ROLE_BINDINGS, None);
    let here = if namespace.is_empty() { Vec::new() } else { api.list(ROLE_BINDINGS, Some(namespace)) };
    everywhere.into_iter().chain(here).filter_map(move |binding| {
        let space = binding["metadata"]["namespace"].as_str().unwrap_or_default();
        let subject = binding["subjects"].as_array()?.iter().find(|subject| rules::means(subject, user, space))?;
        let (kind, role) = (binding["roleRef"]["kind"].as_str()?, binding["roleRef"]["name"].as_str()?);
        let rules = match kind {
            "ClusterRole" => cluster_role_rules(api, role)?,
            _ => api.get(ROLES, space, role).ok()?["rules"].as_array()?.clone(),
        };
        let name = binding["metadata"]["name"].as_str()?;
        let (binding, role) = if space.is_empty() {
            (format!("ClusterRoleBinding \"{name}\""), format!("ClusterRole \"{role}\""))
        } else if kind == "ClusterRole" {
            (format!("RoleBinding \"{name}/{space}\""), format!("ClusterRole \"{role}\""))
        } else {
            (format!("RoleBinding \"{name}/{space}\""), format!("Role \"{role}\""))
        };
        let who = subject["name"].as_str()?;
        let who = match subject["kind"].as_str()? {
            "ServiceAccount" => {
                format!("ServiceAccount \"{who}/{}\"", subject["namespace"].as_str().filter(|n| !n.is_empty()).unwrap_or(space))
            }
            kind => format!("{kind} \"{who}\""),
        };
        Some(Grant { rules, reason: format!("RBAC: allowed by {binding} of {role} to {who}") })
    })
}

/// The rules of a cluster role: its own, and of those that it is aggregated from, which may be aggregated themselves.
fn cluster_role_rules(api: &ApiServer, name: &str) -> Option<Vec<Value>> {
    let mut rules = Vec::new();
    let (mut waiting, mut known) = (vec![api.get(CLUSTER_ROLES, "", name).ok()?], vec![name.to_owned()]);
    while let Some(role) = waiting.pop() {
        rules.extend(role["rules"].as_array().into_iter().flatten().cloned());
        let selectors = role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
        let selectors: Vec<LabelSelector> = selectors.into_iter().flatten().filter_map(LabelSelector::from_object).collect();
        if selectors.is_empty() {
            continue;
        }
        for part in api.list(CLUSTER_ROLES, None) {
            let own = part["metadata"]["name"].as_str().unwrap_or_default();
            if selectors.iter().any(|selector| selector.matches(&part)) && known.iter().all(|name| name != own) {
                known.push(own.to_owned());
                waiting.push(part);
            }
        }
    }
    Some(rules)
}
