//! `rollout.stuck`, `job.failed`: what a Deployment or a Job says of itself when it gives up. Why is another cause's business.

use crate::detect::case::{Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::objects::Objects;

/// Each Deployment beyond its progress deadline, each Job that failed.
pub fn signs(objects: &Objects<'_>, signs: &mut Vec<Sign>) {
    let rules = [
        ("Deployment", "Progressing", "False", "rollout.stuck", "made no progress"),
        ("Job", "Failed", "True", "job.failed", "failed"),
    ];
    for (kind, type_, status, cause, what) in rules {
        for object in objects.index.objects(kind) {
            let Some(told) = objects.told(kind, object, type_, status) else { continue };
            if cause == "rollout.stuck" && told.reason != "ProgressDeadlineExceeded" {
                continue;
            }
            let about = Objects::about(object);
            let text = format!("{} {} {what} ({}): {}", kind, about.object.name, told.reason, told.message);
            signs.push(Sign {
                cause,
                about,
                container: None,
                first_seen: told.since,
                last_seen: told.since,
                count: 1,
                confidence: Confidence::High,
                evidence: vec![evidence(&kind.to_lowercase(), text)],
                alternatives: Vec::new(),
            });
        }
    }
}
