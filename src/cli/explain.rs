//! `comeback explain FILE`: what a scenario will do and how it will be judged, phase by phase, in plain words. Nothing is run.
//! Conditions in words are `words`'; which permissions a run takes is `run --dry-run`'s.

mod words;

use super::dry_run::{injected, when};
use crate::detect::Topic;
use crate::exit_code::ExitCode;
use crate::report::layout::hanging;
use crate::scenario::cause::meaning;
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::duration::format;
use crate::scenario::render::{Look, render};
use crate::scenario::strategy::Ladder;
use crate::scenario::{Condition, Detector, Healer, LoadOptions, Plan, Verdict, load};
use clap::Args;
use std::fmt::Write as _;
use std::io::{Result, Write};
use words::condition;

/// Columns of the text.
const WIDTH: usize = 100;

/// `comeback explain FILE...`
#[derive(Clone, Debug, Args)]
pub struct Explain {
    /// Scenario and suite files, folders, or `builtin:NAME`
    #[arg(value_name = "FILE", required = true)]
    pub paths: Vec<String>,
}

/// Explains every scenario of the paths.
///
/// # Errors
/// When nothing can be written.
pub fn run(arguments: &Explain, look: Look, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let (plans, found) = match load(&arguments.paths, &LoadOptions::default()) {
        Ok(loaded) => (loaded.plans, loaded.warnings),
        Err(found) => (Vec::new(), found),
    };
    write!(err, "{}", render(&found, look))?;
    for (number, plan) in plans.iter().enumerate() {
        write!(out, "{}{}", if number == 0 { "" } else { "\n" }, text(plan))?;
    }
    Ok(if found.iter().any(Diagnostic::is_error) { ExitCode::Usage } else { ExitCode::Passed })
}

/// One scenario in words.
fn text(plan: &Plan) -> String {
    let mut out = format!("{} ({})\n", plan.name, plan.file);
    if !plan.summary.is_empty() {
        out.push_str(&hanging("  ", &plan.summary, WIDTH));
    }
    let mut phase = |name: &str, sentences: Vec<String>| {
        let mut label = format!("  {name:<10} ");
        for sentence in sentences {
            out.push_str(&hanging(&label, &sentence, WIDTH));
            label = " ".repeat(13);
        }
    };
    phase("setup", vec![setup(plan)]);
    if let Some(steady) = &plan.steady {
        phase(
            "steady",
            vec![format!(
                "Within {}, all of this must hold, for {} without a break: {}. Else the trial is invalid.",
                format(steady.within),
                format(steady.hold),
                all(&steady.until)
            )],
        );
    }
    if !plan.detectors.is_empty() || !plan.patterns.is_empty() {
        let patterns = plan.patterns.iter().map(|patterns| {
            let count = patterns.words.len() + patterns.patterns.len();
            format!("Lines of logs with one of {count} words or patterns more speak of {}.", topic(patterns.topic))
        });
        phase("watch", plan.detectors.iter().map(detector).chain(patterns).collect());
    }
    phase("inject", faults(plan));
    if plan.is_control() {
        phase(
            "judged",
            vec!["A control: nothing is wrong, and any finding of any detector is a false alarm.".to_owned(), expectation(plan)],
        );
        return out;
    }
    phase("effect", effect(plan));
    phase("detect", detection(plan));
    phase("heal", vec![healing(plan)]);
    phase("recover", recovery(plan));
    if let Some(throughout) = &plan.throughout {
        phase(
            "throughout",
            vec![format!(
                "From the fault to the end, but for {} in all, this must hold: {}. Else the trial is degraded.",
                format(throughout.allow),
                all(&throughout.until)
            )],
        );
    }
    phase(
        "restore",
        vec![match &plan.existing {
            Some(existing) => format!("The faults are undone; namespace {} and what is in it stay.", existing.namespace),
            None => "The faults are undone, the namespace is removed, and that nothing is left is verified.".to_owned(),
        }],
    );
    phase("judged", vec![expectation(plan)]);
    out
}

