//! Security context constraints: the first that a pod's service account may use and that fits changes the pod; where none fits, it
//! is refused in OpenShift's words. Pods of the cluster's own namespaces are left alone.
//!
//! Known to differ: a pod is judged by its service account alone, not by who creates it, so that an administrator's own pod is
//! held to `restricted-v2`, too.

use super::{GROUPS, MCS, UID_RANGE};
use crate::json::At as _;
use crate::sim::api::authentication::User;
use crate::sim::api::authorization::{self, Attributes};
use crate::sim::api::pipeline::text;
use crate::sim::api::pod_defaults::set;
use crate::sim::api::resource;
use crate::sim::api::server::ApiServer;
use crate::sim::api::status::ApiError;
use serde_json::{Value, json};

/// Annotation of an admitted pod: which constraint it was held to.
const ANNOTATION: &str = "openshift.io/scc";
/// Namespaces whose pods are held to none.
const EXEMPT: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease", "openshift"];
/// Volumes of which a pod without privileges may have any.
const VOLUMES: &[&str] =
    &["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// A constraint, as far as it is simulated.
struct Constraint {
    name: &'static str,
    /// Whether everybody may use it.
    everybodys: bool,
    /// Whether everything is allowed, and nothing changed.
    everything: bool,
    /// Whether any user and group is allowed.
    any_user: bool,
    /// Capabilities that are taken away, and those that may be added.
    drop: &'static [&'static str],
    add: &'static [&'static str],
    /// Whether processes may gain privileges.
    escalation: bool,
    /// Whether the runtime's default seccomp profile is set and allowed.
    seccomp: bool,
}

/// In the order in which they are tried: by priority, then the stricter first.
const CONSTRAINTS: [Constraint; 3] = [
    Constraint {
        name: "anyuid",
        everybodys: false,
        everything: false,
        any_user: true,
        drop: &["MKNOD"],
        add: &[],
        escalation: true,
        seccomp: false,
    },
    Constraint {
        name: "restricted-v2",
        everybodys: true,
        everything: false,
        any_user: false,
        drop: &["ALL"],
        add: &["NET_BIND_SERVICE"],
        escalation: false,
        seccomp: true,
    },
    Constraint {
        name: "privileged",
        everybodys: false,
        everything: true,
        any_user: true,
        drop: &[],
        add: &["*"],
        escalation: true,
        seccomp: false,
    },
];

/// What a namespace allows its pods.
struct Ranges {
    users: (i64, i64),
    groups: (i64, i64),
    level: String,
}

/// Changes a pod, or refuses it.
pub(super) fn admit(api: &ApiServer, name: &str, pod: &mut Value) -> Result<(), ApiError> {
    let namespace = text(pod, "/metadata/namespace").to_owned();
    if EXEMPT.contains(&namespace.as_str()) {
        return Ok(());
    }
    let name = refused_name(pod, name);
    let found = api.get(resource::NAMESPACES, "", &namespace)?;
    let Some(ranges) = ranges(&found) else {
        let why = format!("unable to validate against any security context constraint: namespace {namespace} has no {UID_RANGE}");
        return Err(ApiError::forbidden(resource::PODS, &name, &why));
    };
    let account = text(pod, "/spec/serviceAccountName");
    let user = User::new(
        &format!("system:serviceaccount:{namespace}:{account}"),
        &["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}")],
    );
    let mut reasons = Vec::new();
    for constraint in &CONSTRAINTS {
        if !constraint.everybodys && !may_use(api, &user, &namespace, constraint.name) {
            reasons.push(format!("provider \"{}\": Forbidden: not usable by user or serviceaccount", constraint.name));
            continue;
        }
        let broken = if constraint.everything { Vec::new() } else { constraint.broken(pod, &ranges) };
        if broken.is_empty() {
            constraint.apply(pod, &ranges);
            set(&mut pod["metadata"], "annotations", || json!({}));
            pod["metadata"]["annotations"][ANNOTATION] = json!(constraint.name);
            return Ok(());
        }
        reasons.extend(broken);
    }
    let why = format!("unable to validate against any security context constraint: [{}]", reasons.join(", "));
    Err(ApiError::forbidden(resource::PODS, &name, &why))
}

