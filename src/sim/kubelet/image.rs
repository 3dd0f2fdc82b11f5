//! The image of a container about to start: present, pulled, or the reason why not, with the kubelet's events.
//! What the registry answers lives in `registry`.

use super::agent::lock;
use super::image_name::ImageName;
use super::pod::{PodRecord, Waiting};
use super::private_registry;
use super::registry::{Answer, Image, look_up, unreachable};
use crate::sim::events::EventType::{Normal, Warning};
use k8s_openapi::api::core::v1::Container;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a registry takes to say no.
const REFUSAL: Duration = Duration::from_millis(8);

/// Makes sure that the node has the image.
///
/// # Errors
/// The reason and message that the container then waits with.
pub(super) async fn ensure(record: &PodRecord, container: &Container) -> Result<Image, Waiting> {
    let written = container.image.as_deref().unwrap_or_default();
    let name = match ImageName::parse(written) {
        Ok(name) => name,
        Err(error) => {
            let message =
                format!("Failed to apply default image tag \"{written}\": couldn't parse image name \"{written}\": {error}");
            record.container_event(&container.name, Warning, "InspectFailed", &message);
            return Err(Waiting { reason: "InvalidImageName", message });
        }
    };
    let agent = &record.agent;
    let answer = look_up(&agent.profile, agent.api.random, written, &name);
    let present = lock(&agent.images).has(&agent.profile, &name);
    let policy =
        container.image_pull_policy.as_deref().unwrap_or(if name.version == ":latest" { "Always" } else { "IfNotPresent" });
    if let (Answer::Found(image), true, "IfNotPresent" | "Never") = (&answer, present, policy) {
        let message = format!("Container image \"{written}\" already present on machine and can be accessed by the pod");
        record.container_event(&container.name, Normal, "Pulled", &message);
        return Ok(image.clone());
    }
    if policy == "Never" {
        let message = format!("Container image \"{written}\" is not present with pull policy of Never");
        record.container_event(&container.name, Warning, "ErrImageNeverPull", &message);
        return Err(Waiting { reason: "ErrImageNeverPull", message });
    }
    // What is present was let in once; a pull asks the registry.
    let answer = match answer {
        Answer::Found(image) if private_registry::is_private(&name) => {
            private_registry::answer(image, &name, &private_registry::pull_secrets(record).0)
        }
        other => other,
    };
    let answer = if agent.host.registry_blocked.load(Ordering::Relaxed) { unreachable(&name) } else { answer };
    pull(record, container, written, &name, answer).await
}

async fn pull(
    record: &PodRecord,
    container: &Container,
    written: &str,
    name: &ImageName,
    answer: Answer,
) -> Result<Image, Waiting> {
    let agent = &record.agent;
    let key = format!("{}_{written}", record.uid);
    if lock(&agent.pulls).in_force_since_update(&key, Instant::now()).is_some() {
        let message = format!("Back-off pulling image \"{written}\"");
        record.container_event(&container.name, Normal, "BackOff", &message);
        let cause = match answer {
            Answer::Refused(error) => format!("{message}: ErrImagePull: {error}"),
            Answer::Found(_) => message,
        };
        return Err(Waiting { reason: "ImagePullBackOff", message: cause });
    }
    record.container_event(&container.name, Normal, "Pulling", &format!("Pulling image \"{written}\""));
    match answer {
        Answer::Found(image) => {
            let took = record.latency("pull", agent.profile.latencies.pull);
            sleep(took).await;
            let fits = lock(&agent.images).has(&agent.profile, name) || agent.host.disk.grow(image.size).is_ok();
            if !fits {
                let full = format!(
                    "failed to pull and unpack image \"{}\": failed to copy: failed to send write: write /var/lib/containerd/io.containerd.content.v1.content/ingest: no space left on device",
                    image.name
                );
                return Err(refused(record, container, written, &key, full));
            }
            lock(&agent.images).add(name, image.size, Instant::now());
            let took = format!("{}ms", took.as_millis());
            let message = format!(
                "Successfully pulled image \"{written}\" in {took} ({took} including waiting). Image size: {} bytes.",
                image.size
            );
            record.container_event(&container.name, Normal, "Pulled", &message);
            Ok(image)
        }
        Answer::Refused(error) => {
            sleep(record.latency("refusal", REFUSAL)).await;
            Err(refused(record, container, written, &key, error))
        }
    }
}

/// A pull that failed: said, and held against the next.
fn refused(record: &PodRecord, container: &Container, written: &str, key: &str, error: String) -> Waiting {
    record.container_event(&container.name, Warning, "Failed", &format!("Failed to pull image \"{written}\": {error}"));
    let now = Instant::now();
    lock(&record.agent.pulls).next(key, now, now);
    Waiting { reason: "ErrImagePull", message: error }
}
