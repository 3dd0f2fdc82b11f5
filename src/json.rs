//! Reading JSON objects by path on ways that are gone often.
//! What the objects mean lives with whoever reads them.

use serde_json::Value;

/// Access by JSON pointer without its cost: `Value::pointer` allocates twice for each step.
pub trait At {
    /// The value at a JSON pointer (RFC 6901), as `Value::pointer` finds it.
    fn at(&self, pointer: &str) -> Option<&Value>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> Option<&Value> {
        if pointer.contains('~') {
            return self.pointer(pointer);
        }
        let mut value = self;
        let mut rest = pointer;
        while !rest.is_empty() {
            let step = rest.strip_prefix('/')?;
            let end = step.bytes().position(|byte| byte == b'/').unwrap_or(step.len());
            let (name, after) = step.split_at(end);
            value = match value {
                Self::Object(fields) => fields.get(name)?,
                Self::Array(_) => value.pointer(&step_of(name))?,
                _ => return None,
            };
            rest = after;
        }
        Some(value)
    }
}

/// Positions in lists are rare, and their rules (no leading zeros, no sign) are left to `Value::pointer`.
fn step_of(name: &str) -> String {
    format!("/{name}")
}

/// Whether a field need not be written: it has the value that its absence means.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("")]
    #[case("/")]
    #[case("//")]
    #[case("a")]
    #[case("/a")]
    #[case("/a/")]
    #[case("/a/b")]
    #[case("/a/c")]
    #[case("/a/b/d")]
    #[case("/list/0")]
    #[case("/list/1/x")]
    #[case("/list/01")]
    #[case("/list/+1")]
    #[case("/list/9")]
    #[case("/list/x")]
    #[case("/a~1b")]
    #[case("/a~1b/c")]
    fn agrees_with_serde_json(#[case] pointer: &str) {
        let value = json!({"": {"": 1}, "a": {"b": 2, "": 3}, "list": [4, {"x": 5}], "a/b": {"c": 6}});
        assert_eq!(value.at(pointer), value.pointer(pointer));
    }
}