/// A pod whose name the server makes is refused under the beginning of its name.
fn refused_name(pod: &Value, name: &str) -> String {
    let prefix = text(pod, "/metadata/generateName");
    let made = !prefix.is_empty() && name.len() == prefix.len() + 5 && name.starts_with(prefix);
    if made { prefix } else { name }.to_owned()
}

fn may_use(api: &ApiServer, user: &User, namespace: &str, constraint: &str) -> bool {
    let wanted = Attributes {
        verb: "use".to_owned(),
        group: "security.openshift.io".to_owned(),
        resource: "securitycontextconstraints".to_owned(),
        name: constraint.to_owned(),
        namespace: namespace.to_owned(),
        ..Attributes::default()
    };
    authorization::allowed(api, user, &wanted).is_some()
}

fn ranges(namespace: &Value) -> Option<Ranges> {
    let annotation = |name: &str| namespace["metadata"]["annotations"].get(name)?.as_str();
    let range = |text: &str| {
        let (first, count) = text.split_once('/')?;
        let (first, count): (i64, i64) = (first.parse().ok()?, count.parse().ok()?);
        Some((first, first + count - 1))
    };
    let users = range(annotation(UID_RANGE)?)?;
    let groups = annotation(GROUPS).and_then(range).unwrap_or(users);
    Some(Ranges { users, groups, level: annotation(MCS)?.to_owned() })
}

/// The containers of a pod with the path that errors name.
fn containers(pod: &Value) -> impl Iterator<Item = (String, &Value)> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(move |list| {
        let found = pod["spec"].get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
        found.map(move |(place, container)| (format!(".{list}[{place}]"), container))
    })
}

