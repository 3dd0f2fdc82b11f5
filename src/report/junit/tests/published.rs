//! The rules of the published schemas, and a checker that knows them: elements, what each must and may have, what each may hold.
//!
//! `JENKINS`: `junit-10.xsd` of Jenkins' xUnit plugin (jenkinsci/xunit-plugin, src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd),
//! the strictest that is published, and the only one of the three that validates. GitLab ("Unit test reports", "JUnit XML format type")
//! reads `testsuites`, `testsuite` with `name` and `time`, `testcase` with `classname`, `name`, `file`, `time`, and `failure`, `error`,
//! `skipped`, `system-out`, `system-err`; GitHub has no reader of its own, and the common actions read the same: what is valid for Jenkins
//! and has `classname` and `name` in every `testcase` is read by all.

/// An element: its name, attributes that it must have, attributes that it may have, what it may hold, and whether text is among that.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str], bool);

const RERUN: &[&str] = &["stackTrace", "system-out", "system-err"];

const JENKINS: &[Rule] = &[
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors"], &["testsuite"], false),
    (
        "testsuite",
        &["name", "tests", "failures", "errors"],
        &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
        &["testsuite", "properties", "testcase", "system-out", "system-err"],
        false,
    ),
    ("properties", &[], &[], &["property"], false),
    ("property", &["name", "value"], &[], &[], false),
    (
        "testcase",
        // The schema asks for `name` alone; GitLab and GitHub's actions sort by `classname`.
        &["name", "classname"],
        &["time", "group"],
        &["skipped", "error", "failure", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out", "system-err"],
        false,
    ),
    ("failure", &[], &["type", "message"], &[], true),
    ("error", &[], &["type", "message"], &[], true),
    ("skipped", &[], &["type", "message"], &[], true),
    ("rerunFailure", &["type"], &["message"], RERUN, true),
    ("rerunError", &["type"], &["message"], RERUN, true),
    ("flakyFailure", &["type"], &["message"], RERUN, true),
    ("flakyError", &["type"], &["message"], RERUN, true),
    ("stackTrace", &[], &[], &[], true),
    ("system-out", &[], &[], &[], true),
    ("system-err", &[], &[], &[], true),
];

fn rule(name: &str) -> Result<&'static Rule, String> {
    JENKINS.iter().find(|rule| rule.0 == name).ok_or_else(|| format!("no element {name}"))
}

/// Whether a text is a document by these rules.
pub fn check(text: &str) -> Result<(), String> {
    let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").ok_or("no XML declaration")?;
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    let mut roots = 0;
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at);
        content(before, open.last().copied())?;
        let end = after.find('>').ok_or("a tag is not closed")?;
        let tag = &after[1..end];
        rest = &after[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split_whitespace().next().ok_or("a tag without a name")?;
        attributes(name, &tag[name.len()..])?;
        match open.last() {
            Some(parent) if !rule(parent)?.3.contains(&name) => return Err(format!("{parent} holds no {name}")),
            Some(_) => {}
            None => roots += 1,
        }
        if !empty {
            open.push(name);
        }
    }
    content(rest, None)?;
    if open.is_empty() && roots == 1 { Ok(()) } else { Err(format!("{roots} roots, {open:?} left open")) }
}

fn content(text: &str, parent: Option<&str>) -> Result<(), String> {
    let may = parent.map_or(Ok(false), |parent| rule(parent).map(|rule| rule.4))?;
    if !may && !text.trim().is_empty() { Err(format!("{parent:?} holds the text {text:?}")) } else { references(text) }
}

fn attributes(name: &str, text: &str) -> Result<(), String> {
    let rule = rule(name)?;
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (attribute, after) = rest.split_once("=\"").ok_or_else(|| format!("{name}: {rest}"))?;
        let (value, after) = after.split_once('"').ok_or_else(|| format!("{name}: {attribute} is not closed"))?;
        references(value)?;
        if found.contains(&attribute) || !rule.1.contains(&attribute) && !rule.2.contains(&attribute) {
            return Err(format!("{name} has no {attribute}, or has it twice"));
        }
        // SUREFIRE_TIME and counts.
        let number = matches!(attribute, "time" | "tests" | "failures" | "errors" | "skipped");
        if number && (value.is_empty() || !value.chars().all(|c| c.is_ascii_digit() || c == '.')) {
            return Err(format!("{name}: {attribute} is {value}"));
        }
        found.push(attribute);
        rest = after.trim_start();
    }
    match rule.1.iter().find(|must| !found.contains(must)) {
        Some(missing) => Err(format!("{name} lacks {missing}")),
        None => Ok(()),
    }
}

/// Every `&` begins a reference that XML itself knows.
fn references(text: &str) -> Result<(), String> {
    for after in text.split('&').skip(1) {
        let name = after.split_once(';').map(|(name, _)| name).ok_or_else(|| format!("a bare & in {text:?}"))?;
        if !matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") && !name.starts_with('#') {
            return Err(format!("no entity {name}"));
        }
    }
    Ok(())
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let document = |body: &str| format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n");
    let suite = |inner: &str| {
        document(&format!(
            "<testsuites><testsuite name=\"a\" tests=\"1\" failures=\"0\" errors=\"0\">{inner}</testsuite></testsuites>"
        ))
    };
    assert_eq!(
        check(&suite("<testcase name=\"x\" classname=\"a\" time=\"1.5\"><failure type=\"t\">a &amp; b</failure></testcase>")),
        Ok(())
    );
    for wrong in [
        suite("<testcase name=\"x\"/>"),
        suite("<testcase name=\"x\" classname=\"a\" flaky=\"1\"/>"),
        suite("<testcase name=\"x\" classname=\"a\"><failure>a & b</failure></testcase>"),
        suite("<testcase name=\"x\" classname=\"a\"><property name=\"a\" value=\"b\"/></testcase>"),
        suite("text"),
        suite("<testcase name=\"x\" classname=\"a\">"),
        document("<testsuites skipped=\"1\"/>"),
    ] {
        assert!(check(&wrong).is_err(), "{wrong}");
    }
}
