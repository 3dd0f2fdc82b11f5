//! How an expanded word becomes fields: IFS splitting, quoting, and the pattern that remains for file names.
//! What is put in comes from `expand`.

/// One field: its text, and the same with quoted pattern characters escaped.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// The text.
    pub plain: String,
    /// The text as a pattern.
    pub pattern: String,
    /// Whether it has an unquoted `*`, `?` or `[`.
    pub globs: bool,
}

impl Field {
    fn quoted(&mut self, text: &str) {
        self.plain.push_str(text);
        for c in text.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\' | '-' | '!' | '^') {
                self.pattern.push('\\');
            }
            self.pattern.push(c);
        }
    }

    fn unquoted(&mut self, c: char) {
        self.globs |= matches!(c, '*' | '?' | '[');
        self.plain.push(c);
        self.pattern.push(c);
    }
}

/// Fields in the making.
#[derive(Debug)]
pub struct Fields {
    done: Vec<Field>,
    current: Option<Field>,
    after_space: bool,
    ifs: Option<String>,
}

impl Fields {
    /// Fields split at the characters of `ifs`; `None` never splits.
    pub fn new(ifs: Option<String>) -> Self {
        Self { done: Vec::new(), current: None, after_space: false, ifs }
    }

    /// Whether expansions are split.
    pub fn splits(&self) -> bool {
        self.ifs.is_some()
    }

    /// Makes sure that there is a field, even an empty one (`""`).
    pub fn open(&mut self) {
        self.current.get_or_insert_default();
    }

    /// Quoted text.
    pub fn quoted(&mut self, text: &str) {
        self.current.get_or_insert_default().quoted(text);
    }

    /// Text that stands unquoted in the script: not split, but a pattern.
    pub fn literal(&mut self, text: &str) {
        let field = self.current.get_or_insert_default();
        text.chars().for_each(|c| field.unquoted(c));
    }

    /// Ends the present field, if there is one.
    pub fn end(&mut self) {
        self.done.extend(self.current.take());
    }

    /// An unquoted expansion: split, and a pattern.
    pub fn expanded(&mut self, text: &str) {
        let Some(ifs) = self.ifs.clone() else {
            if !text.is_empty() {
                self.literal(text);
            }
            return;
        };
        for c in text.chars() {
            if !ifs.contains(c) {
                self.after_space = false;
                self.current.get_or_insert_default().unquoted(c);
            } else if c.is_ascii_whitespace() {
                if self.current.is_some() {
                    self.end();
                    self.after_space = true;
                }
            } else if self.current.is_none() && self.after_space {
                self.after_space = false;
            } else {
                self.open();
                self.end();
                self.after_space = false;
            }
        }
    }

    /// All fields.
    pub fn finish(mut self) -> Vec<Field> {
        self.end();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(" \t\n", "  a  b ", &["a", "b"])]
    #[case(":", "a:b::c", &["a", "b", "", "c"])]
    #[case(" :", "a : b", &["a", "b"])]
    #[case(":", ":a:", &["", "a"])]
    #[case("", "a b", &["a b"])]
    fn splits_as_posix_says(#[case] ifs: &str, #[case] text: &str, #[case] expected: &[&str]) {
        let mut fields = Fields::new(Some(ifs.to_owned()));
        fields.expanded(text);
        let plain: Vec<_> = fields.finish().into_iter().map(|field| field.plain).collect();
        assert_eq!(plain, expected);
    }
}
