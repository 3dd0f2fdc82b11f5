//! The part of an object that changes, before and after: what an audit record shows.
//! Lists of named things (containers, variables) are compared by name.

use serde_json::{Map, Value};

/// Only what differs; `None` where nothing does. What is absent on one side is left out there.
#[must_use]
pub fn changed(before: &Value, after: &Value) -> Option<(Value, Value)> {
    if before == after {
        return None;
    }
    match (by_name(before), by_name(after)) {
        (Some(before), Some(after)) => changed_fields(&before, &after),
        _ => match (before, after) {
            (Value::Object(before), Value::Object(after)) => changed_fields(before, after),
            _ => Some((before.clone(), after.clone())),
        },
    }
}

fn changed_fields(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<(Value, Value)> {
    let (mut old, mut new) = (Map::new(), Map::new());
    for (key, value) in before {
        match after.get(key) {
            None => {
                old.insert(key.clone(), value.clone());
            }
            Some(other) => {
                if let Some((was, is)) = changed(value, other) {
                    old.insert(key.clone(), was);
                    new.insert(key.clone(), is);
                }
            }
        }
    }
    for (key, value) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        new.insert(key.clone(), value.clone());
    }
    (!old.is_empty() || !new.is_empty()).then_some((Value::Object(old), Value::Object(new)))
}

fn by_name(list: &Value) -> Option<Map<String, Value>> {
    let items = list.as_array().filter(|items| !items.is_empty())?;
    items.iter().map(|item| Some((item.get("name")?.as_str()?.to_owned(), item.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_changed_part_is_shown() {
        let of = |limit: &str| json!({"replicas": 2, "containers": [{"name": "side", "image": "s"}, {"name": "app", "image": "a", "limit": limit}]});
        assert_eq!(
            changed(&of("64Mi"), &of("96Mi")),
            Some((json!({"containers": {"app": {"limit": "64Mi"}}}), json!({"containers": {"app": {"limit": "96Mi"}}})))
        );
        assert_eq!(changed(&of("64Mi"), &of("64Mi")), None);
        assert_eq!(changed(&json!({"a": 1}), &json!({"a": 1, "b": 2})), Some((json!({}), json!({"b": 2}))));
    }
}
