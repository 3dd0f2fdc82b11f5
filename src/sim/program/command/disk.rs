//! Programs that fill files and tell how full their disk is: `dd`, `truncate`, `fallocate`, `df`.
//! What a disk holds is counted by `node_disk`.

use super::Invocation;
use super::stream::{count, spend};
use crate::sim::program::data::Data;
use crate::sim::program::descriptor::{Descriptor, Mode};
use crate::sim::program::errno::Errno;
use crate::sim::program::filesystem::{FileSystem, Space};
use std::collections::BTreeMap;

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "df" => df(call).await,
        "dd" => dd(call).await,
        _ => resize(call).await,
    }
}

/// What `dd` was asked for.
struct Copy {
    from: String,
    to: Option<String>,
    input_block: u64,
    output_block: u64,
    blocks: u64,
    skip: u64,
    seek: u64,
    keep: bool,
    append: bool,
    quiet: bool,
}

/// Reads the operands of `dd`; what is not simulated comes back.
fn operands(words: &[String]) -> Result<Copy, String> {
    let mut copy = Copy {
        from: "-".to_owned(),
        to: None,
        input_block: 512,
        output_block: 512,
        blocks: u64::MAX,
        skip: 0,
        seek: 0,
        keep: false,
        append: false,
        quiet: false,
    };
    for word in words {
        let known = |text: &str, all: &[&str]| text.split(',').all(|flag| all.contains(&flag));
        match word.split_once('=').map(|(key, text)| (key, text, count(text))) {
            Some(("if", file, _)) => file.clone_into(&mut copy.from),
            Some(("of", file, _)) => copy.to = Some(file.to_owned()),
            Some(("bs", _, Some(size @ 1..))) => (copy.input_block, copy.output_block) = (size, size),
            Some(("ibs", _, Some(size @ 1..))) => copy.input_block = size,
            Some(("obs", _, Some(size @ 1..))) => copy.output_block = size,
            Some(("count", _, Some(blocks))) => copy.blocks = blocks,
            Some(("skip", _, Some(blocks))) => copy.skip = blocks,
            Some(("seek", _, Some(blocks))) => copy.seek = blocks,
            Some(("status", "none", _)) => copy.quiet = true,
            Some(("status", "noxfer", _)) => {}
            // What is written is on the disk at once.
            Some(("conv", flags, _)) if known(flags, &["fsync", "notrunc", "noerror"]) => {
                copy.keep = flags.split(',').any(|flag| flag == "notrunc");
            }
            Some(("oflag", flags, _)) if known(flags, &["direct", "append"]) => {
                copy.append = flags.split(',').any(|flag| flag == "append");
            }
            Some(("iflag", flags, _)) if known(flags, &["direct", "fullblock"]) => {}
            _ => return Err(word.clone()),
        }
    }
    Ok(copy)
}

/// Opens what `dd` writes to.
fn output(call: &Invocation, copy: &Copy) -> Result<Descriptor, Errno> {
    let Some(file) = &copy.to else { return call.descriptors.get(1) };
    let mode = if copy.append {
        Mode::Append
    } else if copy.keep || copy.seek > 0 {
        Mode::ReadWrite
    } else {
        Mode::Write
    };
    let output = call.descriptors.open(&call.process.machine, &call.path(file), mode)?;
    if let (Descriptor::File(file), true) = (&output, copy.seek > 0) {
        let place = copy.seek.saturating_mul(copy.output_block);
        if !copy.keep {
            call.process.machine.spec.filesystem.set_length(&file.path, place)?;
        }
        file.seek(place);
    }
    Ok(output)
}

