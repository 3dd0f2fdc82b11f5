//! Tokens of an awk program.
//! Whether `/` begins a regular expression is decided by the token before it.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(String),
    /// A name that is followed by `(` at once.
    Function(String),
    Operator(&'static str),
    Newline,
    End,
}

const OPERATORS: [&str; 44] = [
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "==", "<=", ">=", "!=", ">>", "!~", "{", "}", "(",
    ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "=", "&", "@", "\\",
];

/// Splits a program into tokens.
///
/// # Errors
/// A message about the text that is no token.
pub fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut result: Vec<Token> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        if let Some(after) = rest.strip_prefix("\\\n") {
            rest = after;
            continue;
        }
        let Some(first) = rest.chars().next() else { break };
        if first == '#' {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        if first == '\n' {
            result.push(Token::Newline);
            rest = &rest[1..];
        } else if first == '"' {
            let (string, after) = quoted(&rest[1..], '"').ok_or("Unexpected end of string")?;
            result.push(Token::Text(string));
            rest = after;
        } else if first == '/' && regex_may_follow(result.last()) {
            let (regex, after) = quoted(&rest[1..], '/').ok_or("Unexpected end of regex")?;
            result.push(Token::Regex(regex));
            rest = after;
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let (number, after) = number(rest);
            result.push(Token::Number(number));
            rest = after;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = rest[..end].to_owned();
            rest = &rest[end..];
            result.push(if rest.starts_with('(') { Token::Function(name) } else { Token::Name(name) });
        } else if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            result.push(Token::Operator(match *operator {
                "**" => "^",
                "**=" => "^=",
                other => other,
            }));
            rest = &rest[operator.len()..];
        } else {
            return Err(format!("Unexpected token: {first}"));
        }
    }
    result.push(Token::End);
    Ok(result)
}

fn regex_may_follow(token: Option<&Token>) -> bool {
    match token {
        None | Some(Token::Newline) => true,
        Some(Token::Operator(operator)) => !matches!(*operator, ")" | "]" | "$" | "++" | "--"),
        Some(Token::Name(name)) => matches!(name.as_str(), "return" | "print" | "in"),
        Some(_) => false,
    }
}

fn number(text: &str) -> (f64, &str) {
    let mut end = 0;
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    end = digits(end);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = digits(end + 1 + sign);
        if after > end + 1 + sign {
            end = after;
        }
    }
    (text[..end].parse().unwrap_or(0.0), &text[end..])
}

/// Text up to the closing character. In a string escapes are resolved, in a regular expression they stay.
fn quoted(text: &str, close: char) -> Option<(String, &str)> {
    let mut result = String::new();
    let mut letters = text.char_indices();
    while let Some((index, c)) = letters.next() {
        if c == close {
            return Some((result, &text[index + 1..]));
        }
        if c == '\n' {
            return None;
        }
        if c != '\\' {
            result.push(c);
            continue;
        }
        let (_, escaped) = letters.next()?;
        if close == '/' {
            if escaped != '/' {
                result.push('\\');
            }
            result.push(escaped);
            continue;
        }
        match escaped {
            'n' => result.push('\n'),
            't' => result.push('\t'),
            'r' => result.push('\r'),
            'a' => result.push('\u{7}'),
            'b' => result.push('\u{8}'),
            'f' => result.push('\u{c}'),
            'v' => result.push('\u{b}'),
            '"' | '\\' | '/' => result.push(escaped),
            '\n' => {}
            '0'..='7' => {
                let mut value = escaped.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let mut ahead = letters.clone();
                    let Some(digit) = ahead.next().and_then(|(_, c)| c.to_digit(8)) else { break };
                    value = value * 8 + digit;
                    letters = ahead;
                }
                result.push(char::from_u32(value & 0xff).unwrap_or('\u{0}'));
            }
            other => {
                result.push('\\');
                result.push(other);
            }
        }
    }
    None
}
