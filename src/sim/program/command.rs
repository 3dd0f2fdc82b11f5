//! The programs of a container: how a name becomes one, and what each gets to run with.
//! What they do lives in the files below.

mod applets;
mod archive;
mod arrange;
mod compare;
mod digest;
mod disk;
mod encode;
mod expression;
mod file;
mod files;
mod find;
pub mod format;
pub(in crate::sim::program) mod lines;
mod listing;
pub(in crate::sim::program) mod process_control;
mod sed;
mod session;
mod sockets;
mod stream;
mod system;
mod tail;
pub mod test;
mod text;

#[cfg(test)]
mod tests;

use super::data::Data;
use super::descriptor::{Descriptor, Descriptors, Mode};
use super::errno::Errno;
use super::filesystem::{Kind, normalize};
use super::machine::Machine;
use super::model;
use super::process::Process;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
pub use system::strftime;

/// The search path that containerd gives a container without one.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where the image has its programs.
const PROGRAM_DIRECTORIES: [&str; 6] = ["/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// What a program gets.
#[derive(Debug)]
pub struct Invocation {
    /// The name that its messages begin with.
    pub applet: String,
    /// Its command line.
    pub argv: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Its working directory.
    pub directory: String,
    /// Its open files.
    pub descriptors: Descriptors,
    /// Its process.
    pub process: Arc<Process>,
    /// Where in a script it was called.
    pub position: Option<String>,
}

/// What a command name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A simulated program.
    Applet(String),
    /// A program of the image's model.
    Model(&'static str),
    /// An executable file of the container.
    Script(String),
    /// Nothing.
    NotFound,
    /// A file that may not be executed.
    Denied,
    /// A program that the real image has, or may have, and that is not simulated.
    NotSimulated(String),
}

/// Whether the image is busybox itself, so that its list of programs is known.
#[must_use]
pub fn is_busybox(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split(['@', ':']).next().is_some_and(|name| name.contains("busybox"))
}

fn applet(machine: &Machine, name: &str) -> Option<Resolved> {
    if applets::SIMULATED.contains(&name) || name == "curl" && applets::has_curl(&machine.spec.image) {
        Some(Resolved::Applet(name.to_owned()))
    } else if applets::BUSYBOX.contains(&name) {
        Some(Resolved::NotSimulated(name.to_owned()))
    } else if is_busybox(&machine.spec.image) {
        None
    } else {
        Some(Resolved::NotSimulated(format!("{name} of image {}", machine.spec.image)))
    }
}

/// What a command name stands for, by this search path.
#[must_use]
pub fn resolve(machine: &Machine, name: &str, search: &str, directory: &str) -> Resolved {
    if name.is_empty() {
        return Resolved::NotFound;
    }
    if let Some(program) = model::program(machine, name) {
        return Resolved::Model(program);
    }
    if model::of(machine).is_some_and(|model| !model.shell) {
        return Resolved::NotFound;
    }
    let places: Vec<String> = if name.contains('/') {
        vec![if name.starts_with('/') { normalize(name) } else { normalize(&format!("{directory}/{name}")) }]
    } else {
        search.split(':').map(|place| normalize(&format!("{place}/{name}"))).collect()
    };
    let mut denied = false;
    let mut guess = None;
    for place in &places {
        match machine.spec.filesystem.metadata(place) {
            Ok(metadata) if metadata.kind == Kind::File && metadata.executable => return Resolved::Script(place.clone()),
            Ok(_) if machine.spec.filesystem.is_mounted(place) => {
                if name.contains('/') {
                    let help =
                        "mount it with the default mode and run it as `sh FILE`: the modes of mounted files are not simulated";
                    machine.limit(&format!("execution of the mounted file {place}"), None, help);
                }
                denied = true;
            }
            Ok(_) => denied = true,
            Err(_) => {
                let (above, base) = place.rsplit_once('/').unwrap_or_default();
                if PROGRAM_DIRECTORIES.contains(&above) {
                    match applet(machine, base) {
                        Some(Resolved::NotSimulated(what)) => guess = guess.or(Some(Resolved::NotSimulated(what))),
                        Some(found) => return found,
                        None => {}
                    }
                } else if name.contains('/') && !is_busybox(&machine.spec.image) && above != directory {
                    guess = Some(Resolved::NotSimulated(format!("{place} of image {}", machine.spec.image)));
                }
            }
        }
    }
    if denied && name.contains('/') {
        return Resolved::Denied;
    }
    guess.unwrap_or(if denied { Resolved::Denied } else { Resolved::NotFound })
}

/// The path of a command, as `which` prints it.
#[must_use]
pub fn find(machine: &Machine, name: &str, search: &str, directory: &str) -> Option<String> {
    match resolve(machine, name, search, directory) {
        Resolved::Applet(_) | Resolved::NotSimulated(_) if name.contains('/') => Some(name.to_owned()),
        Resolved::Applet(base) => Some(format!("/bin/{base}")),
        Resolved::NotSimulated(base) if applets::BUSYBOX.contains(&base.as_str()) => Some(format!("/bin/{base}")),
        Resolved::Model(base) => Some(format!("/usr/local/bin/{base}")),
        Resolved::Script(path) => Some(path),
        _ => None,
    }
}

/// Runs a program in the process of the invocation.
#[must_use]
pub fn run(resolved: Resolved, mut invocation: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        match resolved {
            Resolved::Applet(name) => {
                invocation.applet.clone_from(&name);
                match name.as_str() {
                    "sh" | "ash" | "bash" => super::shell::run(invocation).await,
                    "awk" => super::awk::run(invocation).await,
                    _ => {
                        let mut argv = std::mem::take(&mut invocation.argv);
                        argv[0] = name;
                        invocation.argv = argv;
                        run_simple(invocation).await
                    }
                }
            }
            Resolved::Model(name) => {
                name.clone_into(&mut invocation.applet);
                model::run(name, invocation).await
            }
            Resolved::Script(path) => run_script(path, invocation).await,
            Resolved::NotSimulated(what) => invocation.unsupported(&what).await,
            Resolved::NotFound => 127,
            Resolved::Denied => 126,
        }
    })
}

