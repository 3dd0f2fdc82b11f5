//! `trap`: which signals the shell handles, and running the actions after the present command.
//! Delivery is `process`.

use super::simple::quote;
use super::{Flow, Shell, Unwind};
use crate::sim::program::signals::{self, Disposition};

impl Shell {
    /// Runs the actions of the signals that have arrived.
    pub(super) async fn run_traps(&mut self) -> Result<(), Unwind> {
        if self.in_trap {
            return Ok(());
        }
        while let Some(signal) = self.process.take_signal() {
            let Some(action) = self.traps.get(&signal).cloned() else { continue };
            let status = self.status;
            self.in_trap = true;
            let flow = self.evaluate(&action).await;
            self.in_trap = false;
            self.status = status;
            flow?;
        }
        Ok(())
    }

    /// The `trap` command.
    pub(super) async fn trap(&mut self, arguments: &[String]) -> Flow {
        let arguments = match arguments {
            [first, rest @ ..] if first == "--" => rest,
            all => all,
        };
        if arguments.is_empty() || arguments[0] == "-p" {
            let lines: String = self
                .traps
                .iter()
                .map(|(signal, action)| {
                    let name = if *signal == 0 { "EXIT".to_owned() } else { signals::name(*signal) };
                    let action = if action.is_empty() { "''".to_owned() } else { always_quoted(action) };
                    format!("trap -- {action} {name}\n")
                })
                .collect();
            return self.write_output(lines).await;
        }
        // One argument, or a number first: the named signals are reset.
        let (action, names) =
            if arguments.len() == 1 || signals::number(&arguments[0]).is_some_and(|_| arguments[0].parse::<i32>().is_ok()) {
                (None, arguments)
            } else {
                (Some(arguments[0].as_str()).filter(|action| *action != "-"), &arguments[1..])
            };
        let mut status = 0;
        for name in names {
            let Some(signal) = signals::number(name) else {
                self.complain_as("trap", &format!("{name}: invalid signal specification")).await;
                status = 1;
                continue;
            };
            match action {
                None => {
                    self.traps.remove(&signal);
                    self.process.set_disposition(signal, None);
                }
                Some(action) => {
                    let disposition = if action.is_empty() { Disposition::Ignore } else { Disposition::Handle };
                    self.traps.insert(signal, action.to_owned());
                    self.process.set_disposition(signal, Some(disposition));
                }
            }
        }
        Ok(status)
    }
}

fn always_quoted(text: &str) -> String {
    let quoted = quote(text);
    if quoted.starts_with('\'') { quoted } else { format!("'{quoted}'") }
}
