//! Label selectors in kubectl's form (`app=api,tier!=slow,env in (a,b),!legacy`): parsing and matching.
//! Field selectors are the API server's business.

use std::collections::BTreeMap;

/// A parsed label selector; empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Parses kubectl's form.
    ///
    /// # Errors
    /// A sentence saying what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        for term in split_terms(text) {
            requirements.push(Requirement::parse(term.trim())?);
        }
        Ok(Self { requirements })
    }

    /// Whether these labels match. As in Kubernetes, `!=` and `notin` hold for labels without the key.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match requirement.operator {
                Operator::In => value.is_some_and(|value| requirement.values.contains(value)),
                Operator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }

    /// The selector as objects of the API hold it: `matchExpressions`.
    #[must_use]
    pub fn to_api(&self) -> serde_json::Value {
        let expression = |requirement: &Requirement| {
            let operator = match requirement.operator {
                Operator::In => "In",
                Operator::NotIn => "NotIn",
                Operator::Exists => "Exists",
                Operator::DoesNotExist => "DoesNotExist",
            };
            let mut expression = serde_json::json!({ "key": requirement.key, "operator": operator });
            if !requirement.values.is_empty() {
                expression["values"] = serde_json::json!(requirement.values);
            }
            expression
        };
        serde_json::json!({ "matchExpressions": self.requirements.iter().map(expression).collect::<Vec<_>>() })
    }

    /// The selector that an object of the API holds; none when it is not in the API's form. An empty one matches everything.
    #[must_use]
    pub fn from_api(selector: &serde_json::Value) -> Option<Self> {
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(serde_json::Value::as_object).into_iter().flatten() {
            let values = vec![value.as_str()?.to_owned()];
            requirements.push(Requirement { key: key.clone(), operator: Operator::In, values });
        }
        for expression in selector.get("matchExpressions").and_then(serde_json::Value::as_array).into_iter().flatten() {
            let operator = match expression.get("operator")?.as_str()? {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return None,
            };
            let values = expression.get("values").and_then(serde_json::Value::as_array).into_iter().flatten();
            let values = values.filter_map(|value| value.as_str().map(ToOwned::to_owned)).collect();
            requirements.push(Requirement { key: expression.get("key")?.as_str()?.to_owned(), operator, values });
        }
        Some(Self { requirements })
    }

    /// Whether nothing is required.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

/// Splits at commas outside parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

impl Requirement {
    fn parse(term: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{term}` is not a label selector; write `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` or `!key`, joined by commas"
            )
        };
        let (key, operator, values) = if let Some(key) = term.strip_prefix('!') {
            (key.trim(), Operator::DoesNotExist, Vec::new())
        } else if let Some((key, value)) = term.split_once("!=") {
            (key.trim(), Operator::NotIn, vec![value.trim()])
        } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (key.trim(), Operator::In, vec![value.trim()])
        } else if let Some(list) = term.strip_suffix(')') {
            let (head, list) = list.split_once('(').ok_or_else(wrong)?;
            let (key, operator) = match head.split_whitespace().collect::<Vec<_>>().as_slice() {
                [key, "in"] => (*key, Operator::In),
                [key, "notin"] => (*key, Operator::NotIn),
                _ => return Err(wrong()),
            };
            (key, operator, list.split(',').map(str::trim).collect())
        } else {
            (term, Operator::Exists, Vec::new())
        };
        if !is_key(key) || !values.iter().all(|value| is_value(value)) {
            return Err(wrong());
        }
        Ok(Self { key: key.to_owned(), operator, values: values.into_iter().map(ToOwned::to_owned).collect() })
    }
}

fn is_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    !name.is_empty()
        && is_value(name)
        && prefix.is_none_or(|prefix| !prefix.is_empty() && prefix.len() <= 253 && is_value(&prefix.replace('.', "-")))
}

fn is_value(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    value.len() <= 63
        && value.chars().all(inner)
        && value.chars().next().is_none_or(|c| c.is_ascii_alphanumeric())
        && value.chars().last().is_none_or(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", true)]
    #[case("app=api", true)]
    #[case("app==api,tier=gate", true)]
    #[case("app!=api", false)]
    #[case("absent!=x", true)]
    #[case("tier in (slow, gate)", true)]
    #[case("tier notin (gate)", false)]
    #[case("absent notin (x)", true)]
    #[case("app", true)]
    #[case("!app", false)]
    #[case("!absent,app=api", true)]
    fn matches(#[case] text: &str, #[case] expected: bool) {
        let labels = BTreeMap::from([("app".to_owned(), "api".to_owned()), ("tier".to_owned(), "gate".to_owned())]);
        assert_eq!(Selector::parse(text).unwrap().matches(&labels), expected);
    }

    #[rstest]
    #[case("=x")]
    #[case("app=a b")]
    #[case("app in x")]
    #[case("app in (a")]
    #[case("a b")]
    #[case(",")]
    #[case("app=-x")]
    fn refuses(#[case] text: &str) {
        assert!(Selector::parse(text).is_err());
    }
}
