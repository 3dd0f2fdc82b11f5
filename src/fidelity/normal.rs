//! What two clusters name differently made equal: generated names, uids, addresses, image ids, measured times.
//! What is compared of an object is chosen in `projection`.

use super::recording::Fact;
use serde_json::Value;
use std::collections::BTreeMap;

/// The generated names of one run, each with what stands for it.
#[derive(Clone, Debug, Default)]
pub struct Names {
    known: BTreeMap<String, String>,
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Names {
    /// Collects the generated names of all objects.
    #[must_use]
    pub fn of(facts: &[Fact]) -> Self {
        let mut known = BTreeMap::new();
        for fact in facts {
            let name = text(&fact.object, "/metadata/name");
            if name.is_empty() || ["events", "node_events"].contains(&fact.kind.as_str()) || known.contains_key(name) {
                continue;
            }
            let hash = ["pod-template-hash", "controller-revision-hash"]
                .iter()
                .map(|label| text(&fact.object, &format!("/metadata/labels/{label}")))
                .find(|hash| !hash.is_empty())
                // A StatefulSet's and a DaemonSet's label may be prefixed by the name.
                .map(|hash| hash.rsplit('-').next().unwrap_or(hash).to_owned());
            if let Some(hash) = &hash {
                known.insert(hash.clone(), "HASH".to_owned());
            }
            let unhashed = |text: &str| hash.as_ref().map_or_else(|| text.to_owned(), |hash| text.replace(hash.as_str(), "HASH"));
            let generated = text(&fact.object, "/metadata/generateName");
            let normal = if generated.is_empty() { unhashed(name) } else { format!("{}*", unhashed(generated)) };
            if normal != name {
                known.insert(name.to_owned(), normal);
            }
        }
        Self { known }
    }

    /// The text with every generated part replaced by a word for its kind.
    #[must_use]
    pub fn normal(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let (word, stop) = word.strip_suffix('.').map_or((word, ""), |word| (word, "."));
            out.push_str(&self.word(word, &out));
            out.push_str(stop);
            let separators = after.find(is_word).unwrap_or(after.len());
            let (between, next) = after.split_at(separators);
            out.push_str(between);
            rest = next;
        }
        out
    }

    fn word(&self, word: &str, before: &str) -> String {
        if let Some(normal) = self.known.get(word) {
            return normal.clone();
        }
        let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
        let normal = if word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.split('-').all(hex) {
            "UID"
        } else if word.len() == 64 && hex(word) {
            "ID"
        } else if word.parse::<std::net::Ipv4Addr>().is_ok() && !word.starts_with("127.") {
            "IP"
        } else if before.ends_with(" to ") && before.starts_with("Successfully assigned ") {
            "NODE"
        } else if (before.ends_with(" in ") || before.ends_with(" in TIME (")) && is_duration(word) {
            "TIME"
        } else {
            word
        };
        normal.to_owned()
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.')
}

fn is_duration(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with('s')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;

    fn names() -> Names {
        let fact = |kind: &str, object: Value| Fact {
            at: 0.0,
            kind: kind.to_owned(),
            change: "ADDED".to_owned(),
            object: Arc::new(object),
        };
        let labels = json!({"pod-template-hash": "86ffd77b5b"});
        Names::of(&[
            fact("replicasets", json!({"metadata": {"name": "app-86ffd77b5b", "labels": labels}})),
            fact(
                "pods",
                json!({"metadata": {"name": "app-86ffd77b5b-jb8zw", "generateName": "app-86ffd77b5b-", "labels": labels}}),
            ),
            fact("pods", json!({"metadata": {"name": "j-x7x4k", "generateName": "j-"}})),
            fact("pods", json!({"metadata": {"name": "db-0"}})),
        ])
    }

    #[rstest]
    #[case("Created pod: app-86ffd77b5b-jb8zw", "Created pod: app-HASH-*")]
    #[case("Successfully assigned n/j-x7x4k to worker2", "Successfully assigned n/j-* to NODE")]
    #[case("in pod app-86ffd77b5b-jb8zw_n(0f7c8a1e-93ab-4bd7-9f0f-aaaaaaaaaaaa)", "in pod app-HASH-*_n(UID)")]
    #[case("Scaled up replica set app-86ffd77b5b from 0 to 2", "Scaled up replica set app-HASH from 0 to 2")]
    #[case("pulled in 1.2s (1.2s including waiting).", "pulled in TIME (TIME including waiting).")]
    #[case("dial tcp 10.244.0.7:8080: refused", "dial tcp IP:8080: refused")]
    #[case("dial tcp 127.0.0.1:1: refused", "dial tcp 127.0.0.1:1: refused")]
    #[case("db-0 took 5s.", "db-0 took 5s.")]
    fn generated_parts_are_replaced(#[case] text: &str, #[case] normal: &str) {
        assert_eq!(names().normal(text), normal);
    }
}