/// Starts whatever `argv[0]` names, for programs that run others (`env`, `timeout`); prints busybox's message if it cannot.
pub(super) fn run_other(invocation: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let search = invocation.environment.get("PATH").map_or(DEFAULT_PATH, String::as_str).to_owned();
        let resolved = resolve(&invocation.process.machine, &invocation.argv[0], &search, &invocation.directory);
        match resolved {
            Resolved::NotFound => {
                invocation.error(&format!("can't execute '{}': {}", invocation.argv[0], Errno::NotFound)).await;
                127
            }
            Resolved::Denied => {
                invocation.error(&format!("can't execute '{}': {}", invocation.argv[0], Errno::Denied)).await;
                126
            }
            other => run(other, invocation).await,
        }
    })
}

async fn run_script(path: String, mut invocation: Invocation) -> i32 {
    let content = invocation.process.machine.spec.filesystem.load(&path).unwrap_or_default();
    let text = String::from_utf8_lossy(&content).into_owned();
    let first = text.lines().next().unwrap_or_default();
    let mut words = first.strip_prefix("#!").unwrap_or("/bin/sh").split_whitespace().map(str::to_owned);
    let mut interpreter = words.next().unwrap_or_else(|| "/bin/sh".to_owned());
    if interpreter.ends_with("/env") {
        interpreter = words.next().unwrap_or(interpreter);
    }
    if text.contains('\u{0}') {
        return invocation.unsupported(&format!("the binary {path}")).await;
    }
    let resolved = resolve(&invocation.process.machine, &interpreter, DEFAULT_PATH, "/");
    if resolved == Resolved::NotFound || resolved == Resolved::Script(path.clone()) {
        invocation.error(&format!("{path}: not found")).await;
        return 127;
    }
    let arguments = invocation.argv.split_off(1);
    invocation.argv = std::iter::once(interpreter).chain(words).chain([path]).chain(arguments).collect();
    run(resolved, invocation).await
}

