//! Why a system call of a simulated program failed, in the words that busybox prints.
//! No behaviour lives here.

use crate::sim::network::NetError;
use std::fmt;

/// The error numbers that the model can produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// ENOENT.
    NotFound,
    /// EISDIR.
    IsDirectory,
    /// ENOTDIR.
    NotDirectory,
    /// EROFS.
    ReadOnly,
    /// EACCES.
    Denied,
    /// EBADF.
    BadDescriptor,
    /// EPIPE.
    BrokenPipe,
    /// ENOSPC.
    NoSpace,
    /// EEXIST.
    Exists,
    /// ENOTEMPTY.
    NotEmpty,
    /// EBUSY.
    Busy,
    /// EINVAL.
    Invalid,
    /// What the network answered.
    Net(NetError),
}

impl From<NetError> for Errno {
    fn from(error: NetError) -> Self {
        if error == NetError::BrokenPipe { Self::BrokenPipe } else { Self::Net(error) }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Net(error) => return error.fmt(formatter),
            Self::NotFound => "No such file or directory",
            Self::IsDirectory => "Is a directory",
            Self::NotDirectory => "Not a directory",
            Self::ReadOnly => "Read-only file system",
            Self::Denied => "Permission denied",
            Self::BadDescriptor => "Bad file descriptor",
            Self::BrokenPipe => "Broken pipe",
            Self::NoSpace => "No space left on device",
            Self::Exists => "File exists",
            Self::NotEmpty => "Directory not empty",
            Self::Busy => "Resource busy",
            Self::Invalid => "Invalid argument",
        })
    }
}
