//! The history of a workload's templates as `ControllerRevision`s: finding, making, numbering and pruning them.
//! Which of them is live is the business of the workload's controller.

use super::context::Context;
use super::object::{controller_of, integer, is_deleting, name, namespace, owner_reference, text, uid};
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::CONTROLLER_REVISIONS;
use crate::sim::api::{ApiError, DeleteOptions, Subresource};
use crate::sim::store::Object;
use serde_json::{Value, json};

/// The alphabet of `rand.SafeEncodeString`.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The workload's revisions and the orphans that it would adopt, oldest first.
pub(super) fn list(context: &Context, owner: &Value) -> Vec<Object> {
    let mut revisions: Vec<_> = context
        .api
        .list(CONTROLLER_REVISIONS, Some(namespace(owner)))
        .into_iter()
        .filter(|revision| selector::matches(owner.at("/spec/selector"), revision.at("/metadata/labels")))
        .filter(|revision| controller_of(revision).is_none_or(|reference| text(reference, "/uid") == uid(owner)))
        .collect();
    revisions.sort_by(|a, b| {
        let place = |revision: &Object| {
            let created = text(revision, "/metadata/creationTimestamp").to_owned();
            (integer(revision, "/revision"), created, name(revision).to_owned())
        };
        place(a).cmp(&place(b))
    });
    revisions
}

/// Takes orphans over that a selector matches.
pub(super) async fn adopt(context: &Context, key: &Key, owner: &Value) -> Result<(), ApiError> {
    if is_deleting(owner) {
        return Ok(());
    }
    for revision in list(context, owner).iter().filter(|revision| controller_of(revision).is_none()) {
        let reference = owner_reference(owner);
        context.before_write(key).await;
        context.api.modify(CONTROLLER_REVISIONS, &key.0, name(revision), Subresource::Main, |revision| {
            revision["metadata"]["ownerReferences"] = json!([reference]);
        })?;
    }
    Ok(())
}

/// What a revision keeps: a strategic merge patch that brings a template back.
pub(super) fn patch_of(template: &Value) -> Value {
    let mut template = template.clone();
    template["$patch"] = json!("replace");
    json!({"spec": {"template": template}})
}

/// The template that a revision brings back.
pub(super) fn template_of(revision: &Value) -> Value {
    let mut template = revision["data"]["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    template
}

/// The number after the newest of `revisions`.
pub(super) fn next_number(revisions: &[Object]) -> i64 {
    revisions.last().map_or(0, |newest| integer(newest, "/revision")) + 1
}

/// The name part of a revision: FNV-32 over the patch as the controller manager writes it and the number of collisions.
pub(super) fn hash(data: &Value, collisions: i64) -> String {
    let text = data.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let bytes = text.bytes().chain(collisions.to_string().into_bytes());
    encode(bytes.fold(0x811c_9dc5_u32, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte)))
}

/// A hash in the letters of names: its decimal digits, mapped.
pub(super) fn encode(hash: u32) -> String {
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// Gives an older revision that is wanted again the newest number.
pub(super) async fn renumber(context: &Context, key: &Key, revision: &Object, number: i64) -> Result<Object, ApiError> {
    context.before_write(key).await;
    context.api.modify(CONTROLLER_REVISIONS, &key.0, name(revision), Subresource::Main, |revision| {
        revision["revision"] = json!(number);
    })
}

/// Deletes the oldest revisions that are not `live`, but for as many as the owner's history limit says.
pub(super) async fn prune(
    context: &Context,
    key: &Key,
    owner: &Value,
    revisions: &[Object],
    is_live: impl Fn(&Value) -> bool,
) -> Result<(), ApiError> {
    let old: Vec<_> = revisions.iter().filter(|revision| !is_live(revision)).collect();
    let Ok(limit) = usize::try_from(integer(owner, "/spec/revisionHistoryLimit")) else { return Ok(()) };
    for revision in &old[..old.len().saturating_sub(limit)] {
        context.before_write(key).await;
        context.api.delete(CONTROLLER_REVISIONS, &key.0, name(revision), &DeleteOptions::default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The template of a `StatefulSet` on a real 1.36.2, which named its revision `web-bf487f884`.
    #[test]
    fn the_hash_is_the_one_of_the_real_controller() {
        let template = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{
                    "command": ["sleep", "100000"], "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent", "name": "web",
                    "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    "volumeMounts": [{"mountPath": "/data", "name": "data"}],
                }],
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                "securityContext": {}, "terminationGracePeriodSeconds": 1,
            },
        });
        let patch = patch_of(&template);
        assert_eq!(hash(&patch, 0), "bf487f884");
        assert_ne!(hash(&patch, 1), "bf487f884");
        assert_eq!(template_of(&json!({"data": patch})), template);
    }
}
