//! What a client accepts: whole objects, tables of them, or their metadata alone.
//! How each is written is in `show`.

use super::route::parameter;
use crate::sim::api::status::ApiError;
use crate::sim::api::table::IncludeObject;
use http::{HeaderMap, header};

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// Objects as they are.
    #[default]
    Objects,
    /// Rows of a table.
    Table(IncludeObject),
    /// `PartialObjectMetadata`; of collections the list of it.
    Metadata,
}

/// What the server can write.
const WRITTEN: &[&str] = &["*/*", "application/*", "application/json"];

impl Form {
    /// The first form that the client accepts and the server has. `collection` says whether a list is asked for.
    pub(super) fn parse(headers: &HeaderMap, query: &[(String, String)], collection: bool) -> Result<Self, ApiError> {
        let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut clauses = accepted.split(',').map(str::trim).filter(|clause| !clause.is_empty()).peekable();
        if clauses.peek().is_none() {
            return Ok(Self::Objects);
        }
        let mut known_type = false;
        for clause in clauses {
            let mut parts = clause.split(';').map(str::trim);
            if !parts.next().is_some_and(|media_type| WRITTEN.contains(&media_type)) {
                continue;
            }
            known_type = true;
            let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
            let value = |name: &str| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            let is_meta = value("g") == Some("meta.k8s.io") && ["v1", "v1beta1"].contains(&value("v").unwrap_or_default());
            match value("as") {
                None => return Ok(Self::Objects),
                Some("Table") if is_meta => return included(query).map(Self::Table),
                Some("PartialObjectMetadata") if is_meta && !collection => return Ok(Self::Metadata),
                Some("PartialObjectMetadataList") if is_meta && collection => return Ok(Self::Metadata),
                Some(_) => {}
            }
        }
        Err(if known_type { ApiError::not_acceptable() } else { ApiError::no_representation() })
    }
}

fn included(query: &[(String, String)]) -> Result<IncludeObject, ApiError> {
    match parameter(query, "includeObject") {
        None | Some("" | "Metadata") => Ok(IncludeObject::Metadata),
        Some("None") => Ok(IncludeObject::None),
        Some("Object") => Ok(IncludeObject::Object),
        Some(other) => Err(ApiError::bad_request(format!("unrecognized includeObject value: \"{other}\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[rstest::rstest]
    #[case("", false, Ok(Form::Objects))]
    #[case("*/*", false, Ok(Form::Objects))]
    #[case("application/vnd.kubernetes.protobuf, application/json", false, Ok(Form::Objects))]
    #[case(
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
        true,
        Ok(Form::Table(IncludeObject::Metadata))
    )]
    #[case("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", false, Ok(Form::Metadata))]
    #[case("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", true, Err(406))]
    #[case("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", true, Ok(Form::Metadata))]
    #[case("application/json;as=Nonsense;v=v1;g=meta.k8s.io,application/json", true, Ok(Form::Objects))]
    #[case("application/json;as=Nonsense;v=v1;g=meta.k8s.io", true, Err(406))]
    #[case("text/html", true, Err(406))]
    fn picks_the_first_that_is_known(
        #[case] accept: &'static str,
        #[case] collection: bool,
        #[case] expected: Result<Form, u16>,
    ) {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        assert_eq!(Form::parse(&headers, &[], collection).map_err(|error| error.code), expected);
    }
}
