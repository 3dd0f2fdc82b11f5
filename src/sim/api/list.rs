//! LIST: options, selectors, revisions, pages. A list is of one revision, also when it is read in pages.
//! Encoding the answer is `rest`'s.

use super::field::FieldError;
use super::resource::Resource;
use super::select::{FieldSelector, LabelSelector};
use super::server::ApiServer;
use super::status::ApiError;
use crate::sim::store::{Object, key_of};
use serde_json::{Value, json};

/// The parameters of a LIST or WATCH, checked as far as both share them.
#[derive(Clone, Debug, Default)]
pub(super) struct ListOptions {
    /// Which labels.
    pub(super) labels: LabelSelector,
    /// Which fields.
    pub(super) fields: FieldSelector,
    /// Objects per page; 0 is all.
    pub(super) limit: usize,
    /// Where the next page begins.
    pub(super) continues: Option<String>,
    /// The revision asked for, if one was.
    pub(super) revision: Option<u64>,
    /// `Exact` or `NotOlderThan`.
    pub(super) revision_match: Option<String>,
    /// Whether a watch begins with the present objects.
    pub(super) send_initial_events: Option<bool>,
    /// Whether a watch sends bookmarks.
    pub(super) bookmarks: bool,
    /// How long a watch lasts, in seconds.
    pub(super) timeout_seconds: Option<u64>,
}

impl ListOptions {
    /// Reads the parameters of a request. `selectable` are the fields that a custom kind lets one select by.
    pub(super) fn parse(resource: Resource, selectable: &[String], query: &[(String, String)]) -> Result<Self, ApiError> {
        let mut options = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "labelSelector" => options.labels = LabelSelector::parse(value)?,
                "fieldSelector" => options.fields = FieldSelector::parse_with(resource, selectable, value)?,
                "limit" => options.limit = usize::try_from(integer(value)?).unwrap_or(0),
                "continue" => options.continues = Some(value.clone()).filter(|token| !token.is_empty()),
                "resourceVersion" if value.is_empty() => {}
                "resourceVersion" => options.revision = Some(revision(value)?),
                "resourceVersionMatch" => options.revision_match = Some(value.clone()).filter(|rule| !rule.is_empty()),
                "sendInitialEvents" => options.send_initial_events = Some(is_true(value)),
                "allowWatchBookmarks" => options.bookmarks = is_true(value),
                "timeoutSeconds" => options.timeout_seconds = u64::try_from(integer(value)?).ok(),
                _ => {}
            }
        }
        Ok(options)
    }

    /// Whether an object is asked for.
    pub(super) fn selects(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }

    /// Whether everything is asked for.
    pub(super) fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Refuses combinations that the server refuses.
    pub(super) fn check(&self, watch: bool) -> Result<(), ApiError> {
        const MATCH: &str = "resourceVersionMatch";
        let refused = |error: FieldError| Err(ApiError::invalid_kind("meta.k8s.io", "ListOptions", "", &[error]));
        if self.send_initial_events.is_some() && !watch {
            return refused(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        if self.send_initial_events.is_some() && self.revision_match.as_deref() != Some("NotOlderThan") {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return refused(FieldError::forbidden(MATCH, why));
        }
        let Some(rule) = self.revision_match.as_deref() else { return Ok(()) };
        if watch && self.send_initial_events.is_none() {
            return refused(FieldError::forbidden(
                MATCH,
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        if self.revision.is_none() && !watch {
            return refused(FieldError::forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if self.continues.is_some() {
            return refused(FieldError::forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
        }
        match (rule, self.revision) {
            ("Exact", Some(0)) => {
                refused(FieldError::forbidden(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
            }
            ("NotOlderThan" | "Exact", _) => Ok(()),
            (other, _) => refused(FieldError::not_supported(MATCH, &json!(other), &["Exact", "NotOlderThan", ""])),
        }
    }
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page {
    /// The objects.
    pub(super) objects: Vec<Object>,
    /// The list's revision.
    pub(super) revision: u64,
    /// The token of the next page.
    pub(super) continues: Option<String>,
    /// How many objects follow, where that is known.
    pub(super) remaining: Option<usize>,
}

/// Reads one page.
pub(super) fn list(
    api: &ApiServer,
    resource: Resource,
    namespace: Option<&str>,
    options: &ListOptions,
) -> Result<Page, ApiError> {
    options.check(false)?;
    let current = api.store.revision();
    let token = options.continues.as_deref().map(Token::parse).transpose()?;
    if let Some(asked) = options.revision.filter(|asked| *asked > current) {
        return Err(ApiError::too_large_revision(asked, current));
    }
    let exact = options.revision_match.as_deref() == Some("Exact")
        || (options.limit > 0 && options.revision_match.is_none() && options.revision.is_some_and(|revision| revision > 0));
    let revision = match &token {
        Some(token) => token.revision,
        None if exact => options.revision.unwrap_or(current),
        None => current,
    };
    let objects = if revision == current {
        api.store.list(resource, namespace).1
    } else {
        let expired = if token.is_some() { ApiError::expired_continue } else { ApiError::expired_list };
        api.store.list_at(resource, namespace, revision).map_err(|_| expired())?
    };
    let mut rest = objects.into_iter().filter(|object| {
        options.selects(object)
            && token.as_ref().is_none_or(|token| key_of(object) > (token.namespace.clone(), token.name.clone()))
    });
    if options.limit == 0 {
        return Ok(Page { objects: rest.collect(), revision, continues: None, remaining: None });
    }
    let objects: Vec<Object> = rest.by_ref().take(options.limit).collect();
    let following = rest.count();
    let continues = objects.last().filter(|_| following > 0).map(|last| Token::after(revision, last).to_string());
    let remaining = Some(following).filter(|following| *following > 0 && options.selects_all());
    Ok(Page { objects, revision, continues, remaining })
}

/// Where a paged list goes on: its revision and the last key that was sent.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    revision: u64,
    namespace: String,
    name: String,
}

impl Token {
    fn after(revision: u64, object: &Value) -> Self {
        let (namespace, name) = key_of(object);
        Self { revision, namespace, name }
    }

    fn parse(text: &str) -> Result<Self, ApiError> {
        let parts: Vec<&str> = text.splitn(4, '_').collect();
        let parsed = match parts.as_slice() {
            ["v1", revision, namespace, name] => revision.parse().ok().map(|revision| Self {
                revision,
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
            }),
            _ => None,
        };
        parsed.ok_or_else(|| ApiError::bad_request("invalid continue token: continue key is not valid"))
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "v1_{}_{}_{}", self.revision, self.namespace, self.name)
    }
}

/// Whether a query parameter means yes: present and not `false` or `0`.
pub(super) fn is_true(value: &str) -> bool {
    !["false", "0"].contains(&value)
}

/// An integer parameter, with Go's message when it is none.
pub(super) fn integer(value: &str) -> Result<i64, ApiError> {
    value.parse().map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing \"{value}\": invalid syntax")))
}

fn revision(value: &str) -> Result<u64, ApiError> {
    value.parse().map_err(|_| {
        ApiError::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: \"{value}\": strconv.ParseUint: parsing \"{value}\": invalid syntax"
        ))
    })
}
