//! `comeback new`: a commented scenario and its manifest, ready to run.
//! Nothing that exists is ever overwritten.

use super::show::manifests_of;
use crate::exit_code::ExitCode;
use crate::scenario::builtin;
use crate::scenario::diagnostic::allowed;
use crate::scenario::structure::name_problem;
use clap::Args;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

const SCENARIO: &str = include_str!("new/scenario.yaml");
const WORKLOAD: &str = include_str!("../../fixtures/workloads/pool.yaml");

/// `comeback new NAME`
#[derive(Clone, Debug, Args)]
pub struct New {
    /// The scenario's name; `chaos/NAME` puts it into the folder `chaos`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// A built-in scenario to begin with
    #[arg(long, env = "COMEBACK_NEW_FROM", value_name = "builtin:NAME")]
    pub from: Option<String>,
}

/// One file to write.
struct NewFile {
    path: PathBuf,
    text: String,
}

/// Writes `NAME.yaml` and `NAME-workload.yaml`.
///
/// # Errors
/// When nothing can be printed; that a file cannot be written is told to the user.
pub fn run(arguments: &New, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let files = match plan(arguments) {
        Ok(files) => files,
        Err(message) => {
            writeln!(err, "error: {message}")?;
            return Ok(ExitCode::Usage);
        }
    };
    if let Some(file) = files.iter().find(|file| file.path.exists()) {
        writeln!(err, "error: `{}` exists already; nothing was written", file.path.display())?;
        return Ok(ExitCode::Usage);
    }
    for file in &files {
        let written = OpenOptions::new().write(true).create_new(true).open(&file.path);
        if let Err(error) = written.and_then(|mut opened| opened.write_all(file.text.as_bytes())) {
            let path = file.path.display();
            match error.kind() {
                ErrorKind::NotFound => writeln!(err, "error: `{path}` cannot be written: there is no such folder")?,
                _ => writeln!(err, "error: `{path}` cannot be written: {error}")?,
            }
            return Ok(ExitCode::Usage);
        }
        writeln!(out, "wrote {}", file.path.display())?;
    }
    if let Some(scenario) = files.first() {
        let path = scenario.path.display();
        writeln!(out, "next: `comeback validate {path}`, then `comeback run {path}`")?;
    }
    Ok(ExitCode::Passed)
}

fn plan(arguments: &New) -> std::result::Result<Vec<NewFile>, String> {
    let path = Path::new(arguments.name.trim_end_matches(".yaml"));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(problem) = name_problem(&name) {
        return Err(problem);
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let beside = |suffix: &str| folder.join(format!("{name}{suffix}.yaml"));
    let Some(from) = &arguments.from else {
        let text = SCENARIO.replace("NAME", &name).replace("MANIFEST", &format!("{name}-workload.yaml"));
        return Ok(vec![NewFile { path: beside(""), text }, NewFile { path: beside("-workload"), text: WORKLOAD.to_owned() }]);
    };
    let wanted = from.strip_prefix("builtin:").unwrap_or(from);
    let Some(scenario) = builtin::find(wanted).filter(|path| !builtin::is_folder(path) && path != builtin::GATE) else {
        let names = builtin::names();
        let names: Vec<_> = names.iter().map(String::as_str).filter(|name| name.contains('-')).collect();
        return Err(format!("no scenario named `{wanted}` is built in. {}", allowed("Built in", wanted, &names)));
    };
    let template = builtin::text(&scenario).unwrap_or_default();
    let old = builtin::name_in(template).unwrap_or_default();
    let mut text = template.replacen(&format!("name: {old}"), &format!("name: {name}"), 1);
    let mut files = Vec::new();
    for (index, (written, file)) in manifests_of(&scenario).into_iter().enumerate() {
        let suffix = if index == 0 { "-workload".to_owned() } else { format!("-workload-{}", index + 1) };
        text = text.replace(&written, &format!("{name}{suffix}.yaml"));
        files.push(NewFile { path: beside(&suffix), text: builtin::text(&file).unwrap_or_default().to_owned() });
    }
    files.insert(0, NewFile { path: beside(""), text });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{LoadOptions, load};
    use rstest::rstest;

    fn new(name: &Path, from: Option<&str>) -> (ExitCode, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = New { name: name.to_string_lossy().into_owned(), from: from.map(ToOwned::to_owned) };
        let code = run(&arguments, &mut out, &mut err).unwrap();
        (code, String::from_utf8(err).unwrap())
    }

    #[rstest]
    #[case(None)]
    #[case(Some("builtin:crashy-app"))]
    #[case(Some("oom-limit-too-low"))]
    fn what_is_written_is_valid_and_never_written_over(#[case] from: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        assert_eq!(new(&path, from), (ExitCode::Passed, String::new()));
        let loaded = load(&[folder.path().to_string_lossy().into_owned()], &LoadOptions::default()).unwrap();
        assert_eq!(loaded.plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>(), ["mine"]);
        assert!(loaded.warnings.is_empty());
        let (code, err) = new(&path, from);
        assert_eq!(code, ExitCode::Usage);
        assert!(err.contains("exists already"));
    }

    #[rstest]
    #[case("No_Name", None, "lower case")]
    #[case("mine", Some("builtin:gate"), "no scenario named `gate`")]
    #[case("nowhere/mine", None, "no such folder")]
    fn what_cannot_be_written_is_said(#[case] name: &str, #[case] from: Option<&str>, #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let (code, err) = new(&folder.path().join(name), from);
        assert_eq!(code, ExitCode::Usage);
        assert!(err.contains(expected), "{err}");
    }
}
