//! Kernel settings of a pod's own network (`securityContext.sysctls`): a value that the kernel refuses leaves the pod without a sandbox.
//! Values that it takes would change how packets are treated, which is not simulated: `unsupported` says so.

use k8s_openapi::api::core::v1::PodSpec;

/// Settings that a kubelet lets everybody make and that are one whole number.
const NUMBERS: [&str; 6] = [
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
];

/// The first setting of a pod that the kernel refuses.
pub(super) fn refused(spec: &PodSpec) -> Option<&str> {
    let settings = spec.security_context.as_ref()?.sysctls.as_ref()?;
    let wrong = |value: &str| !value.is_empty() && !value.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '-');
    settings
        .iter()
        .find(|setting| NUMBERS.contains(&setting.name.as_str()) && wrong(&setting.value))
        .map(|setting| setting.name.as_str())
}

/// What the runtime says of it (as seen on kind, containerd 2.3 with runc 1.1).
pub(super) fn refusal(sandbox: &str, setting: &str) -> String {
    let path = setting.replace('.', "/");
    format!(
        "rpc error: code = Unknown desc = failed to start sandbox \"{sandbox}\": failed to create containerd task: failed to create shim task: \
         OCI runtime create failed: runc create failed: unable to start container process: error during container init: \
         write /proc/sys/{path}: invalid argument"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("net.ipv4.tcp_keepalive_time", "forever", true)]
    #[case("net.ipv4.tcp_keepalive_time", "600", false)]
    #[case("net.ipv4.tcp_keepalive_time", "", false)]
    #[case("net.ipv4.ip_local_port_range", "forever", false)]
    fn the_kernel_takes_numbers(#[case] name: &str, #[case] value: &str, #[case] is_refused: bool) {
        let spec = json!({ "containers": [], "securityContext": { "sysctls": [{ "name": name, "value": value }] } });
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(refused(&spec).is_some(), is_refused);
    }
}
