//! Files and folders for their owner's eyes only: what a run observes of a cluster is not for everybody on the machine.
//! Reports that the user asks for are written elsewhere, with the usual mode.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;

/// Options for a file with mode 0600 from its beginning.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates or empties a file.
///
/// # Errors
/// It cannot be created.
pub fn create(path: &Path) -> Result<File> {
    options().write(true).create(true).truncate(true).open(path)
}

/// Writes a whole file.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    create(path)?.write_all(bytes)
}

/// Creates a folder and those above it that are missing, with mode 0700.
///
/// # Errors
/// It cannot be created.
pub fn create_dir_all(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Leaves what another program has made to its owner alone.
///
/// # Errors
/// Its mode cannot be changed.
#[cfg_attr(not(unix), expect(unused_variables, reason = "modes are Unix'"))]
pub fn own(path: &Path, mode: u32) -> Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        create_dir_all(&inner).unwrap();
        write(&inner.join("file"), b"text").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.path().join("a")), mode(&inner), mode(&inner.join("file"))), (0o700, 0o700, 0o600));
    }
}
