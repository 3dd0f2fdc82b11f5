//! The shell: its state and how it starts, forks and ends.
//! Walking commands is `execute`, words are `expand`, the commands that change the shell are `builtin`.

pub mod arithmetic;
mod builtin;
mod condition;
mod execute;
mod expand;
mod fields;
mod interactive;
mod jobs;
mod lower;
pub mod parse;
pub mod pattern;
mod redirect;
mod settings;
mod simple;
mod syntax;
mod trap;
mod variables;
mod word;

#[cfg(test)]
mod behaviour;

use super::command::Invocation;
use super::data::Data;
use super::descriptor::Descriptors;
use super::process::{Child, Process};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use syntax::{Command, Position};
use variables::Variables;

/// Why execution leaves the present command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwind {
    /// `exit`, or an error that ends a shell.
    Exit(i32),
    /// `exec`: another program ran in this process and has ended.
    Replaced(i32),
    /// `return`.
    Return(i32),
    /// `break` out of so many loops.
    Break(usize),
    /// `continue` the so-manyth loop.
    Continue(usize),
}

/// The status of a command, or why execution goes elsewhere.
pub type Flow = Result<i32, Unwind>;

/// The options of `set`.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    errexit: bool,
    nounset: bool,
    xtrace: bool,
    pipefail: bool,
    noglob: bool,
    noexec: bool,
    allexport: bool,
    from_string: bool,
}

/// One shell process.
#[derive(Debug)]
pub struct Shell {
    process: Arc<Process>,
    descriptors: Descriptors,
    directory: String,
    variables: Variables,
    positional: Vec<String>,
    name: String,
    /// A script file runs: messages carry its line.
    from_file: bool,
    functions: BTreeMap<String, Arc<Command>>,
    options: Options,
    status: i32,
    main_pid: u32,
    last_background: Option<u32>,
    jobs: Vec<Child>,
    traps: BTreeMap<i32, String>,
    in_trap: bool,
    loops: usize,
    calls: usize,
    depth: usize,
    /// How many conditions enclose the command: `set -e` does not act in them.
    conditions: usize,
    position: Position,
}

/// Runs a shell as the program of a process.
#[must_use]
pub fn run(invocation: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(main(invocation))
}

async fn main(mut invocation: Invocation) -> i32 {
    let arguments = std::mem::take(&mut invocation.argv);
    let mut words = arguments.iter().skip(1).cloned().peekable();
    let mut shell = Shell::new(invocation, arguments.first().cloned().unwrap_or_else(|| "sh".to_owned()));
    let mut command = false;
    let mut from_input = false;
    while let Some(word) = words.peek().cloned() {
        let Some(flags) = word.strip_prefix(['-', '+']).filter(|flags| !flags.is_empty()) else { break };
        words.next();
        if word == "--" {
            break;
        }
        let on = word.starts_with('-');
        for flag in flags.chars() {
            match flag {
                'c' => command = true,
                's' => from_input = true,
                // A login or interactive shell differs only at a terminal.
                'l' | 'i' | 'm' => {}
                'o' => {
                    let option = words.next().unwrap_or_default();
                    if !shell.set_named_option(&option, on) {
                        shell.complain(&format!("illegal option {}o {option}", if on { '-' } else { '+' })).await;
                        return 2;
                    }
                }
                _ if shell.set_option(flag, on) => {}
                _ => {
                    shell.complain(&format!("illegal option -{flag}")).await;
                    return 2;
                }
            }
        }
    }
    let text = if command {
        let Some(text) = words.next() else {
            shell.complain("-c requires an argument").await;
            return 2;
        };
        shell.options.from_string = true;
        if let Some(name) = words.next() {
            shell.name = name;
        }
        text
    } else if let Some(file) = words.next().filter(|_| !from_input) {
        match shell.load_script(&file) {
            Ok(text) => {
                shell.name = file;
                shell.from_file = true;
                text
            }
            Err(error) => {
                shell.complain(&format!("can't open '{file}': {error}")).await;
                return 2;
            }
        }
    } else if shell.is_interactive() || shell.is_fed() {
        shell.positional = words.collect();
        let flow = shell.converse().await;
        return shell.leave(flow).await;
    } else {
        shell.read_everything().await
    };
    shell.positional = words.collect();
    let script = parse::script(&text);
    let flow = shell.run_script(&script, true).await;
    shell.leave(flow).await
}

