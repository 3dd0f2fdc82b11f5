//! The commands that the shell runs itself.
//! Those that need nothing of the shell's state (`echo`, `test`, `printf`) are `command`'s.

mod read;

use super::settings::assignable;
use super::variables::is_name;
use super::{Flow, Shell, Unwind, parse};
use crate::sim::program::command::{self, Invocation};
use crate::sim::program::data::{Data, Text};
use crate::sim::program::errno::Errno;
use crate::sim::program::filesystem::Kind;
use std::collections::BTreeMap;

const BUILTINS: [&str; 41] = [
    ".", ":", "[", "alias", "bg", "break", "cd", "command", "continue", "echo", "eval", "exec", "exit", "export", "false", "fg",
    "getopts", "hash", "jobs", "kill", "let", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "source",
    "test", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset", "wait", "chdir",
];
const KEYWORDS: [&str; 16] =
    ["if", "then", "else", "elif", "fi", "for", "in", "while", "until", "do", "done", "case", "esac", "{", "}", "!"];

/// Whether the shell runs this command itself.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name)
}

impl Shell {
    pub(super) async fn run_builtin(&mut self, argv: &[String]) -> Flow {
        let arguments = &argv[1..];
        let name = argv[0].as_str();
        match name {
            ":" | "true" | "hash" => Ok(0),
            "false" => Ok(1),
            "exit" | "return" | "break" | "continue" | "shift" => self.run_control(name, arguments).await,
            "export" | "readonly" | "local" | "unset" => self.run_declaration(name, arguments).await,
            "set" => self.set(arguments).await,
            "trap" => self.trap(arguments).await,
            "wait" => Ok(self.wait_for(arguments).await),
            "eval" => {
                let text = arguments.join(" ");
                self.evaluate(&text).await
            }
            "." | "source" => self.source(arguments).await,
            "cd" | "chdir" => self.change_directory(arguments).await,
            "pwd" => {
                let text = format!("{}\n", self.directory);
                self.write_output(text).await
            }
            "read" => self.read(arguments).await,
            "getopts" => self.getopts(arguments).await,
            "let" => self.evaluate_let(arguments).await,
            "type" => self.describe_commands(arguments, true).await,
            "command" => match arguments.first().map(String::as_str) {
                Some("-v") => self.describe_commands(&arguments[1..], false).await,
                Some("-V") => self.describe_commands(&arguments[1..], true).await,
                None => Ok(0),
                Some(_) => {
                    let rest = if arguments[0] == "-p" || arguments[0] == "--" { &arguments[1..] } else { arguments };
                    Box::pin(self.run_without_functions(rest.to_vec())).await
                }
            },
            "jobs" => {
                let lines: String = self.living_jobs().iter().map(|(number, _)| format!("[{number}]+  Running\n")).collect();
                self.write_output(lines).await
            }
            "umask" if arguments.is_empty() => self.write_output("0022\n".to_owned()).await,
            "umask" => Ok(0),
            "ulimit" if arguments.first().is_none_or(|flag| flag != "-v" && flag != "-d") => {
                if arguments.len() > 1 {
                    // Raising or lowering a limit that nothing here reaches.
                    return Ok(0);
                }
                self.write_output("unlimited\n".to_owned()).await
            }
            "times" => self.write_output("0m0.00s 0m0.00s\n0m0.00s 0m0.00s\n".to_owned()).await,
            "kill" => {
                let arguments = self.resolve_jobs(arguments);
                self.run_in_process("kill", arguments).await
            }
            "alias" | "unalias" if arguments.is_empty() || name == "unalias" => Ok(0),
            "alias" | "bg" | "fg" | "ulimit" => {
                self.unsupported(name).await;
                Ok(1)
            }
            _ => self.run_in_process(name, arguments.to_vec()).await,
        }
    }

    async fn run_without_functions(&mut self, argv: Vec<String>) -> Flow {
        let Some(name) = argv.first() else { return Ok(0) };
        if is_builtin(name) && name != "exec" {
            return self.run_builtin(&argv).await;
        }
        let invocation = Invocation {
            applet: name.clone(),
            argv,
            environment: self.variables.environment(),
            directory: self.directory.clone(),
            descriptors: self.descriptors.clone(),
            process: self.process.clone(),
            position: Some(self.position.to_string()),
        };
        self.run_program(invocation, false).await
    }

