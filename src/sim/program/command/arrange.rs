//! Programs that put text into another shape: `paste`, `split`, `shuf`, `fold`, `expand`, `strings`, `factor`, `ts`.
//! Those that choose lines are `text`.

use super::Invocation;
use super::lines;
use super::stream::{count, slurp};
use crate::sim::program::data::to_usize;

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "paste" => paste(call).await,
        "split" => split(call).await,
        "shuf" => shuffle(call).await,
        "fold" => fold(call).await,
        "expand" => expand(call).await,
        "strings" => strings(call).await,
        "factor" => factor(call).await,
        _ => timestamps(call).await,
    }
}

async fn paste(call: &Invocation) -> i32 {
    let (options, mut files) = match call.options("s", "d") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let separator = options.iter().find(|(letter, _)| *letter == 'd').map_or("\t", |(_, text)| text.as_str());
    let separators: Vec<char> = separator.replace("\\n", "\n").replace("\\t", "\t").chars().collect();
    let mut columns = Vec::new();
    for file in &files {
        let (lines, status) = lines::all(call, std::slice::from_ref(file)).await;
        if status > 0 {
            return status;
        }
        columns.push(lines);
    }
    let separator = |index: usize| separators.get(index % separators.len().max(1)).map(char::to_string).unwrap_or_default();
    let mut text = String::new();
    if options.iter().any(|(letter, _)| *letter == 's') {
        for lines in &columns {
            for (index, line) in lines.iter().enumerate() {
                let end = if index + 1 < lines.len() { separator(index) } else { "\n".to_owned() };
                text.push_str(&format!("{line}{end}"));
            }
        }
    } else {
        // A file that has ended leaves out its separator, too; a row whose last file has ended stays without a newline.
        for row in 0..columns.iter().map(Vec::len).max().unwrap_or(0) {
            let present = columns.iter().enumerate().filter_map(|(index, lines)| Some((index, lines.get(row)?)));
            for (used, (index, line)) in present.enumerate() {
                let end = if index + 1 == columns.len() { "\n".to_owned() } else { separator(used) };
                text.push_str(&format!("{line}{end}"));
            }
        }
    }
    call.print(text).await
}

async fn split(call: &Invocation) -> i32 {
    let (options, operands) = match call.options("", "lba") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let value = |wanted: char| options.iter().find(|(letter, _)| *letter == wanted).map(|(_, text)| text.as_str());
    let file = operands.first().map_or("-", String::as_str);
    let prefix = operands.get(1).map_or("x", String::as_str);
    let bytes = match slurp(call, file).await {
        Ok(bytes) => bytes,
        Err(error) => {
            call.error(&format!("cannot open '{file}' for reading: {error}")).await;
            return 1;
        }
    };
    let size = value('b').or_else(|| value('l')).map_or(Some(1_000), count).map_or(0, to_usize);
    let letters = value('a').map_or(Some(2), |text| text.parse::<u32>().ok()).unwrap_or(0);
    if size == 0 || letters == 0 || letters > 6 {
        call.error("invalid number").await;
        return 1;
    }
    let parts: Vec<Vec<u8>> = if value('b').is_some() {
        bytes.chunks(size).map(<[u8]>::to_vec).collect()
    } else {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        lines.chunks(size).map(<[&[u8]]>::concat).collect()
    };
    for (number, part) in parts.into_iter().enumerate() {
        let mut rest = number;
        let mut suffix = Vec::new();
        for _ in 0..letters {
            suffix.insert(0, b'a' + u8::try_from(rest % 26).unwrap_or(0));
            rest /= 26;
        }
        if rest > 0 {
            call.error("suffixes exhausted").await;
            return 1;
        }
        let name = format!("{prefix}{}", String::from_utf8_lossy(&suffix));
        if let Err(error) = call.process.machine.spec.filesystem.store(&call.path(&name), part) {
            call.error(&format!("can't open '{name}': {error}")).await;
            return 1;
        }
    }
    0
}

async fn shuffle(call: &Invocation) -> i32 {
    let (options, operands) = match call.options("e", "inr") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let value = |wanted: char| options.iter().find(|(letter, _)| *letter == wanted).map(|(_, text)| text.as_str());
    let mut status = 0;
    let mut lines: Vec<String>;
    if let Some(range) = value('i') {
        let bounds = range.split_once('-').and_then(|(low, high)| Some((low.parse::<u64>().ok()?, high.parse::<u64>().ok()?)));
        match bounds {
            Some((low, high)) if low <= high && high - low < 10_000_000 => lines = (low..=high).map(|n| n.to_string()).collect(),
            _ => {
                call.error(&format!("bad range '{range}'")).await;
                return 1;
            }
        }
    } else if options.iter().any(|(letter, _)| *letter == 'e') {
        lines = operands;
    } else {
        (lines, status) = lines::all(call, &operands).await;
    }
    let machine = &call.process.machine;
    for place in (1..lines.len()).rev() {
        let other = to_usize(machine.draw() % (place as u64 + 1));
        lines.swap(place, other);
    }
    if let Some(most) = value('n').and_then(count) {
        lines.truncate(to_usize(most));
    }
    status.max(lines::print(call, &lines).await)
}

