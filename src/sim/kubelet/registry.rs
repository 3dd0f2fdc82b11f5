//! The modelled registry and the node's image store: which image exists, what a pull answers, what would run in it.
//! When pulls are made, and what is said about them, lives in `image`.

use super::image_name::ImageName;
use super::private_registry;
use crate::sim::profile::Profile;
use crate::sim::program::model::{self, Choice};
use crate::sim::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// The size that recordings show for busybox.
const BUSYBOX_BYTES: u64 = 2_181_898;
/// The size claimed for images that the profile gives none for.
const UNKNOWN_BYTES: u64 = 10 * 1024 * 1024;
/// Digests of the busybox images of the recordings.
const DIGESTS: [(&str, &str); 3] = [
    (":1.36", "0c79956338c49cfb3a64be3e8123f33c5c284b67df639ea403158db29ef5ce8b"),
    (":1.37", "89568fdd3cc735436d682a91203ed79c2437a459d054e5962506add230f359bc"),
    (":latest", "e6e62a6f932257340ef8a5756646bba492351f2fcd9f9d03ebbd8c21bc3c96a3"),
];

/// What runs in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Busybox's userland.
    Busybox,
    /// The scenario's stand-in, in place of image and container command.
    StandIn(Vec<String>),
    /// A model of the image. As a scenario's stand-in it also takes the place of a command that is none of its programs.
    Model { choice: Choice, stand_in: bool },
    /// Nobody knows: only a command that busybox also has can be run.
    Unknown,
}

/// An image that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The complete name.
    pub(super) name: String,
    /// `repository@sha256:...`, as statuses show it.
    pub(super) id: String,
    /// Compressed size in bytes.
    pub(super) size: u64,
    /// What runs in it.
    pub(super) program: Program,
    /// Files that it has beside its program's own: path and content.
    pub(super) files: BTreeMap<String, String>,
}

/// The answer of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has the image.
    Found(Image),
    /// It does not: containerd's text.
    Refused(String),
}

/// Whether every node has the image from the beginning.
pub(super) fn is_preloaded(profile: &Profile, name: &ImageName) -> bool {
    name.is_busybox() && name.is_known_busybox_tag() || profile.busybox_images.contains_key(&name.full())
}

/// Asks the registry for an image; `written` is the name as in the manifest.
pub(super) fn look_up(profile: &Profile, random: Random, written: &str, name: &ImageName) -> Answer {
    let mirrored = profile.mirror.as_deref().and_then(|mirror| written.strip_prefix(mirror)?.strip_prefix('/'));
    if let Some((original, of)) = mirrored.and_then(|original| Some((original, ImageName::parse(original).ok()?))) {
        let answer = from(profile, random, original, &of);
        return match answer {
            Answer::Found(image) => Answer::Found(Image { name: name.full(), id: image_id(random, name), ..image }),
            Answer::Refused(error) => Answer::Refused(error.replace(&of.full(), &name.full())),
        };
    }
    from(profile, random, written, name)
}

/// The answer of the image's own registry.
fn from(profile: &Profile, random: Random, written: &str, name: &ImageName) -> Answer {
    let full = name.full();
    let stand_in = profile.images.iter().find(|stand_in| glob(&stand_in.pattern, written) || glob(&stand_in.pattern, &full)).map(
        |stand_in| match &stand_in.model {
            Some(choice) => Program::Model { choice: choice.clone(), stand_in: true },
            None => Program::StandIn(stand_in.command.clone()),
        },
    );
    let pullable = profile.pullable.get(written).or_else(|| profile.pullable.get(&full)).copied();
    let found = |program, size| {
        let files = profile.busybox_images.get(&full).cloned().unwrap_or_default();
        Answer::Found(Image { name: full.clone(), id: image_id(random, name), size, program, files })
    };
    if let Some(program) = stand_in {
        return found(program, pullable.unwrap_or(UNKNOWN_BYTES));
    }
    if is_preloaded(profile, name) {
        return found(Program::Busybox, BUSYBOX_BYTES);
    }
    let known = model::of_image(&name.repository()).map(|model| Program::Model {
        choice: Choice { model: model.name.to_owned(), options: BTreeMap::new() },
        stand_in: false,
    });
    let program = known.unwrap_or(Program::Unknown);
    if let Some(size) = pullable {
        return found(program, size);
    }
    if private_registry::is_private(name) {
        return found(program, UNKNOWN_BYTES);
    }
    let prefix = unresolved(&full);
    if name.host == "dead.invalid" {
        return unreachable(name);
    }
    // Nobody listens on port 1; on others a developer's registry may.
    if matches!(name.host.as_str(), "127.0.0.1:1" | "localhost:1") {
        let (tag, host) = (name.version.trim_start_matches([':', '@']), &name.host);
        return Answer::Refused(format!(
            "{prefix}failed to do request: Head \"https://{host}/v2/{}/manifests/{tag}\": dial tcp 127.0.0.1:1: connect: connection refused",
            name.path
        ));
    }
    if name.host.ends_with(".invalid") || name.is_busybox() {
        return Answer::Refused(format!("rpc error: code = NotFound desc = {prefix}{full}: not found"));
    }
    found(program, UNKNOWN_BYTES)
}