    /// `echo` and its like: the command's code in the shell's own process.
    async fn run_in_process(&mut self, name: &str, arguments: Vec<String>) -> Flow {
        let argv = std::iter::once(name.to_owned()).chain(arguments).collect();
        let invocation = Invocation {
            applet: self.name.clone(),
            argv,
            environment: BTreeMap::new(),
            directory: self.directory.clone(),
            descriptors: self.descriptors.clone(),
            process: self.process.clone(),
            position: Some(self.position.to_string()),
        };
        Ok(command::run_simple(invocation).await)
    }

    fn resolve_jobs(&self, arguments: &[String]) -> Vec<String> {
        let job = |argument: &String| {
            let number = argument.strip_prefix('%')?.parse().ok()?;
            self.job_pid(number).map(|pid| pid.to_string())
        };
        arguments.iter().map(|argument| job(argument).unwrap_or_else(|| argument.clone())).collect()
    }

    /// Writes to standard output; the status is 1 if that fails.
    pub(super) async fn write_output(&mut self, text: String) -> Flow {
        if text.is_empty() {
            return Ok(0);
        }
        match self.descriptors.get(1) {
            Ok(descriptor) => match descriptor.write(Data::Bytes(text.into_bytes())).await {
                Ok(()) => Ok(0),
                Err(Errno::BrokenPipe) => {
                    self.process.broken_pipe().await;
                    Ok(1)
                }
                Err(error) => {
                    self.complain(&format!("write error: {error}")).await;
                    Ok(1)
                }
            },
            Err(error) => {
                self.complain(&format!("write error: {error}")).await;
                Ok(1)
            }
        }
    }

    async fn run_control(&mut self, name: &str, arguments: &[String]) -> Flow {
        let number = match arguments.first() {
            None => None,
            Some(text) => match text.parse::<i32>() {
                Ok(number) if number >= 0 => Some(number),
                _ => {
                    self.complain_as(name, &format!("Illegal number: {text}")).await;
                    return Err(Unwind::Exit(2));
                }
            },
        };
        let levels = usize::try_from(number.unwrap_or(1)).unwrap_or(1);
        match name {
            "exit" => Err(Unwind::Exit(number.unwrap_or(self.status))),
            "return" => Err(Unwind::Return(number.unwrap_or(self.status))),
            "shift" => {
                if levels > self.positional.len() {
                    return Ok(1);
                }
                self.positional.drain(..levels);
                Ok(0)
            }
            _ if levels == 0 => {
                self.complain_as(name, "Illegal number: 0").await;
                Err(Unwind::Exit(2))
            }
            _ if self.loops == 0 => Ok(0),
            "break" => Err(Unwind::Break(levels.min(self.loops))),
            _ => Err(Unwind::Continue(levels.min(self.loops))),
        }
    }

    async fn run_declaration(&mut self, name: &str, arguments: &[String]) -> Flow {
        let flag = arguments.first().filter(|argument| argument.starts_with('-') && argument.len() > 1).cloned();
        let names = &arguments[usize::from(flag.is_some())..];
        let flag = flag.unwrap_or_default();
        if names.is_empty() && name != "unset" && name != "local" {
            let lines: String = self
                .variables
                .iter()
                .filter(|(.., exported, read_only)| if name == "export" { *exported } else { *read_only })
                .map(|(variable, value, ..)| format!("{name} {variable}={}\n", assignable(&value.to_plain())))
                .collect();
            return self.write_output(lines).await;
        }
        if name == "local" && self.calls == 0 {
            self.complain_as("local", "not in a function").await;
            return Err(Unwind::Exit(2));
        }
        for argument in names {
            if name == "unset" {
                if flag == "-f" {
                    self.functions.remove(argument);
                } else if !self.variables.unset(argument) {
                    self.complain_as("unset", &format!("{argument}: is read only")).await;
                    return Err(Unwind::Exit(2));
                }
                continue;
            }
            let (variable, value) = match argument.split_once('=') {
                Some((variable, value)) => (variable, Some(value)),
                None => (argument.as_str(), None),
            };
            if !is_name(variable) {
                self.complain_as(name, &format!("{argument}: bad variable name")).await;
                return Err(Unwind::Exit(2));
            }
            if name == "local" {
                self.variables.localize(variable);
            }
            if let Some(value) = value {
                self.assign(variable, Text::from(value)).await?;
            }
            match name {
                "export" => self.variables.export(variable, flag != "-n"),
                "readonly" => self.variables.protect(variable),
                _ => {}
            }
        }
        Ok(0)
    }

