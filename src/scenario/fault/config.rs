//! Faults on ConfigMaps and Secrets. Each is undone by putting back exactly what was there.

use super::Scalar;
use super::timing::fault_body;
use serde_json::Value;

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
