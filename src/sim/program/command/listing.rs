//! Programs that list files: `ls`, `find`, `stat`, `du`, `df`.
//! The tree itself is `filesystem`.

use super::Invocation;
use crate::sim::program::filesystem::{FileSystem, Kind, Metadata, normalize};
use crate::sim::program::shell::pattern;
use std::time::Duration;

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "ls" => ls(call).await,
        "find" => find(call).await,
        "stat" => stat(call).await,
        other => call.unsupported(other).await,
    }
}

fn describe(call: &Invocation, name: &str, metadata: &Metadata) -> String {
    let kind = match metadata.kind {
        Kind::Directory => 'd',
        Kind::Device => 'c',
        Kind::Link(_) => 'l',
        Kind::File => '-',
    };
    let mode = match (&metadata.kind, metadata.executable) {
        (Kind::Directory, _) | (_, true) => "rwxr-xr-x",
        _ => "rw-r--r--",
    };
    let clock = &call.process.machine.spec.clock;
    let ago = metadata.modified.elapsed().min(clock.elapsed());
    let at = clock.now() - jiff::SignedDuration::try_from(ago).unwrap_or_default();
    let arrow = if let Kind::Link(target) = &metadata.kind { format!(" -> {target}") } else { String::new() };
    let size = if metadata.kind == Kind::Directory { 4096 } else { metadata.size };
    let links = if metadata.kind == Kind::Directory { 2 } else { 1 };
    format!("{kind}{mode}    {links} root     root     {size:>9} {} {name}{arrow}", super::system::strftime("%b %e %H:%M", at))
}

async fn ls(call: &Invocation) -> i32 {
    let (options, mut operands) = match call.options("1aAdlhnFrtSR", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    if let Some(letter) = ['r', 't', 'S', 'R', 'F', 'n'].iter().find(|letter| has(**letter)) {
        return call.bad_option(&format!("-{letter}")).await;
    }
    if operands.is_empty() {
        operands.push(".".to_owned());
    }
    operands.sort();
    let files = &call.process.machine.spec.filesystem;
    let (mut plain, mut directories, mut status) = (Vec::new(), Vec::new(), 0);
    for name in operands {
        match files.metadata(&call.path(&name)) {
            Ok(metadata) if metadata.kind == Kind::Directory && !has('d') => directories.push(name),
            Ok(metadata) => plain.push((name, metadata)),
            Err(error) => {
                call.error(&format!("{name}: {error}")).await;
                status = 1;
            }
        }
    }
    let row = |name: &str, metadata: &Metadata| if has('l') { describe(call, name, metadata) } else { name.to_owned() };
    let mut blocks: Vec<String> = Vec::new();
    if !plain.is_empty() {
        blocks.push(plain.iter().map(|(name, metadata)| format!("{}\n", row(name, metadata))).collect());
    }
    let titled = directories.len() > 1 || !plain.is_empty();
    for directory in &directories {
        let path = call.path(directory);
        let mut names = files.list(&path).unwrap_or_default();
        names.retain(|name| has('a') || has('A') || !name.starts_with('.'));
        if has('a') {
            names.splice(0..0, [".".to_owned(), "..".to_owned()]);
        }
        let mut text = if titled { format!("{directory}:\n") } else { String::new() };
        let found: Vec<_> = names
            .iter()
            .filter_map(|name| Some((name, files.link_metadata(&normalize(&format!("{path}/{name}"))).ok()?)))
            .collect();
        if has('l') {
            let blocks: u64 = found
                .iter()
                .map(|(_, metadata)| if metadata.kind == Kind::Directory { 4 } else { metadata.size.div_ceil(4096) * 4 })
                .sum();
            text.push_str(&format!("total {blocks}\n"));
        }
        text.extend(found.iter().map(|(name, metadata)| format!("{}\n", row(name, metadata))));
        blocks.push(text);
    }
    call.print(blocks.join("\n")).await;
    status
}

async fn stat(call: &Invocation) -> i32 {
    let (options, operands) = match call.options("L", "c") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let Some((_, format)) = options.iter().find(|(letter, _)| *letter == 'c') else { return call.bad_option("without -c").await };
    let mut status = 0;
    for name in &operands {
        let metadata = match call.process.machine.spec.filesystem.metadata(&call.path(name)) {
            Ok(metadata) => metadata,
            Err(error) => {
                call.error(&format!("can't stat '{name}': {error}")).await;
                status = 1;
                continue;
            }
        };
        let clock = &call.process.machine.spec.clock;
        let modified =
            clock.now() - jiff::SignedDuration::try_from(metadata.modified.elapsed().min(clock.elapsed())).unwrap_or_default();
        let (mut text, mut letters) = (String::new(), format.chars());
        while let Some(c) = letters.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            match letters.next() {
                Some('s') => text.push_str(&metadata.size.to_string()),
                Some('n') => text.push_str(name),
                Some('Y' | 'X' | 'Z') => text.push_str(&modified.as_second().to_string()),
                Some('a') => text.push_str(if metadata.executable || metadata.kind == Kind::Directory { "755" } else { "644" }),
                Some('u' | 'g') => text.push('0'),
                Some('U' | 'G') => text.push_str("root"),
                Some('%') => text.push('%'),
                other => return call.bad_option(&format!("-c %{}", other.unwrap_or(' '))).await,
            }
        }
        call.print(format!("{text}\n")).await;
    }
    status
}

