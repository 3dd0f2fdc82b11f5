//! `run --dry-run`: what would be applied, injected, healed and undone, and which permissions it takes. Changes nothing.

use super::suitable::Suitable;
use crate::engine::permission::{self, Permission};
use crate::fault::Prepared;
use crate::measure::effect::plural;
use crate::observe::probe::{monitoring, pod};
use crate::scenario::detector::Detector;
use crate::scenario::fault::{Aim, DeleteConfig, DeleteSecret};
use crate::scenario::schedule::Injection;
use crate::scenario::{Condition, Fault, Healer, Plan, Step, Target, duration};
use serde_json::Value;
use std::fmt::Write as _;

/// Permissions of which the cluster was asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// What this user needs.
    pub needed: Vec<Permission>,
    /// What of it the user does not have.
    pub missing: Vec<Permission>,
    /// The image of the privileged pods by which machines of nodes are reached, where that is so.
    pub node_pods: Option<String>,
}

/// The whole plan in words, with the permissions that it takes.
pub(super) fn plan(suitable: &Suitable, cluster: &str, allowed: &[String], asked: Option<&Asked>) -> String {
    let plans = &suitable.plans;
    let mut text = format!("What would be done on {cluster}. Nothing is changed.\n");
    for plan in plans {
        scenario(&mut text, plan, asked.and_then(|asked| asked.node_pods.as_deref()));
    }
    for (plan, why) in &suitable.skipped {
        let _ = writeln!(text, "\n{} ({}) is skipped: {why}", plan.name, plan.file);
    }
    let all: Vec<&Plan> = plans.iter().map(AsRef::as_ref).collect();
    text.push_str(if asked.is_some() { "\npermissions (asked of the cluster)\n" } else { "\npermissions\n" });
    let needed = asked.map_or_else(|| permission::needed(&all, allowed, false), |asked| asked.needed.clone());
    for permission in needed {
        let lacks = asked.is_some_and(|asked| asked.missing.contains(&permission));
        let _ = writeln!(text, "  {permission}{}", if lacks { "   MISSING" } else { "" });
    }
    text
}

fn scenario(text: &mut String, plan: &Plan, node_pods: Option<&str>) {
    let trials = if plan.trials == 1 { "1 trial".to_owned() } else { format!("{} trials", plan.trials) };
    let _ = writeln!(text, "\n{} ({}, {trials})", plan.name, plan.file);
    let mut line = |what: &str, rest: &str| {
        let _ = writeln!(text, "  {what:<9} {rest}");
    };
    match &plan.existing {
        Some(existing) => {
            line("in", &format!("namespace {}: the pods with {}, which is not removed", existing.namespace, existing.selector));
        }
        None => line("in", "a namespace of its own for each trial, which is removed"),
    }
    if pod::is_needed(plan) {
        line("applies", &format!("pod/{} ({}), from which Services are asked", pod::NAME, pod::image(plan)));
    }
    for tried in plan.tried() {
        match &tried {
            Condition::Prometheus(one) => line("asks", &format!("{} for `{}`", monitoring::shown(one.url.as_deref()), one.query)),
            Condition::Alert(one) => {
                let alertmanager = one.alertmanager.as_ref().map_or_else(String::new, |url| format!(" and {url}"));
                line("asks", &format!("{}{alertmanager} for the alert {}", monitoring::shown(one.url.as_deref()), one.name));
            }
            _ => {}
        }
    }
    for detector in &plan.detectors {
        if let Detector::Program(program) = detector {
            line("runs", &format!("`{}`, asked for {}", program.run.join(" "), program.causes.join(", ")));
        }
    }
    if let Some(second) = plan.detect.as_ref().and_then(|detect| detect.second_opinion.as_ref()) {
        line("asks", &format!("{} for a second opinion on findings, by the model {}", second.url, second.model));
    }
    if !plan.render.is_empty() {
        line("renders", &format!("`{}`, when the scenario was read", plan.render.join(" ")));
    }
    if let Some(registry) = &plan.registry {
        line("takes", &format!("all images from {registry}"));
    }
    for manifest in &plan.manifests {
        let field = |pointer: &str| manifest.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let named = if field("/metadata/name").is_empty() { field("/metadata/generateName") } else { field("/metadata/name") };
        line("applies", &format!("{}/{named} ({}:{})", field("/kind").to_lowercase(), manifest.file, manifest.line));
    }
    if let Some(steady) = &plan.steady {
        line("waits", &format!("for the steady state, {} at most", duration::format(steady.within)));
    }
    let schedule = plan.schedule();
    for (position, injection) in schedule.injections.iter().enumerate() {
        line("injects", &format!("{}{}", injected(&injection.fault), when(injection)));
        line("undoes", undone(&injection.fault, plan.existing.is_some()));
        if let Some(image) = node_pods.filter(|_| injection.fault.is_about_a_machine()) {
            let lasts = duration::format(schedule.limit(position).unwrap_or_else(|| plan.longest_fault()));
            let rebooted = matches!(injection.fault, Fault::RebootNode(_));
            let mends = if rebooted { String::new() } else { format!(", which mends itself after {lasts}") };
            line("", &format!("by privileged pods ({image}) on the node{mends}"));
        }
        for reversal in schedule.reversals.iter().filter(|reversal| reversal.faults.last() == Some(&position)) {
            let faults = reversal.faults.iter().filter_map(|fault| Some(&schedule.injections.get(*fault)?.fault));
            let keys: Vec<_> = faults.filter(|fault| fault.pods().is_none()).map(Fault::key).collect();
            let (lasts, one) = (duration::format(reversal.lasts), reversal.faults.len() == 1);
            let since = if one { "it was accepted".to_owned() } else { format!("these were accepted: {}", keys.join(", ")) };
            line("", &format!("already {lasts} after {since}"));
        }
    }
    if plan.faults.is_empty() {
        line("injects", "nothing");
    }
    match (plan.heal.healer(), plan.heal.strategy.is_empty()) {
        (Healer::Kubernetes, _) => line("heals", "nothing: Kubernetes alone"),
        (Healer::External, _) => line("heals", "nothing: a controller that is only watched"),
        (Healer::Webhook, _) => {
            let url = plan.heal.webhook.as_ref().map_or("", |webhook| webhook.url.as_str());
            line("asks", &format!("{url} to heal each finding"));
            line("heals", "nothing by itself");
        }
        (Healer::Comeback, true) if !plan.ladders.is_empty() => {
            for (position, ladder) in plan.ladders.iter().enumerate() {
                let steps: Vec<_> = ladder.steps.iter().map(Step::key).collect();
                let steps = if steps.is_empty() { "only told".to_owned() } else { steps.join(", ") };
                let text = format!("{} by comeback: {steps} (strategy {})", ladder.causes.join(", "), ladder.name);
                line(if position == 0 { "heals" } else { "" }, &text);
            }
            line("", "any other cause by its default ladder");
            told_by_steps(plan, &mut line);
        }
        (Healer::Comeback, true) => line("heals", "by comeback, with the ladder of the cause that is found"),
        (Healer::Comeback, false) => {
            let steps: Vec<_> = plan.heal.strategy.iter().map(Step::key).collect();
            line("heals", &format!("by comeback: {}", steps.join(", ")));
            told_by_steps(plan, &mut line);
        }
    }
    line("recovers", &format!("within {} at most", duration::format(plan.recover.within)));
}

