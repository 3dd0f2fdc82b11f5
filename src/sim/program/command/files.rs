//! Programs that change files: `touch`, `mkdir`, `rm`, `mv`, `cp`, `ln`, `chmod`, `mktemp`.
//! The rules of the tree are `filesystem`.

use super::Invocation;
use super::stream::is_directory;
use crate::sim::program::errno::Errno;
use crate::sim::program::filesystem::{FileSystem, Kind};

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    let flags = match call.argv[0].as_str() {
        "touch" => ("cam", "dtr"),
        "mkdir" => ("p", "m"),
        "rm" => ("rRfi", ""),
        "rmdir" => ("p", ""),
        "mv" => ("fin", ""),
        "cp" => ("rRafpdLT", ""),
        "ln" => ("sfnT", ""),
        "chmod" | "chown" | "chgrp" => ("Rv", ""),
        "mktemp" => ("dqtu", "p"),
        "unlink" => ("", ""),
        other => return call.unsupported(other).await,
    };
    // A mode such as `-x` is an operand of chmod.
    let parsed = if call.argv[0] == "chmod" {
        let (flags, operands): (Vec<String>, Vec<String>) =
            call.arguments().iter().cloned().partition(|word| word == "-R" || word == "-v");
        Ok((flags.into_iter().map(|flag| (flag.chars().nth(1).unwrap_or('R'), String::new())).collect(), operands))
    } else {
        call.options(flags.0, flags.1)
    };
    let (options, operands) = match parsed {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |letters: &str| options.iter().any(|(letter, _)| letters.contains(*letter));
    let value = |wanted: char| options.iter().find(|(letter, _)| *letter == wanted).map(|(_, value)| value.clone());
    if call.argv[0] == "mktemp" {
        return mktemp(call, has("d"), value('p'), &operands).await;
    }
    let needed = if matches!(call.argv[0].as_str(), "mv" | "cp" | "chmod" | "chown" | "chgrp") { 2 } else { 1 };
    if operands.len() < needed {
        if call.argv[0] == "rm" && has("f") {
            return 0;
        }
        call.error("missing operand").await;
        return 1;
    }
    match call.argv[0].as_str() {
        "touch" => {
            each(call, &operands, |files, path| touch(files, path, has("c")), |name, error| format!("{name}: {error}")).await
        }
        "mkdir" => {
            let parents = has("p");
            let make = |files: &FileSystem, path: &str| mkdir(files, path, parents);
            each(call, &operands, make, |name, error| format!("can't create directory '{name}': {error}")).await
        }
        "rm" => rm(call, &operands, has("rR"), has("f")).await,
        "unlink" => {
            each(call, &operands, FileSystem::remove_file, |name, error| format!("can't remove file '{name}': {error}")).await
        }
        "rmdir" => each(call, &operands, FileSystem::remove_directory, |name, error| format!("'{name}': {error}")).await,
        "mv" | "cp" => transfer(call, operands, has("rRa")).await,
        "ln" => ln(call, operands, has("s"), has("f")).await,
        "chmod" => {
            let executable = gives_execution(&operands[0]);
            let change = |files: &FileSystem, path: &str| match executable {
                Some(on) => files.set_executable(path, on),
                None => files.metadata(path).map(|_| ()),
            };
            each(call, &operands[1..], change, |name, error| format!("{name}: {error}")).await
        }
        // Everything runs as root: owners change nothing.
        _ => {
            let exists = |files: &FileSystem, path: &str| files.metadata(path).map(|_| ());
            each(call, &operands[1..], exists, |name, error| format!("{name}: {error}")).await
        }
    }
}

async fn each(
    call: &Invocation,
    names: &[String],
    action: impl Fn(&FileSystem, &str) -> Result<(), Errno>,
    message: impl Fn(&str, Errno) -> String,
) -> i32 {
    let mut status = 0;
    for name in names {
        if let Err(error) = action(&call.process.machine.spec.filesystem, &call.path(name)) {
            call.error(&message(name, error)).await;
            status = 1;
        }
    }
    status
}

fn touch(files: &FileSystem, path: &str, only_existing: bool) -> Result<(), Errno> {
    match files.metadata(path) {
        Ok(metadata) if metadata.kind != Kind::File => Ok(()),
        Err(_) if only_existing => Ok(()),
        _ => files.create(path, false),
    }
}

fn mkdir(files: &FileSystem, path: &str, parents: bool) -> Result<(), Errno> {
    if !parents {
        return files.make_directory(path);
    }
    let path = crate::sim::program::filesystem::normalize(path);
    for end in path.char_indices().filter(|(index, c)| *c == '/' && *index > 0).map(|(index, _)| index).chain([path.len()]) {
        match files.metadata(&path[..end]) {
            Ok(metadata) if metadata.kind == Kind::Directory => {}
            Ok(_) => return Err(Errno::Exists),
            Err(_) => files.make_directory(&path[..end])?,
        }
    }
    Ok(())
}

fn remove_tree(files: &FileSystem, path: &str) -> Result<(), Errno> {
    if files.link_metadata(path)?.kind != Kind::Directory {
        return files.remove_file(path);
    }
    for name in files.list(path)? {
        remove_tree(files, &format!("{path}/{name}"))?;
    }
    files.remove_directory(path)
}

