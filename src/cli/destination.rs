//! `--report FORMAT[=FILE]`: which reports are written, and where to.

use super::console::Console;
use crate::exit_code::ExitCode;
use crate::measure::marks::{self, Marks};
use crate::measure::outcome;
use crate::measure::result::RunResult;
use crate::observe::timeline;
use crate::report::html;
use crate::report::{Confusion, Course, Csv, Exporter, Html, Json, Junit, Markdown, Prometheus, Terminal};
use serde::{Deserialize, Deserializer, de::Error};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A report format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// For people.
    Terminal,
    /// The result file.
    Json,
    /// JUnit XML.
    Junit,
    /// A job summary.
    Markdown,
    /// A page.
    Html,
    /// A row per trial.
    Csv,
    /// Prometheus' text format.
    Prometheus,
    /// True causes against diagnosed ones.
    Confusion,
    /// What happened when in each trial.
    Timeline,
}

const FORMATS: [(&str, Format); 9] = [
    ("terminal", Format::Terminal),
    ("json", Format::Json),
    ("junit", Format::Junit),
    ("markdown", Format::Markdown),
    ("html", Format::Html),
    ("csv", Format::Csv),
    ("prometheus", Format::Prometheus),
    ("confusion", Format::Confusion),
    ("timeline", Format::Timeline),
];

/// One `--report`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The format.
    pub format: Format,
    /// The file; absent: stdout.
    pub file: Option<PathBuf>,
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
        if file == Some("") {
            return Err(format!("no file after `{name}=`; write `{name}=FILE`, or `{name}` alone for stdout"));
        }
        let Some((_, format)) = FORMATS.iter().find(|(known, _)| *known == name) else {
            let near = FORMATS.iter().map(|(known, _)| *known).find(|known| strsim::damerau_levenshtein(known, name) <= 2);
            let near = near.map_or_else(|| ".".to_owned(), |near| format!("; did you mean `{near}`?"));
            return Err(format!("`{name}` is not a report format{near} Formats are {}", names()));
        };
        Ok(Self { format: *format, file: file.map(PathBuf::from) })
    }
}

fn names() -> String {
    FORMATS.map(|(name, _)| name).join(", ")
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// All reports of a command, checked: at most one on stdout, no file twice. Where nothing else takes stdout, the terminal report
/// does.
///
/// # Errors
/// What contradicts what, or a file that cannot be written: before a long run, not after it.
pub fn plan(mut wanted: Vec<Destination>) -> Result<Vec<Destination>, String> {
    let on_stdout: Vec<Format> = wanted.iter().filter(|one| one.file.is_none()).map(|one| one.format).collect();
    if let [_, _, ..] = on_stdout[..] {
        let names: Vec<String> = on_stdout.iter().map(|format| format!("{format:?}").to_lowercase()).collect();
        let last = names.last().cloned().unwrap_or_default();
        return Err(format!("{} cannot all go to stdout; give a file, for instance `--report {last}=FILE`", names.join(" and ")));
    }
    for (position, one) in wanted.iter().enumerate() {
        let Some(file) = &one.file else { continue };
        if wanted.iter().skip(position + 1).any(|other| other.file.as_ref() == Some(file)) {
            return Err(format!("two reports cannot go to one file: {}", file.display()));
        }
        if file.is_dir() {
            return Err(format!("{} is a folder; a report needs a file", file.display()));
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("the folder of {} cannot be made: {error}", file.display()))?;
        }
        try_out(file).map_err(|error| format!("{} cannot be written: {error}; give another file", file.display()))?;
    }
    if on_stdout.is_empty() {
        wanted.push(Destination { format: Format::Terminal, file: None });
    }
    Ok(wanted)
}

/// Whether a file can be written, without changing it. Of a pipe or a device only writing itself can tell.
fn try_out(file: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(file) {
        Ok(known) if !known.is_file() => Ok(()),
        _ => beside(file, 0o600).map(drop),
    }
}

/// Writes all reports, files first: what stdout says of how the run ended must still be true when the command has ended. A failure of
/// one does not keep the others from being written; it becomes a reason for the exit code in those that follow, and files that were
/// written before are written again with it.
///
/// Every failure is told on stderr and returned.
pub fn write(wanted: &[Destination], result: &mut RunResult, run_directory: Option<&Path>, console: Console) -> Vec<String> {
    let (files, stdout): (Vec<&Destination>, Vec<&Destination>) = wanted.iter().partition(|one| one.file.is_some());
    let mut failures = Vec::new();
    let mut written = Vec::new();
    let mut failed = |failure: String, result: &mut RunResult| {
        console.error(&failure);
        outcome::add_reason(result, ExitCode::Environment, failure.clone());
        failures.push(failure);
    };
    let mut outdated = 0;
    for one in files {
        match write_one(one, result, run_directory, console) {
            Ok(()) => written.push(one),
            Err(failure) => {
                failed(failure, result);
                outdated = written.len();
            }
        }
    }
    for one in written.into_iter().take(outdated).chain(stdout) {
        if let Err(failure) = write_one(one, result, run_directory, console) {
            failed(failure, result);
        }
    }
    failures
}

