//! Where text comes from: files on disk and the files built into the binary, read with a limit, with names for people.
//! What the text means is decided elsewhere.

use super::builtin;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The largest file that is read, in bytes: etcd takes no object over 1.5 MiB, so 4 MiB hold any honest file.
pub const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// A text with its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// As the user named it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place that can be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file or folder on disk.
    Disk(PathBuf),
    /// A file or folder in the binary, by its path in the repository (`scenarios/crash/crashy-app.yaml`).
    Builtin(String),
}

impl Place {
    /// The place that `relative` names, seen from the folder of this file. Absolute paths and `builtin:` stay what they are.
    #[must_use]
    pub fn beside(&self, relative: &str) -> Self {
        match self {
            Self::Disk(file) => {
                let joined = file.parent().unwrap_or_else(|| Path::new("")).join(relative);
                Self::Disk(clean(&joined))
            }
            Self::Builtin(file) => {
                let parent = Path::new(file).parent().unwrap_or_else(|| Path::new(""));
                Self::Builtin(clean(&parent.join(relative)).to_string_lossy().into_owned())
            }
        }
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        match self {
            Self::Disk(path) => path.is_dir(),
            Self::Builtin(path) => builtin::is_folder(path),
        }
    }

    /// The YAML files of a folder, below it too, sorted by path. Links to folders are not followed: they may lead in circles.
    ///
    /// # Errors
    /// A sentence saying what could not be read.
    pub fn yaml_files(&self) -> Result<Vec<Self>, String> {
        let mut found = Vec::new();
        match self {
            Self::Builtin(path) => found.extend(builtin::files_below(path).into_iter().map(Self::Builtin)),
            Self::Disk(path) => walk(path, &mut found)?,
        }
        found.sort();
        Ok(found)
    }

    /// Reads the whole text.
    ///
    /// # Errors
    /// A sentence saying what could not be read, and why.
    pub fn read(&self) -> Result<Arc<Source>, String> {
        let name = self.to_string();
        match self {
            Self::Builtin(path) => {
                let text = builtin::text(path).ok_or_else(|| format!("`{name}` is not built into comeback"))?;
                Ok(Arc::new(Source { name, text: text.to_owned() }))
            }
            Self::Disk(path) => read_disk(path, name),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk(path) => write!(f, "{}", path.display()),
            Self::Builtin(path) => match path.strip_prefix("scenarios/").and_then(|path| path.strip_suffix(".yaml")) {
                Some(scenario) => write!(f, "builtin:{scenario}"),
                None => write!(f, "builtin:{path}"),
            },
        }
    }
}

fn read_disk(path: &Path, name: String) -> Result<Arc<Source>, String> {
    let wrong = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("`{name}` does not exist"),
        std::io::ErrorKind::PermissionDenied => format!("`{name}` may not be read: permission denied"),
        std::io::ErrorKind::IsADirectory => format!("`{name}` is a folder, not a file"),
        _ => format!("`{name}` cannot be read: {error}"),
    };
    let file = std::fs::File::open(path).map_err(&wrong)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(&wrong)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
        return Err(format!("`{name}` is larger than {} MiB, the most that is read of one file", LARGEST_FILE / 1024 / 1024));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::new(Source { name, text })),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(format!("`{name}` is not UTF-8 text (byte {at} begins no character): it looks like a binary file"))
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<Place>) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("the folder `{}` cannot be read: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(wrong)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden {
            walk(&path, found)?;
        } else if !hidden && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") && path.is_file()
        {
            found.push(Place::Disk(path));
        }
    }
    Ok(())
}

/// Resolves `.` and `..` in the text of a path, so that names in messages are short.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("scenarios/crash/a.yaml", "../../fixtures/b.yaml", "fixtures/b.yaml")]
    #[case("a.yaml", "b.yaml", "b.yaml")]
    #[case("a.yaml", "../b.yaml", "../b.yaml")]
    #[case("/x/a.yaml", "./y/../b.yaml", "/x/b.yaml")]
    #[case("/x/a.yaml", "/b.yaml", "/b.yaml")]
    fn a_relative_path_starts_at_the_file(#[case] file: &str, #[case] relative: &str, #[case] expected: &str) {
        assert_eq!(Place::Disk(file.into()).beside(relative), Place::Disk(expected.into()));
    }

    #[test]
    fn what_cannot_be_read_is_said_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| Place::Disk(folder.path().join(name)).read().unwrap_err();
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe, 0x00]).unwrap();
        std::fs::write(folder.path().join("large"), vec![b'a'; 5 * 1024 * 1024]).unwrap();
        assert!(read("absent").contains("does not exist"));
        assert!(read("binary").contains("binary file"));
        assert!(read("large").contains("larger than 4 MiB"));
        assert!(Place::Disk(folder.path().to_owned()).read().unwrap_err().contains("is a folder"));
    }
}
