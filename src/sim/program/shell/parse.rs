//! From script text to a program, with ash's way of failing: what stands before a syntax error still runs.
//! The grammar is brush-parser's.

use super::lower::{self, Refusal};
use super::syntax::List;
use brush_parser::{ParseError, Parser, ParserOptions, Token, TokenizerError, ast};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Cursor;

/// Deeper nesting of brackets than this is refused before the parser sees it (its time grows with the power of the depth).
const DEEPEST: usize = 40;
const DEEPEST_SUBSTITUTION: usize = 8;
/// As many digits before `<` or `>` are the number of a descriptor (busybox' `isdigit_str9`); more are a word. The parser panics there.
const DIGITS_OF_DESCRIPTOR: usize = 9;

/// A script as far as it can be run.
#[derive(Debug)]
pub struct Script {
    /// The commands before the first error, or all.
    pub list: List,
    /// The message of the syntax error that ends the shell after them.
    pub error: Option<String>,
}

/// How the parser reads: nearly bash's grammar; what ash does not know is refused in `lower`.
#[must_use]
pub fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, posix_mode: false, sh_mode: false, ..ParserOptions::default() }
}

/// Parses a script.
#[must_use]
pub fn script(text: &str) -> Script {
    let error = match whole(text).and_then(|program| lower::program(&program)) {
        Ok(list) => return Script { list, error: None },
        Err(error) => error,
    };
    // ash reads, parses and runs a line at a time: the longest run of whole lines that parses has already run.
    let ends: Vec<usize> = text.match_indices('\n').map(|(index, _)| index + 1).collect();
    for end in ends.into_iter().rev().take(400) {
        if let Ok(list) = whole(&text[..end]).and_then(|program| lower::program(&program)) {
            return Script { list, error: Some(error) };
        }
    }
    Script { list: List::default(), error: Some(error) }
}

/// Parses text that must be right as a whole.
pub fn whole(text: &str) -> Result<ast::Program, Refusal> {
    if too_deep(text) {
        return Err("too many levels of nesting".to_owned());
    }
    let text = with_words_apart(text);
    parser(&text).parse_program().map_err(|error| describe(&text, &error))
}

fn parser(text: &str) -> Parser<Cursor<&[u8]>> {
    Parser::new(Cursor::new(text.as_bytes()), &options())
}

/// Whether digits that are too many for a number stand before a character that `ends` them.
pub fn has_long_number(text: &str, ends: impl Fn(char) -> bool) -> bool {
    let mut digits = 0;
    text.chars().any(|c| {
        let found = digits > DIGITS_OF_DESCRIPTOR && ends(c);
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        found
    })
}

/// The text with a blank after each word of digits that is too long for the descriptor of the redirection that follows.
fn with_words_apart(text: &str) -> Cow<'_, str> {
    if !has_long_number(text, |c| matches!(c, '<' | '>')) {
        return Cow::Borrowed(text);
    }
    let Ok(tokens) = brush_parser::tokenize_str_with_options(text, &options().tokenizer_options()) else {
        return Cow::Borrowed(text);
    };
    let is_too_long = |word: &str| word.len() > DIGITS_OF_DESCRIPTOR && word.bytes().all(|byte| byte.is_ascii_digit());
    let ends = tokens.iter().filter_map(|token| match token {
        Token::Word(word, place) if is_too_long(word) => Some(place.end.index),
        _ => None,
    });
    let ends: BTreeSet<usize> = ends.collect();
    let blank = |index: usize| ends.contains(&index).then_some(' ');
    Cow::Owned(text.chars().enumerate().flat_map(|(index, c)| blank(index).into_iter().chain([c])).collect())
}

/// Whether more lines must come before this is a program: an open quote, an `if` without its `fi`.
#[must_use]
pub fn is_incomplete(text: &str) -> bool {
    !too_deep(text)
        && match parser(&with_words_apart(text)).parse_program() {
            Err(ParseError::ParsingAtEndOfInput) => true,
            Err(ParseError::Tokenizing { inner, .. }) => inner.is_incomplete(),
            _ => false,
        }
}

fn too_deep(text: &str) -> bool {
    let (mut depth, mut substitutions) = (0usize, 0usize);
    let mut previous = ' ';
    for c in text.chars() {
        match c {
            '(' | '{' => {
                depth += 1;
                if previous == '$' {
                    substitutions += 1;
                }
            }
            ')' | '}' => {
                depth = depth.saturating_sub(1);
                substitutions = substitutions.saturating_sub(1);
            }
            _ => {}
        }
        if depth > DEEPEST || substitutions > DEEPEST_SUBSTITUTION {
            return true;
        }
        previous = c;
    }
    false
}

