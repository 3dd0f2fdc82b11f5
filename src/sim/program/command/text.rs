//! Programs that look at lines: `grep`, `cut`, `tr`, `sort`, `uniq`, `rev`, `tac`, `nl`.
//! `sed` and `awk` are languages of their own.

use super::Invocation;
use super::lines::{self, Lines, text_of};
use crate::sim::program::data::Data;

/// Runs one of these programs but `grep`.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "cut" => cut(call).await,
        "tr" => translate(call).await,
        "sort" => sort(call).await,
        "uniq" => uniq(call).await,
        "nl" => {
            let (lines, status) = lines::all(call, call.arguments()).await;
            let mut number = 0;
            let numbered: Vec<String> = lines
                .iter()
                .map(|line| {
                    if line.is_empty() {
                        return "       ".to_owned();
                    }
                    number += 1;
                    format!("{number:>6}\t{line}")
                })
                .collect();
            status.max(lines::print(call, &numbered).await)
        }
        name => {
            let reversed = name == "rev";
            let (mut lines, status) = lines::all(call, call.arguments()).await;
            if reversed {
                lines.iter_mut().for_each(|line| *line = line.chars().rev().collect());
            } else {
                lines.reverse();
            }
            status.max(lines::print(call, &lines).await)
        }
    }
}

/// A basic regular expression in the syntax of the `regex` crate.
#[must_use]
pub fn from_basic(pattern: &str) -> String {
    let (mut result, mut letters, mut in_bracket, mut previous) = (String::new(), pattern.chars().peekable(), false, None);
    while let Some(c) = letters.next() {
        if in_bracket {
            in_bracket = c != ']';
            if c == '\\' || c == '[' && letters.peek() != Some(&':') {
                result.push('\\');
            }
            result.push(c);
            previous = Some(c);
            continue;
        }
        match c {
            '[' => {
                in_bracket = true;
                result.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    result.push('^');
                }
                if letters.next_if_eq(&']').is_some() {
                    result.push_str("\\]");
                }
            }
            '\\' => match letters.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => result.push(special),
                Some('<') => result.push_str("\\b"),
                Some('>') => result.push_str("\\b"),
                Some(other) => {
                    result.push('\\');
                    result.push(other);
                }
                None => result.push_str("\\\\"),
            },
            '*' if previous.is_none() => result.push_str("\\*"),
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => {
                result.push('\\');
                result.push(c);
            }
            other => result.push(other),
        }
        previous = Some(c);
    }
    result
}

/// `grep` and its two brothers.
pub async fn grep(call: &Invocation) -> i32 {
    let (options, mut files) = match call.options("qvicEFnlHhosxwrL", "emABC") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    if let Some(letter) = ['A', 'B', 'C', 'r', 'L'].iter().find(|letter| has(**letter)) {
        return call.bad_option(&format!("-{letter}")).await;
    }
    let mut patterns: Vec<String> = options.iter().filter(|(letter, _)| *letter == 'e').map(|(_, value)| value.clone()).collect();
    if patterns.is_empty() {
        if files.is_empty() {
            call.error("missing pattern").await;
            return 2;
        }
        patterns.push(files.remove(0));
    }
    let name = call.argv[0].as_str();
    let sources: Vec<String> = patterns
        .iter()
        .flat_map(|pattern| pattern.split('\n'))
        .map(|pattern| {
            let source = if has('F') || name == "fgrep" {
                regex::escape(pattern)
            } else if has('E') || name == "egrep" {
                pattern.to_owned()
            } else {
                from_basic(pattern)
            };
            match (has('x'), has('w')) {
                (true, _) => format!("^(?:{source})$"),
                (_, true) => format!("\\b(?:{source})\\b"),
                _ => format!("(?:{source})"),
            }
        })
        .collect();
    let Ok(expression) = regex::RegexBuilder::new(&sources.join("|")).case_insensitive(has('i')).build() else {
        call.unsupported(&format!("grep with the regular expression {}", patterns.join("|"))).await;
        return 2;
    };
    let most: u64 = options.iter().find(|(letter, _)| *letter == 'm').and_then(|(_, text)| text.parse().ok()).unwrap_or(u64::MAX);
    let named = (files.len() > 1 || has('H')) && !has('h');
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let (mut any, mut failed) = (false, false);
    for file in &files {
        let input = match call.open(file) {
            Ok(input) => input,
            Err(error) => {
                if !has('s') {
                    call.error(&format!("{file}: {error}")).await;
                }
                failed = true;
                continue;
            }
        };
        let prefix = if named { format!("{file}:") } else { String::new() };
        let (mut reader, mut number, mut count) = (Lines::new(input), 0u64, 0u64);
        while count < most {
            let line = match reader.next(call, 0).await {
                Ok(Some(line)) => text_of(&line),
                Ok(None) => break,
                Err(error) => {
                    call.error(&format!("{file}: {error}")).await;
                    failed = true;
                    break;
                }
            };
            number += 1;
            if expression.is_match(&line) == has('v') {
                continue;
            }
            (count, any) = (count + 1, true);
            if has('q') {
                return 0;
            }
            if has('l') {
                call.print(format!("{file}\n")).await;
                break;
            }
            if has('c') {
                continue;
            }
            let place = if has('n') { format!("{prefix}{number}:") } else { prefix.clone() };
            let text: String = if has('o') {
                expression.find_iter(&line).map(|found| format!("{place}{}\n", found.as_str())).collect()
            } else {
                format!("{place}{line}\n")
            };
            if call.print(text).await != 0 {
                return 2;
            }
        }
        if has('c') && !has('q') {
            call.print(format!("{prefix}{count}\n")).await;
        }
    }
    if failed { 2 } else { i32::from(!any) }
}

