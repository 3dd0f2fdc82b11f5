//! `comeback cluster images`: the images whose programs the embedded cluster knows.
//! What they do is modelled in `sim::program`.

use crate::cli::console::Console;
use crate::exit_code::ExitCode;
use crate::sim::program::model::{MODELS, Model};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// `comeback cluster images`
#[derive(Debug, Args)]
pub struct Images {
    /// As text, or as JSON
    #[arg(long, env = "COMEBACK_FORMAT", value_enum, default_value = "text")]
    pub format: Format,
}

/// How the list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One object, for programs.
    Json,
}

const BUSYBOX: &str = "busybox: the shell and about 140 of its programs; any image whose command is one of them.";

fn as_json(model: &Model) -> Value {
    let options: serde_json::Map<String, Value> =
        model.options.iter().map(|(name, meaning)| ((*name).to_owned(), Value::from(*meaning))).collect();
    let command = [model.entrypoint, model.arguments].concat();
    json!({
        "name": model.name,
        "images": model.images,
        "summary": model.summary,
        "ports": model.ports,
        "command": command,
        "options": options,
    })
}

fn as_text(model: &Model) -> String {
    let ports: Vec<String> = model.ports.iter().map(u16::to_string).collect();
    let mut text = format!("{}\n  {}\n  images: {}\n", model.name, model.summary, model.images.join(", "));
    if !ports.is_empty() {
        text.push_str(&format!("  listens on: {}\n", ports.join(", ")));
    }
    for (name, meaning) in model.options {
        text.push_str(&format!("  {name}: {meaning}\n"));
    }
    text
}

/// Prints the list.
#[must_use]
pub fn run(arguments: &Images, console: Console) -> ExitCode {
    let text = match arguments.format {
        Format::Json => {
            let list = json!({"images": MODELS.iter().map(as_json).collect::<Vec<_>>()});
            format!("{list:#}\n")
        }
        Format::Text => {
            let models: Vec<String> = MODELS.iter().map(as_text).collect();
            let use_them = "A scenario chooses one for an image of its own:\n\n  workload:\n    images:\n      \"shop/api:*\": { model: java, options: { growth: 4Mi } }\n";
            format!("{BUSYBOX}\n\n{}\n{use_them}", models.join("\n"))
        }
    };
    match console.print(text.as_bytes()) {
        Ok(()) => ExitCode::Passed,
        Err(message) => {
            console.error(&message);
            ExitCode::Environment
        }
    }
}