async fn fold(call: &Invocation) -> i32 {
    let (options, files) = match call.options("bs", "w") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let width = options.iter().find(|(letter, _)| *letter == 'w').map_or(Some(80), |(_, text)| text.parse().ok());
    let Some(width) = width.filter(|width: &usize| *width > 0) else {
        call.error("invalid number").await;
        return 1;
    };
    let spaces = options.iter().any(|(letter, _)| *letter == 's');
    let (lines, status) = lines::all(call, &files).await;
    let mut rows = Vec::new();
    for line in lines {
        let mut letters: Vec<char> = line.chars().collect();
        while letters.len() > width {
            let at = match letters[..width].iter().rposition(|c| *c == ' ') {
                Some(at) if spaces => at + 1,
                _ => width,
            };
            let rest = letters.split_off(at);
            rows.push(letters.into_iter().collect());
            letters = rest;
        }
        rows.push(letters.into_iter().collect());
    }
    status.max(lines::print(call, &rows).await)
}

async fn expand(call: &Invocation) -> i32 {
    let (options, files) = match call.options("", "t") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let stop = options.first().map_or(Some(8), |(_, text)| text.parse().ok()).filter(|stop: &usize| *stop > 0);
    let Some(stop) = stop else {
        call.error("invalid number").await;
        return 1;
    };
    let (lines, status) = lines::all(call, &files).await;
    let spaced = lines.iter().map(|line| {
        let mut text = String::new();
        let mut column = 0;
        for c in line.chars() {
            let width = if c == '\t' { stop - column % stop } else { 1 };
            column += width;
            if c == '\t' { text.push_str(&" ".repeat(width)) } else { text.push(c) }
        }
        text
    });
    let spaced: Vec<String> = spaced.collect();
    status.max(lines::print(call, &spaced).await)
}

async fn strings(call: &Invocation) -> i32 {
    let (options, mut files) = match call.options("a", "n") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let least = options.iter().find(|(letter, _)| *letter == 'n').and_then(|(_, text)| text.parse().ok()).unwrap_or(4);
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let (mut rows, mut status) = (Vec::new(), 0);
    for file in &files {
        match slurp(call, file).await {
            Ok(bytes) => {
                let printable = bytes.split(|byte| !(b' '..0x7f).contains(byte) && *byte != b'\t');
                rows.extend(printable.filter(|run| run.len() >= least).map(|run| String::from_utf8_lossy(run).into_owned()));
            }
            Err(error) => {
                call.error(&format!("{file}: {error}")).await;
                status = 1;
            }
        }
    }
    status.max(lines::print(call, &rows).await)
}

async fn factor(call: &Invocation) -> i32 {
    let words = if call.arguments().is_empty() { lines::all(call, &[]).await.0 } else { call.arguments().to_vec() };
    let mut rows = Vec::new();
    for word in words.iter().flat_map(|line| line.split_whitespace()) {
        let Some(number) = word.parse::<u64>().ok().filter(|number| *number < 1 << 40) else {
            call.error("usage: factor [NUMBER]...").await;
            return 1;
        };
        let (mut rest, mut divisor, mut text) = (number, 2, format!("{number}:"));
        while divisor * divisor <= rest {
            while rest % divisor == 0 {
                text.push_str(&format!(" {divisor}"));
                rest /= divisor;
            }
            divisor += 1;
        }
        if rest > 1 {
            text.push_str(&format!(" {rest}"));
        }
        rows.push(text);
    }
    lines::print(call, &rows).await
}

/// `ts`: every line with the time at which it came.
async fn timestamps(call: &Invocation) -> i32 {
    if let Some(flag) = call.arguments().iter().find(|word| word.starts_with('-')) {
        return call.bad_option(flag).await;
    }
    let format = call.arguments().first().map_or("%b %d %H:%M:%S", String::as_str);
    let Ok(input) = call.descriptors.get(0) else { return 1 };
    let mut reader = lines::Lines::new(input);
    while let Ok(Some(line)) = reader.next(call, 0).await {
        let at = super::system::strftime(format, call.process.machine.spec.clock.now());
        if call.print(format!("{at} {}\n", lines::text_of(&line))).await != 0 {
            return 1;
        }
    }
    0
}
