//! `matrix`: one scenario for each combination of parameter values, named after them.

use super::diagnostic::{Code, Diagnostic};
use super::node::{Node, Tree};
use super::parameters::Values;
use super::source::Source;
use std::sync::Arc;

/// More than these are surely a mistake.
const MOST: usize = 256;

/// What is added to the scenario's name, and the values, for each combination; one without values where there is no matrix.
/// The last key changes fastest.
pub fn combinations(scenario: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Vec<(String, Values)> {
    let mut all = vec![(Vec::new(), Values::new())];
    for (key, list) in scenario.at(&["spec", "matrix"]).map(Node::entries).unwrap_or_default() {
        if list.kind() == "a list" && list.items().is_empty() {
            let message = format!("`{}` has no values, so nothing would run", key.name);
            found.push(Diagnostic::error(Code::EmptyList, source, list.span, message).help("Give at least one value."));
            continue;
        }
        // What is no scalar is reported by the structure check.
        let values: Vec<_> = list.items().iter().filter_map(|item| Some((word(&item.tree)?, item.tree.clone()))).collect();
        if values.is_empty() {
            continue;
        }
        all = all
            .iter()
            .flat_map(|(words, known)| {
                values.iter().map(|(word, value)| {
                    let words: Vec<String> = words.iter().cloned().chain([format!("{}={word}", key.name)]).collect();
                    let mut known = known.clone();
                    known.insert(key.name.clone(), value.clone());
                    (words, known)
                })
            })
            .collect();
        if all.len() > MOST {
            let message = format!("the matrix has more than {MOST} combinations");
            found.push(Diagnostic::error(Code::OutOfRange, source, list.span, message).help("Leave values out."));
            return Vec::new();
        }
    }
    let named = |(words, values): (Vec<String>, Values)| {
        (if words.is_empty() { String::new() } else { format!("[{}]", words.join(",")) }, values)
    };
    all.into_iter().map(named).collect()
}

fn word(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Text(text) => Some(text.clone()),
        Tree::Number(number) => Some(number.to_string()),
        Tree::Bool(value) => Some(value.to_string()),
        Tree::Null | Tree::List(_) | Tree::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    #[test]
    fn each_combination_is_named_after_its_values() {
        let text = "spec: { matrix: { replicas: [1, 3], mode: [a, b] } }";
        let source = Arc::new(Source { name: "x".to_owned(), text: text.to_owned() });
        let mut found = Vec::new();
        let node = parse::documents(&source, parse::Dialect::Language, &mut found).remove(0);
        let all = combinations(&node, &source, &mut found);
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["[replicas=1,mode=a]", "[replicas=1,mode=b]", "[replicas=3,mode=a]", "[replicas=3,mode=b]"]);
        assert_eq!(all[3].1["replicas"], node.at(&["spec", "matrix", "replicas"]).unwrap().items()[1].tree);
        assert!(found.is_empty());
    }
}
