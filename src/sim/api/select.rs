//! Label and field selectors: parsing with the server's messages, and matching.
//! Which objects are asked is `list`'s and `watch`'s business.

use super::resource::Resource;
use super::status::ApiError;
use crate::json::At as _;
use serde_json::Value;

/// One requirement on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

/// A parsed label selector; the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Parses kubectl's form (`a=b,c!=d,e in (f,g),!h`).
    ///
    /// # Errors
    /// 400 with the server's message.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut tokens = tokens(text).into_iter().peekable();
        let mut requirements = Vec::new();
        while tokens.peek().is_some() {
            requirements.push(requirement(&mut tokens)?);
            match tokens.next().as_deref() {
                None => break,
                Some(",") if tokens.peek().is_some() => {}
                Some(",") => return Err(unparsable("found '', expected: !, identifier, or 'end of string'")),
                Some(other) => return Err(unparsable(&format!("found '{other}', expected: ',' or 'end of string'"))),
            }
        }
        Ok(Self { requirements })
    }

    /// The selector of a workload (`matchLabels` and `matchExpressions`); `None` when an operator is unknown.
    #[must_use]
    pub fn from_object(selector: &Value) -> Option<Self> {
        let mut requirements = Vec::new();
        for (key, value) in super::pod_defaults::fields(selector.get("matchLabels").unwrap_or(&Value::Null)) {
            requirements.push(Requirement::In(key.clone(), vec![value.as_str()?.to_owned()]));
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let key = expression.get("key")?.as_str()?.to_owned();
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            let values: Vec<String> = values.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
            requirements.push(match expression.get("operator")?.as_str()? {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => return None,
            });
        }
        Some(Self { requirements })
    }

    /// Whether it has no requirement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object's labels satisfy every requirement.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.matches_labels(object.at("/metadata/labels").unwrap_or(&Value::Null))
    }

    /// Whether a map of labels satisfies every requirement.
    #[must_use]
    pub fn matches_labels(&self, labels: &Value) -> bool {
        let label = |key: &String| labels.get(key).and_then(Value::as_str);
        let number = |key: &String| label(key).and_then(|text| text.parse::<i64>().ok());
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => label(key).is_some_and(|value| values.iter().any(|one| one == value)),
            Requirement::NotIn(key, values) => label(key).is_none_or(|value| values.iter().all(|one| one != value)),
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::Greater(key, bound) => number(key).is_some_and(|value| value > *bound),
            Requirement::Less(key, bound) => number(key).is_some_and(|value| value < *bound),
        })
    }
}

fn unparsable(why: &str) -> ApiError {
    ApiError::bad_request(format!("unable to parse requirement: {why}"))
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => {}
            '(' | ')' | ',' | '>' | '<' => tokens.push(letter.to_string()),
            '=' | '!' => {
                let mut token = letter.to_string();
                if letters.peek() == Some(&'=') {
                    token.extend(letters.next());
                }
                tokens.push(token);
            }
            _ => {
                let mut word = letter.to_string();
                while let Some(next) = letters.next_if(|next| !" \t(),=!<>".contains(*next)) {
                    word.push(next);
                }
                tokens.push(word);
            }
        }
    }
    tokens
}

