//! Values that must not be told: what a run knows to be secret is taken out of every text that it keeps as evidence.
//! Objects are redacted where they are received (`observe::watch`).

use crate::json::At as _;
use k8s_openapi::ByteString;
use serde_json::Value;
use std::collections::BTreeSet;

/// Shorter values are too common to be taken out: a text without every `1` or `true` would say nothing any more.
const SHORTEST: usize = 6;

/// What stands in their place.
const INSTEAD: &str = "(secret)";

/// Secret values.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    /// Longest first, so that a value that is a part of another one leaves no rest of it.
    values: Vec<String>,
}

impl Hidden {
    /// From the Secrets among objects as they are applied (other objects have none), and from values as such.
    #[must_use]
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a Value>, values: impl IntoIterator<Item = String>) -> Self {
        let mut all: BTreeSet<String> = values.into_iter().collect();
        for object in objects.into_iter().filter(|object| object.get("kind").and_then(Value::as_str) == Some("Secret")) {
            let texts = |field: &str| object.at(field).and_then(Value::as_object).into_iter().flat_map(|map| map.values());
            all.extend(texts("/stringData").filter_map(Value::as_str).map(str::to_owned));
            for encoded in texts("/data").filter_map(Value::as_str) {
                all.insert(encoded.to_owned());
                let decoded = serde_json::from_value::<ByteString>(Value::from(encoded));
                all.extend(decoded.ok().and_then(|bytes| String::from_utf8(bytes.0).ok()));
            }
        }
        // A value of several lines (a key, a file) appears line by line in a log.
        let lines: Vec<String> = all.iter().flat_map(|value| value.lines()).map(|line| line.trim().to_owned()).collect();
        all.extend(lines);
        let mut values: Vec<String> = all.into_iter().filter(|value| value.trim().len() >= SHORTEST).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values }
    }

    /// The text without them.
    #[must_use]
    pub fn out_of(&self, mut text: String) -> String {
        for value in &self.values {
            if text.contains(value) {
                text = text.replace(value, INSTEAD);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_go_in_every_form_in_which_they_were_known() {
        let secret = json!({"kind": "Secret", "stringData": {"password": "hunter2-hunter2", "short": "yes"},
            "data": {"token": "Z2VoZWltZXMtVG9rZW4="}});
        let config = json!({"kind": "ConfigMap", "data": {"mode": "verbose"}});
        let hidden = Hidden::of([&secret, &config], ["line one of a key\nline two of a key".to_owned()]);
        let text = "p=hunter2-hunter2 t=geheimes-Token e=Z2VoZWltZXMtVG9rZW4= m=verbose s=yes k=line two of a key";
        let expected = "p=(secret) t=(secret) e=(secret) m=verbose s=yes k=(secret)";
        assert_eq!(hidden.out_of(text.to_owned()), expected);
        assert_eq!(Hidden::default().out_of(text.to_owned()), text);
    }

    #[test]
    fn a_value_that_holds_another_leaves_no_rest() {
        let hidden = Hidden::of([], ["abcdef".to_owned(), "xxabcdefyy".to_owned()]);
        assert_eq!(hidden.out_of("xxabcdefyy abcdef".to_owned()), "(secret) (secret)");
    }
}