fn describe(text: &str, error: &ParseError) -> Refusal {
    match error {
        ParseError::ParsingNear(position) => {
            let before: String = text.chars().take(position.index).collect();
            let rest: String = text.chars().skip(position.index).collect();
            match open_construct(&before) {
                Ok(Some(word @ ("do" | "then"))) => format!("{} (expecting \"{word}\")", near(&rest)),
                _ => near(&rest),
            }
        }
        ParseError::ParsingAtEndOfInput => match open_construct(text) {
            Ok(Some(word)) => format!("unexpected end of file (expecting \"{word}\")"),
            Ok(None) => "unexpected end of file".to_owned(),
            Err(word) => format!("unexpected \"{word}\""),
        },
        ParseError::Tokenizing { inner, .. } => match inner {
            TokenizerError::UnterminatedVariable => "missing '}'".to_owned(),
            TokenizerError::UnterminatedCommandSubstitution | TokenizerError::UnterminatedExpansion => {
                "unexpected end of file (expecting \")\")".to_owned()
            }
            _ => "unterminated quoted string".to_owned(),
        },
    }
}

fn near(rest: &str) -> String {
    const OPERATORS: [&str; 12] = [";;", "&&", "||", "<<", ">>", "(", ")", "|", "&", ";", "<", ">"];
    const RESERVED: [&str; 15] =
        ["if", "then", "else", "elif", "fi", "for", "in", "while", "until", "do", "done", "case", "esac", "{", "}"];
    if rest.starts_with('\n') {
        return "unexpected newline".to_owned();
    }
    if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
        return if operator.contains(['<', '>']) {
            "unexpected redirection".to_owned()
        } else {
            format!("unexpected \"{operator}\"")
        };
    }
    let word: String = rest.chars().take_while(|c| !c.is_whitespace() && !";&|()<>".contains(*c)).collect();
    if word.is_empty() {
        return "unexpected end of file".to_owned();
    }
    if RESERVED.contains(&word.as_str()) { format!("unexpected \"{word}\"") } else { "unexpected word".to_owned() }
}

/// The word that would close the innermost open construct, or the first word that closes nothing.
fn open_construct(text: &str) -> Result<Option<&'static str>, String> {
    let mut open: Vec<&'static str> = Vec::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_alphanumeric() || c == '_' || c == '{' || c == '}' {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "if" | "elif" => {
                if word == "elif" {
                    open.pop();
                }
                open.push("then");
            }
            "then" => {
                open.pop();
                open.push("fi");
            }
            "while" | "until" | "for" => open.push("do"),
            "do" => {
                open.pop();
                open.push("done");
            }
            "case" => open.push(";;"),
            "{" => open.push("}"),
            "fi" | "done" | "esac" | "}" if open.pop().is_none() => {
                return Err(word);
            }
            _ => {}
        }
        word.clear();
        match c {
            '(' => open.push(")"),
            ')' if open.last() == Some(&")") => {
                open.pop();
            }
            _ => {}
        }
    }
    Ok(open.last().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    // The messages of busybox 1.36's sh in the recorded cluster.
    #[rstest]
    #[case("echo hi\nfi", "unexpected \"fi\"", 1)]
    #[case("if true; then echo b", "unexpected end of file (expecting \"fi\")", 0)]
    #[case("echo \"abc", "unterminated quoted string", 0)]
    #[case("a=(1 2)", "unexpected \"(\"", 0)]
    #[case("while true; do echo", "unexpected end of file (expecting \"done\")", 0)]
    #[case("echo )", "unexpected \")\"", 0)]
    #[case("echo $(ls", "unexpected end of file (expecting \")\")", 0)]
    #[case("echo ${x", "missing '}'", 0)]
    #[case("echo a && ", "unexpected end of file", 0)]
    #[case("| cat", "unexpected \"|\"", 0)]
    #[case("case x in a) echo", "unexpected end of file (expecting \";;\")", 0)]
    #[case("{ echo a", "unexpected end of file (expecting \"}\")", 0)]
    #[case("( echo a", "unexpected end of file (expecting \")\")", 0)]
    #[case("cat <<< hi", "unexpected redirection", 0)]
    fn fails_as_busybox_does(#[case] text: &str, #[case] error: &str, #[case] before: usize) {
        let script = script(text);
        assert_eq!(script.error.as_deref(), Some(error));
        assert_eq!(script.list.len(), before);
    }

    // Found by fuzzing: the parser panicked.
    #[rstest]
    #[case("echo 12345678901>f", "echo 12345678901 >f")]
    #[case("é=1; echo '12345678901>f' 123456789012<f", "é=1; echo '12345678901>f' 123456789012 <f")]
    #[case("echo 123456789>f", "echo 123456789>f")]
    fn more_digits_than_a_descriptor_has_are_a_word(#[case] text: &str, #[case] apart: &str) {
        assert_eq!(with_words_apart(text), apart);
        assert_eq!(script(text).error, None);
        assert!(!is_incomplete(text));
    }
}
