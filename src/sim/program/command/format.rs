//! `echo` and `printf`, and the escapes and formats that awk shares.
//! Only text in, text out.

use super::Invocation;

/// Runs `echo` or `printf`.
pub async fn run(call: &Invocation) -> i32 {
    if call.argv[0] == "echo" {
        return call.print(echo(call.arguments())).await;
    }
    let Some(format) = call.arguments().first() else {
        call.error("usage: printf FORMAT [ARGUMENT...]").await;
        return 1;
    };
    let (text, errors) = printf(format, &call.arguments()[1..]);
    // Output is buffered, messages are not.
    for error in &errors {
        call.error(error).await;
    }
    let status = call.print(text).await;
    if errors.is_empty() { status } else { 1 }
}

fn echo(arguments: &[String]) -> Vec<u8> {
    let (mut newline, mut escapes) = (true, false);
    let mut words = arguments;
    while let [first, rest @ ..] = words {
        let Some(flags) = first.strip_prefix('-').filter(|flags| !flags.is_empty() && flags.chars().all(|c| "neE".contains(c)))
        else {
            break;
        };
        for flag in flags.chars() {
            match flag {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = rest;
    }
    let text = words.join(" ");
    let mut bytes = if escapes {
        let (bytes, stopped) = unescape(&text);
        if stopped {
            return bytes;
        }
        bytes
    } else {
        text.into_bytes()
    };
    if newline {
        bytes.push(b'\n');
    }
    bytes
}

/// The bytes that backslash escapes stand for, and whether `\c` ended them.
#[must_use]
pub fn unescape(text: &str) -> (Vec<u8>, bool) {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        index += 1;
        if byte != b'\\' || index == bytes.len() {
            result.push(byte);
            continue;
        }
        let letter = bytes[index];
        index += 1;
        match letter {
            b'a' => result.push(7),
            b'b' => result.push(8),
            b'c' => return (result, true),
            b'e' => result.push(27),
            b'f' => result.push(12),
            b'n' => result.push(b'\n'),
            b'r' => result.push(b'\r'),
            b't' => result.push(b'\t'),
            b'v' => result.push(11),
            b'\\' => result.push(b'\\'),
            b'x' => {
                let digits = bytes[index..].iter().take(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
                if digits == 0 {
                    result.extend(b"\\x");
                } else {
                    result.push(number(&bytes[index..index + digits], 16));
                    index += digits;
                }
            }
            b'0'..=b'7' => {
                let most = if letter == b'0' { 4 } else { 3 };
                let digits = bytes[index - 1..].iter().take(most).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                result.push(number(&bytes[index - 1..index - 1 + digits], 8));
                index += digits - 1;
            }
            other => result.extend([b'\\', other]),
        }
    }
    (result, false)
}

fn number(digits: &[u8], radix: u32) -> u8 {
    let value = std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, radix).ok()).unwrap_or(0);
    u8::try_from(value & 0xff).unwrap_or(0)
}

/// One `%…` of a format.
#[derive(Clone, Debug, Default)]
pub struct Directive {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternative: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// The letter that ends it.
    pub conversion: char,
}

/// A part of a format.
#[derive(Clone, Debug)]
pub enum Part {
    /// Literal bytes.
    Literal(Vec<u8>),
    /// A directive; `true`s: width, precision come from arguments (`*`).
    Directive(Directive, bool, bool),
}

/// The widest field that is laid out.
const WIDEST: usize = 65_536;

/// Takes a format apart. Escapes are resolved if `escapes`.
///
/// # Errors
/// The directive that is not understood.
pub fn parse_format(format: &str, escapes: bool) -> Result<Vec<Part>, String> {
    let literal = |text: &str| if escapes { unescape(text).0 } else { text.as_bytes().to_vec() };
    let mut parts = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            parts.push(Part::Literal(literal(&rest[..at])));
        }
        let mut letters = rest[at + 1..].char_indices().peekable();
        let (mut directive, mut width_given, mut precision_given) = (Directive::default(), false, false);
        while let Some((_, c)) = letters.next_if(|(_, c)| "-0+ #".contains(*c)) {
            match c {
                '-' => directive.left = true,
                '0' => directive.zero = true,
                '+' => directive.plus = true,
                ' ' => directive.space = true,
                _ => directive.alternative = true,
            }
        }
        if letters.next_if(|(_, c)| *c == '*').is_some() {
            width_given = true;
        }
        while let Some((_, c)) = letters.next_if(|(_, c)| c.is_ascii_digit()) {
            let digit = c.to_digit(10).unwrap_or(0) as usize;
            directive.width = Some((directive.width.unwrap_or(0) * 10 + digit).min(WIDEST));
        }
        if letters.next_if(|(_, c)| *c == '.').is_some() {
            directive.precision = Some(0);
            if letters.next_if(|(_, c)| *c == '*').is_some() {
                precision_given = true;
            }
            while let Some((_, c)) = letters.next_if(|(_, c)| c.is_ascii_digit()) {
                let digit = c.to_digit(10).unwrap_or(0) as usize;
                directive.precision = Some((directive.precision.unwrap_or(0) * 10 + digit).min(WIDEST));
            }
        }
        while letters.next_if(|(_, c)| "lhjztL".contains(*c)).is_some() {}
        let Some((index, conversion)) = letters.next() else { return Err("%".to_owned()) };
        rest = &rest[at + 1 + index + conversion.len_utf8()..];
        directive.conversion = conversion;
        match conversion {
            '%' => parts.push(Part::Literal(b"%".to_vec())),
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' | 'c' | 's' | 'b' | 'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
                parts.push(Part::Directive(directive, width_given, precision_given));
            }
            other => return Err(format!("%{other}")),
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(literal(rest)));
    }
    Ok(parts)
}