async fn dd(call: &Invocation) -> i32 {
    let copy = match operands(call.arguments()) {
        Ok(copy) => copy,
        Err(word) => return call.bad_option(&word).await,
    };
    let input = match call.open(&copy.from) {
        Ok(input) => input,
        Err(error) => {
            call.error(&format!("can't open '{}': {error}", copy.from)).await;
            return 1;
        }
    };
    let output = match output(call, &copy) {
        Ok(output) => output,
        Err(error) => {
            call.error(&format!("can't open '{}': {error}", copy.to.unwrap_or_default())).await;
            return 1;
        }
    };
    call.process.hold(copy.input_block).await;
    for _ in 0..copy.skip {
        if input.read(copy.input_block).await.is_ok_and(|data| data.is_empty()) {
            break;
        }
    }
    let (mut whole, mut part, mut bytes, mut status) = (0, 0, 0, 0);
    while whole + part < copy.blocks {
        let Ok(data) = input.read(copy.input_block).await else { break };
        if data.is_empty() {
            break;
        }
        spend(call, data.len()).await;
        let length = data.len();
        if let Err(error) = output.write(data).await {
            let name = copy.to.clone().unwrap_or_else(|| "standard output".to_owned());
            call.error(&format!("error writing '{name}': {error}")).await;
            status = 1;
            break;
        }
        call.process.machine.check_memory();
        if length == copy.input_block {
            whole += 1;
        } else {
            part += 1;
        }
        bytes += length;
    }
    if !copy.quiet
        && let Ok(error) = call.descriptors.get(2)
    {
        let text = format!("{whole}+{part} records in\n{whole}+{part} records out\n{bytes} bytes copied\n");
        // A closed standard error swallows messages, as it does in a real process.
        let _ = error.write(Data::Bytes(text.into_bytes())).await;
    }
    status
}

