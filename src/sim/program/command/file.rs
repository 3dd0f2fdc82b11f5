//! Programs about names of files: `basename`, `dirname`, `readlink`, `which`.
//! Those that change files are `files`.

use super::Invocation;
use crate::sim::program::filesystem::{Kind, normalize};

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    let arguments = call.arguments();
    match call.argv[0].as_str() {
        "pwd" => call.print(format!("{}\n", call.directory)).await,
        "which" => {
            let mut status = i32::from(arguments.is_empty());
            let search = call.environment.get("PATH").map_or(super::DEFAULT_PATH, String::as_str);
            for name in arguments {
                match super::find(&call.process.machine, name, search, &call.directory) {
                    Some(path) => {
                        call.print(format!("{path}\n")).await;
                    }
                    None => status = 1,
                }
            }
            status
        }
        "basename" => {
            let Some(path) = arguments.first() else { return usage(call).await };
            let trimmed = path.trim_end_matches('/');
            let name = if trimmed.is_empty() && !path.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) };
            let suffix = arguments.get(1).map_or("", String::as_str);
            let name = name.strip_suffix(suffix).filter(|rest| !rest.is_empty()).unwrap_or(name);
            call.print(format!("{name}\n")).await
        }
        "dirname" => {
            let Some(path) = arguments.first() else { return usage(call).await };
            let trimmed = path.trim_end_matches('/');
            let above = match trimmed.rfind('/') {
                None if trimmed.is_empty() && !path.is_empty() => "/",
                None => ".",
                Some(at) => match trimmed[..at].trim_end_matches('/') {
                    "" => "/",
                    above => above,
                },
            };
            call.print(format!("{above}\n")).await
        }
        name => {
            let full = name == "realpath" || arguments.iter().any(|argument| argument == "-f");
            let Some(path) = arguments.iter().find(|argument| !argument.starts_with('-')) else { return usage(call).await };
            let filesystem = &call.process.machine.spec.filesystem;
            let absolute = normalize(&call.path(path));
            if full {
                let resolved = filesystem.resolve(&absolute);
                if filesystem.metadata(crate::sim::program::filesystem::parent(&resolved)).is_err() {
                    if name == "realpath" {
                        call.error(&format!("{path}: No such file or directory")).await;
                    }
                    return 1;
                }
                return call.print(format!("{resolved}\n")).await;
            }
            match filesystem.link_metadata(&absolute).map(|metadata| metadata.kind) {
                Ok(Kind::Link(target)) => call.print(format!("{target}\n")).await,
                _ => 1,
            }
        }
    }
}

async fn usage(call: &Invocation) -> i32 {
    call.error("missing operand").await;
    1
}
