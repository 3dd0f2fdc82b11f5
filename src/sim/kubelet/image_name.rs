//! Image names: how containerd reads and completes them, and which of them are busybox.
//! What pulling one gives lives in `image`.

/// A complete image name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImageName {
    /// Registry host, `docker.io` where the manifest names none.
    pub(super) host: String,
    /// Path without host.
    pub(super) path: String,
    /// Tag or digest with its separator: `:1.36`, `@sha256:...`.
    pub(super) version: String,
}

/// Variants of one version that the official image publishes.
const LIBRARIES: [&str; 3] = ["-musl", "-glibc", "-uclibc"];

impl ImageName {
    /// Reads an image name as a manifest gives it.
    ///
    /// # Errors
    /// The parser's text for a name that cannot be one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (host, rest) = match text.split_once('/') {
            Some((first, rest)) if is_host(first) => (first.to_owned(), rest.to_owned()),
            Some(_) => ("docker.io".to_owned(), text.to_owned()),
            None => ("docker.io".to_owned(), format!("library/{text}")),
        };
        let (path, version) = match rest.split_once('@') {
            Some((path, digest)) => (path.split(':').next().unwrap_or_default(), format!("@{digest}")),
            None => match rest.rsplit_once(':') {
                Some((path, tag)) if !tag.contains('/') => (path, format!(":{tag}")),
                _ => (rest.as_str(), ":latest".to_owned()),
            },
        };
        if path.chars().any(char::is_uppercase) {
            return Err(format!("invalid reference format: repository name ({path}) must be lowercase"));
        }
        let valid_path = path.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        });
        let valid_version =
            version.len() > 1 && version[1..].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'));
        if valid_path && valid_version {
            Ok(Self { host, path: path.to_owned(), version })
        } else {
            Err("invalid reference format".to_owned())
        }
    }

    /// The complete name, as container statuses and containerd's messages show it.
    pub(super) fn full(&self) -> String {
        format!("{}/{}{}", self.host, self.path, self.version)
    }

    /// Host and path without tag or digest.
    pub(super) fn repository(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    /// Whether this is one of the repositories that publish busybox.
    pub(super) fn is_busybox(&self) -> bool {
        matches!(
            self.repository().as_str(),
            "docker.io/library/busybox"
                | "index.docker.io/library/busybox"
                | "quay.io/quay/busybox"
                | "quay.io/prometheus/busybox"
                | "mirror.gcr.io/library/busybox"
                | "public.ecr.aws/docker/library/busybox"
                | "registry.k8s.io/busybox"
                | "registry.k8s.io/e2e-test-images/busybox"
                | "k8s.gcr.io/busybox"
                | "gcr.io/google-containers/busybox"
                | "gcr.io/google_containers/busybox"
        )
    }

    /// Whether busybox was published under this tag (any digest counts).
    pub(super) fn is_known_busybox_tag(&self) -> bool {
        let Some(tag) = self.version.strip_prefix(':') else { return true };
        if matches!(tag, "latest" | "stable" | "musl" | "glibc" | "uclibc" | "1") {
            return true;
        }
        let base = LIBRARIES.iter().find_map(|library| tag.strip_suffix(library)).unwrap_or(tag);
        if matches!(base, "stable" | "1" | "latest") {
            return true;
        }
        let mut parts = base.split('.').map(|part| if part.starts_with('+') { None } else { part.parse::<u32>().ok() });
        matches!(
            (parts.next(), parts.next(), parts.next(), parts.next()),
            (Some(Some(1)), Some(Some(21..=37)), None | Some(Some(0..=4)), None)
        )
    }
}

/// Docker's rule: the first part is a host if it has a dot or a port, is `localhost`, or is not lower case.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.chars().any(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("busybox", "docker.io/library/busybox:latest")]
    #[case("busybox:1.36", "docker.io/library/busybox:1.36")]
    #[case("library/busybox:1.36", "docker.io/library/busybox:1.36")]
    #[case("docker.io/library/busybox:1.37", "docker.io/library/busybox:1.37")]
    #[case("quay.io/quay/busybox", "quay.io/quay/busybox:latest")]
    #[case("localhost:5000/busybox", "localhost:5000/busybox:latest")]
    #[case("example.invalid/nope:1", "example.invalid/nope:1")]
    #[case("a/b@sha256:0123", "docker.io/a/b@sha256:0123")]
    fn completes(#[case] text: &str, #[case] full: &str) {
        assert_eq!(ImageName::parse(text).unwrap().full(), full);
    }

    #[rstest]
    #[case("Bad//Name", "invalid reference format: repository name (/Name) must be lowercase")]
    #[case("Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase")]
    #[case("busybox:", "invalid reference format")]
    #[case("a//b", "invalid reference format")]
    #[case("", "invalid reference format")]
    fn refuses(#[case] text: &str, #[case] error: &str) {
        assert_eq!(ImageName::parse(text).unwrap_err(), error);
    }

    #[rstest]
    #[case("busybox:1.36", true)]
    #[case("busybox:1.36.1-musl", true)]
    #[case("busybox:stable-glibc", true)]
    #[case("busybox:uclibc", true)]
    #[case("busybox:1.99", false)]
    #[case("busybox:no-such-tag", false)]
    #[case("busybox:1.36.1.1", false)]
    fn knows_published_tags(#[case] text: &str, #[case] known: bool) {
        let name = ImageName::parse(text).unwrap();
        assert!(name.is_busybox());
        assert_eq!(name.is_known_busybox_tag(), known);
    }
}
