//! `comeback show`: a built-in scenario and its manifests, as they are.

use crate::exit_code::ExitCode;
use crate::scenario::builtin;
use crate::scenario::diagnostic::allowed;
use crate::scenario::source::Place;
use clap::Args;
use std::io::{Result, Write};

/// `comeback show builtin:NAME`
#[derive(Clone, Debug, Args)]
pub struct Show {
    /// `builtin:NAME`: a scenario, a folder of them, the suite `gate`, or strategies (`builtin:strategy/default`)
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Prints the files, each with its name in a comment before it.
///
/// # Errors
/// When nothing can be written.
pub fn run(arguments: &Show, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let name = arguments.name.strip_prefix("builtin:").unwrap_or(&arguments.name);
    let Some(path) = builtin::find(name) else {
        let names = builtin::like(name);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        writeln!(err, "error: nothing named `{name}` is built in. {}", allowed("Built in", name, &names))?;
        return Ok(ExitCode::Usage);
    };
    let scenarios = if builtin::is_folder(&path) { builtin::files_below(&path) } else { vec![path] };
    let mut files = Vec::new();
    for scenario in scenarios {
        let manifests = manifests_of(&scenario);
        for file in std::iter::once(scenario).chain(manifests.into_iter().map(|(_, file)| file)) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    for (index, file) in files.iter().enumerate() {
        let separator = if index == 0 { "" } else { "---\n" };
        let text = builtin::text(file).unwrap_or_default();
        write!(out, "{separator}# {file}\n{text}")?;
    }
    Ok(ExitCode::Passed)
}

/// The manifests that a built-in scenario names: as it writes them, and their paths in the binary.
pub(super) fn manifests_of(scenario: &str) -> Vec<(String, String)> {
    let document: serde_json::Value =
        builtin::text(scenario).and_then(|text| serde_saphyr::from_str(text).ok()).unwrap_or_default();
    let named = document.pointer("/spec/workload/manifests").and_then(serde_json::Value::as_array);
    let written = named.into_iter().flatten().filter_map(serde_json::Value::as_str);
    written
        .filter_map(|path| match Place::Builtin(scenario.to_owned()).beside(path) {
            Place::Builtin(file) => Some((path.to_owned(), file)),
            Place::Disk(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(name: &str) -> (ExitCode, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&Show { name: name.to_owned() }, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_scenario_comes_with_its_manifests() {
        let (code, out, _) = show("builtin:crashy-app");
        assert_eq!(code, ExitCode::Passed);
        let (scenario, manifest) = out.split_once("---\n# fixtures/workloads/crashy-app.yaml\n").unwrap();
        assert_eq!(
            scenario,
            format!("# scenarios/crash/crashy-app.yaml\n{}", include_str!("../../scenarios/crash/crashy-app.yaml"))
        );
        assert_eq!(manifest, include_str!("../../fixtures/workloads/crashy-app.yaml"));
    }

    #[test]
    fn strategies_are_shown_as_they_are() {
        let (code, out, _) = show("builtin:strategy/default");
        assert_eq!(code, ExitCode::Passed);
        assert_eq!(out, format!("# src/heal/strategies/default.yaml\n{}", include_str!("../heal/strategies/default.yaml")));
        let (code, _, err) = show("builtin:strategy/defalt");
        assert!(code == ExitCode::Usage && err.contains("Did you mean `strategy/default`?"), "{err}");
    }

    #[test]
    fn an_unknown_name_gets_a_question() {
        let (code, _, err) = show("builtin:crashy-ap");
        assert_eq!(code, ExitCode::Usage);
        assert!(err.contains("Did you mean `crashy-app`?"), "{err}");
    }
}
