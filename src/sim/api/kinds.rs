//! The Rust types behind the built-in kinds: how each is decoded, and the schema that its documentation is made from.
//! Nothing but the table lives here.

use super::resource::Resource;
use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::autoscaling::v2 as autoscaling;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::certificates::v1 as certificates;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::flowcontrol::v1 as flowcontrol;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::node::v1 as node;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::api::resource::v1 as dynamic;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the server knows of a built-in kind's type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Through the type and back: what it does not know falls away.
    pub(super) decode: fn(&Value) -> Result<Value, String>,
    /// The type's schema, with the types that it needs as definitions of the generator.
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    const fn of<T: DeserializeOwned + Serialize + JsonSchema>() -> Self {
        Self { decode: round_trip::<T>, schema: SchemaGenerator::subschema_for::<T> }
    }
}

fn round_trip<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, String> {
    let decoded: T = T::deserialize(value).map_err(|error| error.to_string())?;
    serde_json::to_value(decoded).map_err(|error| error.to_string())
}

/// The type of a resource in one of the versions that show it.
pub(super) fn shown(group: &str, version: &str, resource: Resource) -> Option<Kind> {
    match (group, version, resource.kind) {
        ("events.k8s.io", "v1", "Event") => Some(Kind::of::<k8s_openapi::api::events::v1::Event>()),
        ("autoscaling", "v1", "HorizontalPodAutoscaler") => {
            Some(Kind::of::<k8s_openapi::api::autoscaling::v1::HorizontalPodAutoscaler>())
        }
        _ => of(resource),
    }
}

/// The type of a built-in resource; none for a custom kind.
pub(super) fn of(resource: Resource) -> Option<Kind> {
    Some(match (resource.group, resource.kind) {
        ("", "Namespace") => Kind::of::<core::Namespace>(),
        ("", "Node") => Kind::of::<core::Node>(),
        ("", "Pod") => Kind::of::<core::Pod>(),
        ("", "ConfigMap") => Kind::of::<core::ConfigMap>(),
        ("", "Secret") => Kind::of::<core::Secret>(),
        ("", "Service") => Kind::of::<core::Service>(),
        ("", "ServiceAccount") => Kind::of::<core::ServiceAccount>(),
        ("", "Event") => Kind::of::<core::Event>(),
        ("", "ResourceQuota") => Kind::of::<core::ResourceQuota>(),
        ("", "LimitRange") => Kind::of::<core::LimitRange>(),
        ("", "PersistentVolumeClaim") => Kind::of::<core::PersistentVolumeClaim>(),
        ("", "PersistentVolume") => Kind::of::<core::PersistentVolume>(),
        ("", "ReplicationController") => Kind::of::<core::ReplicationController>(),
        ("", "Endpoints") => Kind::of::<core::Endpoints>(),
        ("", "PodTemplate") => Kind::of::<core::PodTemplate>(),
        ("apps", "Deployment") => Kind::of::<apps::Deployment>(),
        ("apps", "ReplicaSet") => Kind::of::<apps::ReplicaSet>(),
        ("apps", "StatefulSet") => Kind::of::<apps::StatefulSet>(),
        ("apps", "DaemonSet") => Kind::of::<apps::DaemonSet>(),
        ("apps", "ControllerRevision") => Kind::of::<apps::ControllerRevision>(),
        ("batch", "Job") => Kind::of::<batch::Job>(),
        ("batch", "CronJob") => Kind::of::<batch::CronJob>(),
        ("autoscaling", "HorizontalPodAutoscaler") => Kind::of::<autoscaling::HorizontalPodAutoscaler>(),
        ("policy", "PodDisruptionBudget") => Kind::of::<policy::PodDisruptionBudget>(),
        ("networking.k8s.io", "NetworkPolicy") => Kind::of::<networking::NetworkPolicy>(),
        ("networking.k8s.io", "Ingress") => Kind::of::<networking::Ingress>(),
        ("networking.k8s.io", "IngressClass") => Kind::of::<networking::IngressClass>(),
        ("networking.k8s.io", "IPAddress") => Kind::of::<networking::IPAddress>(),
        ("networking.k8s.io", "ServiceCIDR") => Kind::of::<networking::ServiceCIDR>(),
        ("discovery.k8s.io", "EndpointSlice") => Kind::of::<discovery::EndpointSlice>(),
        ("coordination.k8s.io", "Lease") => Kind::of::<coordination::Lease>(),
        ("rbac.authorization.k8s.io", "Role") => Kind::of::<rbac::Role>(),
        ("rbac.authorization.k8s.io", "RoleBinding") => Kind::of::<rbac::RoleBinding>(),
        ("rbac.authorization.k8s.io", "ClusterRole") => Kind::of::<rbac::ClusterRole>(),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => Kind::of::<rbac::ClusterRoleBinding>(),
        ("storage.k8s.io", "StorageClass") => Kind::of::<storage::StorageClass>(),
        ("storage.k8s.io", "CSIDriver") => Kind::of::<storage::CSIDriver>(),
        ("storage.k8s.io", "CSINode") => Kind::of::<storage::CSINode>(),
        ("storage.k8s.io", "CSIStorageCapacity") => Kind::of::<storage::CSIStorageCapacity>(),
        ("storage.k8s.io", "VolumeAttachment") => Kind::of::<storage::VolumeAttachment>(),
        ("storage.k8s.io", "VolumeAttributesClass") => Kind::of::<storage::VolumeAttributesClass>(),
        ("scheduling.k8s.io", "PriorityClass") => Kind::of::<scheduling::PriorityClass>(),
        ("certificates.k8s.io", "CertificateSigningRequest") => Kind::of::<certificates::CertificateSigningRequest>(),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => Kind::of::<admission::MutatingAdmissionPolicy>(),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding") => {
            Kind::of::<admission::MutatingAdmissionPolicyBinding>()
        }
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => Kind::of::<admission::MutatingWebhookConfiguration>(),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => Kind::of::<admission::ValidatingAdmissionPolicy>(),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            Kind::of::<admission::ValidatingAdmissionPolicyBinding>()
        }
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => {
            Kind::of::<admission::ValidatingWebhookConfiguration>()
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Kind::of::<apiextensions::CustomResourceDefinition>(),
        ("apiregistration.k8s.io", "APIService") => Kind::of::<apiregistration::APIService>(),
        ("node.k8s.io", "RuntimeClass") => Kind::of::<node::RuntimeClass>(),
        ("resource.k8s.io", "DeviceClass") => Kind::of::<dynamic::DeviceClass>(),
        ("resource.k8s.io", "ResourceClaim") => Kind::of::<dynamic::ResourceClaim>(),
        ("resource.k8s.io", "ResourceClaimTemplate") => Kind::of::<dynamic::ResourceClaimTemplate>(),
        ("resource.k8s.io", "ResourceSlice") => Kind::of::<dynamic::ResourceSlice>(),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => Kind::of::<flowcontrol::FlowSchema>(),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => Kind::of::<flowcontrol::PriorityLevelConfiguration>(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_built_in_resource_has_a_type() {
        for resource in super::super::resource::ALL {
            assert!(super::of(*resource).is_some(), "{}", resource.qualified());
        }
    }
}
