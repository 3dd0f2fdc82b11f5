//! Who sends a request, and whether it may: what stands between a client from outside and every handler.
//! How users are known and rules are read is `authentication`'s and `authorization`'s.

use super::Rest;
use super::route::{Route, Target, parameter};
use crate::sim::api::authentication::{self, Peer, User};
use crate::sim::api::authorization::{self, Attributes};
use crate::sim::api::openshift::PROJECT_GROUP;
use crate::sim::api::status::ApiError;
use http::{Method, Request};
use kube::client::Body;

impl Rest {
    /// Whether it answers clients from outside: they find metrics-server's group, too.
    pub(super) fn is_served(&self) -> bool {
        self.guard.is_some()
    }

    /// The user of a request. Clients in process are trusted.
    ///
    /// # Errors
    /// 401 for bad credentials, 403 for somebody whom the user may not be.
    pub(super) fn identify(&self, request: &Request<Body>, route: &Route) -> Result<User, ApiError> {
        let Some(guard) = &self.guard else { return Ok(User::trusted()) };
        let nobody = Peer::default();
        let peer = request.extensions().get().unwrap_or(&nobody);
        let user = guard.authenticate(&self.api, peer, request.headers())?;
        let Some(other) = authentication::impersonated(request.headers())? else { return Ok(user) };
        self.may_impersonate(&user, &other, &attributes(request.method(), route))?;
        Ok(other)
    }

    /// Lets a user do what a request wants.
    ///
    /// # Errors
    /// 403 for what the user may not do.
    pub(super) fn admit(&self, user: &User, method: &Method, route: &Route) -> Result<(), ApiError> {
        if self.guard.is_none() {
            return Ok(());
        }
        let wanted = attributes(method, route);
        match authorization::allowed(&self.api, user, &wanted) {
            Some(_) => Ok(()),
            None => Err(wanted.forbidden(user)),
        }
    }

    fn may_impersonate(&self, user: &User, other: &User, wanted: &Attributes) -> Result<(), ApiError> {
        let permitted = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
            let asked = Attributes {
                verb: "impersonate".to_owned(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                path: String::new(),
            };
            authorization::allowed(&self.api, user, &asked).is_some()
        };
        let account = other.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        let as_user = match account {
            Some((namespace, name)) => permitted("", "serviceaccounts", "", namespace, name),
            None => permitted("", "users", "", "", &other.name),
        };
        let implied = |group: &str| {
            group == "system:authenticated"
                || group == "system:unauthenticated"
                || (account.is_some() && group.starts_with("system:serviceaccounts"))
        };
        let as_groups = other.groups.iter().filter(|group| !implied(group)).all(|group| permitted("", "groups", "", "", group));
        let group = "authentication.k8s.io";
        let as_uid = other.uid.is_empty() || permitted(group, "uids", "", "", &other.uid);
        let mut extras = other.extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let as_extras = extras.all(|(key, value)| permitted(group, "userextras", key, "", value));
        if as_user && as_groups && as_uid && as_extras {
            return Ok(());
        }
        Err(Attributes { verb: format!("impersonate-on:user-info:{}", wanted.verb), ..wanted.clone() }.forbidden(user))
    }
}

/// What a request wants to do.
fn attributes(method: &Method, route: &Route) -> Attributes {
    let (named, mut attributes) = match &route.target {
        Target::Object(path) => {
            let name = path.name.clone().unwrap_or_default();
            // A project is asked for in itself, as a namespace is.
            let of_namespace = (path.group.is_empty() && path.plural == "namespaces")
                || (path.group == PROJECT_GROUP && path.plural == "projects");
            let attributes = Attributes {
                group: path.group.clone(),
                resource: path.plural.clone(),
                subresource: path.subresource.clone().unwrap_or_default(),
                namespace: if of_namespace { name.clone() } else { path.namespace.clone().unwrap_or_default() },
                name,
                ..Attributes::default()
            };
            (path.name.is_some(), attributes)
        }
        Target::Other(segments) => {
            let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
            let of = |group: &str, resource: &str, namespace: &str| Attributes {
                group: group.to_owned(),
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                ..Attributes::default()
            };
            match segments.as_slice() {
                ["api", "v1", "nodes", name, "proxy", ..] => {
                    let node = Attributes { name: (*name).to_owned(), subresource: "proxy".to_owned(), ..of("", "nodes", "") };
                    (true, node)
                }
                ["apis", group, _, resource] => (false, of(group, resource, "")),
                ["apis", group, _, "namespaces", namespace, resource] => (false, of(group, resource, namespace)),
                _ => (false, Attributes { path: route.path.clone(), ..Attributes::default() }),
            }
        }
    };
    let is_path = !attributes.path.is_empty();
    let verb = match *method {
        _ if is_path => return Attributes { verb: method.as_str().to_ascii_lowercase(), ..attributes },
        Method::GET | Method::HEAD if named => "get",
        Method::GET | Method::HEAD if route.is_watch() => "watch",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "",
    };
    verb.clone_into(&mut attributes.verb);
    if attributes.name.is_empty() && ["list", "watch"].contains(&verb) {
        // A list of one object by its name is permitted to whoever may see that object.
        let name = parameter(&route.query, "fieldSelector").and_then(|selector| selector.strip_prefix("metadata.name="));
        name.filter(|name| !name.contains(',')).unwrap_or_default().clone_into(&mut attributes.name);
    }
    attributes
}