impl Directive {
    /// Sets a width given as an argument; a negative one adjusts to the left.
    pub fn set_width(&mut self, width: i64) {
        self.left |= width < 0;
        self.width = usize::try_from(width.unsigned_abs()).ok().map(|width| width.min(WIDEST));
    }

    /// Sets a precision given as an argument.
    pub fn set_precision(&mut self, precision: i64) {
        self.precision = usize::try_from(precision).ok().map(|precision| precision.min(WIDEST));
    }

    fn pad(&self, body: Vec<u8>, numeric: bool) -> Vec<u8> {
        let missing = self.width.unwrap_or(0).saturating_sub(String::from_utf8_lossy(&body).chars().count());
        if missing == 0 {
            return body;
        }
        if self.left {
            return [body, vec![b' '; missing]].concat();
        }
        if self.zero && numeric {
            let sign = usize::from(matches!(body.first(), Some(b'-' | b'+' | b' ')));
            return [body[..sign].to_vec(), vec![b'0'; missing], body[sign..].to_vec()].concat();
        }
        [vec![b' '; missing], body].concat()
    }

    /// A string, cut to the precision.
    #[must_use]
    pub fn string(&self, bytes: &[u8]) -> Vec<u8> {
        let cut = match self.precision {
            Some(precision) => String::from_utf8_lossy(bytes).chars().take(precision).collect::<String>().into_bytes(),
            None => bytes.to_vec(),
        };
        self.pad(cut, false)
    }

    /// An integer.
    #[must_use]
    pub fn integer(&self, value: i64) -> Vec<u8> {
        let (prefix, digits) = match self.conversion {
            'o' => (if self.alternative { "0" } else { "" }, format!("{value:o}")),
            'x' => (if self.alternative { "0x" } else { "" }, format!("{value:x}")),
            'X' => (if self.alternative { "0X" } else { "" }, format!("{value:X}")),
            'u' => ("", value.cast_unsigned().to_string()),
            _ => (self.sign(value < 0), value.unsigned_abs().to_string()),
        };
        let zeros = "0".repeat(self.precision.unwrap_or(0).saturating_sub(digits.len()));
        self.pad(format!("{prefix}{zeros}{digits}").into_bytes(), self.precision.is_none())
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        }
    }

    /// A floating-point number.
    #[must_use]
    pub fn float(&self, value: f64) -> Vec<u8> {
        let sign = self.sign(value.is_sign_negative() && !value.is_nan());
        let size = value.abs();
        let precision = self.precision.unwrap_or(6).min(400);
        let digits = if size.is_finite() {
            match self.conversion {
                'e' | 'E' => exponential(size, precision),
                'g' | 'G' => general(size, precision, self.alternative),
                _ => format!("{size:.precision$}"),
            }
        } else if size.is_nan() {
            "nan".to_owned()
        } else {
            "inf".to_owned()
        };
        let digits = if self.conversion.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        self.pad(format!("{sign}{digits}").into_bytes(), size.is_finite())
    }
}

fn exponential(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn general(size: f64, precision: usize, keep_zeros: bool) -> String {
    let precision = precision.max(1);
    let scientific = exponential(size, precision - 1);
    let exponent: i32 = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    let trim = |text: &str| {
        if keep_zeros || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if exponent < -4 || exponent >= limit {
        let (mantissa, tail) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{tail}", trim(mantissa));
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trim(&format!("{size:.decimals$}"))
}

/// `printf`: the format is used again while arguments are left.
fn printf(format: &str, arguments: &[String]) -> (Vec<u8>, Vec<String>) {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let parts = match parse_format(format, true) {
        Ok(parts) => parts,
        Err(directive) => return (output, vec![format!("{directive}: invalid format")]),
    };
    let mut left = arguments.iter();
    loop {
        let before = left.len();
        for part in &parts {
            let (directive, width, precision) = match part {
                Part::Literal(bytes) => {
                    output.extend(bytes);
                    continue;
                }
                Part::Directive(directive, width, precision) => (directive, *width, *precision),
            };
            let mut directive = directive.clone();
            if width {
                directive.set_width(integer(left.next().map_or("0", String::as_str), &mut errors));
            }
            if precision {
                directive.set_precision(integer(left.next().map_or("0", String::as_str), &mut errors));
            }
            let argument = left.next();
            let text = argument.map_or("", String::as_str);
            match directive.conversion {
                's' => output.extend(directive.string(text.as_bytes())),
                'c' => output.extend(directive.string(text.chars().take(1).collect::<String>().as_bytes())),
                'b' => {
                    let (bytes, stopped) = unescape(text);
                    output.extend(directive.string(&bytes));
                    if stopped {
                        return (output, errors);
                    }
                }
                'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
                    let value = text.trim().parse::<f64>().unwrap_or_else(|_| {
                        if !text.is_empty() {
                            errors.push(format!("invalid number '{text}'"));
                        }
                        0.0
                    });
                    output.extend(directive.float(value));
                }
                _ => output.extend(directive.integer(if argument.is_some() { integer(text, &mut errors) } else { 0 })),
            }
        }
        if left.len() == 0 || left.len() == before {
            return (output, errors);
        }
    }
}

fn integer(text: &str, errors: &mut Vec<String>) -> i64 {
    let trimmed = text.trim_start();
    if let Some(c) = trimmed.strip_prefix(['\'', '"']) {
        return c.chars().next().map_or(0, |c| i64::from(u32::from(c)));
    }
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let parsed = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse::<i64>()
    };
    if let Ok(value) = parsed {
        if negative { -value } else { value }
    } else {
        errors.push(format!("invalid number '{text}'"));
        0
    }
}