async fn rm(call: &Invocation, names: &[String], recursive: bool, force: bool) -> i32 {
    let mut status = 0;
    for name in names {
        let path = call.path(name);
        let files = &call.process.machine.spec.filesystem;
        let result = if recursive { remove_tree(files, &path) } else { files.remove_file(&path) };
        let message = match result {
            Ok(()) => continue,
            Err(Errno::NotFound) if force => continue,
            Err(Errno::IsDirectory) => format!("'{name}' is a directory"),
            Err(error) => format!("can't remove '{name}': {error}"),
        };
        call.error(&message).await;
        status = 1;
    }
    status
}

fn copy(files: &FileSystem, from: &str, to: &str) -> Result<(), Errno> {
    let metadata = files.metadata(from)?;
    if metadata.kind == Kind::Directory {
        if files.metadata(to).is_err() {
            files.make_directory(to)?;
        }
        for name in files.list(from)? {
            copy(files, &format!("{from}/{name}"), &format!("{to}/{name}"))?;
        }
        return Ok(());
    }
    files.store(to, files.content(from)?)?;
    files.set_executable(to, metadata.executable)
}

async fn transfer(call: &Invocation, mut names: Vec<String>, recursive: bool) -> i32 {
    let target = names.pop().unwrap_or_default();
    let into = is_directory(call, &target);
    if names.len() > 1 && !into {
        call.error(&format!("target '{target}' is not a directory")).await;
        return 1;
    }
    let moves = call.argv[0] == "mv";
    let files = &call.process.machine.spec.filesystem;
    let mut status = 0;
    for name in &names {
        let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
        let to = call.path(&if into { format!("{target}/{base}") } else { target.clone() });
        let from = call.path(name);
        let message = match files.metadata(&from) {
            Err(error) if moves => Some(format!("can't rename '{name}': {error}")),
            Err(error) => Some(format!("can't stat '{name}': {error}")),
            Ok(metadata) if !moves && metadata.kind == Kind::Directory && !recursive => {
                Some(format!("omitting directory '{name}'"))
            }
            Ok(_) if moves => files.rename(&from, &to).err().map(|error| format!("can't rename '{name}': {error}")),
            Ok(_) => copy(files, &from, &to).err().map(|error| format!("can't create '{target}': {error}")),
        };
        if let Some(message) = message {
            call.error(&message).await;
            status = 1;
        }
    }
    status
}

async fn ln(call: &Invocation, mut names: Vec<String>, symbolic: bool, force: bool) -> i32 {
    if !symbolic {
        return call.unsupported("ln without -s (hard links)").await;
    }
    let link = if names.len() > 1 { names.pop().unwrap_or_default() } else { ".".to_owned() };
    let into = is_directory(call, &link);
    let files = &call.process.machine.spec.filesystem;
    let mut status = 0;
    for name in &names {
        let base = name.rsplit('/').next().unwrap_or(name);
        let path = call.path(&if into { format!("{link}/{base}") } else { link.clone() });
        if force {
            // What is not there need not be removed.
            let _ = files.remove_file(&path);
        }
        if let Err(error) = files.make_link(&path, name) {
            call.error(&format!("{path}: {error}")).await;
            status = 1;
        }
    }
    status
}

/// Whether a mode sets (or clears) the right to execute; `None` if it leaves it.
fn gives_execution(mode: &str) -> Option<bool> {
    if let Ok(bits) = u32::from_str_radix(mode, 8) {
        return Some(bits & 0o111 != 0);
    }
    let mut result = None;
    for clause in mode.split(',') {
        let Some(at) = clause.find(['+', '-', '=']) else { continue };
        let executes = clause[at + 1..].contains(['x', 'X']);
        match clause.as_bytes()[at] {
            b'+' if executes => result = Some(true),
            b'-' if executes => result = Some(false),
            b'=' => result = Some(executes),
            _ => {}
        }
    }
    result
}

async fn mktemp(call: &Invocation, directory: bool, base: Option<String>, operands: &[String]) -> i32 {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    /// So many letters are drawn, at least.
    const LEAST: usize = 6;
    let template = match (operands.first(), base) {
        (Some(template), None) => template.clone(),
        (Some(template), Some(base)) => format!("{base}/{template}"),
        (None, base) => format!("{}/tmp.{}", base.unwrap_or_else(|| "/tmp".to_owned()), "X".repeat(LEAST)),
    };
    let stem = template.trim_end_matches('X');
    let count = template.len() - stem.len();
    if count < LEAST {
        call.error(&format!("{template}: Invalid argument")).await;
        return 1;
    }
    let mut bits = call.process.machine.draw();
    let suffix: String = (0..count)
        .map(|_| {
            let letter = LETTERS[usize::try_from(bits % 62).unwrap_or(0)];
            bits = bits / 62 + bits.rotate_left(17);
            char::from(letter)
        })
        .collect();
    let name = format!("{stem}{suffix}");
    let files = &call.process.machine.spec.filesystem;
    let result = if directory { files.make_directory(&call.path(&name)) } else { files.create(&call.path(&name), false) };
    match result {
        Ok(()) => call.print(format!("{name}\n")).await,
        Err(error) => {
            call.error(&format!("{template}: {error}")).await;
            1
        }
    }
}