/// Ranges such as `1,3-5,7-`, from 1.
fn ranges(text: &str) -> Option<Vec<(usize, usize)>> {
    text.split(',')
        .map(|part| match part.split_once('-') {
            None => part.parse().ok().map(|number| (number, number)),
            Some((from, to)) => Some((
                if from.is_empty() { 1 } else { from.parse().ok()? },
                if to.is_empty() { usize::MAX } else { to.parse().ok()? },
            )),
        })
        .collect()
}

async fn cut(call: &Invocation) -> i32 {
    let (options, files) = match call.options("s", "dfcb") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let value = |wanted: char| options.iter().find(|(letter, _)| *letter == wanted).map(|(_, value)| value.clone());
    let delimiter = value('d').and_then(|text| text.chars().next()).unwrap_or('\t');
    let by_field = value('f').is_some();
    let Some(wanted) = value('f').or(value('c')).or(value('b')).and_then(|text| ranges(&text)) else {
        call.error("expected a list of bytes, characters, or fields").await;
        return 1;
    };
    let chosen = |index: usize| wanted.iter().any(|(from, to)| (*from..=*to).contains(&(index + 1)));
    let (lines, status) = lines::all(call, &files).await;
    let mut result = Vec::new();
    for line in lines {
        if by_field {
            if !line.contains(delimiter) {
                if value('s').is_none() {
                    result.push(line);
                }
                continue;
            }
            let parts: Vec<&str> =
                line.split(delimiter).enumerate().filter(|(index, _)| chosen(*index)).map(|(_, part)| part).collect();
            result.push(parts.join(&delimiter.to_string()));
        } else {
            result.push(line.chars().enumerate().filter(|(index, _)| chosen(*index)).map(|(_, c)| c).collect());
        }
    }
    status.max(lines::print(call, &result).await)
}

/// The characters of a `tr` set.
fn set(text: &str) -> Vec<u8> {
    let bytes = super::format::unescape(text).0;
    let (mut result, mut index) = (Vec::new(), 0);
    while index < bytes.len() {
        if bytes[index..].starts_with(b"[:")
            && let Some(end) = bytes[index..].windows(2).position(|pair| pair == b":]")
        {
            let class = String::from_utf8_lossy(&bytes[index + 2..index + end]).into_owned();
            result.extend((0..=127u8).filter(|byte| crate::sim::program::shell::pattern::in_class(&class, char::from(*byte))));
            index += end + 2;
        } else if index + 2 < bytes.len() && bytes[index + 1] == b'-' {
            result.extend(bytes[index]..=bytes[index + 2]);
            index += 3;
        } else {
            result.push(bytes[index]);
            index += 1;
        }
    }
    result
}