fn setup(plan: &Plan) -> String {
    if let Some(existing) = &plan.existing {
        return format!("The pods with {} in namespace {} are taken as they are.", existing.selector, existing.namespace);
    }
    let object = |manifest: &crate::scenario::plan::Manifest| {
        let field =
            |pointer: &str| manifest.object.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        format!("{} {}", field("/kind"), field("/metadata/name"))
    };
    let objects: Vec<String> = plan.manifests.iter().map(object).collect();
    format!("In a namespace of its own, these are applied: {}.", objects.join(", "))
}

fn faults(plan: &Plan) -> Vec<String> {
    if plan.faults.is_empty() {
        let how = match (&plan.steady, plan.is_control()) {
            (_, true) => "Nothing is broken.",
            (Some(_), false) => "Nothing is injected: the workload breaks by itself after its steady state.",
            (None, false) => "Nothing is injected: the workload is born broken.",
        };
        return vec![how.to_owned()];
    }
    let schedule = plan.schedule();
    let mut lines: Vec<String> = schedule
        .injections
        .iter()
        .enumerate()
        .map(|(position, injection)| {
            let undone = schedule.reversals.iter().find(|reversal| reversal.faults.contains(&position));
            let undone =
                undone.map_or_else(String::new, |reversal| format!("; it undoes itself after {}", format(reversal.lasts)));
            format!("{}{}{undone}.", injected(&injection.fault), when(injection))
        })
        .collect();
    lines.push("That the API accepts a fault is never taken for its effect.".to_owned());
    lines
}

fn topic(topic: Topic) -> String {
    serde_json::to_value(topic).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}

/// What a detector of the user's own looks for.
fn detector(detector: &Detector) -> String {
    match detector {
        Detector::Cel(cel) => {
            let lasts = cel.for_.filter(|lasts| !lasts.is_zero());
            let lasts = lasts.map_or_else(String::new, |lasts| format!(" for {}", format(lasts)));
            format!("{} is found in each {} of which this is true{lasts}: {}.", cel.cause, cel.kind, cel.expression.trim())
        }
        Detector::Program(program) => {
            let kinds =
                if program.kinds.is_empty() { "all objects".to_owned() } else { format!("each {}", program.kinds.join(", ")) };
            format!("{} is told of {kinds} that changes, and may find {}.", program.run.join(" "), program.causes.join(", "))
        }
    }
}

fn effect(plan: &Plan) -> Vec<String> {
    let within = format(plan.effect.within);
    let seen = match &plan.effect.until {
        Some(conditions) => format!("Within {within}, each of these must be seen at least once: {}.", all(conditions)),
        None if plan.faults.is_empty() => {
            format!("Within {within}, a container must be seen failing, restarting or waiting for a failure reason.")
        }
        None => format!("Within {within}, each fault's own effect must be seen (`comeback help faults` says which)."),
    };
    vec![
        seen,
        "Without it the trial is invalid: it says nothing about recovery. The clocks of detection and recovery start here."
            .to_owned(),
    ]
}

fn detection(plan: &Plan) -> Vec<String> {
    let Some(detect) = &plan.detect else { return vec!["No cause is asked for; what is found is reported.".to_owned()] };
    let meaning = meaning(&detect.cause);
    let mut lines = vec![format!(
        "Within {} of the effect, a detector must name {} as the leading cause, on what was broken. Else the trial is undetected.",
        format(detect.within),
        detect.cause
    )];
    if !meaning.is_empty() {
        lines.push(format!("{}: {meaning}", detect.cause));
    }
    if let Some(alert) = &detect.alert {
        lines.push(format!("When the alert {} was pending and firing is reported beside that.", alert.name));
    }
    if let Some(second) = &detect.second_opinion {
        lines.push(format!("{} is asked for a second opinion on what is found, which is noted and decides nothing.", second.url));
    }
    lines
}

