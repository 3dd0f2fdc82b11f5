//! The templates of titles and texts: `${name}` stands for what the run was, `$${` for itself. No logic, so that nothing can go wrong at
//! the end of a run that could not be seen before it.

use std::collections::BTreeMap;

/// The names that a template may use.
pub const NAMES: [&str; 11] =
    ["outcome", "summary", "reasons", "failed", "cluster", "run", "seed", "exitCode", "startedAt", "finishedAt", "link"];

/// Whether a template uses known names only.
///
/// # Errors
/// The first name that is not known, and those that are.
pub fn check(template: &str) -> Result<(), String> {
    walk(template, |name| {
        if NAMES.contains(&name) {
            return Ok(String::new());
        }
        Err(format!("`${{{name}}}` is nothing that a template knows; it knows {}", NAMES.join(", ")))
    })
    .map(drop)
}

/// The template with its names replaced; one that is not among the values is left out.
#[must_use]
pub fn fill(template: &str, values: &BTreeMap<&'static str, String>) -> String {
    walk(template, |name| Ok(values.get(name).cloned().unwrap_or_default())).unwrap_or_default()
}

fn walk(template: &str, mut value: impl FnMut(&str) -> Result<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = &after[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = after.find('}') else { return Err(format!("`{after}` has no closing brace")) };
        out.push_str(&value(&after[2..end])?);
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_unknown_ones_refused() {
        let values = BTreeMap::from([("outcome", "failed".to_owned()), ("run", "${outcome}".to_owned())]);
        assert_eq!(fill("a ${outcome} of ${run}: $${outcome} $5", &values), "a failed of ${outcome}: ${outcome} $5");
        assert_eq!(check("${outcome} $${nothing}"), Ok(()));
        assert!(check("${verdict}").unwrap_err().contains("it knows outcome"));
        assert!(check("${outcome").unwrap_err().contains("no closing brace"));
        assert!(NAMES.iter().all(|name| check(&format!("${{{name}}}")).is_ok()));
    }
}
