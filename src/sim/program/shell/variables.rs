//! Variables of a shell: values, export, read-only, locals of functions.
//! Special parameters (`$?`, `$@`) are not variables: see `expand`.

use crate::sim::program::data::Text;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
struct Variable {
    value: Option<Text>,
    exported: bool,
    read_only: bool,
}

/// All variables of a shell.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    all: BTreeMap<String, Variable>,
    saved: Vec<BTreeMap<String, Option<Variable>>>,
    bytes: u64,
    settled: u64,
}

impl Variables {
    /// The variables that a process finds in its environment.
    pub fn from_environment(environment: BTreeMap<String, String>) -> Self {
        let mut variables = Self::default();
        for (name, value) in environment {
            if is_name(&name) {
                variables.set(&name, Text::from(value));
                variables.export(&name, true);
            }
        }
        variables
    }

    /// The value, if it is set.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.all.get(name).and_then(|variable| variable.value.as_ref())
    }

    /// The value as a plain string; empty if unset.
    pub fn plain(&self, name: &str) -> String {
        self.get(name).map(Text::to_plain).unwrap_or_default()
    }

    /// Sets a value; false if the variable is read-only.
    pub fn set(&mut self, name: &str, value: Text) -> bool {
        let variable = match self.all.get_mut(name) {
            Some(variable) => variable,
            None => self.all.entry(name.to_owned()).or_default(),
        };
        if variable.read_only {
            return false;
        }
        self.bytes = self.bytes + value.len() - variable.value.as_ref().map_or(0, Text::len);
        variable.value = Some(value);
        true
    }

    /// Sets a value unless there is one.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.set(name, Text::from(value));
        }
    }

    /// Removes a variable; false if it is read-only.
    pub fn unset(&mut self, name: &str) -> bool {
        if self.is_read_only(name) {
            return false;
        }
        if let Some(variable) = self.all.remove(name) {
            self.bytes -= variable.value.as_ref().map_or(0, Text::len);
        }
        true
    }

    /// Marks a variable as exported, or not.
    pub fn export(&mut self, name: &str, exported: bool) {
        self.all.entry(name.to_owned()).or_default().exported = exported;
    }

    /// Makes a variable read-only.
    pub fn protect(&mut self, name: &str) {
        self.all.entry(name.to_owned()).or_default().read_only = true;
    }

    /// Whether a variable is read-only.
    pub fn is_read_only(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|variable| variable.read_only)
    }

    /// What a child finds in its environment.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let exported = self.all.iter().filter(|(_, variable)| variable.exported);
        exported.filter_map(|(name, variable)| Some((name.clone(), variable.value.as_ref()?.to_plain()))).collect()
    }

    /// All set variables, with whether they are exported and read-only.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Text, bool, bool)> {
        self.all
            .iter()
            .filter_map(|(name, variable)| Some((name.as_str(), variable.value.as_ref()?, variable.exported, variable.read_only)))
    }

    /// A function begins.
    pub fn enter(&mut self) {
        self.saved.push(BTreeMap::new());
    }

    /// Makes a variable local to the running function; false outside of one.
    pub fn localize(&mut self, name: &str) -> bool {
        let old = self.all.get(name).cloned();
        let Some(frame) = self.saved.last_mut() else { return false };
        frame.entry(name.to_owned()).or_insert(old);
        true
    }

    /// A function ends: its locals are gone.
    pub fn leave(&mut self) {
        for (name, old) in self.saved.pop().unwrap_or_default() {
            let size = |variable: Option<&Variable>| variable.and_then(|variable| variable.value.as_ref()).map_or(0, Text::len);
            self.bytes = self.bytes + size(old.as_ref()) - size(self.all.get(&name));
            match old {
                Some(variable) => self.all.insert(name, variable),
                None => self.all.remove(&name),
            };
        }
    }

    /// The bytes of all values, if they changed by more than a page since the last call.
    pub fn take_growth(&mut self) -> Option<u64> {
        if self.bytes.abs_diff(self.settled) < 4096 {
            return None;
        }
        self.settled = self.bytes;
        Some(self.bytes)
    }
}

/// Whether text is a valid variable name.
pub fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locals_come_and_go() {
        let mut variables = Variables::default();
        variables.set("x", "outer".into());
        assert!(!variables.localize("x"));
        variables.enter();
        variables.localize("x");
        variables.localize("y");
        variables.set("x", "inner".into());
        variables.set("y", "new".into());
        variables.leave();
        assert_eq!(variables.plain("x"), "outer");
        assert!(variables.get("y").is_none());
        assert_eq!(variables.bytes, 5);
    }

    #[test]
    fn read_only_stays() {
        let mut variables = Variables::default();
        variables.set("x", "1".into());
        variables.protect("x");
        assert!(!variables.set("x", "2".into()) && !variables.unset("x"));
        assert_eq!(variables.plain("x"), "1");
    }
}
