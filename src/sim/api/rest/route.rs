//! Reading a request's path and query: which resource, namespace, name and subresource it means.
//! Whether the resource exists is asked later, for a POST may teach the server a new one.

use super::accept::Form;
use crate::sim::api::list::is_true;
use crate::sim::api::status::ApiError;
use http::Uri;

/// A request's path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The path as it was sent.
    pub(super) path: String,
    /// What it points at.
    pub(super) target: Target,
    /// The query's parameters, decoded, in order.
    pub(super) query: Vec<(String, String)>,
}

/// What a path points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A collection, an object, or a subresource of one.
    Object(ObjectPath),
    /// Anything else: discovery, version, health.
    Other(Vec<String>),
}

/// The parts of an object's path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectPath {
    /// API group, empty for the core group.
    pub(super) group: String,
    /// API version.
    pub(super) version: String,
    /// Plural name of the resource.
    pub(super) plural: String,
    /// The namespace, when the path is inside one.
    pub(super) namespace: Option<String>,
    /// The object's name.
    pub(super) name: Option<String>,
    /// The subresource.
    pub(super) subresource: Option<String>,
    /// The form in which the client wants the answer; set when the request's headers are read.
    pub(super) form: Form,
}

impl Route {
    /// Reads a URI.
    pub(super) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let path = uri.path().to_owned();
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| decode(segment, false))
            .collect::<Result<_, _>>()?;
        let query = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name, true)?, decode(value, true)?))
        });
        let query = query.collect::<Result<_, ApiError>>()?;
        let target = object_path(&segments).map_or_else(|| Target::Other(segments.clone()), Target::Object);
        Ok(Self { path, target, query })
    }

    /// Whether a GET of a collection asks for a watch.
    pub(super) fn is_watch(&self) -> bool {
        parameter(&self.query, "watch").is_some_and(is_true)
    }
}

/// The last value of a parameter.
pub(super) fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().rev().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

fn object_path(segments: &[String]) -> Option<ObjectPath> {
    let is_review =
        segments.get(1).is_some_and(|group| ["authorization.k8s.io", "authentication.k8s.io"].contains(&group.as_str()));
    let (group, version, rest) = match segments {
        _ if is_review => return None,
        [api, version, rest @ ..] if api == "api" && version == "v1" => (String::new(), version, rest),
        [apis, group, version, rest @ ..] if apis == "apis" => (group.clone(), version, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        [namespaces, namespace, plural, tail @ ..]
            if namespaces == "namespaces"
                && !(group.is_empty() && tail.is_empty() && ["status", "finalize"].contains(&plural.as_str())) =>
        {
            (Some(namespace.clone()), &rest[2..])
        }
        _ => (None, rest),
    };
    let (plural, tail) = rest.split_first()?;
    if tail.len() > 2 {
        return None;
    }
    Some(ObjectPath {
        group,
        version: version.clone(),
        plural: plural.clone(),
        namespace,
        name: tail.first().cloned(),
        subresource: tail.get(1).cloned(),
        form: Form::default(),
    })
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, ApiError> {
    let malformed = || ApiError::bad_request(format!("invalid URL escape in \"{text}\""));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' if plus_is_space => bytes.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(malformed);
                let value = digit(rest.next())? * 16 + digit(rest.next())?;
                bytes.push(u8::try_from(value).unwrap_or_default());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Route {
        Route::parse(&uri.parse().unwrap()).unwrap()
    }

    #[rstest::rstest]
    #[case("/api/v1/namespaces", "", "namespaces", None, None, None)]
    #[case("/api/v1/namespaces/a", "", "namespaces", None, Some("a"), None)]
    #[case("/api/v1/namespaces/a/status", "", "namespaces", None, Some("a"), Some("status"))]
    #[case("/api/v1/namespaces/a/pods", "", "pods", Some("a"), None, None)]
    #[case("/api/v1/namespaces/a/pods/b/log", "", "pods", Some("a"), Some("b"), Some("log"))]
    #[case("/apis/apps/v1/deployments", "apps", "deployments", None, None, None)]
    #[case("/apis/x.io/v1/namespaces/a/things/b", "x.io", "things", Some("a"), Some("b"), None)]
    fn reads_paths(
        #[case] uri: &str,
        #[case] group: &str,
        #[case] plural: &str,
        #[case] namespace: Option<&str>,
        #[case] name: Option<&str>,
        #[case] subresource: Option<&str>,
    ) {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        let Target::Object(path) = parse(uri).target else { unreachable!("{uri}") };
        assert_eq!((path.group.as_str(), path.plural.as_str()), (group, plural));
        assert_eq!((path.namespace, path.name, path.subresource), (owned(namespace), owned(name), owned(subresource)));
    }

    #[test]
    fn decodes_queries_and_refuses_bad_escapes() {
        let route = parse("/api/v1/pods?&watch=true&labelSelector=a%20in+%28b%29");
        assert!(route.is_watch());
        assert_eq!(parameter(&route.query, "labelSelector"), Some("a in (b)"));
        assert_eq!(Route::parse(&"/api/v1/pods?a=%zz".parse().unwrap()).unwrap_err().code, 400);
    }
}