/// What the steps leave behind for a while, and whom they tell.
fn told_by_steps(plan: &Plan, line: &mut dyn FnMut(&str, &str)) {
    if plan.steps().any(|step| matches!(step, Step::CordonNode(_) | Step::DrainNode(_))) {
        line("undoes", "what the healer cordoned");
    }
    for step in plan.steps() {
        match step {
            Step::Notify(notify) => line("tells", notify.to.name()),
            Step::Webhook(webhook) => line("posts", &format!("the finding to {}", webhook.url)),
            _ => {}
        }
    }
}

/// When a fault is injected, if not at once.
pub(super) fn when(injection: &Injection) -> String {
    let after = |what: &str| format!(", {} after {what}", duration::format(injection.after));
    match (injection.after.is_zero(), injection.follows.len()) {
        (true, _) => String::new(),
        (false, 0) => after("the steady state"),
        (false, 1) => after("the fault before it was accepted"),
        (false, _) => after("the faults before it were accepted"),
    }
}

/// A fault and its targets, as far as they are known beforehand.
pub(super) fn injected(fault: &Fault) -> String {
    format!("{}{} on {}", fault.key(), Prepared::detail(fault), on(fault))
}

fn on(fault: &Fault) -> String {
    if let Some(aim) = fault.pods() {
        return format!("{} of {}", many(&aim, "pod"), named(aim.target.as_ref()));
    }
    if let Some(aim) = fault.nodes() {
        let nodes = match (&aim.node, &aim.target) {
            (Some(node), _) => format!("node/{node}"),
            (None, Some(target)) => format!("{} with pods of {target}", many(&aim, "node")),
            (None, None) => format!("{} with pods of the trial", many(&aim, "node")),
        };
        return if matches!(fault, Fault::DrainNode(_)) { format!("{nodes}, and the trial's pods there") } else { nodes };
    }
    if let Some((target, _)) = fault.workload() {
        return named(target.as_ref());
    }
    match fault {
        Fault::SetConfig(set) => format!("configmap/{}", set.config_map),
        Fault::DeleteConfig(delete) => format!("configmap/{}", delete.config_map),
        Fault::SetSecret(set) => format!("secret/{}", set.secret),
        Fault::DeleteSecret(delete) => format!("secret/{}", delete.secret),
        Fault::BreakService(broken) => format!("service/{}", broken.service),
        Fault::Patch(patch) => format!("{}/{}", patch.kind.to_lowercase(), patch.name),
        Fault::Delete(delete) => format!("{}/{}", delete.kind.to_lowercase(), delete.name),
        Fault::Apply(apply) => {
            let field = |pointer: &str| apply.manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            format!("{}/{}", field("/kind").to_lowercase(), field("/metadata/name"))
        }
        Fault::Command(command) => format!("what `{}` does (its permissions are not known)", command.run.join(" ")),
        Fault::ChaosMesh(chaos) => format!("what its selectors select in the trial's namespace ({})", chaos.acting().join(", ")),
        Fault::ExpireToken(expire) => match &expire.service_account {
            Some(name) => format!("serviceaccount/{name}"),
            None => format!("the service account of {}", named(expire.target().as_ref())),
        },
        Fault::PauseApiServer(_) => "every node of the control plane".to_owned(),
        Fault::Quota(quota) => format!("resourcequota/{}", quota.name),
        Fault::DenyNetwork(_) | Fault::BreakDns(_) => {
            let (target, name, _) = fault.policy().unwrap_or_default();
            format!("networkpolicy/{name}, for the pods of {}", named(target.as_ref()))
        }
        _ => fault.leaves().into_iter().map(on).collect::<Vec<_>>().join(", "),
    }
}

