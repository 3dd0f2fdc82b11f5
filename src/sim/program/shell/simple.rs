//! Simple commands: assignments, then a function, a command of the shell itself, or a program in a process of its own.
//! What the shell's own commands do is `builtin`.

use super::syntax::{Redirect, Word};
use super::{Flow, Shell, Unwind};
use crate::sim::program::command::{self, Invocation, Resolved};
use crate::sim::program::process::{self, Ended};
use crate::sim::program::signals;
use std::fmt::Write as _;

/// Commands whose assignments stay and whose redirection errors end the shell.
const SPECIAL: [&str; 14] =
    [":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "trap", "unset"];

impl Shell {
    pub(super) async fn run_simple(
        &mut self,
        assignments: &[(String, Word)],
        words: &[Word],
        redirects: &[Redirect],
        tail: bool,
    ) -> Flow {
        let before = self.status;
        if words.is_empty() {
            self.status = 0;
        }
        let argv = self.expand_words(words).await?;
        if argv.is_empty() {
            return self.run_assignments(assignments, redirects, before).await;
        }
        if let Some((name, _)) = assignments.iter().find(|(name, _)| name.ends_with('+')) {
            // ash has no `+=`; the word is the name of a command there.
            self.complain(&format!("{name}=: not found")).await;
            return Ok(127);
        }
        let mut temporary = Vec::new();
        for (name, word) in assignments {
            temporary.push((name.clone(), self.expand_value(word).await?));
        }
        if self.options.xtrace {
            self.trace(&temporary.iter().map(|(name, value)| (name.as_str(), value.to_plain())).collect::<Vec<_>>(), &argv).await;
        }
        let name = argv[0].clone();
        let descriptors = if redirects.is_empty() {
            None
        } else {
            match self.redirected(redirects).await? {
                Ok(descriptors) => Some(descriptors),
                Err(message) => {
                    self.complain(&message).await;
                    return if SPECIAL.contains(&name.as_str()) { Err(Unwind::Exit(2)) } else { Ok(1) };
                }
            }
        };
        if let Some(function) = self.functions.get(&name).cloned() {
            let saved = self.swap_in(&temporary);
            let old = descriptors.map(|descriptors| std::mem::replace(&mut self.descriptors, descriptors));
            let flow = self.call(function, argv[1..].to_vec()).await;
            if let Some(old) = old {
                self.descriptors = old;
            }
            self.swap_out(saved);
            return flow;
        }
        if name == "exec" {
            return self.exec(argv, temporary, descriptors).await;
        }
        if super::builtin::is_builtin(&name) {
            let special = SPECIAL.contains(&name.as_str());
            let saved = self.swap_in(&temporary);
            let old = descriptors.map(|descriptors| std::mem::replace(&mut self.descriptors, descriptors));
            let flow = self.run_builtin(&argv).await;
            if let Some(old) = old {
                self.descriptors = old;
            }
            if !special {
                self.swap_out(saved);
            }
            return flow;
        }
        let mut environment = self.variables.environment();
        environment.extend(temporary.iter().map(|(name, value)| (name.clone(), value.to_plain())));
        let descriptors = descriptors.unwrap_or_else(|| self.descriptors.clone());
        let invocation = Invocation {
            applet: name,
            argv,
            environment,
            directory: self.directory.clone(),
            descriptors,
            process: self.process.clone(),
            position: Some(self.position.to_string()),
        };
        self.run_program(invocation, tail).await
    }

    async fn run_assignments(&mut self, assignments: &[(String, Word)], redirects: &[Redirect], before: i32) -> Flow {
        let after_words = self.status;
        self.status = before;
        let mut substituted = None;
        for (name, word) in assignments {
            if let Some(name) = name.strip_suffix('+') {
                self.complain(&format!("{name}+=: not found")).await;
                return Ok(127);
            }
            self.status = 0;
            let value = self.expand_value(word).await?;
            substituted = Some(self.status);
            if self.options.xtrace {
                self.trace(&[(name.as_str(), value.to_plain())], &[]).await;
            }
            self.assign(name, value).await?;
        }
        if !redirects.is_empty()
            && let Err(message) = self.redirected(redirects).await?
        {
            self.complain(&message).await;
            return Ok(1);
        }
        Ok(substituted.unwrap_or(after_words))
    }

    fn swap_in(
        &mut self,
        temporary: &[(String, crate::sim::program::data::Text)],
    ) -> Vec<(String, Option<crate::sim::program::data::Text>)> {
        let mut saved = Vec::new();
        for (name, value) in temporary {
            saved.push((name.clone(), self.variables.get(name).cloned()));
            self.variables.set(name, value.clone());
            self.variables.export(name, true);
        }
        saved
    }

    fn swap_out(&mut self, saved: Vec<(String, Option<crate::sim::program::data::Text>)>) {
        for (name, value) in saved.into_iter().rev() {
            match value {
                Some(value) => self.variables.set(&name, value),
                None => self.variables.unset(&name),
            };
        }
    }

    /// `set -x`.
    async fn trace(&mut self, assignments: &[(&str, String)], argv: &[String]) {
        let mut text = self.variables.plain("PS4");
        let mut first = true;
        for (name, value) in assignments {
            let _ = write!(text, "{}{name}={}", if first { "" } else { " " }, quote(value));
            first = false;
        }
        for word in argv {
            let _ = write!(text, "{}{}", if first { "" } else { " " }, quote(word));
            first = false;
        }
        text.push('\n');
        self.write_error(text).await;
    }

    /// Finds a program and runs it, in this process if nothing follows, else in a new one.
    pub(super) async fn run_program(&mut self, invocation: Invocation, tail: bool) -> Flow {
        let search = self.variables.plain("PATH");
        let resolved = command::resolve(&self.process.machine, &invocation.argv[0], &search, &self.directory);
        if let Some(code) = self.refuse(&resolved, &invocation.argv[0]).await {
            return Ok(code);
        }
        if tail && self.traps.is_empty() {
            let process = self.process.clone();
            process.processor(process::FORK).await;
            process.set_argv(invocation.argv.clone());
            process.hold(0).await;
            return Err(Unwind::Replaced(command::run(resolved, invocation).await));
        }
        self.process.processor(process::FORK).await;
        let machine = self.process.machine.clone();
        let origin = self.origin(invocation.argv.clone());
        let mut child = process::spawn(&machine, origin, |process| command::run(resolved, Invocation { process, ..invocation }));
        let ended = child.wait().await;
        self.announce(ended).await;
        Ok(ended.code())
    }

    /// The shell's message when a foreground child was ended by a signal.
    pub(super) async fn announce(&mut self, ended: Ended) {
        if let Ended::Signalled(signal) = ended
            && let Some(text) = signals::description(signal)
        {
            self.write_error(format!("{text}\n")).await;
        }
    }

    /// Says why a command cannot run; the status, or `None` if it can.
    async fn refuse(&mut self, resolved: &Resolved, name: &str) -> Option<i32> {
        match resolved {
            Resolved::NotFound => {
                self.complain(&format!("{name}: not found")).await;
                Some(127)
            }
            Resolved::Denied => {
                self.complain(&format!("{name}: Permission denied")).await;
                Some(126)
            }
            Resolved::NotSimulated(what) => {
                self.unsupported(what).await;
                Some(127)
            }
            Resolved::Applet(_) | Resolved::Model(_) | Resolved::Script(_) => None,
        }
    }

    async fn exec(
        &mut self,
        mut argv: Vec<String>,
        temporary: Vec<(String, crate::sim::program::data::Text)>,
        descriptors: Option<crate::sim::program::descriptor::Descriptors>,
    ) -> Flow {
        argv.remove(0);
        if argv.is_empty() {
            if let Some(descriptors) = descriptors {
                self.descriptors = descriptors;
            }
            for (name, value) in temporary {
                self.assign(&name, value).await?;
            }
            return Ok(0);
        }
        let search = self.variables.plain("PATH");
        let resolved = command::resolve(&self.process.machine, &argv[0], &search, &self.directory);
        match &resolved {
            Resolved::NotFound => {
                self.complain_as("exec", &format!("{}: not found", argv[0])).await;
                return Err(Unwind::Exit(127));
            }
            other => {
                if let Some(code) = self.refuse(other, &argv[0]).await {
                    return Err(Unwind::Exit(code));
                }
            }
        }
        let mut environment = self.variables.environment();
        environment.extend(temporary.into_iter().map(|(name, value)| (name, value.to_plain())));
        self.process.reset_handlers();
        self.process.set_argv(argv.clone());
        self.variables = super::variables::Variables::default();
        self.process.hold(0).await;
        let invocation = Invocation {
            applet: argv[0].clone(),
            argv,
            environment,
            directory: self.directory.clone(),
            descriptors: descriptors.unwrap_or_else(|| self.descriptors.clone()),
            process: self.process.clone(),
            position: Some(self.position.to_string()),
        };
        // The old program's descriptors close with it.
        self.descriptors = crate::sim::program::descriptor::Descriptors::default();
        Err(Unwind::Replaced(command::run(resolved, invocation).await))
    }
}

/// A word as `set -x` and `trap` print it.
pub(super) fn quote(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,]".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    if word.is_empty() {
        return "''".to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}
