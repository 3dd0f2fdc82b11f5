//! `expect`: which verdicts pass, as it is written. What a verdict means lives in `measure`.

use crate::scenario::verdict::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `expect`: one verdict or several; written as one word or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect(pub Vec<Verdict>);

/// How `expect` looks in the schema.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum ExpectSchema {
    /// One verdict.
    One(Verdict),
    /// Several; any of them passes.
    Several(Vec<Verdict>),
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let list = if value.is_array() { value } else { Value::Array(vec![value]) };
        serde_json::from_value(list).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Expect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}
