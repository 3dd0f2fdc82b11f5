//! `comeback schema`: the JSON Schemas of what users write and read.

use crate::exit_code::ExitCode;
use crate::measure::result::RunResult;
use crate::scenario::schema;
use clap::{Args, ValueEnum};
use std::io::{Result, Write};

/// `comeback schema [scenario|suite|strategy|result]`
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Schema {
    /// Of what
    #[arg(value_enum, default_value = "scenario")]
    pub what: What,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// A scenario
    #[default]
    Scenario,
    /// A suite
    Suite,
    /// A strategy
    Strategy,
    /// The result file of `--report json`
    Result,
}

/// Prints a schema.
///
/// # Errors
/// When nothing can be written.
pub fn run(arguments: Schema, out: &mut dyn Write) -> Result<ExitCode> {
    match arguments.what {
        What::Scenario => writeln!(out, "{:#}", schema::scenario())?,
        What::Suite => writeln!(out, "{:#}", schema::suite())?,
        What::Strategy => writeln!(out, "{:#}", schema::strategy())?,
        What::Result => writeln!(out, "{:#}", schemars::schema_for!(RunResult).to_value())?,
    }
    Ok(ExitCode::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(What::Scenario, "Scenario")]
    #[case(What::Suite, "Suite")]
    #[case(What::Strategy, "Strategy")]
    #[case(What::Result, "RunResult")]
    fn each_is_a_schema_of_its_own(#[case] what: What, #[case] title: &str) {
        let mut out = Vec::new();
        assert_eq!(run(Schema { what }, &mut out).unwrap(), ExitCode::Passed);
        let schema: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(schema["title"], title);
        assert!(jsonschema::meta::is_valid(&schema));
    }
}
