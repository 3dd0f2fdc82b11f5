//! `run --watch`: runs again whenever a file of the scenario is saved. Each round is a process of its own, so that signals, threads and
//! failures of one round are none of the next. The embedded cluster only: a real one is not to be broken by every keystroke.

use super::console::Console;
use super::options::Options;
use crate::cluster::select::ClusterChoice;
use crate::exit_code::ExitCode;
use crate::scenario::{LoadOptions, load};
use file_watcher::{Event, EventKind, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// An editor saves in several steps: what follows within this time belongs to the same save.
const SETTLES: Duration = Duration::from_millis(100);

/// Runs and waits for changes until the user ends it.
///
/// # Errors
/// What cannot be watched, or a round that cannot be started.
pub(super) fn watch(
    paths: &[String],
    options: &Options,
    words: &[String],
    console: Console,
) -> Result<ExitCode, (ExitCode, String)> {
    refuse(paths, options).map_err(|why| (ExitCode::Usage, why))?;
    let failed = |why: String| (ExitCode::Environment, why);
    let (tell, changes) = channel();
    let mut watcher = file_watcher::recommended_watcher(move |event: file_watcher::Result<Event>| {
        if let Ok(event) = event {
            // Nobody listens any more at the very end.
            let _ = tell.send(event);
        }
    })
    .map_err(|error| failed(format!("files cannot be watched here: {error}")))?;
    let program = std::env::current_exe().map_err(|error| failed(format!("comeback's own program is not found: {error}")))?;
    let arguments = round(words, options);
    let mut known = BTreeSet::new();
    loop {
        let files = files(paths, options);
        for folder in folders(&files).into_iter().filter(|folder| known.insert(folder.clone())) {
            watcher
                .watch(&folder, RecursiveMode::NonRecursive)
                .map_err(|error| failed(format!("{} cannot be watched: {error}", folder.display())))?;
        }
        let status = Command::new(&program).args(&arguments).env_remove("COMEBACK_WATCH").status();
        let status = status.map_err(|error| failed(format!("no round could be started: {error}")))?;
        if let Some(code) = status.code().filter(|code| *code >= 128) {
            return Ok(if code == 130 { ExitCode::Interrupted } else { ExitCode::Terminated });
        }
        console.tell(format!("waiting for a change of {} (Ctrl-C ends)\n", count(files.len())).as_bytes());
        if !changed(&changes, &files) {
            return Err(failed("files are not watched any more".to_owned()));
        }
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 file".to_owned() } else { format!("{n} files") }
}

/// What makes no sense with `--watch`.
fn refuse(paths: &[String], options: &Options) -> Result<(), String> {
    if !matches!(options.cluster, None | Some(ClusterChoice::Embedded)) {
        return Err("--watch runs on the embedded cluster only: a real one is not broken by every save".to_owned());
    }
    if options.dry_run.unwrap_or(false) || options.out.is_some() {
        return Err(
            "--watch runs again and again, each time into a run directory of its own: without --dry-run and --out".to_owned()
        );
    }
    if paths.is_empty() || paths.iter().all(|path| path.starts_with("builtin:")) {
        return Err("--watch needs a file or a folder: what is built in does not change".to_owned());
    }
    Ok(())
}

/// The command line of one round: the same without `--watch`, with the course of the trials where no report is asked for.
fn round(words: &[String], options: &Options) -> Vec<String> {
    let is_watch = |word: &String| word == "--watch" || word.starts_with("--watch=");
    let mut arguments: Vec<String> = words.iter().skip(1).filter(|word| !is_watch(word)).cloned().collect();
    if options.report.is_empty() {
        // Before what may stand after `--`.
        let place = arguments.iter().position(|word| word == "run").map_or(arguments.len(), |place| place + 1);
        arguments.splice(place..place, ["--report".to_owned(), "timeline".to_owned()]);
    }
    arguments
}

/// The scenario's files and its manifests, as they are now; of what cannot be read, the paths themselves.
fn files(paths: &[String], options: &Options) -> BTreeSet<PathBuf> {
    let mut files: BTreeSet<PathBuf> = BTreeSet::new();
    for path in paths.iter().filter(|path| !path.starts_with("builtin:")).map(PathBuf::from) {
        if path.is_dir() {
            files.extend(yaml_below(&path));
        } else {
            files.insert(path);
        }
    }
    let load_options = LoadOptions { set: options.parameters().unwrap_or_default(), ..LoadOptions::default() };
    if let Ok(loaded) = load(paths, &load_options) {
        for plan in &loaded.plans {
            let manifests = plan.manifests.iter().map(|manifest| PathBuf::from(&manifest.file));
            files.extend(manifests.chain([PathBuf::from(&plan.file)]).filter(|file| file.is_file()));
        }
    }
    files
        .into_iter()
        .map(|file| std::path::absolute(&file).unwrap_or(file))
        .map(|file| file.canonicalize().unwrap_or(file))
        .collect()
}

fn yaml_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden {
            found.extend(yaml_below(&path));
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            found.push(path);
        }
    }
    found
}

/// Editors replace files: what is watched is the folder.
fn folders(files: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    files.iter().filter_map(|file| file.parent()).map(Path::to_owned).filter(|folder| folder.is_dir()).collect()
}

/// Waits for a change of one of the files and until it has settled; false when none can come any more.
fn changed(changes: &Receiver<Event>, files: &BTreeSet<PathBuf>) -> bool {
    loop {
        match changes.recv() {
            Ok(event) if concerns(&event, files) => break,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    loop {
        match changes.recv_timeout(SETTLES) {
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn concerns(event: &Event, files: &BTreeSet<PathBuf>) -> bool {
    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| files.contains(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_round_is_the_same_command_without_watching() {
        let options = Options::default();
        assert_eq!(round(&words("comeback -v run --watch a.yaml"), &options), words("-v run --report timeline a.yaml"));
        let with_report = Options { report: vec!["json".parse().unwrap()], ..Options::default() };
        assert_eq!(round(&words("comeback run --watch=true --report json a"), &with_report), words("run --report json a"));
    }

    #[rstest]
    #[case("builtin:oom", Options::default(), "does not change")]
    #[case("a.yaml", Options { cluster: Some(ClusterChoice::Kind("ci".into())), ..Options::default() }, "embedded cluster only")]
    #[case("a.yaml", Options { out: Some("here".into()), ..Options::default() }, "without --dry-run and --out")]
    fn it_refuses(#[case] path: &str, #[case] options: Options, #[case] why: &str) {
        let refused = refuse(&[path.to_owned()], &options).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }

    #[test]
    fn a_save_is_noticed_and_what_a_run_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(folder.join(".comeback/runs")).unwrap();
        for name in ["a.yaml", "b.json", ".comeback/runs/c.yaml"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        let files = files(&[folder.display().to_string()], &Options::default());
        assert_eq!(files, BTreeSet::from([folder.join("a.yaml")]));
        let (tell, changes) = channel();
        let mut watcher = file_watcher::recommended_watcher(move |event: file_watcher::Result<Event>| {
            event.into_iter().for_each(|event| drop(tell.send(event)));
        })
        .unwrap();
        watcher.watch(&folder, RecursiveMode::NonRecursive).unwrap();
        std::fs::write(folder.join("b.json"), "y").unwrap();
        // As editors save: beside, then renamed over.
        std::fs::write(folder.join("a.yaml.new"), "y").unwrap();
        std::fs::rename(folder.join("a.yaml.new"), folder.join("a.yaml")).unwrap();
        assert!(changed(&changes, &files));
        assert!(changes.try_recv().is_err(), "it has settled");
    }
}
