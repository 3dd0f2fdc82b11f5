//! Shell patterns: `*`, `?`, `[…]`, backslash; matching, trimming and file names.
//! Where a pattern may stand is `expand`'s business.

use crate::sim::program::filesystem::{FileSystem, Kind};

/// Whether the whole text matches the pattern.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    matches_chars(&pattern, &text)
}

fn matches_chars(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = if p < pattern.len() && pattern[p] == '*' {
            retry = Some((p + 1, t));
            p += 1;
            continue;
        } else if p == pattern.len() {
            if t == text.len() {
                return true;
            }
            None
        } else {
            text.get(t).and_then(|c| one(&pattern[p..], *c))
        };
        match step {
            Some(used) => {
                p += used;
                t += 1;
            }
            None => match retry {
                Some((after, from)) if from < text.len() => {
                    retry = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                _ => return false,
            },
        }
    }
}

/// How many pattern characters match this one character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern[0] {
        '?' => Some(1),
        '\\' if pattern.len() > 1 => (pattern[1] == c).then_some(2),
        '[' => match bracket(pattern, c) {
            Some((matched, used)) => matched.then_some(used),
            None => (c == '[').then_some(1),
        },
        literal => (literal == c).then_some(1),
    }
}

/// Matches a bracket expression; `None` if it is not one.
fn bracket(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let mut index = 1;
    let negated = matches!(pattern.get(index), Some('!' | '^'));
    if negated {
        index += 1;
    }
    let first = index;
    let mut found = false;
    loop {
        let mut low = *pattern.get(index)?;
        if low == ']' && index > first {
            return Some((found != negated, index + 1));
        }
        if low == '[' && pattern.get(index + 1) == Some(&':') {
            let rest: String = pattern[index + 2..].iter().collect();
            if let Some(end) = rest.find(":]") {
                found |= in_class(&rest[..end], c);
                index += 2 + rest[..end].chars().count() + 2;
                continue;
            }
        }
        if low == '\\' {
            index += 1;
            low = *pattern.get(index)?;
        }
        if pattern.get(index + 1) == Some(&'-') && pattern.get(index + 2).is_some_and(|high| *high != ']') {
            let high = pattern[index + 2];
            found |= (low..=high).contains(&c);
            index += 3;
        } else {
            found |= low == c;
            index += 1;
        }
    }
}

/// Whether a character belongs to a named class.
#[must_use]
pub fn in_class(class: &str, c: char) -> bool {
    match class {
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_ascii_alphanumeric(),
        "upper" => c.is_ascii_uppercase(),
        "lower" => c.is_ascii_lowercase(),
        "space" => c.is_ascii_whitespace() || c == '\u{b}',
        "blank" => c == ' ' || c == '\t',
        "punct" => c.is_ascii_punctuation(),
        "print" => c == ' ' || c.is_ascii_graphic(),
        "graph" => c.is_ascii_graphic(),
        "cntrl" => c.is_ascii_control(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

/// The text without its shortest (longest) prefix that matches.
#[must_use]
pub fn without_prefix(text: &str, pattern: &str, longest: bool) -> String {
    let (chars, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let fits = |end: &usize| matches_chars(&pattern, &chars[..*end]);
    let end = if longest { (0..=chars.len()).rev().find(fits) } else { (0..=chars.len()).find(fits) };
    chars[end.unwrap_or(0)..].iter().collect()
}

/// The text without its shortest (longest) suffix that matches.
#[must_use]
pub fn without_suffix(text: &str, pattern: &str, longest: bool) -> String {
    let (chars, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let fits = |from: &usize| matches_chars(&pattern, &chars[*from..]);
    let from = if longest { (0..=chars.len()).find(fits) } else { (0..=chars.len()).rev().find(fits) };
    chars[..from.unwrap_or(chars.len())].iter().collect()
}

/// The text with the first (every) longest match replaced.
#[must_use]
pub fn replaced(text: &str, pattern: &str, replacement: &str, all: bool) -> String {
    let (chars, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let mut result = String::new();
    let mut from = 0;
    while from < chars.len() {
        let end = (from + 1..=chars.len()).rev().find(|end| matches_chars(&pattern, &chars[from..*end]));
        match end {
            Some(end) if !pattern.is_empty() => {
                result.push_str(replacement);
                from = end;
                if !all {
                    break;
                }
            }
            _ => {
                result.push(chars[from]);
                from += 1;
            }
        }
    }
    result.extend(&chars[from..]);
    result
}

/// The files that match an absolute or relative pattern, sorted, written as the pattern is.
#[must_use]
pub fn files(filesystem: &FileSystem, directory: &str, pattern: &str) -> Vec<String> {
    let absolute = pattern.starts_with('/');
    let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let mut next = Vec::new();
        for base in &found {
            let place = if absolute { base.clone() } else { format!("{directory}/{base}") };
            let names = if part.contains(['*', '?', '[']) {
                filesystem.list(&place).unwrap_or_default()
            } else {
                vec![part.replace('\\', "")]
            };
            for name in names {
                let hidden = name.starts_with('.') && !part.starts_with('.');
                let whole = format!("{place}/{name}");
                let fits = part.replace('\\', "") == name || (!hidden && matches(part, &name));
                let kind = filesystem.metadata(&whole).map(|metadata| metadata.kind);
                let usable = if last { kind.is_ok() } else { kind == Ok(Kind::Directory) };
                if fits && usable {
                    let slash = if last { "" } else { "/" };
                    next.push(format!("{base}{name}{slash}"));
                }
            }
        }
        found = next;
    }
    if pattern.ends_with('/') {
        found.retain(|path| {
            let place = if absolute { path.clone() } else { format!("{directory}/{path}") };
            filesystem.metadata(&place).is_ok_and(|metadata| metadata.kind == Kind::Directory)
        });
        found.iter_mut().for_each(|path| path.push('/'));
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a*", "abc", true)]
    #[case("*", "", true)]
    #[case("*b*d", "abcd", true)]
    #[case("a?c", "abc", true)]
    #[case("[a-c]x", "bx", true)]
    #[case("[!a-c]x", "bx", false)]
    #[case("[[:digit:]]*", "7up", true)]
    #[case("\\*", "*", true)]
    #[case("\\*", "a", false)]
    #[case("[", "[", true)]
    #[case("[]a]", "]", true)]
    #[case("*.log", "x.log.1", false)]
    fn patterns(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, text), expected);
    }

    #[test]
    fn trims_and_replaces() {
        assert_eq!(without_prefix("/a/b/c", "*/", false), "a/b/c");
        assert_eq!(without_prefix("/a/b/c", "*/", true), "c");
        assert_eq!(without_suffix("a.tar.gz", ".*", false), "a.tar");
        assert_eq!(without_suffix("a.tar.gz", ".*", true), "a");
        assert_eq!(replaced("hello", "l", "L", false), "heLlo");
        assert_eq!(replaced("hello", "l", "L", true), "heLLo");
    }
}
