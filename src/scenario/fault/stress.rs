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
    /// `stressCpu`: computes in a container, by loops of its own shell, and ends them when it is undone. What the container's limit
    /// leaves to others is shared with them; without a limit only the node's cores are (on the embedded cluster containers do not
    /// compete for these). Effect: the good state is lost, or a container restarts or fails; where that is not what is expected,
    /// `effect` may ask for a `metric`.
    ///
    /// ```yaml
    /// stressCpu: { deployment: pool, cores: 8, for: 30s }
    /// ```
    pub struct StressCpu {
        /// The container; absent: the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// How many cores its loops would use at most, 1 to 64 (default 1).
        #[serde(default = "one_core")]
        cores: u32,
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

/// The most loops of one fault in one container.
pub const MOST_CORES: u32 = 64;
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

const fn one_core() -> u32 {
    1
}

impl StressCpu {
    /// What computes: loops in the background, killed when nobody writes to the command any more.
    #[must_use]
    pub fn script(&self) -> String {
        let count = self.cores.min(MOST_CORES);
        format!(
            "n=0; all=; while [ $n -lt {count} ]; do while :; do :; done & all=\"$all $!\"; n=$((n+1)); done; \
             echo '{HOLDING}' >&2; cat >/dev/null; kill -9 $all; wait"
        )
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
