//! The cluster around a pod, as a context: its service account's token, which the kubelet renews, and the server's address from the
//! environment. Which context is chosen is `context`'s.

use super::ClusterError;
use kube::config::Kubeconfig;
use std::path::{Path, PathBuf};

/// The context's name.
pub(super) const CONTEXT: &str = "in-cluster";
/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The kubeconfig of the pod that this process runs in; `None` outside of pods, and where somebody gave a kubeconfig.
pub(super) fn kubeconfig() -> Option<Result<Kubeconfig, ClusterError>> {
    let given = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    let home = std::env::var_os("HOME").is_some_and(|home| Path::new(&home).join(".kube/config").exists());
    if given || home {
        return None;
    }
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
    Some(of(&host, &port, Path::new(ACCOUNT)))
}

fn of(host: &str, port: &str, account: &Path) -> Result<Kubeconfig, ClusterError> {
    let file = |name: &str| -> Result<PathBuf, ClusterError> {
        let path = account.join(name);
        let there = path.exists();
        let missing = || format!("this pod has no {}: is `automountServiceAccountToken` off?", path.display());
        if there { Ok(path) } else { Err(ClusterError::new(missing())) }
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{ "name": CONTEXT, "cluster": {
            "server": format!("https://{host}:{port}"), "certificate-authority": file("ca.crt")?,
        } }],
        "users": [{ "name": CONTEXT, "user": { "tokenFile": file("token")? } }],
        "contexts": [{ "name": CONTEXT, "context": { "cluster": CONTEXT, "user": CONTEXT } }],
    });
    serde_json::from_value(config)
        .map_err(|error| ClusterError::new(format!("the pod's service account cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_a_context_with_a_token_that_is_read_again() {
        let account = tempfile::tempdir().unwrap();
        let refused = of("10.96.0.1", "443", account.path()).unwrap_err().message;
        assert!(refused.contains("ca.crt") && refused.contains("automountServiceAccountToken"), "{refused}");
        for name in ["ca.crt", "token"] {
            std::fs::write(account.path().join(name), "x").unwrap();
        }
        let config = of("fd00::1", "443", account.path()).unwrap();
        assert_eq!(config.current_context.as_deref(), Some(CONTEXT));
        let server = config.clusters[0].cluster.as_ref().unwrap().server.as_deref();
        assert_eq!(server, Some("https://[fd00::1]:443"));
        let user = config.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(user.token_file.as_deref(), account.path().join("token").to_str());
    }
}