/// `truncate` and `fallocate`.
async fn resize(call: &Invocation) -> i32 {
    let allocates = call.argv[0] == "fallocate";
    let parsed = if allocates { call.options("", "lo") } else { call.options("c", "s") };
    let (options, names) = match parsed {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let values: BTreeMap<char, Option<u64>> = options.iter().map(|(letter, text)| (*letter, count(text))).collect();
    let letter = if allocates { 'l' } else { 's' };
    let Some(size) = values.get(&letter).copied().flatten() else { return call.bad_option(&format!("-{letter}")).await };
    if names.is_empty() {
        call.error("missing operand").await;
        return 1;
    }
    let from = values.get(&'o').copied().flatten().unwrap_or(0);
    let files = &call.process.machine.spec.filesystem;
    let mut status = 0;
    for name in names {
        let path = call.path(&name);
        let done = if allocates {
            allocate(files, &path, from, size)
        } else if values.contains_key(&'c') && files.metadata(&path).is_err() {
            Ok(())
        } else {
            files.set_length(&path, size)
        };
        if let Err(error) = done {
            let what = if allocates { format!("fallocate '{name}': {error}") } else { format!("{name}: open: {error}") };
            call.error(&what).await;
            status = 1;
        }
    }
    status
}

/// Gives a stretch of a file its blocks; what is in the file stays.
fn allocate(files: &FileSystem, path: &str, from: u64, size: u64) -> Result<(), Errno> {
    files.create(path, false)?;
    let length = files.metadata(path)?.size;
    let end = from.saturating_add(size);
    if end <= length {
        return Ok(());
    }
    let start = from.max(length);
    files.write(path, Some(start), Data::Fill(0, end - start)).map(|_| ())
}

/// A size as `df -h` shows it.
fn human(bytes: u64) -> String {
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, 0);
    while tenths >= 10_240 && unit < 5 {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    match [None, Some('K'), Some('M'), Some('G'), Some('T'), Some('P')][unit] {
        None => bytes.to_string(),
        Some(letter) => format!("{}.{}{letter}", tenths / 10, tenths % 10),
    }
}

async fn df(call: &Invocation) -> i32 {
    let (options, names) = match call.options("hkmPa", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let files = &call.process.machine.spec.filesystem;
    let all = files.spaces();
    let (mut shown, mut status): (Vec<&Space>, i32) = (Vec::new(), 0);
    for name in &names {
        let path = files.resolve(&call.path(name));
        if let Err(error) = files.metadata(&path) {
            call.error(&format!("{name}: can't find mount point: {error}")).await;
            status = 1;
            continue;
        }
        let above = |space: &&Space| space.path == "/" || path == space.path || path.starts_with(&format!("{}/", space.path));
        shown.extend(all.iter().filter(above).max_by_key(|space| space.path.len()));
    }
    if names.is_empty() {
        shown = all.iter().collect();
    }
    let unit = match (has('h'), has('m'), has('P')) {
        (true, ..) => "     Size",
        (_, true, _) => "1M-blocks",
        (.., true) => "1024-blocks",
        _ => "1K-blocks",
    };
    let scaled = |bytes: u64| match (has('h'), has('m')) {
        (true, _) => human(bytes),
        (_, true) => (bytes / (1024 * 1024)).to_string(),
        _ => (bytes / 1024).to_string(),
    };
    let percent = if has('P') { "Capacity" } else { "Use%" };
    let mut text = format!("Filesystem           {unit:<15}Used Available {percent} Mounted on\n");
    for Space { device, path, size, used } in shown {
        let share = (u128::from(*used) * 100 + u128::from(*size) / 2) / u128::from((*size).max(1));
        let (size, left, used) = (scaled(*size), scaled(size.saturating_sub(*used)), scaled(*used));
        text.push_str(&format!("{device:<20} {size:>9} {used:>9} {left:>9} {share:>3}% {path}\n"));
    }
    call.print(text).await.max(status)
}

#[cfg(test)]
mod tests {
    use crate::sim::program::Container;
    use crate::sim::program::filesystem::FileSystem;
    use crate::sim::program::node_disk::{Meter, NodeDisk};
    use crate::sim::program::trial::spec;
    use rstest::rstest;
    use std::sync::Arc;

    /// A disk with nothing but one container's files.
    #[derive(Debug)]
    struct Only(FileSystem);

    impl Meter for Only {
        fn used(&self) -> u64 {
            self.0.written()
        }
    }

    #[rstest]
    #[case("dd if=/dev/zero of=/f bs=1M count=3", "3+0 records in\n3+0 records out\n3145728 bytes copied")]
    #[case("printf 0123456789 >/f; dd if=/f bs=4 skip=1 status=none", "456789")]
    #[case("printf 0123456789 >/f; printf ab | dd of=/f bs=1 seek=3 conv=notrunc 2>/dev/null; cat /f", "012ab56789")]
    #[case("printf 0123456789 >/f; printf ab | dd of=/f bs=1 seek=3 2>/dev/null; cat /f", "012ab")]
    #[case(
        "dd if=/dev/urandom of=/f bs=1M count=2 2>&1; stat -c %s /f",
        "2+0 records in\n2+0 records out\n2097152 bytes copied\n2097152"
    )]
    #[case("head -c 1000 /dev/urandom | wc -c; fallocate -l 5 /f; wc -c </f; fallocate -l 3 /f; wc -c </f", "1000\n5\n5")]
    #[tokio::test(start_paused = true)]
    async fn files_are_filled(#[case] script: &str, #[case] expected: &str) {
        assert_eq!(crate::sim::program::trial::sh(script).await, (expected.to_owned(), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_disk_takes_no_more() {
        let script = "dd if=/dev/zero of=/f bs=1M count=20; echo $?; echo x >/g; echo $?; df -m /tmp; df -h / | tail -n 1";
        let mut spec = spec(&["sleep", "1000"], Vec::new());
        let (limits, disk) = (spec.limits.clone(), NodeDisk::new(10 * 1024 * 1024, &[]));
        spec.filesystem = FileSystem::with_mounts(Vec::new()).with_disk(disk.clone());
        let meter: Arc<dyn Meter> = Arc::new(Only(spec.filesystem.clone()));
        disk.measured_by(Arc::downgrade(&meter));
        let container = Container::start(spec).unwrap();
        // A log has no room either: a session has.
        let done = container.exec(&["sh", "-c", script].map(ToOwned::to_owned), b"", None).await.unwrap().unwrap();
        let (text, said) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
        assert!(said.starts_with("dd: error writing '/f': No space left on device\n9+0 records in"), "{said}");
        assert!(said.ends_with("sh: write error: No space left on device\n"), "{said}");
        assert!(
            text.starts_with("1\n1\n") && text.contains("\noverlay                     10        10         0 100% /\n"),
            "{text}"
        );
        assert!(text.ends_with("overlay                  10.0M     10.0M         0 100% /\n"), "{text}");
        assert_eq!(limits.since(0), []);
    }

    #[rstest]
    #[case(0, "0")]
    #[case(1_023, "1023")]
    #[case(1_536, "1.5K")]
    #[case(270_553_174_016, "252.0G")]
    fn sizes(#[case] bytes: u64, #[case] text: &str) {
        assert_eq!(super::human(bytes), text);
    }
}
