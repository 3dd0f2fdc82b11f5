//! `comeback validate`: everything that is wrong with files, and nothing else is done.
//! Finding mistakes is `scenario`'s business.

use crate::exit_code::ExitCode;
use crate::scenario::diagnostic::{Code, Diagnostic};
use crate::scenario::render::{Look, render};
use crate::scenario::{LoadOptions, load};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::{Result, Write};

/// `comeback validate PATH...`
#[derive(Clone, Debug, Args)]
pub struct Validate {
    /// Scenario, suite and strategy files, folders, or `builtin:NAME`
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// Text for people, JSON for editors and CI
    #[arg(long, env = "COMEBACK_FORMAT", value_enum, default_value = "text")]
    pub format: Format,
}

/// How diagnostics are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Checks the paths; text goes to `err` but for the good news, JSON to `out`.
///
/// # Errors
/// When nothing can be written.
pub fn run(arguments: &Validate, look: Look, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let (count, strategies, mut found) = match load(&arguments.paths, &LoadOptions::default()) {
        Ok(loaded) => (loaded.plans.len(), loaded.strategies, loaded.warnings),
        Err(found) => (0, 0, found),
    };
    if strategies > 0 {
        // Strategies alone are something to check, and nothing to run.
        found.retain(|diagnostic| diagnostic.code != Code::NothingSelected);
    }
    let valid = !found.iter().any(Diagnostic::is_error);
    match arguments.format {
        Format::Json => {
            let diagnostics: Vec<_> = found.iter().map(Diagnostic::to_json).collect();
            let mut answer = json!({ "valid": valid, "scenarios": count, "diagnostics": diagnostics });
            if strategies > 0 {
                answer["strategies"] = json!(strategies);
            }
            writeln!(out, "{answer:#}")?;
        }
        Format::Text => {
            write!(err, "{}", render(&found, look))?;
            if valid {
                let are = |count: usize| if count == 1 { " is" } else { "s are" };
                if count > 0 || strategies == 0 {
                    writeln!(out, "{count} scenario{} valid", are(count))?;
                }
                if strategies > 0 {
                    let are = if strategies == 1 { "y is" } else { "ies are" };
                    writeln!(out, "{strategies} strateg{are} valid")?;
                }
            }
        }
    }
    Ok(if valid { ExitCode::Passed } else { ExitCode::Usage })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(path: &str, format: Format) -> (ExitCode, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = Validate { paths: vec![path.to_owned()], format };
        let code = run(&arguments, Look { color: false, width: 100 }, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_good_file_is_said_to_be_valid() {
        let (code, out, err) = validate("builtin:crashy-app", Format::Text);
        assert_eq!((code, out.as_str(), err.as_str()), (ExitCode::Passed, "1 scenario is valid\n", ""));
    }

    #[test]
    fn strategies_are_checked_without_a_scenario() {
        let (code, out, err) = validate("builtin:strategy/controller", Format::Text);
        assert_eq!((code, out.as_str(), err.as_str()), (ExitCode::Passed, "6 strategies are valid\n", ""));
        let (_, out, _) = validate("builtin:strategy/controller", Format::Json);
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&answer["valid"], &answer["strategies"]), (&json!(true), &json!(6)));
    }

    #[test]
    fn a_mistake_is_shown_where_it_stands() {
        let (code, out, err) = validate("fixtures/invalid/duplicate-keys.yaml", Format::Text);
        assert_eq!((code, out.as_str()), (ExitCode::Usage, ""));
        insta::assert_snapshot!(err);
    }

    #[test]
    fn json_has_every_field_that_an_editor_needs() {
        let (code, out, err) = validate("fixtures/invalid/duplicate-keys.yaml", Format::Json);
        assert_eq!((code, err.as_str()), (ExitCode::Usage, ""));
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["valid"], false);
        let first = &answer["diagnostics"][0];
        assert_eq!((&first["code"], &first["line"], &first["column"]), (&json!("duplicate-key"), &json!(6), &json!(3)));
    }
}
