//! What programs of a trial's faults find: a kubeconfig for its cluster and namespace, for the trial's time and our eyes only.
//! Running them is `fault::program`'s.

use super::{TrialJob, examiner};
use crate::engine::private;
use crate::fault::program::Surroundings;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The surroundings with the folder that holds the kubeconfig, which goes with it.
#[derive(Debug)]
pub(super) struct Place {
    pub shared: Arc<Surroundings>,
    _folder: TempDir,
}

/// Makes them; none where no program reaches the cluster.
///
/// # Errors
/// The kubeconfig cannot be written.
pub(super) fn of(job: &TrialJob<'_>, namespace: &str, run: &str) -> Result<Option<Place>, String> {
    let Some(mut kubeconfig) = job.request.cluster.kubeconfig() else { return Ok(None) };
    let current = kubeconfig.current_context.clone().unwrap_or_default();
    for context in kubeconfig.contexts.iter_mut().filter(|context| context.name == current) {
        if let Some(context) = &mut context.context {
            context.namespace = Some(namespace.to_owned());
        }
    }
    let failed = |error: &dyn std::fmt::Display| format!("the kubeconfig for programs could not be written: {error}");
    let folder = tempfile::Builder::new().prefix("comeback-").tempdir().map_err(|error| failed(&error))?;
    let path = folder.path().join("kubeconfig");
    // JSON is YAML.
    let text = serde_json::to_vec(&kubeconfig).map_err(|error| failed(&error))?;
    private::write(&path, &text).map_err(|error| failed(&error))?;
    let shared = Surroundings { namespace: namespace.to_owned(), run: run.to_owned(), kubeconfig: path, folder: folder_of(job)? };
    Ok(Some(Place { shared: Arc::new(shared), _folder: folder }))
}

/// What detector programs find, and what must be kept as long as they run.
///
/// # Errors
/// The kubeconfig cannot be written.
pub(super) fn of_detectors(job: &TrialJob<'_>, namespace: &str, run: &str) -> Result<(examiner::Place, Option<Place>), String> {
    let kept = of(job, namespace, run)?;
    let place = examiner::Place {
        folder: folder_of(job)?,
        namespace: namespace.to_owned(),
        run: run.to_owned(),
        kubeconfig: kept.as_ref().map(|place| place.shared.kubeconfig.clone()),
    };
    Ok((place, kept))
}

/// Where programs of a scenario run: in the folder of its file, or where comeback was started.
fn folder_of(job: &TrialJob<'_>) -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| format!("the working directory is not there: {error}"))?;
    let beside = Path::new(&job.plan.file).parent().filter(|folder| folder.is_dir());
    Ok(beside.map_or_else(|| here.clone(), |beside| here.join(beside)))
}
