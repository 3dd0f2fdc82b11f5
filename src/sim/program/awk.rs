//! `awk`: reading the program and its arguments. The language is in the files below.
//! Input splitting and output belong to `run`.

mod call;
mod evaluate;
mod lexer;
mod output;
mod parser;
mod run;
mod statement;
mod syntax;
mod value;

use super::command::Invocation;

/// Runs `awk`.
pub async fn run(call: Invocation) -> i32 {
    let mut separator = None;
    let mut assignments = Vec::new();
    let mut text = None;
    let mut words = call.arguments().iter();
    let mut operands = Vec::new();
    while let Some(word) = words.next() {
        let mut value = |attached: &str| if attached.is_empty() { words.next().cloned() } else { Some(attached.to_owned()) };
        if word == "--" {
            operands.extend(words.by_ref().cloned());
        } else if let Some(attached) = word.strip_prefix("-F") {
            separator = value(attached);
        } else if let Some(attached) = word.strip_prefix("-v") {
            assignments.extend(value(attached));
        } else if let Some(attached) = word.strip_prefix("-f") {
            let file = value(attached).unwrap_or_default();
            match call.process.machine.spec.filesystem.load(&call.path(&file)) {
                Ok(bytes) => text = Some(String::from_utf8_lossy(&bytes).into_owned()),
                Err(error) => {
                    call.error(&format!("can't open '{file}': {error}")).await;
                    return 1;
                }
            }
        } else if word.len() > 1 && word.starts_with('-') {
            return call.bad_option(word).await;
        } else {
            operands.push(word.clone());
            operands.extend(words.by_ref().cloned());
        }
    }
    let text = match text {
        Some(text) => text,
        None if operands.is_empty() => {
            call.error("usage: awk [-v VAR=VALUE] [-F SEPARATOR] PROGRAM [FILE]...").await;
            return 1;
        }
        None => operands.remove(0),
    };
    match parser::parse(&text) {
        Ok(program) => run::Interpreter::new(call, program, separator, &assignments).run(operands).await,
        Err(parser::Problem::Syntax(message)) => {
            call.error(&format!("cmd. line:1: {message}")).await;
            1
        }
        Err(parser::Problem::NotSimulated(construct)) => {
            call.unsupported(&format!("awk {construct}")).await;
            2
        }
    }
}
