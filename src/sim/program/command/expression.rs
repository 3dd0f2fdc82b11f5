//! `expr` and `seq`.
//! `$(( ))` is the shell's arithmetic.

use super::Invocation;
use super::text::from_basic;

/// Runs `expr` or `seq`.
pub async fn run(call: &Invocation) -> i32 {
    if call.argv[0] == "seq" {
        return seq(call).await;
    }
    let mut parser = Parser { words: call.arguments(), depth: 0 };
    let result = parser.or().and_then(|value| if parser.words.is_empty() { Ok(value) } else { Err("syntax error".to_owned()) });
    match result {
        Ok(value) => {
            call.print(format!("{value}\n")).await;
            i32::from(value.is_empty() || value == "0")
        }
        Err(message) => {
            call.error(&message).await;
            2
        }
    }
}

struct Parser<'a> {
    words: &'a [String],
    depth: usize,
}

fn integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "non-numeric argument".to_owned())
}

impl Parser<'_> {
    fn eat(&mut self, words: &[&str]) -> Option<String> {
        let word = self.words.first().filter(|word| words.contains(&word.as_str()))?.clone();
        self.words = &self.words[1..];
        Some(word)
    }

    fn next(&mut self) -> Result<String, String> {
        let (first, rest) = self.words.split_first().ok_or("syntax error")?;
        self.words = rest;
        Ok(first.clone())
    }

    fn or(&mut self) -> Result<String, String> {
        let mut left = self.and()?;
        while self.eat(&["|"]).is_some() {
            let right = self.and()?;
            if left.is_empty() || left == "0" {
                left = right;
            }
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<String, String> {
        let mut left = self.comparison()?;
        while self.eat(&["&"]).is_some() {
            let right = self.comparison()?;
            if [&left, &right].iter().any(|value| value.is_empty() || *value == "0") {
                "0".clone_into(&mut left);
            }
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<String, String> {
        let mut left = self.sum()?;
        while let Some(operator) = self.eat(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum()?;
            let order = match (left.parse::<i64>(), right.parse::<i64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => left.cmp(&right),
            };
            let holds = match operator.as_str() {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                "!=" => order.is_ne(),
                ">=" => order.is_ge(),
                ">" => order.is_gt(),
                _ => order.is_eq(),
            };
            left = u8::from(holds).to_string();
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<String, String> {
        let mut left = self.product()?;
        while let Some(operator) = self.eat(&["+", "-"]) {
            let (a, b) = (integer(&left)?, integer(&self.product()?)?);
            left = if operator == "+" { a.wrapping_add(b) } else { a.wrapping_sub(b) }.to_string();
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<String, String> {
        let mut left = self.matching()?;
        while let Some(operator) = self.eat(&["*", "/", "%"]) {
            let (a, b) = (integer(&left)?, integer(&self.matching()?)?);
            if b == 0 && operator != "*" {
                return Err("division by zero".to_owned());
            }
            left = match operator.as_str() {
                "*" => a.wrapping_mul(b),
                "/" => a.wrapping_div(b),
                _ => a.wrapping_rem(b),
            }
            .to_string();
        }
        Ok(left)
    }

    fn matching(&mut self) -> Result<String, String> {
        let mut left = self.primary()?;
        while self.eat(&[":"]).is_some() {
            let pattern = self.primary()?;
            left = matched(&left, &pattern)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > 200 {
            return Err("syntax error".to_owned());
        }
        let word = self.next()?;
        match word.as_str() {
            "(" => {
                let inner = self.or()?;
                self.eat(&[")"]).ok_or("syntax error")?;
                Ok(inner)
            }
            "length" if !self.words.is_empty() => Ok(self.next()?.chars().count().to_string()),
            "match" if self.words.len() > 1 => {
                let text = self.next()?;
                let pattern = self.next()?;
                matched(&text, &pattern)
            }
            "index" if self.words.len() > 1 => {
                let text = self.next()?;
                let letters = self.next()?;
                Ok(text.chars().position(|c| letters.contains(c)).map_or(0, |at| at + 1).to_string())
            }
            "substr" if self.words.len() > 2 => {
                let text = self.next()?;
                let from = integer(&self.next()?)?;
                let length = integer(&self.next()?)?;
                let (Ok(from), Ok(length)) = (usize::try_from(from - 1), usize::try_from(length)) else {
                    return Ok(String::new());
                };
                Ok(text.chars().skip(from).take(length).collect())
            }
            _ => Ok(word),
        }
    }
}

fn matched(text: &str, pattern: &str) -> Result<String, String> {
    let regex = regex::Regex::new(&format!("^(?:{})", from_basic(pattern))).map_err(|_| "bad regular expression".to_owned())?;
    let captures = regex.captures(text);
    Ok(if regex.captures_len() > 1 {
        captures.and_then(|found| found.get(1).map(|group| group.as_str().to_owned())).unwrap_or_default()
    } else {
        captures.and_then(|found| found.get(0).map(|whole| whole.as_str().chars().count())).unwrap_or(0).to_string()
    })
}

async fn seq(call: &Invocation) -> i32 {
    let (mut wide, mut separator, mut numbers) = (false, "\n".to_owned(), Vec::new());
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-w" => wide = true,
            "-s" => separator = words.next().cloned().unwrap_or_default(),
            text => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => {
                    numbers.push((number, text.split_once('.').map_or(0, |(_, tail)| tail.len())));
                }
                _ => {
                    call.error(&format!("invalid number '{text}'")).await;
                    return 1;
                }
            },
        }
    }
    let (first, step, last) = match numbers.as_slice() {
        [last] => ((1.0, 0), (1.0, 0), *last),
        [first, last] => (*first, (1.0, 0), *last),
        [first, step, last] => (*first, *step, *last),
        _ => {
            call.error("usage: seq [-w] [-s SEP] [FIRST [INC]] LAST").await;
            return 1;
        }
    };
    let decimals = first.1.max(step.1).max(last.1);
    let width =
        if wide { [first.0, last.0].iter().map(|number| format!("{number:.decimals$}").len()).max().unwrap_or(0) } else { 0 };
    let mut started = false;
    let mut round = 0.0;
    loop {
        let value = first.0 + round * step.0;
        if (step.0 >= 0.0 && value > last.0) || (step.0 < 0.0 && value < last.0) {
            break;
        }
        let text = format!("{}{value:0width$.decimals$}", if started { separator.as_str() } else { "" });
        super::stream::spend(call, 512).await;
        if call.print(text).await != 0 {
            return 1;
        }
        started = true;
        round += 1.0;
    }
    if started { call.print("\n").await } else { 0 }
}
