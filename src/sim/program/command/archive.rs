//! `tar`, `gzip`, `gunzip` and `zcat`, so that `kubectl cp` and its like work.
//! Other packers stay limits.

use super::Invocation;
use super::listing::walk;
use super::stream::slurp;
use crate::sim::program::data::{Data, to_usize};
use crate::sim::program::errno::Errno;
use crate::sim::program::filesystem::{Kind, LARGEST_FILE, normalize, parent};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};

const BLOCK: usize = 512;

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The unpacked bytes; `None` if they are broken or too many for the model.
fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes).take(LARGEST_FILE + 1).read_to_end(&mut unpacked).ok()?;
    (unpacked.len() as u64 <= LARGEST_FILE).then_some(unpacked)
}

/// Runs `gzip`, `gunzip` or `zcat`.
pub async fn gzip(call: &Invocation) -> i32 {
    let (options, mut files) = match call.options("cfkdt123456789", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let test = has('t');
    let unpacking = call.argv[0] != "gzip" || has('d') || test;
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let mut status = 0;
    for file in &files {
        if gzip_one(call, file, unpacking, has('c') || call.argv[0] == "zcat" || file == "-", has('k'), has('f'), test)
            .await
            .is_none()
        {
            status = 1;
        }
    }
    status
}

#[expect(clippy::fn_params_excessive_bools, reason = "they are the program's options")]
async fn gzip_one(
    call: &Invocation,
    file: &str,
    unpacking: bool,
    to_output: bool,
    keep: bool,
    force: bool,
    test: bool,
) -> Option<()> {
    let target = match (unpacking, to_output || test) {
        (_, true) => None,
        (false, false) => Some(format!("{file}.gz")),
        (true, false) => match file.strip_suffix(".gz") {
            Some(stem) => Some(stem.to_owned()),
            None => {
                if let Some(stem) = file.strip_suffix(".tgz") {
                    Some(format!("{stem}.tar"))
                } else {
                    call.error(&format!("{file}: unknown suffix - ignored")).await;
                    return None;
                }
            }
        },
    };
    let bytes = match slurp(call, file).await {
        Ok(bytes) => bytes,
        Err(error) => {
            call.error(&format!("{file}: {error}")).await;
            return None;
        }
    };
    super::stream::spend(call, bytes.len() as u64 * 10).await;
    let result = if !unpacking {
        pack(&bytes)
    } else if !bytes.starts_with(&[0x1f, 0x8b]) {
        call.error(if call.argv[0] == "zcat" { "no gzip/bzip2/xz magic" } else { "invalid magic" }).await;
        return None;
    } else if let Some(unpacked) = unpack(&bytes) {
        unpacked
    } else {
        call.error("corrupted data").await;
        return None;
    };
    if test {
        return Some(());
    }
    let Some(target) = target else {
        return (call.write(Data::Bytes(result)).await == 0).then_some(());
    };
    let filesystem = &call.process.machine.spec.filesystem;
    let error = if filesystem.metadata(&call.path(&target)).is_ok() && !force {
        Some(Errno::Exists)
    } else {
        filesystem.store(&call.path(&target), result).err()
    };
    if let Some(error) = error {
        call.error(&format!("can't open '{target}': {error}")).await;
        return None;
    }
    if !keep && let Err(error) = filesystem.remove_file(&call.path(file)) {
        call.error(&format!("can't remove file '{file}': {error}")).await;
        return None;
    }
    Some(())
}

struct Tar {
    action: char,
    file: String,
    directory: String,
    packed: bool,
    verbose: bool,
    to_output: bool,
    operands: Vec<String>,
}

fn options(call: &Invocation) -> Result<Tar, String> {
    let mut words = call.arguments().to_vec();
    if let Some(first) = words.first_mut().filter(|first| !first.starts_with('-')) {
        first.insert(0, '-');
    }
    let bare = Invocation {
        applet: call.applet.clone(),
        argv: std::iter::once("tar".to_owned()).chain(words).collect(),
        environment: call.environment.clone(),
        directory: call.directory.clone(),
        descriptors: call.descriptors.clone(),
        process: call.process.clone(),
        position: call.position.clone(),
    };
    let (given, operands) = bare.options("cxtzvOpmokh", "fC")?;
    let has = |wanted: char| given.iter().any(|(letter, _)| *letter == wanted);
    let value = |wanted: char| given.iter().rev().find(|(letter, _)| *letter == wanted).map(|(_, text)| text.clone());
    Ok(Tar {
        action: ['c', 'x', 't'].into_iter().find(|letter| has(*letter)).unwrap_or(' '),
        file: value('f').unwrap_or_else(|| "-".to_owned()),
        directory: value('C').map_or_else(|| call.directory.clone(), |directory| call.path(&directory)),
        packed: has('z'),
        verbose: has('v'),
        to_output: has('O'),
        operands,
    })
}

/// Runs `tar`.
pub async fn tar(call: &Invocation) -> i32 {
    let tar = match options(call) {
        Ok(tar) if tar.action != ' ' => tar,
        Ok(_) => {
            call.error("must specify one of c, x, t").await;
            return 1;
        }
        Err(option) => return call.bad_option(&option).await,
    };
    if tar.action == 'c' {
        return create(call, &tar).await;
    }
    let bytes = match slurp(call, &tar.file).await {
        Ok(bytes) => bytes,
        Err(error) => {
            call.error(&format!("can't open '{}': {error}", tar.file)).await;
            return 1;
        }
    };
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let Some(unpacked) = unpack(&bytes) else {
            call.error("corrupted data").await;
            return 1;
        };
        unpacked
    } else {
        bytes
    };
    extract(call, &tar, &bytes).await
}