fn many(aim: &Aim, noun: &str) -> String {
    match (aim.all, aim.percent) {
        (true, _) => format!("all {noun}s"),
        (_, Some(percent)) => format!("{percent} % of the {noun}s"),
        (_, None) => plural(aim.count.unwrap_or(1) as usize, noun),
    }
}

fn named(target: Option<&Target>) -> String {
    target.map_or_else(String::new, ToString::to_string)
}

fn undone(fault: &Fault, existing: bool) -> &'static str {
    match fault {
        Fault::DeletePods(_) | Fault::EvictPods(_) => "nothing: their controllers make the pods again",
        Fault::KillContainer(_) => "nothing: the kubelet starts the container again",
        Fault::Exec(_) => "nothing: what a command did cannot be undone",
        Fault::CordonNode(_) | Fault::TaintNode(_) => "it by changing back what it changed",
        Fault::DrainNode(_) => "it by changing back what it changed of the node; the evicted pods' controllers make them again",
        Fault::PauseNode(_) => "it by letting the node's machine go on",
        Fault::RebootNode(_) => "it by switching the node's machine on, if it is off",
        Fault::StopKubelet(_) => "it by starting the kubelet",
        Fault::StopContainerRuntime(_) => "it by starting the container runtime",
        Fault::PartitionNode(_) => "it by removing the rules that drop the node's packets",
        Fault::ChaosMesh(_) => "it by removing the object, for which Chaos Mesh takes everything back",
        Fault::ExpireToken(_) => {
            "nothing: the account is made again at once (with another uid); pods get new tokens when they are replaced"
        }
        Fault::BlockRegistry(_) => "it by taking away what hides the registries from the node's container runtime",
        Fault::PauseApiServer(_) => "it by letting the API server's process go on, which a timer on its node does, too",
        Fault::StressMemory(_) | Fault::StressCpu(_) | Fault::FillDisk(_) => {
            "it by closing the connection of the command that holds it"
        }
        Fault::Command(_) => "it by its own program",
        _ if !existing => "it with the namespace",
        Fault::Delete(_) => "it by creating the object again (with another uid)",
        Fault::DeleteConfig(DeleteConfig { key: None, .. }) | Fault::DeleteSecret(DeleteSecret { key: None, .. }) => {
            "it by creating the object again (with another uid)"
        }
        Fault::Apply(_) => "it by changing back what it changed, or removing what it created",
        Fault::Quota(_) | Fault::DenyNetwork(_) | Fault::BreakDns(_) => "it by removing what it created",
        _ => "it by changing back what it changed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{LoadOptions, load};

    #[test]
    fn the_plan_names_every_change_and_what_it_takes() {
        let loaded = load(&["builtin:crash/after-config-change".to_owned()], &LoadOptions::default()).unwrap();
        let suitable = Suitable { plans: loaded.plans, skipped: Vec::new() };
        insta::assert_snapshot!(plan(&suitable, "the embedded cluster", &[], None));
    }

    #[test]
    fn the_ladders_of_named_strategies_are_told() {
        let loaded = load(&["builtin:node/healed-by-controller-tables".to_owned()], &LoadOptions::default()).unwrap();
        let suitable = Suitable { plans: loaded.plans, skipped: Vec::new() };
        insta::assert_snapshot!(plan(&suitable, "the embedded cluster", &[], None));
    }

    #[test]
    fn every_fault_says_what_it_acts_on_and_what_undoes_it() {
        let loaded = load(&["builtin:pod-deleted".to_owned()], &LoadOptions::default()).unwrap();
        let faults = crate::fault::examples();
        let mut text = String::new();
        for existing in [false, true] {
            let _ = writeln!(text, "{}", if existing { "In a namespace of others:" } else { "In a namespace of its own:" });
            let mut plan = Plan::clone(&loaded.plans[0]);
            plan.faults.clone_from(&faults);
            let place = crate::scenario::model::Existing { namespace: "shop".to_owned(), selector: "app=api".to_owned() };
            plan.existing = existing.then_some(place);
            scenario(&mut text, &plan, None);
        }
        assert!(!text.contains("c2VjcmV0"));
        insta::assert_snapshot!(text);
    }
}
