//! Redirections: which descriptors a command gets.
//! What a descriptor is, is `descriptor`.

use super::syntax::{Redirect, RedirectAction};
use super::{Shell, Unwind};
use crate::sim::program::descriptor::{Descriptor, Descriptors, Mode};
use crate::sim::program::errno::Errno;

impl Shell {
    /// The descriptors after these redirections, or ash's message why not.
    pub(super) async fn redirected(&mut self, redirects: &[Redirect]) -> Result<Result<Descriptors, String>, Unwind> {
        let mut descriptors = self.descriptors.clone();
        for redirect in redirects {
            let (default, word) = match &redirect.action {
                RedirectAction::Read(word) | RedirectAction::ReadWrite(word) | RedirectAction::Here(word) => (0, word),
                RedirectAction::Write(word) | RedirectAction::Append(word) | RedirectAction::Both(word, _) => (1, word),
                RedirectAction::Duplicate(word, output) => (i32::from(*output), word),
            };
            let number = redirect.number.unwrap_or(default);
            let text = self.expand_text(word).await?;
            let result = match &redirect.action {
                RedirectAction::Here(_) => {
                    descriptors.set(number, Some(Descriptor::input(text.into_bytes())));
                    continue;
                }
                RedirectAction::Duplicate(_, output) => match duplicate(&mut descriptors, number, &text) {
                    Some(Ok(())) => continue,
                    Some(Err(error)) => return Ok(Err(format!("{text}: {error}"))),
                    None if *output && redirect.number.is_none() => self.both(&mut descriptors, &text, Mode::Write),
                    None => {
                        self.complain("syntax error: bad fd number").await;
                        return Err(Unwind::Exit(2));
                    }
                },
                RedirectAction::Both(_, append) => {
                    self.both(&mut descriptors, &text, if *append { Mode::Append } else { Mode::Write })
                }
                RedirectAction::Read(_) => self.connect(&mut descriptors, number, &text, Mode::Read),
                RedirectAction::Write(_) => self.connect(&mut descriptors, number, &text, Mode::Write),
                RedirectAction::Append(_) => self.connect(&mut descriptors, number, &text, Mode::Append),
                RedirectAction::ReadWrite(_) => self.connect(&mut descriptors, number, &text, Mode::ReadWrite),
            };
            if let Err(message) = result {
                return Ok(Err(message));
            }
        }
        Ok(Ok(descriptors))
    }

    fn both(&self, descriptors: &mut Descriptors, path: &str, mode: Mode) -> Result<(), String> {
        self.connect(descriptors, 1, path, mode)?;
        let output = descriptors.get(1).ok();
        descriptors.set(2, output);
        Ok(())
    }

    fn connect(&self, descriptors: &mut Descriptors, number: i32, path: &str, mode: Mode) -> Result<(), String> {
        match descriptors.open(&self.process.machine, &self.absolute(path), mode) {
            Ok(descriptor) => {
                descriptors.set(number, Some(descriptor));
                Ok(())
            }
            Err(Errno::NotFound | Errno::NotDirectory) if mode == Mode::Read => Err(format!("can't open {path}: no such file")),
            Err(Errno::NotFound | Errno::NotDirectory) => Err(format!("can't create {path}: nonexistent directory")),
            Err(error) if mode == Mode::Read => Err(format!("can't open {path}: {error}")),
            Err(error) => Err(format!("can't create {path}: {error}")),
        }
    }
}

/// `>&3`, `>&-`; `None` if the target is neither.
fn duplicate(descriptors: &mut Descriptors, number: i32, target: &str) -> Option<Result<(), Errno>> {
    if target == "-" {
        descriptors.set(number, None);
        return Some(Ok(()));
    }
    let source: i32 = target.parse().ok()?;
    Some(descriptors.get(source).map(|descriptor| descriptors.set(number, Some(descriptor))))
}
