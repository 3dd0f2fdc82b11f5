//! Keeps the evidence of a trial that did not end as expected in its run directory, for the owner's eyes only.
//! What the evidence consists of is `observe::evidence`'s; here are its files, and the logs of the machines where a node was broken.

use super::TrialJob;
use crate::cluster::Session;
use crate::engine::private;
use crate::observe::Index;
use crate::observe::evidence::{Bounds, Hidden, Wanted, collect};
use crate::scenario::{Fault, Plan};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A larger file of the machines is not searched for secrets but removed.
const LARGEST: u64 = 64 << 20;

/// Writes the evidence, and says what of it could not be kept.
pub(super) async fn save(job: &TrialJob<'_>, session: &Session, index: &Index, namespace: &str) -> Result<(), String> {
    let (directory, hidden) = (job.evidence(), secrets(&job.plan));
    let whole_namespace = job.plan.existing.is_none();
    let wanted = Wanted { namespace, whole_namespace, hidden: &hidden, bounds: Bounds::default() };
    let bundle = collect(&session.client, index, &wanted).await;
    for (name, text) in &bundle.files {
        let path = directory.join(name);
        let folder = path.parent().unwrap_or(&directory);
        private::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        private::write(&path, text.as_bytes()).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    if job.plan.single_faults().into_iter().any(|fault| fault.nodes().is_some()) {
        machines(job, directory.join("machines"), hidden).await?;
    }
    Ok(())
}

/// The values of the plan's Secrets, and those that its faults write into Secrets.
fn secrets(plan: &Plan) -> Hidden {
    let faults = plan.single_faults();
    let applied = faults.iter().filter_map(|fault| if let Fault::Apply(apply) = fault { Some(&apply.manifest) } else { None });
    let set = faults.iter().filter_map(|fault| match fault {
        Fault::SetSecret(set) => Some(set.value.as_str().map_or_else(|| set.value.to_string(), str::to_owned)),
        _ => None,
    });
    let patched = faults.iter().filter_map(|fault| match fault {
        Fault::Patch(patch) if patch.kind == "Secret" => Some(&patch.patch),
        _ => None,
    });
    let values = set.chain(patched.flat_map(texts)).collect::<Vec<_>>();
    Hidden::of(plan.manifests.iter().map(|manifest| &manifest.object).chain(applied), values)
}

/// Every text in a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The logs of the nodes' machines, where the cluster can give them.
async fn machines(job: &TrialJob<'_>, folder: PathBuf, hidden: Hidden) -> Result<(), String> {
    let cluster = Arc::clone(&job.request.cluster);
    if cluster.is_virtual_time() {
        return Ok(());
    }
    let work = move || match cluster.export_logs(&folder) {
        None => Ok(()),
        Some(exported) => exported.map_err(|error| error.to_string()).and(close(&folder, &hidden)),
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("the machines' logs: {error}"))?
}

/// Takes secrets out of files that another program has written, and leaves them to their owner alone.
fn close(folder: &Path, hidden: &Hidden) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        private::own(&folder, 0o700).map_err(|error| failed(&folder, error))?;
        for entry in std::fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
            let path = entry.map_err(|error| failed(&folder, error))?.path();
            let about = std::fs::symlink_metadata(&path).map_err(|error| failed(&path, error))?;
            if about.is_dir() {
                folders.push(path);
            } else if !about.is_file() || about.len() > LARGEST {
                std::fs::remove_file(&path).map_err(|error| failed(&path, error))?;
            } else {
                let bytes = std::fs::read(&path).map_err(|error| failed(&path, error))?;
                let text = hidden.out_of(String::from_utf8_lossy(&bytes).into_owned());
                std::fs::remove_file(&path)
                    .and_then(|()| private::write(&path, text.as_bytes()))
                    .map_err(|error| failed(&path, error))?;
            }
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_another_program_wrote_is_closed_and_tells_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("kind-worker/pods");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("0.log"), "token planted-token-1 \u{fffd}").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", inner.join("link")).unwrap();
        close(folder.path(), &Hidden::of([], ["planted-token-1".to_owned()])).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&inner.join("0.log"))), (0o700, 0o600));
        assert_eq!(std::fs::read_to_string(inner.join("0.log")).unwrap(), "token (secret) \u{fffd}");
        assert!(!inner.join("link").exists());
    }
}