async fn translate(call: &Invocation) -> i32 {
    let (options, operands) = match call.options("cCds", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |letters: &str| options.iter().any(|(letter, _)| letters.contains(*letter));
    let Some(first) = operands.first() else {
        call.error("missing operand").await;
        return 1;
    };
    let mut from = set(first);
    if has("cC") {
        from = (0..=255u8).filter(|byte| !from.contains(byte)).collect();
    }
    let to = operands.get(1).map(|text| set(text)).unwrap_or_default();
    let squeezed = if to.is_empty() || has("d") && operands.len() > 1 {
        operands.get(1).map_or(from.clone(), |text| set(text))
    } else {
        to.clone()
    };
    let Ok(input) = call.descriptors.get(0) else { return 1 };
    let mut last = None;
    while let Ok(data) = input.read(65_536).await {
        if data.is_empty() {
            break;
        }
        super::stream::spend(call, data.len() * 4).await;
        let mut result = Vec::new();
        for byte in data.into_bytes() {
            let place = from.iter().position(|candidate| *candidate == byte);
            let byte = match place {
                Some(_) if has("d") => continue,
                Some(place) => to.get(place).or(to.last()).copied().unwrap_or(byte),
                None => byte,
            };
            if has("s") && last == Some(byte) && squeezed.contains(&byte) {
                continue;
            }
            last = Some(byte);
            result.push(byte);
        }
        if call.write(Data::Bytes(result)).await != 0 {
            return 1;
        }
    }
    0
}

async fn sort(call: &Invocation) -> i32 {
    let (options, files) = match call.options("nruf", "kt") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let value = |wanted: char| options.iter().find(|(letter, _)| *letter == wanted).map(|(_, value)| value.clone());
    let separator = value('t').and_then(|text| text.chars().next());
    let key_text = value('k').unwrap_or_default();
    let numeric = has('n') || key_text.contains('n');
    let field: Option<usize> =
        key_text.split(',').next().and_then(|text| text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok());
    let to_end = !key_text.contains(',');
    let key = |line: &str| -> String {
        let Some(field) = field else { return line.to_owned() };
        let parts: Vec<&str> = match separator {
            Some(separator) => line.split(separator).collect(),
            None => line.split_whitespace().collect(),
        };
        let from = parts.get(field.saturating_sub(1)..).unwrap_or_default();
        if to_end { from.join(" ") } else { from.first().copied().unwrap_or_default().to_owned() }
    };
    let number = |text: &str| -> f64 {
        let trimmed = text.trim_start();
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(trimmed.len());
        trimmed[..end].parse().unwrap_or(0.0)
    };
    let (mut lines, status) = lines::all(call, &files).await;
    lines.sort_by(|left, right| {
        let (a, b) = (key(left), key(right));
        let order = if numeric {
            number(&a).total_cmp(&number(&b))
        } else if has('f') {
            a.to_lowercase().cmp(&b.to_lowercase())
        } else {
            a.cmp(&b)
        };
        let order = if has('u') { order } else { order.then_with(|| left.cmp(right)) };
        if has('r') { order.reverse() } else { order }
    });
    if has('u') {
        lines.dedup_by(|left, right| {
            if numeric { number(&key(left)).total_cmp(&number(&key(right))).is_eq() } else { key(left) == key(right) }
        });
    }
    status.max(lines::print(call, &lines).await)
}

async fn uniq(call: &Invocation) -> i32 {
    let (options, files) = match call.options("cdu", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let (lines, status) = lines::all(call, &files).await;
    let mut groups: Vec<(String, usize)> = Vec::new();
    for line in lines {
        match groups.last_mut() {
            Some((last, count)) if *last == line => *count += 1,
            _ => groups.push((line, 1)),
        }
    }
    groups.retain(|(_, count)| (!has('d') || *count > 1) && (!has('u') || *count == 1));
    let rows: Vec<String> =
        groups.into_iter().map(|(line, count)| if has('c') { format!("{count:>7} {line}") } else { line }).collect();
    status.max(lines::print(call, &rows).await)
}
