//! `patternFiles`: log patterns that scenarios share, in files of their own, found and read here.
//! What they say is `log_patterns`'s, whether it makes sense `check`'s.

use super::check;
use super::diagnostic::{Code, Diagnostic};
use super::discover::Document;
use super::log_patterns::LogPatterns;
use super::node::Node;
use super::parse::{Dialect, documents};
use super::structure;
use crate::detect::patterns::MOST;
use std::sync::Arc;

const FORM: &str = "Such a file is a list like `patterns`: `- { topic: crash, words: [flux lost] }`.";

/// The patterns of the files that a scenario names; mistakes in them are told where they stand.
pub fn read(scenario: &Document, node: &Node, found: &mut Vec<Diagnostic>) -> Vec<LogPatterns> {
    let mut all: Vec<LogPatterns> = Vec::new();
    let named = node.at(&["spec", "patternFiles"]).map(Node::items).unwrap_or_default();
    for item in named {
        let Some(path) = item.text() else { continue };
        let wrong = |code, message: String| Diagnostic::error(code, &scenario.source, item.span, message);
        let source = match scenario.place.beside(path).read() {
            Ok(source) => source,
            Err(message) => {
                found.push(wrong(Code::Unreadable, message).help("The path starts at the scenario's file."));
                continue;
            }
        };
        let mut own = Vec::new();
        let read = documents(&source, Dialect::Language, &mut own);
        let list = match read.as_slice() {
            [list] if list.kind() == "a list" => list,
            _ => {
                if own.is_empty() {
                    own.push(wrong(Code::Kind, format!("`{path}` is no list of log patterns")).help(FORM));
                }
                found.append(&mut own);
                continue;
            }
        };
        structure::log_patterns(list, &source, &mut own);
        check::log_patterns(list, &source, &mut own);
        if own.iter().all(|diagnostic| !diagnostic.is_error()) {
            match serde_json::from_value::<Vec<LogPatterns>>(list.to_json()) {
                Ok(mut patterns) => all.append(&mut patterns),
                Err(error) => own.push(Diagnostic::error(Code::BadValue, &Arc::clone(&source), list.span, error.to_string())),
            }
        }
        found.append(&mut own);
    }
    let count: usize = all.iter().map(|one| one.words.len() + one.patterns.len()).sum();
    if let Some(key) = node.at(&["spec"]).and_then(|spec| spec.key("patternFiles")).filter(|_| count > MOST) {
        let message = format!("these are {count} words and patterns, and {MOST} is the most");
        found.push(Diagnostic::error(Code::OutOfRange, &scenario.source, key.span, message));
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::detect::Topic;
    use crate::scenario::load::{LoadOptions, load};

    /// What a scenario with one file of patterns loads to, or the positions and messages of its mistakes.
    fn loaded(file: &str) -> Result<Vec<(Topic, usize)>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let scenario = std::fs::read_to_string("scenarios/crash/crashy-app.yaml").unwrap();
        let scenario = scenario.replace("../../fixtures", &format!("{}/fixtures", env!("CARGO_MANIFEST_DIR")));
        let named = "spec:\n  patterns: [{ topic: crash, words: [flux lost] }]\n  patternFiles: [shared.txt]\n";
        let path = folder.path().join("scenario.yaml");
        std::fs::write(&path, scenario.replacen("spec:\n", named, 1)).unwrap();
        if !file.is_empty() {
            std::fs::write(folder.path().join("shared.txt"), file).unwrap();
        }
        match load(&[path.display().to_string()], &LoadOptions::default()) {
            Ok(loaded) => {
                Ok(loaded.plans[0].patterns.iter().map(|one| (one.topic, one.words.len() + one.patterns.len())).collect())
            }
            Err(found) => Err(found
                .iter()
                .map(|one| {
                    let position = one.position();
                    format!("{}: {}", position.rsplit('/').next().unwrap(), one.message)
                })
                .collect()),
        }
    }

    #[test]
    fn files_add_to_what_a_scenario_has() {
        let file =
            "- { topic: crash, words: [gave up], patterns: [{ pattern: 'code \\d+' }] }\n- { topic: memory, words: [heap] }\n";
        assert_eq!(loaded(file), Ok(vec![(Topic::Crash, 1), (Topic::Crash, 2), (Topic::Memory, 1)]));
    }

    #[test]
    fn mistakes_are_told_where_they_stand() {
        let found = loaded("- { topic: crash, words: [' '] }\n- { topic: nonsense, words: [a], more: 1 }\n- { topic: crash }\n")
            .unwrap_err();
        let at = |position: &str| found.iter().any(|one| one.starts_with(position));
        assert!(["shared.txt:1:", "shared.txt:2:", "shared.txt:3:"].iter().all(|position| at(position)), "{found:?}");
        assert!(found.iter().any(|one| one.contains("every line has this")), "{found:?}");
        assert!(found.iter().any(|one| one.contains("the topic `crash` is there twice")), "{found:?}");
        let found = loaded("topic: crash\n").unwrap_err();
        assert!(found[0].starts_with("scenario.yaml:") && found[0].contains("is no list of log patterns"), "{found:?}");
        assert!(loaded("").unwrap_err()[0].starts_with("scenario.yaml:"));
        let many: String = (0..501).map(|n| format!("word{n}, ")).collect();
        assert!(loaded(&format!("- {{ topic: crash, words: [{many}] }}\n")).unwrap_err()[0].contains("500 is the most"));
    }
}