impl Shell {
    fn new(invocation: Invocation, name: String) -> Self {
        let mut variables = Variables::from_environment(invocation.environment);
        variables.set_default("IFS", " \t\n");
        variables.set_default("PATH", super::command::DEFAULT_PATH);
        variables.set_default("PS4", "+ ");
        variables.set_default("OPTIND", "1");
        variables.set("PWD", invocation.directory.as_str().into());
        variables.set("PPID", invocation.process.parent.to_string().as_str().into());
        Self {
            main_pid: invocation.process.pid,
            process: invocation.process,
            descriptors: invocation.descriptors,
            directory: invocation.directory,
            variables,
            positional: Vec::new(),
            name,
            from_file: false,
            functions: BTreeMap::new(),
            options: Options::default(),
            status: 0,
            last_background: None,
            jobs: Vec::new(),
            traps: BTreeMap::new(),
            in_trap: false,
            loops: 0,
            calls: 0,
            depth: 0,
            conditions: 0,
            position: Position::default(),
        }
    }

    /// The same shell in a process of its own, as after `fork`.
    fn fork(&self, process: Arc<Process>) -> Self {
        Self {
            process,
            descriptors: self.descriptors.clone(),
            directory: self.directory.clone(),
            variables: self.variables.clone(),
            positional: self.positional.clone(),
            name: self.name.clone(),
            from_file: self.from_file,
            functions: self.functions.clone(),
            options: self.options,
            status: self.status,
            main_pid: self.main_pid,
            last_background: self.last_background,
            jobs: Vec::new(),
            traps: self.traps.iter().filter(|(_, action)| action.is_empty()).map(|(k, v)| (*k, v.clone())).collect(),
            in_trap: false,
            loops: self.loops,
            calls: self.calls,
            depth: self.depth,
            conditions: self.conditions,
            position: self.position,
        }
    }

    /// Runs what parsed; then reports the syntax error, if there is one.
    async fn run_script(&mut self, script: &parse::Script, tail: bool) -> Flow {
        let status = self.run_list(&script.list, tail && script.error.is_none()).await?;
        match &script.error {
            Some(error) => {
                self.complain(&format!("syntax error: {error}")).await;
                Err(Unwind::Exit(2))
            }
            None => Ok(status),
        }
    }

    /// The end of the shell: its EXIT trap, then its code.
    async fn leave(&mut self, flow: Flow) -> i32 {
        let mut code = match flow {
            Ok(status) => status,
            Err(Unwind::Replaced(code)) => return code,
            Err(Unwind::Exit(code) | Unwind::Return(code)) => code,
            Err(Unwind::Break(_) | Unwind::Continue(_)) => self.status,
        };
        if let Some(action) = self.traps.remove(&0).filter(|action| !action.is_empty()) {
            self.status = code;
            if let Err(Unwind::Exit(other) | Unwind::Replaced(other)) = self.evaluate(&action).await {
                code = other;
            }
        }
        code & 0xff
    }

    /// Parses and runs text in this shell (`eval`, traps).
    fn evaluate<'a>(&'a mut self, text: &'a str) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            let script = parse::script(text);
            self.run_script(&script, false).await
        })
    }

    fn load_script(&self, file: &str) -> Result<String, super::errno::Errno> {
        let path = self.absolute(file);
        if path == "/dev/null" {
            return Ok(String::new());
        }
        let bytes = self.process.machine.spec.filesystem.load(&path)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn read_everything(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(input) = self.descriptors.get(0) {
            while let Ok(data) = input.read(65_536).await {
                if data.is_empty() || bytes.len() > 1024 * 1024 {
                    break;
                }
                bytes.extend(data.into_bytes());
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.directory) }
    }

    async fn write_error(&self, text: String) {
        if let Ok(descriptor) = self.descriptors.get(2) {
            // A closed standard error swallows messages, as it does in a real process.
            let _ = descriptor.write(Data::Bytes(text.into_bytes())).await;
        }
    }

    /// A message of the shell itself.
    async fn complain(&self, message: &str) {
        let line = if self.from_file { format!("line {}: ", self.position.line) } else { String::new() };
        self.write_error(format!("{}: {line}{message}\n", self.name)).await;
    }

    /// A message of one of the shell's own commands. `sh -c` counts lines from 0, as busybox does.
    async fn complain_as(&self, command: &str, message: &str) {
        let line = if self.from_file { self.position.line } else { self.position.line.saturating_sub(1) };
        self.write_error(format!("{}: {command}: line {line}: {message}\n", self.name)).await;
    }

    /// Reports that the simulation cannot run something, to the harness and on standard error.
    async fn unsupported(&self, construct: &str) {
        let position = (self.position.line > 0).then(|| self.position.to_string());
        let help =
            "use commands and shell constructs that the embedded cluster simulates, or run this scenario on a real cluster";
        self.process.machine.limit(construct, position, help);
        self.write_error(format!("{}: {construct}: not simulated\n", self.name)).await;
    }

    /// Counts the memory of the variables.
    async fn settle(&mut self) {
        if let Some(bytes) = self.variables.take_growth() {
            self.process.hold(bytes).await;
        }
    }
}
