//! Images that are on this computer and not in a registry: loaded into the nodes, as `kind load` does it.
//! Images that are not here are pulled by the nodes.

use super::run;
use crate::cluster::ClusterError;
use crate::cluster::machine::Runtime;

/// Loads those of the images that are here. Those that a node has already are left alone by kind. Blocking.
///
/// # Errors
/// An image is here and could not be loaded.
pub(super) fn load(cluster: &str, images: &[String]) -> Result<Vec<String>, ClusterError> {
    let runtime = runtime();
    let here: Vec<_> = images.iter().filter(|image| is_here(runtime, image)).cloned().collect();
    for image in &here {
        if runtime == Runtime::Docker {
            run(&["load", "docker-image", image, "--name", cluster], cluster)?;
            continue;
        }
        let file = tempfile::NamedTempFile::new()
            .map_err(|error| ClusterError::new(format!("no temporary file for image {image}: {error}")))?;
        let path = file.path().to_string_lossy().into_owned();
        let saved = duct::cmd(runtime.program(), ["save", "--output", &path, image]).stdin_null().stdout_null();
        saved.stderr_capture().run().map_err(|error| ClusterError::new(format!("`{runtime} save {image}` failed: {error}")))?;
        run(&["load", "image-archive", &path, "--name", cluster], cluster)?;
    }
    Ok(here)
}

/// The program that runs kind's nodes: kind's own rule.
fn runtime() -> Runtime {
    match std::env::var("KIND_EXPERIMENTAL_PROVIDER").as_deref() {
        Ok("podman") => Runtime::Podman,
        Ok("nerdctl") => Runtime::Nerdctl,
        _ => Runtime::Docker,
    }
}

fn is_here(runtime: Runtime, image: &str) -> bool {
    let asked = duct::cmd(runtime.program(), ["image", "inspect", image]).stdin_null().stdout_null().stderr_null();
    asked.unchecked().run().is_ok_and(|output| output.status.success())
}
