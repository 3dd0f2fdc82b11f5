//! The JSON paths of printer columns and scale subresources: fields, indices, `[*]` and filters that compare for equality.
//! Whole templates (`{range}`) are not paths and are not read.

use serde_json::Value;

/// Everything that a path leads to; nothing when the path is malformed.
pub(in crate::sim::api) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    while !rest.is_empty() {
        let Some((step, after)) = step(rest) else { return Vec::new() };
        found = found.into_iter().flat_map(|value| follow(value, &step)).collect();
        rest = after;
    }
    found
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    Equal(String, String),
}

/// The first step of a path and what follows it.
fn step(path: &str) -> Option<(Step, &str)> {
    if let Some(inner) = path.strip_prefix('[') {
        let end = closing(inner)?;
        let (text, after) = (&inner[..end], &inner[end + 1..]);
        return Some((bracketed(text)?, after));
    }
    let name = path.strip_prefix('.').unwrap_or(path);
    let mut field = String::new();
    let mut letters = name.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => field.push(letters.next()?.1),
            '.' | '[' => return Some((named(field), &name[at..])),
            other => field.push(other),
        }
    }
    (!field.is_empty()).then(|| (named(field), ""))
}

fn named(field: String) -> Step {
    if field == "*" { Step::All } else { Step::Field(field) }
}

/// Where a bracket closes, outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
    }
    None
}

fn bracketed(text: &str) -> Option<Step> {
    let quoted = |text: &str| {
        let text = text.trim();
        let inner = text.strip_prefix(['\'', '"'])?.strip_suffix(['\'', '"'])?;
        Some(inner.to_owned())
    };
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(field) = quoted(text) {
        return Some(Step::Field(field));
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let (left, right) = filter.split_once("==")?;
        let field = left.trim().strip_prefix("@.")?.to_owned();
        return Some(Step::Equal(field, quoted(right).unwrap_or_else(|| right.trim().to_owned())));
    }
    text.trim().parse().ok().map(Step::Index)
}

fn follow<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
        (Step::All, Value::Object(fields)) => fields.values().collect(),
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::Index(index), Value::Array(items)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let place = if *index < 0 { length + index } else { *index };
            usize::try_from(place).ok().and_then(|place| items.get(place)).into_iter().collect()
        }
        (Step::Equal(field, wanted), Value::Array(items)) => {
            let is = |item: &&Value| item.get(field).is_some_and(|value| super::plain(value) == *wanted);
            items.iter().filter(is).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case(".spec.size", json!([3]))]
    #[case(".spec.list[1]", json!(["b"]))]
    #[case(".spec.list[-1]", json!(["b"]))]
    #[case(".spec.list[*]", json!(["a", "b"]))]
    #[case(r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"]))]
    #[case(r"{.metadata.labels.x\.io/y}", json!(["z"]))]
    #[case(".metadata.labels['x.io/y']", json!(["z"]))]
    #[case(".spec.none", json!([]))]
    #[case(".spec[", json!([]))]
    fn finds(#[case] path: &str, #[case] expected: Value) {
        let object = json!({
            "metadata": {"labels": {"x.io/y": "z"}}, "spec": {"size": 3, "list": ["a", "b"]},
            "status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        assert_eq!(json!(find(&object, path)), expected);
    }
}