fn healing(plan: &Plan) -> String {
    match (plan.heal.healer(), plan.heal.strategy.is_empty()) {
        (Healer::Kubernetes, _) => "Kubernetes alone: comeback only watches.".to_owned(),
        (Healer::External, _) => {
            "Somebody's controller heals: comeback only watches, and tells by what was written who healed.".to_owned()
        }
        (Healer::Webhook, _) => {
            let url = plan.heal.webhook.as_ref().map_or("", |webhook| webhook.url.as_str());
            format!("{url} is asked to heal each finding; what it says of itself is kept, and only what is seen counts.")
        }
        (_, true) if !plan.ladders.is_empty() => {
            let ladder = |ladder: &Ladder| {
                let steps: Vec<&str> = ladder.steps.iter().map(crate::scenario::Step::key).collect();
                format!("{} (for {}): {}", ladder.name, ladder.causes.join(", "), steps.join(", "))
            };
            let ladders: Vec<String> = plan.ladders.iter().map(ladder).collect();
            format!(
                "comeback heals what it finds, by the strategy of the cause, else by its default ladder. {}.",
                ladders.join("; ")
            )
        }
        (_, true) => {
            "comeback heals what it finds, with the ladder of the cause; it sees neither the fault nor the expected cause."
                .to_owned()
        }
        (_, false) => {
            let steps: Vec<&str> = plan.heal.strategy.iter().map(crate::scenario::Step::key).collect();
            format!("comeback heals what it finds, with these steps in turn: {}.", steps.join(", "))
        }
    }
}

fn recovery(plan: &Plan) -> Vec<String> {
    let recover = &plan.recover;
    let mut lines = vec![format!(
        "All of this must hold for {} without a break: {}. The recovery time is the start of that stretch, and it must begin within {} of \
         the effect.",
        format(recover.hold),
        all(&recover.until),
        format(recover.within)
    )];
    lines.push(
        "A restart breaks the stretch, Ready or not, and makes it last at least twice as long as the longest run that ended."
            .to_owned(),
    );
    lines.push(match recover.rto {
        Some(rto) => format!("Its RTO is {}: a later recovery is late.", format(rto)),
        None => "It has no RTO: no recovery is late.".to_owned(),
    });
    lines.push("Replicas, images and limits must be no less at the end than before, else it is regressed.".to_owned());
    lines
}

fn expectation(plan: &Plan) -> String {
    let expect: Vec<String> = plan.expect.iter().map(|verdict: &Verdict| verdict.to_string()).collect();
    let trials =
        if plan.trials == 1 { "Its one trial".to_owned() } else { format!("Each valid one of its {} trials", plan.trials) };
    let mut text = format!("{trials} must end {}.", expect.join(" or "));
    if plan.retries > 0 {
        let _ = write!(text, " One that does not is tried again up to {} times, and counts as it ended first.", plan.retries);
    }
    text
}

/// Conditions that must all hold.
fn all(conditions: &[Condition]) -> String {
    conditions.iter().map(condition).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(name: &str) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = Explain { paths: vec![format!("builtin:{name}")] };
        assert_eq!(run(&arguments, Look { color: false, width: 100 }, &mut out, &mut err).unwrap(), ExitCode::Passed);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scenarios_of_each_sort_in_words() {
        for name in [
            "crash/after-config-change",
            "crash/crashy-app",
            "control/drain",
            "dependency/eviction-unnoticed",
            "node/healed-by-controller-tables",
        ] {
            insta::assert_snapshot!(name.replace('/', "-"), explained(name));
        }
    }

    #[test]
    fn every_shipped_scenario_is_explained_within_the_columns() {
        for name in crate::scenario::builtin::names() {
            let text = explained(&name);
            let wide = text.lines().skip(1).find(|line| line.chars().count() > WIDTH && line.trim().contains(' '));
            assert!(wide.is_none() && text.contains("judged"), "{wide:?}");
        }
    }

    #[test]
    fn a_file_that_is_wrong_is_no_plan() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = Explain { paths: vec!["builtin:nonsense".to_owned()] };
        assert_eq!(run(&arguments, Look { color: false, width: 100 }, &mut out, &mut err).unwrap(), ExitCode::Usage);
        assert!(out.is_empty() && !err.is_empty());
    }
}