    async fn source(&mut self, arguments: &[String]) -> Flow {
        let Some(file) = arguments.first() else {
            self.complain_as(".", "filename argument required").await;
            return Err(Unwind::Exit(2));
        };
        let path = self.variables.plain("PATH");
        let candidates: Vec<String> = if file.contains('/') {
            vec![self.absolute(file)]
        } else {
            path.split(':').map(|directory| format!("{directory}/{file}")).chain([self.absolute(file)]).collect()
        };
        let text = candidates.iter().find_map(|path| self.load_script(path).ok());
        let Some(text) = text else {
            let error = self.load_script(file).err().unwrap_or(Errno::NotFound);
            let problem =
                if error == Errno::NotFound && !file.contains('/') { "not found".to_owned() } else { error.to_string() };
            let message =
                if file.contains('/') { format!("can't open '{file}': {problem}") } else { format!("{file}: {problem}") };
            self.complain_as(".", &message).await;
            return Err(Unwind::Exit(2));
        };
        let saved = (arguments.len() > 1).then(|| std::mem::replace(&mut self.positional, arguments[1..].to_vec()));
        let script = parse::script(&text);
        let flow = Box::pin(self.run_script(&script, false)).await;
        if let Some(saved) = saved {
            self.positional = saved;
        }
        match flow {
            Err(Unwind::Return(status)) => Ok(status),
            other => other,
        }
    }

    async fn change_directory(&mut self, arguments: &[String]) -> Flow {
        let target = match arguments.iter().find(|argument| *argument == "-" || !argument.starts_with('-')).map(String::as_str) {
            Some("-") => self.variables.plain("OLDPWD"),
            Some(target) => target.to_owned(),
            None => self.variables.plain("HOME"),
        };
        let path = crate::sim::program::filesystem::normalize(&self.absolute(&target));
        let problem = match self.process.machine.spec.filesystem.metadata(&path) {
            Ok(metadata) if metadata.kind == Kind::Directory => None,
            Ok(_) => Some(Errno::NotDirectory),
            Err(error) => Some(error),
        };
        if let Some(error) = problem {
            self.complain_as("cd", &format!("can't cd to {target}: {error}")).await;
            return Ok(2);
        }
        let old = std::mem::replace(&mut self.directory, path);
        self.variables.set("OLDPWD", old.into());
        self.variables.set("PWD", self.directory.as_str().into());
        if arguments.first().is_some_and(|argument| argument == "-") {
            let text = format!("{}\n", self.directory);
            return self.write_output(text).await;
        }
        Ok(0)
    }

    async fn describe_commands(&mut self, names: &[String], long: bool) -> Flow {
        let mut status = 0;
        for name in names {
            let search = self.variables.plain("PATH");
            let text = if KEYWORDS.contains(&name.as_str()) {
                if long { format!("{name} is a shell keyword\n") } else { format!("{name}\n") }
            } else if self.functions.contains_key(name) {
                if long { format!("{name} is a function\n") } else { format!("{name}\n") }
            } else if is_builtin(name) {
                if long { format!("{name} is a shell builtin\n") } else { format!("{name}\n") }
            } else if let Some(path) = command::find(&self.process.machine, name, &search, &self.directory) {
                if long { format!("{name} is {path}\n") } else { format!("{path}\n") }
            } else {
                status = 127;
                if long { format!("{name}: not found\n") } else { String::new() }
            };
            self.write_output(text).await?;
        }
        Ok(status)
    }
}
