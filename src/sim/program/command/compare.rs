//! Programs that compare files: `diff`, `cmp`, `comm`.
//! What a difference means is the script's business.

use super::Invocation;
use super::lines;
use super::stream::{is_directory, slurp};
use crate::sim::program::errno::Errno;

/// Lines of context.
const CONTEXT: usize = 3;
/// The most pairs of lines that are compared.
const MOST_PAIRS: usize = 16_000_000;

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "diff" => diff(call).await,
        "cmp" => cmp(call).await,
        _ => comm(call).await,
    }
}

async fn cmp(call: &Invocation) -> i32 {
    let (options, files) = match call.options("sl", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    if has('l') || files.is_empty() {
        return call.bad_option("-l").await;
    }
    let second = files.get(1).map_or("-", String::as_str);
    let mut contents = Vec::new();
    for file in [files[0].as_str(), second] {
        match slurp(call, file).await {
            Ok(bytes) => contents.push(bytes),
            Err(error) => {
                if !has('s') {
                    call.error(&format!("{file}: {error}")).await;
                }
                return 2;
            }
        }
    }
    let (first, other) = (&contents[0], &contents[1]);
    match first.iter().zip(other).position(|(a, b)| a != b) {
        None if first.len() == other.len() => 0,
        None => {
            if !has('s') {
                call.error(&format!("EOF on {}", if first.len() < other.len() { &files[0] } else { second })).await;
            }
            1
        }
        Some(at) => {
            if !has('s') {
                let line = first[..at].split(|byte| *byte == b'\n').count();
                call.print(format!("{} {second} differ: char {}, line {line}\n", files[0], at + 1)).await;
            }
            1
        }
    }
}

async fn comm(call: &Invocation) -> i32 {
    let (options, files) = match call.options("123z", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let hidden = |column: char| options.iter().any(|(letter, _)| *letter == column);
    let [left, right] = files.as_slice() else {
        call.error("usage: comm [-123] FILE1 FILE2").await;
        return 1;
    };
    let (first, one) = lines::all(call, std::slice::from_ref(left)).await;
    let (second, two) = lines::all(call, std::slice::from_ref(right)).await;
    if one + two > 0 {
        return 1;
    }
    if !first.is_sorted() || !second.is_sorted() {
        return call.bad_option("of files that are not sorted").await;
    }
    let (mut a, mut b, mut text) = (first.iter().peekable(), second.iter().peekable(), String::new());
    let before = |column: usize| "\t".repeat(['1', '2'][..column].iter().filter(|letter| !hidden(**letter)).count());
    loop {
        let (column, line) = match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(x), Some(y)) if x == y => {
                b.next();
                (2, a.next())
            }
            (Some(x), Some(y)) if x > y => (1, b.next()),
            (None, Some(_)) => (1, b.next()),
            (Some(_), _) => (0, a.next()),
        };
        if !hidden(['1', '2', '3'][column]) {
            text.push_str(&format!("{}{}\n", before(column), line.map_or("", String::as_str)));
        }
    }
    call.print(text).await
}

async fn diff(call: &Invocation) -> i32 {
    let (options, files) = match call.options("qrsNuabBiw", "U") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let [left, right] = files.as_slice() else {
        call.error("usage: diff [-abBdiNqrTstw] [-L LABEL] [-S FILE] [-U LINES] FILE1 FILE2").await;
        return 1;
    };
    for letter in ['s', 'b', 'B', 'i', 'w', 'U'] {
        if has(letter) {
            return call.bad_option(&format!("-{letter}")).await;
        }
    }
    if is_directory(call, left) || is_directory(call, right) {
        return call.bad_option("of directories").await;
    }
    let mut contents = Vec::new();
    for file in [left, right] {
        match slurp(call, file).await {
            Ok(bytes) => contents.push(String::from_utf8_lossy(&bytes).into_owned()),
            Err(Errno::NotFound) if has('N') => contents.push(String::new()),
            Err(error) => {
                call.error(&format!("can't stat '{file}': {error}")).await;
                return 2;
            }
        }
    }
    if contents[0] == contents[1] {
        return 0;
    }
    if has('q') {
        call.print(format!("Files {left} and {right} differ\n")).await;
        return 1;
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (contents[0].split_inclusive('\n').collect(), contents[1].split_inclusive('\n').collect());
    if old.len() * new.len() > MOST_PAIRS {
        return call.bad_option("of files with so many lines").await;
    }
    call.print(format!("--- {left}\n+++ {right}\n{}", unified(&old, &new))).await;
    1
}

/// One line of a comparison: kept, only in the first, only in the second.
#[derive(Clone, Copy)]
enum Step {
    Keep,
    Remove,
    Add,
}

fn steps(old: &[&str], new: &[&str]) -> Vec<Step> {
    let width = new.len() + 1;
    // Lengths of the longest common ends.
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            steps.push(Step::Keep);
        } else if j == new.len() || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            i += 1;
            steps.push(Step::Remove);
        } else {
            j += 1;
            steps.push(Step::Add);
        }
    }
    steps
}

fn unified(old: &[&str], new: &[&str]) -> String {
    let steps = steps(old, new);
    let changes: Vec<usize> =
        steps.iter().enumerate().filter(|(_, step)| !matches!(step, Step::Keep)).map(|(at, _)| at).collect();
    let mut text = String::new();
    let mut changes = changes.as_slice();
    while let Some(first) = changes.first() {
        let together = changes.windows(2).take_while(|pair| pair[1] - pair[0] <= 2 * CONTEXT + 1).count();
        let (from, to) = (first.saturating_sub(CONTEXT), (changes[together] + CONTEXT + 1).min(steps.len()));
        changes = &changes[together + 1..];
        let count = |steps: &[Step]| {
            let olds = steps.iter().filter(|step| !matches!(step, Step::Add)).count();
            let news = steps.iter().filter(|step| !matches!(step, Step::Remove)).count();
            (olds, news)
        };
        let ((mut i, mut j), (olds, news)) = (count(&steps[..from]), count(&steps[from..to]));
        let range = |start: usize, length: usize| match length {
            1 => format!("{}", start + 1),
            0 => format!("{start},0"),
            _ => format!("{},{length}", start + 1),
        };
        text.push_str(&format!("@@ -{} +{} @@\n", range(i, olds), range(j, news)));
        for step in &steps[from..to] {
            let (sign, line) = match step {
                Step::Keep => (' ', old[i]),
                Step::Remove => ('-', old[i]),
                Step::Add => ('+', new[j]),
            };
            i += usize::from(!matches!(step, Step::Add));
            j += usize::from(!matches!(step, Step::Remove));
            text.push_str(&format!("{sign}{line}"));
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}