pub(super) fn unresolved(full: &str) -> String {
    format!("failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": ")
}

/// What a node answers whose container runtime is told to look for every registry where nobody listens.
pub(super) fn unreachable(name: &ImageName) -> Answer {
    let (prefix, tag) = (unresolved(&name.full()), name.version.trim_start_matches([':', '@']));
    Answer::Refused(format!(
        "{prefix}failed to do request: Head \"http://127.0.0.1:1/v2/{}/manifests/{tag}?ns=%5BREDACTED%5D\": dial tcp 127.0.0.1:1: connect: connection refused",
        name.path
    ))
}

fn image_id(random: Random, name: &ImageName) -> String {
    if let Some(digest) = name.version.strip_prefix('@') {
        return format!("{}@{digest}", name.repository());
    }
    let recorded = DIGESTS.iter().find(|(version, _)| name.is_busybox() && *version == name.version);
    let digest = recorded.map_or_else(|| random.hex(&name.full(), "image-digest", 0, 64), |(_, digest)| (*digest).to_owned());
    format!("{}@sha256:{digest}", name.repository())
}

/// Whether `text` matches `pattern`, in which `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// An image on a node.
#[derive(Clone, Copy, Debug)]
struct Stored {
    size: u64,
    pulled: Instant,
    /// When the kubelet first saw it.
    seen: Option<Instant>,
    /// When a container last used it; absent: never.
    used: Option<Instant>,
}

/// The images of a node. Every busybox is there from the beginning, though only the usual ones are counted.
#[derive(Clone, Debug, Default)]
pub(super) struct ImageStore {
    images: BTreeMap<String, Stored>,
    /// Images of the beginning that were deleted.
    removed: BTreeSet<String>,
}

impl ImageStore {
    /// The images of a node that was just made.
    pub(super) fn of(profile: &Profile) -> Self {
        let now = Instant::now();
        let usual = DIGESTS.iter().map(|(version, _)| format!("docker.io/library/busybox{version}"));
        let names = usual.chain(profile.busybox_images.keys().cloned());
        let stored = Stored { size: BUSYBOX_BYTES, pulled: now, seen: None, used: None };
        Self { images: names.map(|name| (name, stored)).collect(), removed: BTreeSet::new() }
    }

    /// Whether the node has the image.
    pub(super) fn has(&self, profile: &Profile, name: &ImageName) -> bool {
        let full = name.full();
        self.images.contains_key(&full) || (is_preloaded(profile, name) && !self.removed.contains(&full))
    }

    /// Remembers a pulled image of so many bytes.
    pub(super) fn add(&mut self, name: &ImageName, size: u64, now: Instant) {
        self.removed.remove(&name.full());
        self.images.entry(name.full()).or_insert(Stored { size, pulled: now, seen: None, used: None });
    }

    /// Bytes of all images.
    pub(super) fn bytes(&self) -> u64 {
        self.images.values().map(|image| image.size).sum()
    }

    /// Containers used these images until now.
    pub(super) fn used<'a>(&mut self, names: impl Iterator<Item = &'a String>, now: Instant) {
        for name in names {
            if let Some(image) = self.images.get_mut(name) {
                image.used = Some(now);
            }
        }
    }

    /// The kubelet looks which images there are; one that it has not met yet it saw first at `when`, given when it was pulled.
    pub(super) fn detect(&mut self, when: impl Fn(Instant) -> Instant) {
        for image in self.images.values_mut() {
            image.seen = image.seen.or_else(|| Some(when(image.pulled)));
        }
    }

    /// The images that may go, the least recently used first: nobody uses them, and `is_old` says so of when they were seen.
    pub(super) fn unused(&self, in_use: &BTreeSet<String>, is_old: impl Fn(Instant) -> bool) -> Vec<String> {
        let free = self.images.iter().filter(|(name, image)| !in_use.contains(*name) && image.seen.is_some_and(&is_old));
        let mut names: Vec<_> = free.map(|(name, image)| (image.used, image.seen, name.clone())).collect();
        names.sort();
        names.into_iter().map(|(.., name)| name).collect()
    }

    /// Deletes an image: its bytes.
    pub(super) fn remove(&mut self, name: &str) -> u64 {
        self.removed.insert(name.to_owned());
        self.images.remove(name).map_or(0, |image| image.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::profile::ImageStandIn;
    use rstest::rstest;

    fn ask(profile: &Profile, written: &str) -> Answer {
        look_up(profile, Random::new(1), written, &ImageName::parse(written).unwrap())
    }

    #[rstest]
    #[case("shop/api:*", "shop/api:3", true)]
    #[case("shop/api:*", "shop/apis", false)]
    #[case("*/api:*-rc", "shop/api:2-rc", true)]
    #[case("shop/api", "shop/api:1", false)]
    #[case("*", "anything", true)]
    fn globs(#[case] pattern: &str, #[case] text: &str, #[case] matches: bool) {
        assert_eq!(glob(pattern, text), matches);
    }

    #[test]
    fn answers_as_the_recorded_registry() {
        let profile = Profile::default();
        let Answer::Refused(missing) = ask(&profile, "example.invalid/nope:1") else { panic!("must be missing") };
        assert_eq!(
            missing,
            "rpc error: code = NotFound desc = failed to pull and unpack image \"example.invalid/nope:1\": failed to resolve reference \"example.invalid/nope:1\": example.invalid/nope:1: not found"
        );
        let Answer::Refused(dead) = ask(&profile, "dead.invalid/nope:1") else { panic!("must be refused") };
        assert!(dead.ends_with(
            "Head \"http://127.0.0.1:1/v2/nope/manifests/1?ns=%5BREDACTED%5D\": dial tcp 127.0.0.1:1: connect: connection refused"
        ));
        assert!(matches!(ask(&profile, "busybox:nope"), Answer::Refused(_)));
        let Answer::Found(busybox) = ask(&profile, "busybox:1.36") else { panic!("busybox exists") };
        assert_eq!(busybox.name, "docker.io/library/busybox:1.36");
        assert!(busybox.id.starts_with("docker.io/library/busybox@sha256:0c79956338"));
        let Answer::Found(nginx) = ask(&profile, "nginx:1.27") else { panic!("nginx exists") };
        assert!(matches!(&nginx.program, Program::Model { choice, stand_in: false } if choice.model == "nginx"));
        assert!(matches!(ask(&profile, "shop/api:1"), Answer::Found(Image { program: Program::Unknown, .. })));
    }

    #[test]
    fn a_mirror_has_what_the_others_have() {
        let profile = Profile { mirror: Some("reg.local:5000/mirror".to_owned()), ..Profile::default() };
        let Answer::Found(image) = ask(&profile, "reg.local:5000/mirror/busybox:1.37") else { panic!("it has busybox") };
        assert_eq!((image.name.as_str(), image.program), ("reg.local:5000/mirror/busybox:1.37", Program::Busybox));
        let Answer::Refused(error) = ask(&profile, "reg.local:5000/mirror/busybox:9.99") else { panic!("must be refused") };
        assert!(error.ends_with("reg.local:5000/mirror/busybox:9.99: not found"), "{error}");
        let Answer::Found(model) = ask(&profile, "reg.local:5000/mirror/nginx:1.27") else { panic!("it has nginx") };
        assert!(matches!(&model.program, Program::Model { choice, .. } if choice.model == "nginx"));
    }

    #[test]
    fn profiles_add_images_and_stand_ins() {
        let mut profile = Profile::default();
        let Answer::Refused(nobody) = ask(&profile, "127.0.0.1:1/web:2") else { panic!("must be refused") };
        assert_eq!(
            nobody,
            "failed to pull and unpack image \"127.0.0.1:1/web:2\": failed to resolve reference \"127.0.0.1:1/web:2\": failed to do request: Head \"https://127.0.0.1:1/v2/web/manifests/2\": dial tcp 127.0.0.1:1: connect: connection refused"
        );
        profile.pullable.insert("example.invalid/good:1".to_owned(), 7);
        profile.images.push(ImageStandIn { pattern: "shop/api:*".to_owned(), command: vec!["sleep".to_owned()], model: None });
        assert!(matches!(ask(&profile, "example.invalid/good:1"), Answer::Found(Image { size: 7, .. })));
        let Answer::Found(image) = ask(&profile, "shop/api:2") else { panic!("a stand-in exists") };
        assert_eq!(image.program, Program::StandIn(vec!["sleep".to_owned()]));
    }
}
