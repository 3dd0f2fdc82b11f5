//! The result file: JSON as the contract has it, pretty-printed, with a final newline. Its types are in `measure::result`.

use super::exporter::{ExportError, Exporter};
use crate::measure::result::RunResult;

/// `--report json`, and `result.json` in the run directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Exporter for Json {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        let mut bytes =
            serde_json::to_vec_pretty(result).map_err(|error| ExportError { format: "json", reason: error.to_string() })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_is_written_reads_back_the_same_and_fits_the_schema() {
        let result = fixture::run();
        let bytes = Json.serialize(&result).unwrap();
        assert_eq!(serde_json::from_slice::<RunResult>(&bytes).unwrap(), result);
        let schema = serde_json::to_value(schemars::schema_for!(RunResult)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let problems: Vec<String> =
            jsonschema::validator_for(&schema).unwrap().iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn the_schema_of_the_result_file_changes_only_on_purpose() {
        insta::assert_json_snapshot!("result_schema", schemars::schema_for!(RunResult));
    }

    #[test]
    fn one_trial_as_the_contract_writes_it() {
        let result = fixture::run();
        insta::assert_json_snapshot!("trial", result.scenarios[1].trials[1]);
    }
}
