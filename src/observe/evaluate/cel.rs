//! Conditions by an expression of CEL over an object, as Kubernetes' own admission policies have them.

use super::object::object_or_pod;
use super::{Frame, Seen, Truth};
use crate::scenario::condition::Cel;
use crate::scenario::condition::cel::{Outcome, run};

pub(super) fn holds(wanted: &Cel, frame: Frame<'_>) -> Seen {
    let what = format!("cel {}/{}: `{}`", wanted.kind.to_lowercase(), wanted.name, wanted.expression);
    let Some(object) = object_or_pod(frame, &wanted.kind, &wanted.name) else {
        return Seen { truth: Truth::Unknown, text: format!("{what}: the object was not seen"), server: None };
    };
    let (truth, text) = match run(&wanted.expression, object) {
        Outcome::Holds(holds) => (holds.into(), format!("{what} is {holds}")),
        Outcome::Unknown(why) => (Truth::Unknown, format!("{what} cannot be told: {why}")),
    };
    Seen { truth, text, server: None }
}