fn header(name: &str, kind: &Kind, executable: bool, size: u64, modified: i64) -> Vec<u8> {
    let mut block = vec![0u8; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, &name[..name.len().min(100)]);
    put(100, if executable || *kind == Kind::Directory { "0000755" } else { "0000644" });
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{:011o}", modified.max(0)));
    put(148, "        ");
    put(257, "ustar  ");
    put(265, "root");
    put(297, "root");
    match kind {
        Kind::Directory => put(156, "5"),
        Kind::Link(target) => {
            put(156, "2");
            put(157, &target[..target.len().min(100)]);
        }
        _ => put(156, "0"),
    }
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

async fn create(call: &Invocation, tar: &Tar) -> i32 {
    let files = &call.process.machine.spec.filesystem;
    let clock = &call.process.machine.spec.clock;
    let (mut archive, mut listed, mut status, mut stripped) = (Vec::new(), String::new(), 0, false);
    for operand in &tar.operands {
        let path = if operand.starts_with('/') { operand.clone() } else { format!("{}/{operand}", tar.directory) };
        if let Err(error) = files.link_metadata(&path) {
            call.error(&format!("{operand}: {error}")).await;
            status = 1;
            continue;
        }
        if operand.starts_with('/') && !stripped {
            stripped = true;
            call.error("removing leading '/' from member names").await;
        }
        let mut found = Vec::new();
        walk(files, operand, &path, 0, usize::MAX, &mut |name, path, _| found.push((name.to_owned(), normalize(path))));
        for (name, path) in found {
            let Ok(metadata) = files.link_metadata(&path) else { continue };
            let bytes = if metadata.kind == Kind::File { files.load(&path).unwrap_or_default() } else { Vec::new() };
            let mut name = name.trim_start_matches('/').to_owned();
            if metadata.kind == Kind::Directory && !name.ends_with('/') {
                name.push('/');
            }
            if name.len() > 100 {
                return call.bad_option("with names of more than 100 bytes").await;
            }
            let ago = jiff::SignedDuration::try_from(metadata.modified.elapsed().min(clock.elapsed())).unwrap_or_default();
            let modified = (clock.now() - ago).as_second();
            archive.extend(header(&name, &metadata.kind, metadata.executable, bytes.len() as u64, modified));
            archive.extend(&bytes);
            archive.resize(archive.len().div_ceil(BLOCK) * BLOCK, 0);
            listed.push_str(&format!("{name}\n"));
            call.process.hold(archive.len() as u64).await;
        }
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    super::stream::spend(call, archive.len() as u64).await;
    let archive = if tar.packed { pack(&archive) } else { archive };
    if tar.file == "-" {
        status = status.max(call.write(Data::Bytes(archive)).await);
    } else if let Err(error) = files.store(&call.path(&tar.file), archive) {
        call.error(&format!("can't open '{}': {error}", tar.file)).await;
        return 1;
    }
    if tar.verbose && tar.file != "-" {
        call.print(listed).await;
    }
    if status > 0 {
        call.error("error exit delayed from previous errors").await;
    }
    status
}

fn text(block: &[u8]) -> String {
    let end = block.iter().position(|byte| *byte == 0).unwrap_or(block.len());
    String::from_utf8_lossy(&block[..end]).trim().to_owned()
}

async fn extract(call: &Invocation, tar: &Tar, bytes: &[u8]) -> i32 {
    let files = &call.process.machine.spec.filesystem;
    let (mut at, mut listed, mut used, mut status) = (0, String::new(), vec![false; tar.operands.len()], 0);
    loop {
        let Some(block) = bytes.get(at..at + BLOCK) else {
            call.error("short read").await;
            return 1;
        };
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let octal = |range: std::ops::Range<usize>| u64::from_str_radix(&text(&block[range]), 8).ok();
        let (Some(size), true) = (octal(124..136), block[257..262] == *b"ustar") else {
            call.error("invalid tar magic").await;
            return 1;
        };
        let prefix = text(&block[345..500]);
        let name = if prefix.is_empty() { text(&block[..100]) } else { format!("{prefix}/{}", text(&block[..100])) };
        let kind = match block[156] {
            b'5' => Kind::Directory,
            b'2' => Kind::Link(text(&block[157..257])),
            b'0' | 0 => Kind::File,
            other => return call.bad_option(&format!("with members of type {}", char::from(other))).await,
        };
        at += BLOCK;
        let Some(content) = bytes.get(at..at.saturating_add(to_usize(size))) else {
            call.error("short read").await;
            return 1;
        };
        at += content.len().div_ceil(BLOCK) * BLOCK;
        let wanted = |operand: &String| {
            name.trim_end_matches('/') == operand.trim_end_matches('/')
                || name.starts_with(&format!("{}/", operand.trim_end_matches('/')))
        };
        let matching = tar.operands.iter().position(wanted);
        if let Some(index) = matching {
            used[index] = true;
        } else if !tar.operands.is_empty() {
            continue;
        }
        if tar.verbose || tar.action == 't' {
            listed.push_str(&describe(tar, &name, &kind, octal(100..108).unwrap_or(0), size, octal(136..148).unwrap_or(0)));
        }
        if tar.action == 't' {
            continue;
        }
        if tar.to_output {
            call.write(Data::Bytes(content.to_vec())).await;
            continue;
        }
        let path = normalize(&format!("{}/{name}", tar.directory));
        files.make_directories(if kind == Kind::Directory { &path } else { parent(&path) });
        let result = match &kind {
            Kind::Directory => Ok(()),
            Kind::Link(target) => files.remove_file(&path).or(Ok(())).and_then(|()| files.make_link(&path, target)),
            _ => files.store(&path, content.to_vec()),
        };
        if let Err(error) = result {
            call.error(&format!("can't open '{name}': {error}")).await;
            status = 1;
        } else if kind == Kind::File && octal(100..108).is_some_and(|mode| mode & 0o111 != 0) {
            // The file was just written.
            let _ = files.set_executable(&path, true);
        }
    }
    call.print(listed).await;
    for (operand, used) in tar.operands.iter().zip(used) {
        if !used {
            call.error(&format!("{operand}: not found in archive")).await;
            status = 1;
        }
    }
    status
}

fn describe(tar: &Tar, name: &str, kind: &Kind, mode: u64, size: u64, modified: u64) -> String {
    if !(tar.verbose && tar.action == 't') {
        return format!("{name}\n");
    }
    let letter = match kind {
        Kind::Directory => 'd',
        Kind::Link(_) => 'l',
        _ => '-',
    };
    let bits: String = "rwxrwxrwx".chars().enumerate().map(|(at, c)| if mode >> (8 - at) & 1 == 1 { c } else { '-' }).collect();
    let at = jiff::Timestamp::from_second(i64::try_from(modified).unwrap_or(0)).unwrap_or_default();
    let target = if let Kind::Link(target) = kind { format!(" -> {target}") } else { String::new() };
    let at = super::system::strftime("%Y-%m-%d %H:%M:%S", at);
    format!("{letter}{bits} root/root {size:>9} {at} {name}{target}\n")
}
