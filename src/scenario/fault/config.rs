//! Faults on ConfigMaps, Secrets and tokens. Each is undone by putting back exactly what was there.

use super::Scalar;
use super::timing::{Timing, fault_body};
use crate::scenario::Target;
use crate::scenario::duration::serde_text_option;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

fault_body! {
    /// `setConfig`: sets a key of a ConfigMap. Effect: the good state is lost, or a container restarts or fails.
    ///
    /// ```yaml
    /// setConfig: { configMap: pool, key: workers, value: many }
    /// ```
    pub struct SetConfig {
        /// The ConfigMap.
        config_map: String,
        /// The key.
        key: String,
        /// The new value. Numbers and booleans are written as text.
        #[schemars(with = "Scalar")]
        value: Value,
    }
}

fault_body! {
    /// `deleteConfig`: deletes a ConfigMap, or one key of it. Effect as that of `setConfig`.
    ///
    /// ```yaml
    /// deleteConfig: { configMap: pool, key: workers }
    /// ```
    pub struct DeleteConfig {
        /// The ConfigMap.
        config_map: String,
        /// One key of it; absent: the whole object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    }
}

fault_body! {
    /// `setSecret`: sets a key of a Secret. Effect as that of `setConfig`.
    ///
    /// ```yaml
    /// setSecret: { secret: pool, key: password, value: wrong }
    /// ```
    pub struct SetSecret {
        /// The Secret.
        secret: String,
        /// The key.
        key: String,
        /// The new value as plain text. Numbers and booleans are written as text.
        #[schemars(with = "Scalar")]
        value: Value,
    }
}

fault_body! {
    /// `deleteSecret`: deletes a Secret, or one key of it. Effect as that of `setConfig`.
    ///
    /// ```yaml
    /// deleteSecret: { secret: pool, key: password }
    /// ```
    pub struct DeleteSecret {
        /// The Secret.
        secret: String,
        /// One key of it; absent: the whole object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    }
}

/// `expireToken`: lets every token of a service account that was issued so far expire at once: the account is deleted and made again under
/// the same name. Pods that use one are refused by the API until they get another, at the latest when they are replaced; new pods get good
/// ones. Nothing is left to undo but the account itself, should it be missing. Effect: a token that was issued before is measured to be
/// refused.
///
/// ```yaml
/// expireToken: { deployment: pool }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpireToken {
    /// The service account by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// That of a Deployment's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// That of a `StatefulSet`'s pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful_set: Option<String>,
    /// That of a `DaemonSet`'s pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon_set: Option<String>,
    /// Waits this long after the fault before it was accepted (of the first: after the steady state).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub after: Option<Duration>,
}

impl ExpireToken {
    /// When it is injected.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing { after: self.after.unwrap_or_default(), lasts: None }
    }

    /// The workload whose account is meant, where it is not named itself.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        Target::of_pods([self.deployment.as_ref(), self.stateful_set.as_ref(), self.daemon_set.as_ref()], None)
    }
}
