//! Programs that list files: `ls`, `stat`, `du`.
//! The tree itself is `filesystem`.

use super::Invocation;
use crate::sim::program::filesystem::{FileSystem, Kind, Metadata, normalize};

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "ls" => ls(call).await,
        "stat" => stat(call).await,
        "du" => du(call).await,
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
            let blocks: u64 = found.iter().map(|(_, metadata)| metadata.blocks / 1024).sum();
            text.push_str(&format!("total {blocks}\n"));
        }
        text.extend(found.iter().map(|(name, metadata)| format!("{}\n", row(name, metadata))));
        blocks.push(text);
    }
    call.print(blocks.join("\n")).await;
    status
}

async fn stat(call: &Invocation) -> i32 {
    const COMPLETE: &str = "  File: %n\n  Size: %s\tBlocks: %b          IO Block: 4096   %F\nAccess: (0%a/%A)  Uid: (    0/    root)   Gid: (    0/    root)\nModify: %y";
    let (options, operands) = match call.options("L", "c") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let format = options.iter().find(|(letter, _)| *letter == 'c').map_or(COMPLETE, |(_, format)| format.as_str());
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
                Some('A') => text.push_str(&describe(call, name, &metadata)[..10]),
                Some('b') => text.push_str(&(metadata.blocks / 512).to_string()),
                Some('F') => text.push_str(match metadata.kind {
                    Kind::Directory => "directory",
                    Kind::Device => "character special file",
                    Kind::Link(_) => "symbolic link",
                    Kind::File if metadata.size == 0 => "regular empty file",
                    Kind::File => "regular file",
                }),
                Some('y' | 'x' | 'z') => {
                    text.push_str(&super::system::strftime("%Y-%m-%d %H:%M:%S.000000000 +0000", modified));
                }
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

/// Visits a tree, directories before what is in them: name as the user wrote it, path, depth.
pub fn walk(files: &FileSystem, name: &str, path: &str, depth: usize, deepest: usize, visit: &mut impl FnMut(&str, &str, usize)) {
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

/// Kibibytes on the disk: whole blocks of 4 KiB.
fn blocks(files: &FileSystem, path: &str) -> u64 {
    files.link_metadata(&normalize(path)).map_or(0, |metadata| metadata.blocks / 1024)
}

async fn du(call: &Invocation) -> i32 {
    let (options, mut operands) = match call.options("ashkmcx", "d") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let deepest = match options.iter().find(|(letter, _)| *letter == 'd') {
        _ if has('s') => 0,
        Some((_, text)) => text.parse().unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    if operands.is_empty() {
        operands.push(".".to_owned());
    }
    let shown = |kibibytes: u64| {
        #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
        let (size, unit) = if kibibytes < 1024 { (kibibytes as f64, "K") } else { (kibibytes as f64 / 1024.0, "M") };
        if has('h') {
            format!("{size:.1}{unit}")
        } else if has('m') {
            kibibytes.div_ceil(1024).to_string()
        } else {
            kibibytes.to_string()
        }
    };
    let files = &call.process.machine.spec.filesystem;
    let (mut text, mut total, mut status) = (String::new(), 0, 0);
    for name in &operands {
        if let Err(error) = files.link_metadata(&call.path(name)) {
            call.error(&format!("{name}: {error}")).await;
            status = 1;
            continue;
        }
        let mut entries: Vec<(String, String, usize)> = Vec::new();
        walk(files, name, &call.path(name), 0, usize::MAX, &mut |name, path, depth| {
            entries.push((name.to_owned(), path.to_owned(), depth));
        });
        // A directory follows what is in it, with the sum of its own block and theirs.
        let mut sums: Vec<u64> = Vec::new();
        for (name, path, depth) in entries.iter().rev() {
            sums.resize(sums.len().max(depth + 2), 0);
            let size = blocks(files, path) + std::mem::take(&mut sums[depth + 1]);
            sums[*depth] += size;
            let directory = files.link_metadata(&normalize(path)).is_ok_and(|found| found.kind == Kind::Directory);
            if *depth <= deepest && (directory || has('a') || *depth == 0) {
                text.insert_str(0, &format!("{}\t{name}\n", shown(size)));
            }
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        call.print(after_children(&lines)).await;
        text.clear();
        total += sums.first().copied().unwrap_or(0);
    }
    if has('c') {
        call.print(format!("{}\ttotal\n", shown(total))).await;
    }
    status
}

/// Lines of a tree in which a directory comes first, put so that it comes last.
fn after_children(lines: &[&str]) -> String {
    let name = |line: &str| line.split_once('\t').map_or("", |(_, name)| name).trim_end().to_owned();
    let (mut open, mut text): (Vec<&str>, String) = (Vec::new(), String::new());
    for line in lines {
        while let Some(above) = open.last() {
            let above_name = name(above);
            let inside = above_name == "/" || name(line).starts_with(&format!("{above_name}/"));
            if inside {
                break;
            }
            text.push_str(open.pop().unwrap_or_default());
        }
        open.push(line);
    }
    open.iter().rev().for_each(|line| text.push_str(line));
    text
}
