//! A shell at a terminal: prompts, reads a command, runs it, and asks again.
//! Line editing is the terminal's; history there is none.

use super::parse;
use super::{Flow, Shell, Unwind};
use crate::sim::program::data::Text;
use crate::sim::program::descriptor::Descriptor;

impl Shell {
    /// Whether somebody types its commands.
    pub(super) fn is_interactive(&self) -> bool {
        matches!(self.descriptors.get(0), Ok(Descriptor::Terminal(_)))
    }

    /// Runs what is typed until the end of the input, or `exit`.
    pub(super) async fn converse(&mut self) -> Flow {
        let (mut text, mut typed) = (String::new(), Vec::new());
        loop {
            let prompt = if text.is_empty() { self.prompt() } else { "> ".to_owned() };
            self.write_error(prompt).await;
            let Some(line) = self.typed_line(&mut typed).await else { return Ok(self.status) };
            text.push_str(&line);
            if parse::is_incomplete(&text) {
                continue;
            }
            let script = parse::script(&std::mem::take(&mut text));
            match self.run_list(&script.list, false).await {
                Ok(_) | Err(Unwind::Break(_) | Unwind::Continue(_)) => {}
                Err(unwind) => return Err(unwind),
            }
            if let Some(error) = &script.error {
                self.complain(&format!("syntax error: {error}")).await;
                self.status = 2;
            }
        }
    }

    fn prompt(&self) -> String {
        let home = self.variables.get("HOME").map(Text::to_plain).unwrap_or_default();
        let place = if !home.is_empty() && self.directory == home { "~".to_owned() } else { self.directory.clone() };
        let sign = if self.process.machine.spec.filesystem.access().user == 0 { '#' } else { '$' };
        format!("{place} {sign} ")
    }

    async fn typed_line(&self, typed: &mut Vec<u8>) -> Option<String> {
        let input = self.descriptors.get(0).ok()?;
        loop {
            if let Some(end) = typed.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = typed.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            let data = input.read(4_096).await.ok()?;
            if data.is_empty() || typed.len() > 1024 * 1024 {
                return None;
            }
            typed.extend(data.into_bytes());
        }
    }
}