fn write_one(one: &Destination, result: &RunResult, run_directory: Option<&Path>, console: Console) -> Result<(), String> {
    let mut palette = console.stdout_palette();
    palette.colors &= one.file.is_none();
    let terminal = Terminal {
        width: console.width(),
        palette,
        quiet: console.quiet,
        run_directory: run_directory.map(|directory| directory.display().to_string()),
    };
    let bytes = match one.format {
        Format::Terminal => terminal.serialize(result),
        Format::Json => Json.serialize(result),
        Format::Junit => Junit.serialize(result),
        Format::Markdown => Markdown.serialize(result),
        Format::Html => Html { marks: marks(result, run_directory) }.serialize(result),
        Format::Csv => Csv.serialize(result),
        Format::Prometheus => Prometheus.serialize(result),
        Format::Confusion => Confusion.serialize(result),
        Format::Timeline => Course { palette }.serialize(result),
    }
    .map_err(|error| error.to_string())?;
    match &one.file {
        None => console.print(&bytes),
        Some(file) => write_file(file, &bytes).map_err(|error| format!("{} cannot be written: {error}", file.display())),
    }
}

/// What the timelines of the trials that a page draws show. One that cannot be read is not drawn, and the page says so.
fn marks(result: &RunResult, run_directory: Option<&Path>) -> BTreeMap<String, Marks> {
    let Some(directory) = run_directory else { return BTreeMap::new() };
    let drawn = result.scenarios.iter().flat_map(html::drawn);
    drawn
        .filter_map(|trial| {
            let text = std::fs::read_to_string(directory.join(&trial.timeline)).ok()?;
            Some((trial.timeline.clone(), marks::marks(&timeline::parse(&text).ok()?)))
        })
        .collect()
}

/// Writes a file so that a reader sees the old one or the new one, never a part. What is not a plain file (a pipe, `/dev/stdout`)
/// is written as it is.
///
/// # Errors
/// When it cannot be written.
pub fn write_file(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Reports are for others to read; the umask still applies.
    write_with(file, bytes, 0o666)
}

/// The same for the owner's eyes only.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write_with(file, bytes, 0o600)
}

fn write_with(file: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    if std::fs::symlink_metadata(file).is_ok_and(|known| !known.is_file()) {
        return std::fs::OpenOptions::new().write(true).truncate(true).open(file)?.write_all(bytes);
    }
    let mut beside = beside(file, mode)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    beside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// A new file in the same folder, which goes when it is dropped.
#[cfg_attr(not(unix), expect(unused_variables, reason = "modes are Unix'"))]
fn beside(file: &Path, mode: u32) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".comeback-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "jsno",
        "`jsno` is not a report format; did you mean `json`? Formats are terminal, json, junit, markdown, html, csv, prometheus, confusion, timeline"
    )]
    #[case(
        "pdf=x",
        "`pdf` is not a report format. Formats are terminal, json, junit, markdown, html, csv, prometheus, confusion, timeline"
    )]
    #[case("json=", "no file after `json=`; write `json=FILE`, or `json` alone for stdout")]
    fn refuses(#[case] text: &str, #[case] message: &str) {
        assert_eq!(text.parse::<Destination>(), Err(message.to_owned()));
    }

    fn planned(words: &[&str]) -> Result<Vec<Destination>, String> {
        plan(words.iter().map(|word| word.parse().unwrap()).collect())
    }

    #[test]
    fn stdout_takes_one_report_and_the_terminal_one_by_default() {
        let terminal = Destination { format: Format::Terminal, file: None };
        assert_eq!(planned(&[]), Ok(vec![terminal.clone()]));
        assert_eq!(planned(&["json"]).unwrap().len(), 1);
        assert!(planned(&["json=a.json"]).unwrap().contains(&terminal));
        let error = planned(&["terminal", "json"]).unwrap_err();
        assert!(error.contains("--report json=FILE"), "{error}");
        assert!(planned(&["json=a", "junit=a"]).unwrap_err().contains("one file"));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused_beforehand_and_nothing_is_left_of_trying() {
        let folder = tempfile::tempdir().unwrap();
        let report = |path: &Path| format!("json={}", path.display());
        assert!(planned(&[&report(folder.path())]).unwrap_err().contains("is a folder"));
        std::fs::write(folder.path().join("file"), "").unwrap();
        let below_a_file = folder.path().join("file").join("r.json");
        assert!(planned(&[&report(&below_a_file)]).unwrap_err().contains("cannot be made"));
        // Not even the superuser makes files there.
        let error = planned(&["json=/proc/r.json"]).unwrap_err();
        assert!(error.contains("/proc/r.json cannot be written"), "{error}");
        planned(&[&report(&folder.path().join("new/r.json"))]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
        planned(&["json=/dev/null"]).unwrap();
    }

    #[test]
    fn files_are_replaced_whole_and_devices_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.json");
        std::fs::write(&file, "a longer old text").unwrap();
        write_file(&file, b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write_file(Path::new("/dev/null"), b"x").unwrap();
        assert!(!std::fs::symlink_metadata("/dev/null").unwrap().is_file());
    }
}
