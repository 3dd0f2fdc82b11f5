//! Models of images that people use in chaos tests: which image is which model, and the programs that it brings.
//! What each program does lives in the files below; what the registry makes of an image's name lives in the kubelet.

mod agnhost;
mod echo;
mod http;
mod java;
mod nginx;
mod pause;
mod postgres;
mod redis;
mod server;
mod stress;

#[cfg(test)]
mod tests;

use super::command::Invocation;
use super::machine::Machine;
use super::signals;
use futures::future::BoxFuture;
use std::collections::BTreeMap;

/// Runs a program of a model.
type Run = fn(Invocation) -> BoxFuture<'static, i32>;

/// A modelled image.
#[derive(Debug)]
pub struct Model {
    /// The name, for `model: NAME` of a scenario.
    pub name: &'static str,
    /// The images that it stands for, without registry of docker.io and without tag; `*` stands for any text.
    pub images: &'static [&'static str],
    /// What it is and does, in one sentence.
    pub summary: &'static str,
    /// The TCP ports that it listens on by default.
    pub ports: &'static [u16],
    /// What is run before the arguments where the container gives no command.
    pub entrypoint: &'static [&'static str],
    /// The arguments where the container gives none.
    pub arguments: &'static [&'static str],
    /// Whether the image has a shell and its tools.
    pub shell: bool,
    /// The signal that the runtime sends in place of SIGTERM (the image's STOPSIGNAL).
    pub stop_signal: i32,
    /// Settings, each with its meaning and default.
    pub options: &'static [(&'static str, &'static str)],
    /// Its programs, by name.
    programs: &'static [(&'static str, Run)],
}

/// The model of a container, with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The model's name.
    pub model: String,
    /// Settings that a scenario gives.
    pub options: BTreeMap<String, String>,
}

/// All models.
pub static MODELS: &[Model] = &[
    agnhost::MODEL,
    echo::HTTP_ECHO,
    echo::ECHO_SERVER,
    echo::HTTPBIN,
    java::MODEL,
    nginx::MODEL,
    pause::MODEL,
    postgres::MODEL,
    redis::MODEL,
    stress::STRESS,
    stress::STRESS_NG,
];

/// A model by its name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// The model of an image, by its repository as `docker.io/library/nginx` or `registry.k8s.io/pause`.
#[must_use]
pub fn of_image(repository: &str) -> Option<&'static Model> {
    let short = repository.strip_prefix("docker.io/").unwrap_or(repository);
    let short = short.strip_prefix("library/").unwrap_or(short);
    MODELS.iter().find(|model| {
        model.images.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(end) => short.ends_with(end),
            None => short == *pattern,
        })
    })
}

impl Model {
    /// The command line of a container: its own command and arguments (empty: none given) over those of the image.
    #[must_use]
    pub fn argv(&self, command: Vec<String>, arguments: Vec<String>) -> Vec<String> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match (command.is_empty(), arguments.is_empty()) {
            (true, true) => [owned(self.entrypoint), owned(self.arguments)].concat(),
            (true, false) => [owned(self.entrypoint), arguments].concat(),
            (false, _) => [command, arguments].concat(),
        }
    }

    /// Whether a command names one of its programs.
    #[must_use]
    pub fn has_program(&self, command: &str) -> bool {
        let base = command.rsplit('/').next().unwrap_or(command);
        self.programs.iter().any(|(name, _)| *name == base)
    }

    /// The settings that this model does not have.
    #[must_use]
    pub fn unknown_options<'a>(&self, given: impl IntoIterator<Item = &'a String>) -> Vec<&'a String> {
        given.into_iter().filter(|name| !self.options.iter().any(|(known, _)| known == name)).collect()
    }
}

/// The model of a container.
#[must_use]
pub fn of(machine: &Machine) -> Option<&'static Model> {
    by_name(&machine.spec.model.as_ref()?.model)
}

/// The program of the container's model that a command names.
#[must_use]
pub fn program(machine: &Machine, command: &str) -> Option<&'static str> {
    let model = of(machine)?;
    let base = match command.rsplit_once('/') {
        None => command,
        Some(("" | "/bin" | "/usr/bin" | "/usr/sbin" | "/usr/local/bin", base)) => base,
        Some(_) => return None,
    };
    model.programs.iter().map(|(name, _)| *name).find(|name| *name == base)
}

/// Runs a program of the container's model.
pub async fn run(name: &str, invocation: Invocation) -> i32 {
    let run = of(&invocation.process.machine)
        .and_then(|model| model.programs.iter().find(|(known, _)| *known == name))
        .map(|(_, run)| *run);
    match run {
        Some(run) => run(invocation).await,
        None => 127,
    }
}

/// The signal that stops a container.
#[must_use]
pub fn stop_signal(machine: &Machine) -> i32 {
    of(machine).map_or(signals::TERM, |model| model.stop_signal)
}
