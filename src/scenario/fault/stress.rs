//! Faults that use up what a container may have. What they take is held by a command in the container, for as long as its
//! connection lives: letting go, or the end of comeback itself, gives it back.

use super::timing::pod_fault;
use crate::scenario::quantity;
use serde_json::Value;

pod_fault! {
    lasting
    /// `stressMemory`: holds memory in a container, by programs of its own image (`sh`, `head`, `cat`, `tail`), and gives it back when
    /// it is undone. Above the container's limit the kernel kills: on cgroup v2 the container, on v1 only what holds the memory.
    /// Effect: the good state is lost, or a container restarts or fails.
    ///
    /// ```yaml
    /// stressMemory: { deployment: pool, size: 128Mi, for: 30s }
    /// ```
    pub struct StressMemory {
        /// The container; absent: the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// How much, as Kubernetes writes quantities.
        size: String,
    }
}

pod_fault! {
    lasting
    /// `fillDisk`: writes a file into a container, by programs of its own image (`sh`, `dd`, `cat`, `rm`), and removes it when it is
    /// undone. Above the pod's `ephemeral-storage` limit the kubelet evicts. Effect: the good state is lost, or a container restarts or
    /// fails.
    ///
    /// ```yaml
    /// fillDisk: { deployment: pool, path: /tmp, size: 64Mi }
    /// ```
    pub struct FillDisk {
        /// The container; absent: the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The folder.
        path: String,
        /// How much, as Kubernetes writes quantities; rounded up to whole Mi.
        size: String,
    }
}

/// The line by which a held command says that it has what it holds.
pub const HOLDING: &str = "comeback holds";

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size in bytes")]
fn bytes(size: &str) -> u64 {
    quantity::value(&Value::from(size)).unwrap_or_default().ceil() as u64
}

impl StressMemory {
    /// What holds it: `tail` keeps the end of its input until that ends, which is when nobody writes to the command any more.
    #[must_use]
    pub fn script(&self) -> String {
        let bytes = bytes(&self.size);
        format!("{{ head -c {bytes} /dev/zero; echo '{HOLDING}' >&2; cat; }} | tail -c {bytes} >/dev/null")
    }
}

impl FillDisk {
    /// What holds it: the file goes when nobody writes to the command any more.
    #[must_use]
    pub fn script(&self) -> String {
        let file = format!("'{}/comeback-fill'", self.path.trim_end_matches('/').replace('\'', "'\\''"));
        let count = bytes(&self.size).div_ceil(1 << 20);
        format!(
            "dd if=/dev/zero of={file} bs=1048576 count={count} 2>/dev/null; echo '{HOLDING}' >&2; cat >/dev/null; rm -f {file}"
        )
    }
}
