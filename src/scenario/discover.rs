//! Which documents a path names: a file's, a folder's, a built-in's.
//! What the documents say is not looked at beyond `apiVersion` and `kind`.

use super::builtin;
use super::diagnostic::{Code, Diagnostic, Position, allowed, did_you_mean};
use super::model::API_VERSION;
use super::node::{Node, Span, Tree};
use super::parse::{Dialect, documents};
use super::source::{Place, Source};
use std::path::PathBuf;
use std::sync::Arc;

/// One document of the language.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file.
    pub place: Place,
    /// Its text.
    pub source: Arc<Source>,
    /// Which document of the file, from 0.
    pub index: usize,
    /// The document.
    pub node: Node,
    /// What it says it is.
    pub kind: DocumentKind,
}

/// The kinds of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// `kind: Scenario`
    Scenario,
    /// `kind: Suite`
    Suite,
    /// `kind: Strategy`
    Strategy,
}

/// What a path names.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    /// Its documents, in order.
    pub documents: Vec<Document>,
    /// Whether they were found in a folder rather than named.
    pub in_folder: bool,
}

/// Reads what `path` names, relative to `beside`; mistakes are reported at `origin`, where the path is written.
pub fn discover(path: &str, beside: Option<&Place>, origin: Option<&Position>, found: &mut Vec<Diagnostic>) -> Discovered {
    let report = |code, message: String, help: Option<String>| {
        let mut diagnostic = if let Some(at) = origin {
            Diagnostic::error(code, &at.source, at.span, message)
        } else {
            let source = Arc::new(Source { name: path.to_owned(), text: String::new() });
            Diagnostic::error(code, &source, Span::default(), message)
        };
        diagnostic.help = help;
        diagnostic
    };
    let place = if let Some(name) = path.strip_prefix("builtin:") {
        let Some(path) = builtin::find(name) else {
            let names = builtin::like(name);
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let help = allowed("Built in", name, &names);
            found.push(report(Code::UnknownBuiltin, format!("nothing named `{name}` is built in"), Some(help)));
            return Discovered::default();
        };
        Place::Builtin(path)
    } else {
        beside.map_or_else(|| Place::Disk(PathBuf::from(path)), |file| file.beside(path))
    };
    if place.is_folder() {
        let documents = folder(&place, found).unwrap_or_else(|message| {
            found.push(report(Code::Unreadable, message, None));
            Vec::new()
        });
        if documents.is_empty() && found.iter().all(|diagnostic| !diagnostic.is_error()) {
            let help = format!(
                "A scenario is a `.yaml` or `.yml` file with `apiVersion: {API_VERSION}`; `comeback new NAME` writes one."
            );
            found.push(report(Code::NoScenario, format!("the folder `{place}` holds no scenario"), Some(help)));
        }
        return Discovered { documents, in_folder: true };
    }
    match place.read() {
        Ok(source) => Discovered { documents: file(&place, &source, found), in_folder: false },
        Err(message) => {
            let names = builtin::names();
            let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".yaml");
            let exact = names.iter().find(|name| *name == stem).map(|name| format!("Did you mean `builtin:{name}`?"));
            let help = exact.or_else(|| did_you_mean(stem, names.iter().map(String::as_str)));
            found.push(report(Code::Unreadable, message, help.filter(|_| !stem.contains('.'))));
            Discovered::default()
        }
    }
}

/// The documents of the language in a folder; other YAML, and what does not mention the language at all, is left alone.
fn folder(place: &Place, found: &mut Vec<Diagnostic>) -> Result<Vec<Document>, String> {
    let mut all = Vec::new();
    for file in place.yaml_files()? {
        // A file that is not text, or too large, is no scenario.
        let Ok(source) = file.read() else { continue };
        // Cheaper than reading all YAML of a repository.
        if !["comeback.dev/", "kind: Scenario", "kind: Suite", "kind: Strategy"].iter().any(|mark| source.text.contains(mark)) {
            continue;
        }
        let ours = documents(&source, Dialect::Language, found).into_iter().enumerate().filter(|(_, node)| is_meant(node));
        for (index, node) in ours {
            all.extend(document(&file, &source, index, node, found));
        }
    }
    Ok(all)
}

/// Whether a document in a folder is one of the language, or is meant to be: one that is left out for a misspelt `apiVersion` would
/// never run, and nobody would notice.
fn is_meant(node: &Node) -> bool {
    let kind = matches!(node.text_of("kind"), Some("Scenario" | "Suite")) && node.get("spec").is_some();
    match node.text_of("apiVersion") {
        Some(version) => version.starts_with("comeback.dev/") || (kind && strsim::damerau_levenshtein(version, API_VERSION) <= 3),
        None => kind,
    }
}

fn file(place: &Place, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Vec<Document> {
    let before = found.len();
    let nodes = documents(source, Dialect::Language, found);
    if nodes.is_empty() && found.len() == before {
        let help = "`comeback new NAME` writes a commented scenario.";
        found.push(Diagnostic::error(Code::Empty, source, Span::default(), "the file holds no document").help(help));
    }
    nodes.into_iter().enumerate().filter_map(|(index, node)| document(place, source, index, node, found)).collect()
}

fn document(place: &Place, source: &Arc<Source>, index: usize, node: Node, found: &mut Vec<Diagnostic>) -> Option<Document> {
    if !matches!(node.tree, Tree::Map(_)) {
        let message = format!("a scenario is a mapping, and this document is {}", node.kind());
        let help = format!("It begins with `apiVersion: {API_VERSION}` and `kind: Scenario`.");
        found.push(Diagnostic::error(Code::WrongType, source, node.span, message).help(help));
        return None;
    }
    let version = node.text_of("apiVersion");
    if version != Some(API_VERSION) {
        let span = node.get("apiVersion").map_or(node.span, |value| value.span);
        let message = match version {
            Some(version) => format!("`{version}` is not an apiVersion of comeback's language"),
            None => "the document has no `apiVersion`".to_owned(),
        };
        let help = format!(
            "Write `apiVersion: {API_VERSION}`. Kubernetes manifests are named under `workload.manifests`, or stand under `workload.inline`."
        );
        found.push(Diagnostic::error(Code::ApiVersion, source, span, message).help(help));
        return None;
    }
    let kind = match node.text_of("kind") {
        Some("Scenario") => DocumentKind::Scenario,
        Some("Suite") => DocumentKind::Suite,
        Some("Strategy") => DocumentKind::Strategy,
        other => {
            let span = node.get("kind").map_or(node.span, |value| value.span);
            let message = match other {
                Some(kind) => format!("`{kind}` is not a kind of comeback's language"),
                None => "the document has no `kind`".to_owned(),
            };
            let help = allowed("Kinds", other.unwrap_or_default(), &["Scenario", "Suite", "Strategy"]);
            found.push(Diagnostic::error(Code::Kind, source, span, message).help(help));
            return None;
        }
    };
    Some(Document { place: place.clone(), source: Arc::clone(source), index, node, kind })
}
