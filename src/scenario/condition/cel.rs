//! Expressions of CEL over an object (<https://cel.dev>): compiling and running them. Which object is meant says the condition.

use cel::objects::Key;
use cel::{Context, Env, ExecutionError, Program, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// The most compiled expressions that a thread keeps.
const KEPT: usize = 256;

/// `cel`: an expression over any object is true, as `object.status.readyReplicas == object.spec.replicas`. A field that is not
/// there makes it unknown; `has(object.status.x)` asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cel {
    /// The object's kind.
    pub kind: String,
    /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The object's name.
    pub name: String,
    /// The expression; `object` in it is the object, a Secret's values are hashed.
    pub expression: String,
}

/// What an expression came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is true or false.
    Holds(bool),
    /// It has no truth, with the reason.
    Unknown(String),
}

/// Checks that an expression can be compiled.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn check(expression: &str) -> Result<(), String> {
    let compiled = Env::stdlib().compile(expression);
    compiled.map(drop).map_err(|error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

thread_local! {
    /// Conditions are looked at with each observation: each is compiled once.
    static COMPILED: RefCell<BTreeMap<String, Rc<Program>>> = const { RefCell::new(BTreeMap::new()) };
}

fn compiled(expression: &str) -> Result<Rc<Program>, String> {
    COMPILED.with_borrow_mut(|known| {
        if let Some(program) = known.get(expression) {
            return Ok(Rc::clone(program));
        }
        let program = Rc::new(Env::stdlib().compile(expression).map_err(|error| error.to_string())?);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(expression.to_owned(), Rc::clone(&program));
        Ok(program)
    })
}

/// Runs an expression over an object.
#[must_use]
pub fn run(expression: &str, object: &Json) -> Outcome {
    let program = match compiled(expression) {
        Ok(program) => program,
        Err(error) => return Outcome::Unknown(error),
    };
    let mut context = Context::with_env(Arc::new(Env::stdlib()));
    context.add_variable_from_value("object", value(object));
    match program.execute(&context) {
        Ok(Value::Bool(holds)) => Outcome::Holds(holds),
        Ok(other) => Outcome::Unknown(format!("it is no truth value but {:?}", other.type_of())),
        Err(error) => Outcome::Unknown(error.to_string()),
    }
}

/// Whether an expression is true of an object; a field that is not there makes it false.
///
/// # Errors
/// It has no truth for another reason: it is of another type, or compares what cannot be compared.
pub fn finds(expression: &str, object: &Json) -> Result<bool, String> {
    let mut context = Context::with_env(Arc::new(Env::stdlib()));
    context.add_variable_from_value("object", value(object));
    match compiled(expression)?.execute(&context) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(other) => Err(format!("it is no truth value but {:?}", other.type_of())),
        Err(ExecutionError::NoSuchKey(_)) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// JSON as Kubernetes hands it to CEL: whole numbers are `int`.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Int),
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Object(fields) => {
            let entries = fields.iter().map(|(key, inner)| (Key::String(Arc::new(key.clone())), value(inner)));
            Value::Map(cel::objects::Map { map: Arc::new(entries.collect::<HashMap<_, _>>()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("object.status.readyReplicas == object.spec.replicas", Some(false))]
    #[case("object.status.readyReplicas < 3 && object.spec.replicas == 3", Some(true))]
    #[case("object.status.conditions.exists(c, c.type == 'Available' && c.status == 'True')", Some(true))]
    #[case("object.metadata.labels['app'].startsWith('we')", Some(true))]
    #[case("object.metadata.name.matches('^web-[0-9]+$')", Some(false))]
    #[case("has(object.status.none)", Some(false))]
    #[case("object.status.none == 1", None)]
    #[case("object.spec.replicas", None)]
    #[case("unknown == 1", None)]
    fn over_an_object(#[case] expression: &str, #[case] is: Option<bool>) {
        let object = json!({
            "metadata": { "name": "web", "labels": { "app": "web" } },
            "spec": { "replicas": 3 },
            "status": { "readyReplicas": 2, "conditions": [{ "type": "Available", "status": "True" }] },
        });
        check(expression).unwrap();
        let outcome = run(expression, &object);
        match is {
            Some(holds) => assert_eq!(outcome, Outcome::Holds(holds)),
            None => assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}"),
        }
    }

    #[rstest]
    #[case("object.n > 1", Ok(true))]
    #[case("object.n > 2", Ok(false))]
    #[case("object.none > 2", Ok(false))]
    #[case("object.none.none == 'x'", Ok(false))]
    #[case("object.n", Err("no truth value"))]
    #[case("object.n > 'x'", Err(""))]
    #[case("nothing.n > 1", Err("nothing"))]
    fn what_is_absent_is_not_found_and_what_is_wrong_is_told(#[case] expression: &str, #[case] is: Result<bool, &str>) {
        match (finds(expression, &json!({ "n": 2 })), is) {
            (Ok(found), Ok(is)) => assert_eq!(found, is),
            (Err(found), Err(is)) => assert!(found.contains(is), "{found}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_expression_is_told_in_one_line() {
        for wrong in ["object.", "1 +", "(", "", "object == 'x"] {
            let error = check(wrong).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{wrong}: {error}");
        }
    }
}
