//! Options of `run` that would do nothing on the chosen cluster: refused with the reason, never ignored. Only what stands on the
//! command line is meant: environment variables and `comeback.yaml` give defaults for every cluster.

use crate::cluster::ClusterError;
use crate::cluster::select::ClusterChoice;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::collections::BTreeSet;

/// The ids of the options that stand on the command line.
pub(super) fn given(matches: &ArgMatches) -> BTreeSet<String> {
    let ids = matches.ids().map(|id| id.as_str().to_owned());
    ids.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine)).collect()
}

/// Refuses the first option that would do nothing. `exists` tells whether a kind cluster of a name is there.
///
/// # Errors
/// Which, and why.
pub(super) fn refuse(
    given: &BTreeSet<String>,
    choice: &ClusterChoice,
    dry_run: bool,
    exists: &dyn Fn(&str) -> Result<bool, ClusterError>,
) -> Result<(), String> {
    const RESULTS: &str = "a dry run runs nothing and writes no results";
    let why = |id: &str| -> Option<&'static str> {
        match (id, choice) {
            // Where that cannot be told, connecting tells why.
            ("kind_image", ClusterChoice::Kind(name)) if exists(name).unwrap_or(false) => {
                Some("the kind cluster is there already, made from its own image")
            }
            ("kind_image", ClusterChoice::Embedded | ClusterChoice::Context(_)) => {
                Some("it is the image of a kind cluster's nodes; give `--cluster kind`")
            }
            ("allow_context" | "protected", ClusterChoice::Embedded | ClusterChoice::Kind(_)) => {
                Some("it is about contexts that look like production; give `--cluster context:NAME`")
            }
            ("allow", ClusterChoice::Embedded | ClusterChoice::Kind(_)) => {
                Some("the nodes of embedded and kind clusters are shared with nobody; it is for `--cluster context`")
            }
            ("node_image", ClusterChoice::Embedded | ClusterChoice::Kind(_)) => {
                Some("their nodes are broken without pods; it is for `--cluster context`")
            }
            ("allow_namespace", ClusterChoice::Embedded) => {
                Some("the embedded cluster begins empty, without namespaces of others; give `--cluster context` or `kind`")
            }
            ("profile", ClusterChoice::Kind(_) | ClusterChoice::Context(_)) => {
                Some("it is what the embedded cluster imitates, and a real cluster is what it is")
            }
            (
                "report" | "out" | "history" | "notify" | "retries" | "timeout" | "concurrency" | "fail_fast" | "keep_on_failure"
                | "no_progress",
                _,
            ) if dry_run => Some(RESULTS),
            _ => None,
        }
    };
    match given.iter().find_map(|id| Some((id, why(id)?))) {
        Some((id, why)) => Err(format!("--{} does nothing here: {why}", id.replace('_', "-"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments;
    use rstest::rstest;

    #[rstest]
    #[case(&["--kind-image", "x"], "embedded", false, Some("--kind-image does nothing here"))]
    #[case(&["--kind-image", "x"], "context", false, Some("--kind-image does nothing here"))]
    #[case(&["--kind-image", "x"], "kind", false, None)]
    #[case(&["--kind-image", "x"], "kind:old", false, Some("made from its own image"))]
    #[case(&["--allow-context", "x"], "embedded", false, Some("--allow-context does nothing here"))]
    #[case(&["--protected", "live"], "kind", false, Some("--protected does nothing here"))]
    #[case(&["--protected", "live"], "context", false, None)]
    #[case(&["--allow", "cluster-faults"], "embedded", false, Some("--allow does nothing here"))]
    #[case(&["--allow-namespace", "shop"], "embedded", false, Some("--allow-namespace does nothing here"))]
    #[case(&["--allow-namespace", "shop"], "kind", false, None)]
    #[case(&["--profile", "1.34"], "kind", false, Some("--profile does nothing here"))]
    #[case(&["--report", "json"], "embedded", true, Some("--report does nothing here: a dry run"))]
    #[case(&["--retries", "2"], "embedded", true, Some("--retries does nothing here: a dry run"))]
    #[case(&["--notify", "x.yaml"], "kind", true, Some("--notify does nothing here: a dry run"))]
    #[case(&["--trials", "2", "--seed", "1"], "embedded", true, None)]
    fn what_would_do_nothing_is_refused(
        #[case] options: &[&str],
        #[case] cluster: &str,
        #[case] dry_run: bool,
        #[case] refused: Option<&str>,
    ) {
        let words = ["comeback", "run"].into_iter().chain(options.iter().copied());
        let matches = arguments::command().try_get_matches_from(words).unwrap();
        let given = given(matches.subcommand_matches("run").unwrap());
        let result = refuse(&given, &cluster.parse().unwrap(), dry_run, &|name| Ok(name == "old"));
        assert_eq!(result.is_err(), refused.is_some(), "{result:?}");
        assert!(result.is_ok() || result.unwrap_err().contains(refused.unwrap_or_default()));
    }
}