/// Runs one of the programs that need no more than an invocation, by `argv[0]`.
#[must_use]
pub fn run_simple(mut invocation: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let name = invocation.argv[0].clone();
        let mut call = &mut invocation;
        match name.as_str() {
            "busybox" => {
                if call.argv.len() < 2 {
                    return call.print("BusyBox v1.36.1 multi-call binary.\n").await;
                }
                call.argv.remove(0);
                if let Some(found) = applet(&call.process.machine, &call.argv[0]) {
                    run(found, invocation).await
                } else {
                    let name = invocation.argv[0].clone();
                    invocation.applet = name;
                    invocation.error("applet not found").await;
                    127
                }
            }
            "true" | "sync" => 0,
            "false" => 1,
            "env" | "timeout" | "xargs" | "nohup" | "setsid" | "nice" | "time" => process_control::run_wrapper(invocation).await,
            "echo" | "printf" => format::run(call).await,
            "test" | "[" | "[[" => test::run(call).await,
            "sleep" | "usleep" | "kill" | "killall" | "pidof" | "ps" => process_control::run(call).await,
            "cat" | "more" | "less" | "head" | "wc" | "tee" | "yes" => stream::run(call).await,
            "od" | "hexdump" | "base64" | "xxd" => encode::run(call).await,
            "md5sum" | "sha1sum" | "sha256sum" | "sha512sum" | "crc32" => digest::run(call).await,
            "diff" | "cmp" | "comm" => compare::run(call).await,
            "paste" | "split" | "shuf" | "fold" | "expand" | "strings" | "factor" | "ts" => arrange::run(call).await,
            "tar" => archive::tar(call).await,
            "gzip" | "gunzip" | "zcat" => archive::gzip(call).await,
            "watch" | "su" => session::run(invocation).await,
            "clear" | "reset" | "logger" | "nologin" => session::at_a_terminal(call).await,
            "tail" => tail::run(call).await,
            name if sockets::PROGRAMS.contains(&name) => sockets::run(invocation).await,
            "grep" | "egrep" | "fgrep" => text::grep(call).await,
            "cut" | "tr" | "sort" | "uniq" | "rev" | "tac" | "nl" => text::run(call).await,
            "sed" => sed::run(call).await,
            "expr" | "seq" => expression::run(call).await,
            "touch" | "mkdir" | "rm" | "rmdir" | "mv" | "cp" | "ln" | "chmod" | "chown" | "chgrp" | "mktemp" | "mkfifo"
            | "install" | "unlink" => files::run(call).await,
            "dd" | "df" | "truncate" | "fallocate" => disk::run(call).await,
            "ls" | "stat" | "du" => listing::run(call).await,
            "find" => find::run(call).await,
            "basename" | "dirname" | "readlink" | "realpath" | "which" | "pwd" => file::run(call).await,
            "date" | "hostname" | "id" | "whoami" | "uname" | "nproc" | "printenv" | "uptime" | "tty" | "arch" | "logname"
            | "groups" | "hostid" => system::run(call).await,
            other => {
                call = &mut invocation;
                call.unsupported(other).await
            }
        }
    })
}

impl Invocation {
    /// The arguments without the program's name.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        self.argv.get(1..).unwrap_or_default()
    }

    /// An absolute path.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.directory) }
    }

    /// Writes to standard output; the status of a program that does nothing else.
    pub async fn print(&self, text: impl Into<Vec<u8>>) -> i32 {
        self.write(Data::Bytes(text.into())).await
    }

    /// Writes to standard output: 0, or 1 with a message. A pipe without a reader ends the process.
    pub async fn write(&self, data: Data) -> i32 {
        if data.is_empty() {
            return 0;
        }
        let result = match self.descriptors.get(1) {
            Ok(descriptor) => descriptor.write(data).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => 0,
            Err(error) => {
                if error == Errno::BrokenPipe {
                    self.process.broken_pipe().await;
                }
                self.error(&format!("write error: {error}")).await;
                1
            }
        }
    }

    /// Writes a message to standard error, with the program's name.
    pub async fn error(&self, message: &str) {
        if let Ok(descriptor) = self.descriptors.get(2) {
            // A closed standard error swallows messages, as it does in a real process.
            let _ = descriptor.write(Data::Bytes(format!("{}: {message}\n", self.applet).into_bytes())).await;
        }
    }

    /// Reports that this cannot be simulated; the command fails.
    pub async fn unsupported(&self, construct: &str) -> i32 {
        let help = "use commands and options that the embedded cluster simulates, or run this scenario on a real cluster";
        self.process.machine.limit(construct, self.position.clone(), help);
        self.error(&format!("{construct}: not simulated")).await;
        127
    }

    /// Opens a file to read; `-` is standard input.
    pub fn open(&self, file: &str) -> Result<Descriptor, Errno> {
        if file == "-" {
            return self.descriptors.get(0);
        }
        self.descriptors.open(&self.process.machine, &self.path(file), Mode::Read)
    }

    /// Takes an option's flags apart: letters in `with_value` take a value. Stops at the first operand.
    pub fn options(&self, flags: &str, with_value: &str) -> Result<(Vec<(char, String)>, Vec<String>), String> {
        let (mut options, mut operands) = (Vec::new(), Vec::new());
        let mut words = self.arguments().iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                operands.push(word.clone());
                continue;
            };
            if word == "--" {
                operands.extend(words.by_ref().cloned());
                break;
            }
            let mut rest = letters.chars();
            while let Some(letter) = rest.next() {
                if with_value.contains(letter) {
                    let attached: String = rest.by_ref().collect();
                    let value = if attached.is_empty() { words.next().cloned() } else { Some(attached) };
                    options.push((letter, value.ok_or_else(|| format!("option requires an argument -- '{letter}'"))?));
                } else if flags.contains(letter) {
                    options.push((letter, String::new()));
                } else {
                    return Err(word.clone());
                }
            }
        }
        Ok((options, operands))
    }

    /// For an option that is not simulated (or does not exist): says so and fails.
    pub async fn bad_option(&self, option: &str) -> i32 {
        self.unsupported(&format!("{} {option}", self.argv[0])).await;
        1
    }
}
