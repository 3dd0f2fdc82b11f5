//! `comeback list`: what there is, one line each; with `--images` what an air-gapped mirror must hold.
//! Nothing is run.

use crate::exit_code::ExitCode;
use crate::observe::probe::pod;
use crate::scenario::model::Need;
use crate::scenario::render::{Look, render};
use crate::scenario::{Fault, LoadOptions, Plan, duration, load};
use clap::Args;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Result, Write};

/// `comeback list [PATH...]`
#[derive(Clone, Debug, Default, Args)]
pub struct List {
    /// Scenario and suite files, folders, or `builtin:NAME`; none: what is built in
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// The images that the scenarios need, one a line
    #[arg(long, env = "COMEBACK_LIST_IMAGES", value_parser = clap::builder::BoolishValueParser::new())]
    pub images: bool,
}

/// Lists the scenarios.
///
/// # Errors
/// When nothing can be written.
pub fn run(arguments: &List, look: Look, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let loaded = match load(&arguments.paths, &LoadOptions::default()) {
        Ok(loaded) => loaded,
        Err(found) => {
            write!(err, "{}", render(&found, look))?;
            return Ok(ExitCode::Usage);
        }
    };
    if arguments.images {
        let images: BTreeSet<String> = loaded.plans.iter().flat_map(|plan| images(plan)).collect();
        for image in images {
            writeln!(out, "{image}")?;
        }
        return Ok(ExitCode::Passed);
    }
    let header = ["NAME", "CLASS", "FAULTS", "NEEDS", "RTO", "SUMMARY"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(loaded.plans.iter().map(|plan| row(plan))).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        writeln!(out, "{line}{}", row.last().map_or("", String::as_str))?;
    }
    Ok(ExitCode::Passed)
}

fn row(plan: &Plan) -> [String; 6] {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let needs = plan.needs.iter().filter_map(|need| serde_json::to_value(need).ok()?.as_str().map(ToOwned::to_owned));
    [
        plan.name.clone(),
        or_dash(plan.labels.get("class").cloned().unwrap_or_default()),
        or_dash(plan.single_faults().into_iter().map(Fault::key).collect::<Vec<_>>().join(",")),
        or_dash(needs.collect::<Vec<_>>().join(",")),
        or_dash(plan.recover.rto.map(duration::format).unwrap_or_default()),
        plan.summary.clone(),
    ]
}

/// Every image of the workload, of the faults and of the ladder; not those of faults whose point is that there is no such image, nor
/// those of a registry that only the embedded cluster has.
pub(super) fn images(plan: &Plan) -> BTreeSet<String> {
    let mut images = BTreeSet::new();
    let breaks_images = plan.detect.as_ref().is_some_and(|detect| detect.cause.starts_with("image"));
    let mut values: Vec<Value> = plan.manifests.iter().map(|manifest| manifest.object.clone()).collect();
    values.extend(serde_json::to_value(&plan.heal).ok());
    if !breaks_images {
        values.extend(serde_json::to_value(&plan.faults).ok());
    }
    if plan.needs.contains(&Need::PrivateRegistry) {
        return images;
    }
    for value in &values {
        collect(value, &mut images);
    }
    if pod::is_needed(plan) {
        images.insert(pod::image(plan));
    }
    images
}

fn collect(value: &Value, images: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, images)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(image) if key == "image" => drop(images.insert(image.to_owned())),
                    _ => collect(value, images),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(paths: &[&str], images: bool) -> (ExitCode, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = List { paths: paths.iter().map(|path| (*path).to_owned()).collect(), images };
        let code = run(&arguments, Look { color: false, width: 100 }, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn one_line_each_in_columns() {
        let (code, out) = list(&["builtin:pod-deleted", "builtin:control"], false);
        assert_eq!(code, ExitCode::Passed);
        insta::assert_snapshot!(out);
    }

    #[test]
    fn the_built_in_scenarios_need_one_image() {
        assert_eq!(list(&[], true), (ExitCode::Passed, "busybox:1.37\n".to_owned()));
    }
}