impl Constraint {
    /// What of a pod it does not allow.
    fn broken(&self, pod: &Value, ranges: &Ranges) -> Vec<String> {
        let mut broken = Vec::new();
        let mut say = |field: &str, why: String| broken.push(format!("provider {}: {field}: {why}", self.name));
        let spec = &pod["spec"];
        for (field, what) in [("hostNetwork", "Host network is"), ("hostPID", "Host PID is"), ("hostIPC", "Host IPC is")] {
            if spec.get(field) == Some(&json!(true)) {
                say(&format!(".spec.securityContext.{field}"), format!("Invalid value: true: {what} not allowed to be used"));
            }
        }
        if let Some(group) = spec.at("/securityContext/fsGroup").and_then(Value::as_i64).filter(|_| !self.any_user)
            && !(ranges.groups.0..=ranges.groups.1).contains(&group)
        {
            say(".spec.securityContext.fsGroup", format!("Invalid value: []int64{{{group}}}: {group} is not an allowed group"));
        }
        for (place, volume) in spec.get("volumes").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let source = volume.as_object().into_iter().flatten().find(|(key, value)| *key != "name" && !value.is_null());
            if let Some((source, _)) = source.filter(|(source, _)| !VOLUMES.contains(&source.as_str())) {
                let why = format!("Invalid value: \"{source}\": {source} volumes are not allowed to be used");
                say(&format!("spec.volumes[{place}]"), why);
            }
        }
        self.contexts("", ".spec.securityContext", &spec["securityContext"], ranges, &mut say);
        for (path, container) in containers(pod) {
            let context = &container["securityContext"];
            self.contexts(&path, &path, context, ranges, &mut say);
            if context.get("privileged") == Some(&json!(true)) {
                say(&format!("{path}.privileged"), "Invalid value: true: Privileged containers are not allowed".to_owned());
            }
            if context.get("allowPrivilegeEscalation") == Some(&json!(true)) && !self.escalation {
                let why = "Invalid value: true: Allowing privilege escalation for containers is not allowed";
                say(&format!("{path}.allowPrivilegeEscalation"), why.to_owned());
            }
            for added in context.at("/capabilities/add").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                if !self.add.contains(&added) {
                    say(&format!("{path}.capabilities.add"), format!("Invalid value: \"{added}\": capability may not be added"));
                }
            }
            for port in container.get("ports").and_then(Value::as_array).into_iter().flatten() {
                if let Some(port) = port.get("hostPort").and_then(Value::as_i64).filter(|port| *port > 0) {
                    let why = format!("Invalid value: {port}: Host ports are not allowed to be used");
                    say(&format!("{path}{path}.hostPort"), why);
                }
            }
        }
        broken
    }

    /// What a pod's and a container's security context have in common.
    fn contexts(&self, container: &str, path: &str, context: &Value, ranges: &Ranges, say: &mut impl FnMut(&str, String)) {
        let (first, last) = ranges.users;
        if let Some(user) = context.get("runAsUser").and_then(Value::as_i64).filter(|_| !self.any_user)
            && !(first..=last).contains(&user)
        {
            say(&format!("{path}.runAsUser"), format!("Invalid value: {user}: must be in the ranges: [{first}, {last}]"));
        }
        let level = context.at("/seLinuxOptions/level").and_then(Value::as_str).unwrap_or_default();
        if !level.is_empty() && level != ranges.level {
            say(&format!("{path}.seLinuxOptions.level"), format!("Invalid value: \"{level}\": must be {}", ranges.level));
        }
        let profile = context.at("/seccompProfile/type").and_then(Value::as_str).unwrap_or_default();
        let allowed = profile.is_empty() || (self.seccomp && profile == "RuntimeDefault");
        if !allowed {
            let key = match container.rsplit('/').next().unwrap_or_default() {
                "" => "seccomp.security.alpha.kubernetes.io/pod".to_owned(),
                container => format!("container.seccomp.security.alpha.kubernetes.io/{}", container.trim_start_matches('.')),
            };
            let why = if self.seccomp {
                let shown = if profile == "Unconfined" { "unconfined" } else { profile };
                format!("Forbidden: {shown} is not an allowed seccomp profile. Valid values are [runtime/default]")
            } else {
                "Forbidden: seccomp may not be set".to_owned()
            };
            say(&format!("pod.metadata.annotations[{key}]"), why);
        }
    }

    /// Gives a pod what it left open.
    fn apply(&self, pod: &mut Value, ranges: &Ranges) {
        if self.everything {
            return;
        }
        let own_user = pod.at("/spec/securityContext/runAsUser").is_some();
        let context = &mut pod["spec"]["securityContext"];
        set(context, "seLinuxOptions", || json!({}));
        set(&mut context["seLinuxOptions"], "level", || json!(ranges.level));
        if !self.any_user {
            set(context, "fsGroup", || json!(ranges.groups.0));
        }
        if self.seccomp {
            set(context, "seccompProfile", || json!({"type": "RuntimeDefault"}));
        }
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            let found = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
            for container in found.into_iter().flatten() {
                set(container, "securityContext", || json!({}));
                let context = &mut container["securityContext"];
                if !self.any_user {
                    if !own_user {
                        set(context, "runAsUser", || json!(ranges.users.0));
                    }
                    set(context, "runAsNonRoot", || json!(true));
                }
                if !self.escalation {
                    set(context, "allowPrivilegeEscalation", || json!(false));
                }
                set(context, "capabilities", || json!({}));
                set(&mut context["capabilities"], "drop", || json!([]));
                if let Some(dropped) = context["capabilities"]["drop"].as_array_mut() {
                    for capability in self.drop {
                        if !dropped.iter().any(|one| one == "ALL" || one == capability) {
                            dropped.push(json!(capability));
                        }
                    }
                }
            }
        }
    }
}
