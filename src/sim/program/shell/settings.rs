//! The options of the shell: `set -e`, `set -o pipefail`, `$-`.
//! What they do is where they are asked for.

use super::simple::quote;
use super::{Flow, Shell};

const NAMED: [(char, &str); 6] =
    [('e', "errexit"), ('f', "noglob"), ('n', "noexec"), ('u', "nounset"), ('x', "xtrace"), ('a', "allexport")];

impl Shell {
    /// Sets an option by its letter; false if there is none.
    pub(super) fn set_option(&mut self, letter: char, on: bool) -> bool {
        let options = &mut self.options;
        match letter {
            'e' => options.errexit = on,
            'u' => options.nounset = on,
            'x' => options.xtrace = on,
            'f' => options.noglob = on,
            'n' => options.noexec = on,
            'a' => options.allexport = on,
            // Nothing observable without a terminal.
            'b' | 'C' | 'h' | 'v' | 'm' | 'i' => {}
            _ => return false,
        }
        true
    }

    /// Sets an option by its name; false if there is none.
    pub(super) fn set_named_option(&mut self, name: &str, on: bool) -> bool {
        if name == "pipefail" {
            self.options.pipefail = on;
            return true;
        }
        match NAMED.iter().find(|(_, known)| *known == name) {
            Some((letter, _)) => self.set_option(*letter, on),
            None => false,
        }
    }

    /// `$-`.
    pub(super) fn flags(&self) -> String {
        let options = &self.options;
        let all = [
            (options.nounset, 'u'),
            (options.allexport, 'a'),
            (options.xtrace, 'x'),
            (options.noexec, 'n'),
            (options.noglob, 'f'),
            (options.from_string, 'c'),
            (options.errexit, 'e'),
        ];
        all.iter().filter(|(on, _)| *on).map(|(_, letter)| *letter).collect()
    }

    /// The `set` command.
    pub(super) async fn set(&mut self, arguments: &[String]) -> Flow {
        if arguments.is_empty() {
            let lines: String =
                self.variables.iter().map(|(name, value, ..)| format!("{name}={}\n", assignable(&value.to_plain()))).collect();
            return self.write_output(lines).await;
        }
        let mut rest = arguments.iter();
        while let Some(argument) = rest.clone().next() {
            if argument == "--" {
                rest.next();
                self.positional = rest.cloned().collect();
                return Ok(0);
            }
            let Some(letters) = argument.strip_prefix(['-', '+']) else { break };
            rest.next();
            if argument == "-" {
                break;
            }
            let on = argument.starts_with('-');
            for letter in letters.chars() {
                let known = if letter == 'o' {
                    let Some(name) = rest.next() else { return self.write_output(self.named_options()).await };
                    self.set_named_option(name, on)
                } else {
                    self.set_option(letter, on)
                };
                if !known {
                    self.complain_as("set", &format!("illegal option {argument}")).await;
                    return Err(super::Unwind::Exit(2));
                }
            }
        }
        if rest.len() > 0 {
            self.positional = rest.cloned().collect();
        }
        Ok(0)
    }

    fn named_options(&self) -> String {
        let on = self.flags();
        let line = |name: &str, on: bool| format!("{name:<16}{}\n", if on { "on" } else { "off" });
        let mut text: String = NAMED.iter().map(|(letter, name)| line(name, on.contains(*letter))).collect();
        text.push_str(&line("pipefail", self.options.pipefail));
        text
    }
}

/// A value as `set` and `export` print it.
pub(super) fn assignable(value: &str) -> String {
    let quoted = quote(value);
    if quoted.starts_with('\'') { quoted } else { format!("'{quoted}'") }
}
