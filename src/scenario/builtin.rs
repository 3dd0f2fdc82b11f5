//! The scenarios and manifests that travel in the binary, found by path and by name.
//! They are the same files as in the repository; nothing about them is special once they are read.

use include_dir::{Dir, DirEntry, include_dir};

static SCENARIOS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");
static WORKLOADS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/workloads");
static STRATEGIES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/heal/strategies");

/// The path of the suite that runs when nothing is named.
pub const GATE: &str = "scenarios/gate.yaml";

fn entry(path: &str) -> Option<&'static DirEntry<'static>> {
    let (folder, rest) = split(path)?;
    folder.get_entry(rest)
}

fn split(path: &str) -> Option<(&'static Dir<'static>, &str)> {
    let within = |prefix: &str| path.strip_prefix(prefix).map(|rest| rest.trim_start_matches('/'));
    if let Some(rest) = within("scenarios") {
        return Some((&SCENARIOS, rest));
    }
    if let Some(rest) = within("src/heal/strategies") {
        return Some((&STRATEGIES, rest));
    }
    within("fixtures/workloads").map(|rest| (&WORKLOADS, rest))
}

/// Whether the path is a folder of the binary.
#[must_use]
pub fn is_folder(path: &str) -> bool {
    path == "scenarios" || matches!(entry(path), Some(DirEntry::Dir(_)))
}

/// The text of a file of the binary.
#[must_use]
pub fn text(path: &str) -> Option<&'static str> {
    match entry(path)? {
        DirEntry::File(file) => file.contents_utf8(),
        DirEntry::Dir(_) => None,
    }
}

/// All files below a folder of the binary, sorted.
#[must_use]
pub fn files_below(path: &str) -> Vec<String> {
    let Some((root, rest)) = split(path) else { return Vec::new() };
    let prefix = if std::ptr::eq(root, &raw const SCENARIOS) { "scenarios" } else { "fixtures/workloads" };
    let folder = if rest.is_empty() { Some(root) } else { root.get_dir(rest) };
    let mut files = Vec::new();
    if let Some(folder) = folder {
        collect(folder, prefix, &mut files);
    }
    files.sort();
    files
}

fn collect(folder: &'static Dir<'static>, prefix: &str, files: &mut Vec<String>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, prefix, files),
            DirEntry::File(file) => files.push(format!("{prefix}/{}", file.path().to_string_lossy())),
        }
    }
}

/// The path of `builtin:NAME`: a scenario's name (`crashy-app`), its path without `.yaml` (`crash/crashy-app`), a folder
/// (`crash`), the suite `gate`, or a file of strategies (`strategy/default`).
#[must_use]
pub fn find(name: &str) -> Option<String> {
    let name = name.trim_matches('/');
    if let Some(strategy) = name.strip_prefix("strategy/") {
        return Some(format!("src/heal/strategies/{strategy}.yaml")).filter(|path| text(path).is_some());
    }
    let as_path = format!("scenarios/{name}");
    if !name.is_empty() && is_folder(&as_path) {
        return Some(as_path);
    }
    let as_file = format!("{as_path}.yaml");
    if text(&as_file).is_some() {
        return Some(as_file);
    }
    files_below("scenarios").into_iter().find(|path| text(path).and_then(name_in).is_some_and(|found| found == name))
}

/// All names that `builtin:` knows: scenarios by name, then folders.
#[must_use]
pub fn names() -> Vec<String> {
    let mut names: Vec<String> =
        files_below("scenarios").iter().filter_map(|path| text(path).and_then(name_in)).map(ToOwned::to_owned).collect();
    names.extend(SCENARIOS.dirs().map(|folder| folder.path().to_string_lossy().into_owned()));
    names.push("gate".to_owned());
    names.sort();
    names.dedup();
    names
}

/// The names of the shipped files of strategies, as `strategy/default`.
#[must_use]
pub fn strategies() -> Vec<String> {
    let stems = STRATEGIES.files().filter_map(|file| file.path().file_stem()?.to_str());
    let mut names: Vec<String> = stems.map(|stem| format!("strategy/{stem}")).collect();
    names.sort();
    names
}

/// The names that may have been meant by one that is not built in.
#[must_use]
pub fn like(name: &str) -> Vec<String> {
    if name.starts_with("strategy") { strategies() } else { names() }
}

/// `metadata.name` of a shipped file. They are all written in one style; a test parses each of them and compares.
#[must_use]
pub fn name_in(text: &'static str) -> Option<&'static str> {
    let (_, rest) = text.split_once("metadata:")?;
    let (_, rest) = rest.split_once("name: ")?;
    rest.split(|c: char| c == ',' || c == '}' || c.is_whitespace()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builtin_is_found_by_name_path_and_folder() {
        assert_eq!(find("strategy/default").as_deref(), Some("src/heal/strategies/default.yaml"));
        assert_eq!(
            (find("strategy/none"), strategies()),
            (None, ["controller", "default", "runbook"].map(|name| format!("strategy/{name}")).to_vec())
        );
        assert_eq!(find("crashy-app").as_deref(), Some("scenarios/crash/crashy-app.yaml"));
        assert_eq!(find("crash/crashy-app").as_deref(), Some("scenarios/crash/crashy-app.yaml"));
        assert_eq!(find("crash").as_deref(), Some("scenarios/crash"));
        assert_eq!(find("gate").as_deref(), Some(GATE));
        assert_eq!(find("nonsense"), None);
        assert_eq!(find(""), None);
    }
}
