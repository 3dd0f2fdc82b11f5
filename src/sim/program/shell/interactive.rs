//! A shell at a terminal: prompts, reads a command, runs it, and asks again. Or at a pipe, without prompts.
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

    /// Whether a client of the container sends its commands through a pipe: they are run as they come.
    pub(super) fn is_fed(&self) -> bool {
        self.process.pid == self.process.session && matches!(self.descriptors.get(0), Ok(Descriptor::Reader(_)))
    }

    /// Runs what is typed until the end of the input, or `exit`.
    pub(super) async fn converse(&mut self) -> Flow {
        let (mut text, mut typed) = (String::new(), Vec::new());
        let prompts = self.is_interactive();
        // Positions count from the first line of the input.
        let mut lines = 0;
        loop {
            if prompts {
                let prompt = if text.is_empty() { self.prompt() } else { "> ".to_owned() };
                self.write_error(prompt).await;
            }
            let line = self.typed_line(&mut typed).await;
            if text.is_empty() && !prompts {
                text = "\n".repeat(lines);
            }
            lines += 1;
            let ended = line.is_none();
            text.push_str(&line.unwrap_or_default());
            if ended && (prompts || text.trim().is_empty()) {
                return Ok(self.status);
            }
            if !ended && parse::is_incomplete(&text) {
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
                if !prompts {
                    return Ok(2);
                }
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
                // A last line may lack its newline.
                return Some(std::mem::take(typed))
                    .filter(|rest| !rest.is_empty() && !self.is_interactive())
                    .map(|rest| String::from_utf8_lossy(&rest).into_owned());
            }
            typed.extend(data.into_bytes());
        }
    }
}