/// A test of `find`.
enum Filter {
    Name(String),
    Kind(char),
    /// Age in units: more than (+), less than (-), exactly; the unit in seconds.
    Age(char, u64, u64),
    Empty,
    Size(char, u64),
}

async fn find(call: &Invocation) -> i32 {
    let mut starts = Vec::new();
    let mut words = call.arguments().iter().peekable();
    while let Some(word) = words.next_if(|word| !word.starts_with('-') && *word != "!" && *word != "(") {
        starts.push(word.clone());
    }
    if starts.is_empty() {
        starts.push(".".to_owned());
    }
    let (mut filters, mut deepest, mut shallowest, mut delete) = (Vec::new(), usize::MAX, 0, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().unwrap_or_default();
        match word.as_str() {
            "-name" => filters.push(Filter::Name(value())),
            "-type" => filters.push(Filter::Kind(value().chars().next().unwrap_or('f'))),
            "-mmin" | "-mtime" => {
                let text = value();
                let sign = text.chars().next().filter(|c| matches!(c, '+' | '-')).unwrap_or('=');
                let Ok(number) = text.trim_start_matches(['+', '-']).parse() else { return call.bad_option(word).await };
                filters.push(Filter::Age(sign, number, if word == "-mmin" { 60 } else { 86_400 }));
            }
            "-size" => {
                let text = value();
                let sign = text.chars().next().filter(|c| matches!(c, '+' | '-')).unwrap_or('=');
                let Some(bytes) = super::stream::count(text.trim_start_matches(['+', '-'])) else {
                    return call.bad_option(word).await;
                };
                filters.push(Filter::Size(sign, bytes));
            }
            "-empty" => filters.push(Filter::Empty),
            "-maxdepth" => deepest = value().parse().unwrap_or(usize::MAX),
            "-mindepth" => shallowest = value().parse().unwrap_or(0),
            "-print" => {}
            "-delete" => delete = true,
            other => return call.bad_option(other).await,
        }
    }
    let files = &call.process.machine.spec.filesystem;
    let (mut found, mut status) = (Vec::new(), 0);
    for start in &starts {
        if let Err(error) = files.metadata(&call.path(start)) {
            call.error(&format!("{start}: {error}")).await;
            status = 1;
            continue;
        }
        walk(files, start, &call.path(start), 0, deepest, &mut |name, path, depth| {
            if depth >= shallowest && filters.iter().all(|filter| holds(files, filter, name, path)) {
                found.push((name.to_owned(), path.to_owned()));
            }
        });
    }
    if delete {
        for (name, path) in found.iter().rev() {
            let gone = files.remove_file(path).or_else(|_| files.remove_directory(path));
            if let Err(error) = gone {
                call.error(&format!("{name}: {error}")).await;
                status = 1;
            }
        }
        return status;
    }
    call.print(found.iter().map(|(name, _)| format!("{name}\n")).collect::<String>()).await;
    status
}

fn walk(files: &FileSystem, name: &str, path: &str, depth: usize, deepest: usize, visit: &mut impl FnMut(&str, &str, usize)) {
    visit(name, path, depth);
    let is_directory = files.link_metadata(&normalize(path)).is_ok_and(|metadata| metadata.kind == Kind::Directory);
    if depth >= deepest || !is_directory {
        return;
    }
    for child in files.list(path).unwrap_or_default() {
        let slash = if name.ends_with('/') { "" } else { "/" };
        walk(files, &format!("{name}{slash}{child}"), &format!("{path}/{child}"), depth + 1, deepest, visit);
    }
}

fn holds(files: &FileSystem, filter: &Filter, name: &str, path: &str) -> bool {
    let Ok(metadata) = files.link_metadata(&normalize(path)) else { return false };
    let compare = |sign: char, value: u64, wanted: u64| match sign {
        '+' => value > wanted,
        '-' => value < wanted,
        _ => value == wanted,
    };
    match filter {
        Filter::Name(wanted) => pattern::matches(wanted, name.trim_end_matches('/').rsplit('/').next().unwrap_or(name)),
        Filter::Kind(letter) => matches!(
            (letter, &metadata.kind),
            ('f', Kind::File) | ('d', Kind::Directory) | ('l', Kind::Link(_)) | ('c', Kind::Device)
        ),
        Filter::Age(sign, number, unit) => {
            let age = metadata.modified.elapsed().max(Duration::ZERO).as_secs();
            compare(*sign, age / unit, *number)
        }
        Filter::Empty => metadata.size == 0 && files.list(path).map_or(true, |names| names.is_empty()),
        Filter::Size(sign, bytes) => compare(*sign, metadata.size, *bytes),
    }
}