fn requirement(tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> Result<Requirement, ApiError> {
    let is_word = |token: &str| !token.is_empty() && !token.starts_with(['(', ')', ',', '=', '!', '<', '>']);
    let first = tokens.next().unwrap_or_default();
    if first == "!" {
        let key = tokens.next().filter(|token| is_word(token));
        return key.map(Requirement::Absent).ok_or_else(|| unparsable("found '', expected: identifier"));
    }
    if !is_word(&first) {
        return Err(unparsable(&format!("found '{first}', expected: !, identifier, or 'end of string'")));
    }
    let Some(operator) = tokens.next_if(|token| token != ",") else { return Ok(Requirement::Exists(first)) };
    let single =
        |tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>| tokens.next_if(|token| is_word(token)).unwrap_or_default();
    match operator.as_str() {
        "=" | "==" => Ok(Requirement::In(first, vec![single(tokens)])),
        "!=" => Ok(Requirement::NotIn(first, vec![single(tokens)])),
        "in" => Ok(Requirement::In(first, values(tokens)?)),
        "notin" => Ok(Requirement::NotIn(first, values(tokens)?)),
        ">" | "<" => {
            let bound = single(tokens);
            let bound = bound.parse().map_err(|_| {
                unparsable(&format!(
                    "values[0][{first}]: Invalid value: \"{bound}\": for 'Gt', 'Lt' operators, the value must be an integer"
                ))
            })?;
            Ok(if operator == ">" { Requirement::Greater(first, bound) } else { Requirement::Less(first, bound) })
        }
        other => Err(unparsable(&format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt"))),
    }
}

fn values(tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> Result<Vec<String>, ApiError> {
    match tokens.next().unwrap_or_default().as_str() {
        "(" => {}
        other => return Err(unparsable(&format!("found '{other}', expected: '('"))),
    }
    let mut values = Vec::new();
    loop {
        let token = tokens.next().unwrap_or_default();
        match token.as_str() {
            ")" => return Ok(values),
            "," | "(" | "" => return Err(unparsable(&format!("found '{token}', expected: ',', ')' or identifier"))),
            _ => values.push(token),
        }
        let separator = tokens.next().unwrap_or_default();
        match separator.as_str() {
            "," => {}
            ")" => return Ok(values),
            _ => return Err(unparsable(&format!("found '{separator}', expected: ',' or ')'"))),
        }
    }
}

/// A parsed field selector: (JSON pointer, value, whether it must be equal).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<(String, String, bool)>,
}

impl FieldSelector {
    /// Parses a field selector against the fields that the resource lets one select by.
    ///
    /// # Errors
    /// 400 for a malformed selector or a field that cannot be selected by.
    pub fn parse(resource: Resource, text: &str) -> Result<Self, ApiError> {
        Self::parse_with(resource, &[], text)
    }

    /// As [`FieldSelector::parse`], for a resource that lets one select by more fields.
    ///
    /// # Errors
    /// 400 for a malformed selector or a field that cannot be selected by.
    pub fn parse_with(resource: Resource, more: &[String], text: &str) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for term in text.split(',').filter(|term| !term.is_empty()) {
            let parsed = term
                .split_once("!=")
                .map(|parts| (parts, false))
                .or_else(|| term.split_once("==").map(|parts| (parts, true)))
                .or_else(|| term.split_once('=').map(|parts| (parts, true)));
            let Some(((field, value), equal)) = parsed else {
                return Err(ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")));
            };
            if !selectable(resource, field) && !more.iter().any(|more| more == field) {
                return Err(ApiError::bad_request(format!("field label not supported: {field}")));
            }
            let pointer = match (resource.kind, field) {
                ("Event", "source") => "/source/component".to_owned(),
                _ => format!("/{}", field.replace('.', "/")),
            };
            terms.push((pointer, value.to_owned(), equal));
        }
        Ok(Self { terms })
    }

    /// Whether it has no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must have, if one is asked for.
    #[must_use]
    pub fn equals(&self, pointer: &str) -> Option<&str> {
        self.terms.iter().find(|(field, _, equal)| *equal && field == pointer).map(|(_, value, _)| value.as_str())
    }

    /// Whether an object's fields satisfy every term. An absent field is the empty text.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|(pointer, value, equal)| {
            let present = match object.at(pointer) {
                None | Some(Value::Null) => default_of(pointer).to_owned(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            (present == *value) == *equal
        })
    }
}

fn default_of(pointer: &str) -> &'static str {
    match pointer {
        "/spec/hostNetwork" | "/spec/unschedulable" => "false",
        "/status/successful" | "/status/replicas" => "0",
        _ => "",
    }
}

fn selectable(resource: Resource, field: &str) -> bool {
    let own: &[&str] = match resource.kind {
        "Pod" => POD_FIELDS,
        "Event" => EVENT_FIELDS,
        "Node" => &["spec.unschedulable"],
        "Namespace" => &["status.phase"],
        "Secret" => &["type"],
        "Service" => &["spec.clusterIP", "spec.type"],
        "Job" => &["status.successful"],
        "ReplicationController" => &["status.replicas"],
        _ => &[],
    };
    let common = field == "metadata.name" || (resource.namespaced && field == "metadata.namespace");
    common || own.contains(&field)
}

const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case("", true)]
    #[case("a=1", true)]
    #[case("a==1,b", true)]
    #[case("a!=1", false)]
    #[case("c!=1", true)]
    #[case("a in (1, 2)", true)]
    #[case("a notin (1,2)", false)]
    #[case("c notin (1)", true)]
    #[case("!c", true)]
    #[case("!a", false)]
    #[case("c", false)]
    #[case("b=", true)]
    #[case("a>0", true)]
    #[case("a<1", false)]
    #[case("x.io/y=z", true)]
    fn matches(#[case] selector: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "", "x.io/y": "z"}}});
        assert_eq!(LabelSelector::parse(selector).unwrap().matches(&object), expected);
    }

    #[rstest::rstest]
    #[case("a b c", "found 'b', expected: in, notin, =, ==, !=, gt, lt")]
    #[case("a in (b", "found '', expected: ',' or ')'")]
    #[case("a,", "found '', expected: !, identifier, or 'end of string'")]
    #[case("=b", "found '=', expected: !, identifier, or 'end of string'")]
    fn refuses(#[case] selector: &str, #[case] why: &str) {
        assert_eq!(LabelSelector::parse(selector).unwrap_err().message, format!("unable to parse requirement: {why}"));
    }

    #[rstest::rstest]
    #[case("status.phase=Running", true)]
    #[case("status.phase!=Running", false)]
    #[case("spec.nodeName=", true)]
    #[case("spec.hostNetwork=false,metadata.name==p", true)]
    fn fields_match(#[case] selector: &str, #[case] expected: bool) {
        let pod = json!({"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Running"}});
        assert_eq!(FieldSelector::parse(super::super::resource::PODS, selector).unwrap().matches(&pod), expected);
    }

    proptest! {
        #[test]
        fn a_requirement_and_its_negation_part_all_objects(
            key in "[a-c]", value in "[a-c]",
            labels in proptest::collection::btree_map("[a-c]", "[a-c]", 0..3),
        ) {
            let object = json!({"metadata": {"labels": labels}});
            let holds = |text: String| LabelSelector::parse(&text).unwrap().matches(&object);
            prop_assert_ne!(holds(format!("{key}={value}")), holds(format!("{key}!={value}")));
            prop_assert_ne!(holds(format!("{key} in ({value},x)")), holds(format!("{key} notin (x,{value})")));
            prop_assert_ne!(holds(key.clone()), holds(format!("!{key}")));
            prop_assert_eq!(holds(format!("{key}={value},{key}")), holds(format!("{key}={value}")));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = LabelSelector::parse(&text);
            let _ = FieldSelector::parse(super::super::resource::PODS, &text);
        }
    }
}
