//! What a file descriptor of a simulated process may be connected to, and how it is read and written.
//! Opening by a redirection's rules is the shell's.

use super::data::{Data, to_usize};
use super::errno::Errno;
use super::filesystem::{FileSystem, Kind};
use super::log::Stream as LogStream;
use super::machine::Machine;
use super::pipe;
use super::session::Terminal;
use crate::sim::network::Stream;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes are handed to a connection at once.
const SOCKET_CHUNK: u64 = 64 * 1024;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For reading.
    Read,
    /// For writing, emptied first.
    Write,
    /// For writing at the end.
    Append,
    /// For both, not emptied.
    ReadWrite,
}

/// An open regular file.
#[derive(Debug)]
pub struct OpenFile {
    filesystem: FileSystem,
    /// Its absolute path.
    pub path: String,
    mode: Mode,
    offset: Mutex<u64>,
}

/// One end of a process's input or output.
#[derive(Clone, Debug)]
pub enum Descriptor {
    /// `/dev/null`.
    Null,
    /// `/dev/zero`.
    Zero,
    /// `/dev/full`.
    Full,
    /// `/dev/urandom`.
    Random(Arc<Machine>),
    /// A stream of the container's log.
    Log(Arc<LogStream>),
    /// Collects what an exec session writes.
    Capture(Arc<Mutex<Vec<u8>>>),
    /// Bytes known in advance (standard input of a session, a here-document).
    Input(Arc<Mutex<Data>>),
    /// A pipe that is read.
    Reader(Arc<pipe::Reader>),
    /// A pipe that is written.
    Writer(Arc<pipe::Writer>),
    /// A regular file.
    File(Arc<OpenFile>),
    /// The terminal of an exec session.
    Terminal(Arc<Terminal>),
    /// A TCP connection.
    Socket(Arc<Stream>),
}

impl Descriptor {
    /// A source of these bytes.
    #[must_use]
    pub fn input(bytes: Vec<u8>) -> Self {
        Self::Input(Arc::new(Mutex::new(Data::Bytes(bytes))))
    }

    /// Up to `limit` bytes; empty at the end.
    pub async fn read(&self, limit: u64) -> Result<Data, Errno> {
        match self {
            Self::Null | Self::Capture(_) => Ok(Data::Bytes(Vec::new())),
            Self::Zero | Self::Full => Ok(Data::Fill(0, limit)),
            Self::Random(machine) => Ok(machine.random_bytes(limit)),
            Self::Log(_) => Ok(Data::Bytes(Vec::new())),
            Self::Input(input) => Ok(input.lock().unwrap_or_else(PoisonError::into_inner).take(limit)),
            Self::Reader(reader) => Ok(reader.read(limit).await),
            Self::Terminal(terminal) => Ok(terminal.input.read(limit).await),
            Self::Writer(_) => Err(Errno::BadDescriptor),
            Self::File(file) => file.read(limit),
            Self::Socket(stream) => Ok(Data::Bytes(stream.read(to_usize(limit)).await?.to_vec())),
        }
    }

    /// Writes everything.
    pub async fn write(&self, data: Data) -> Result<(), Errno> {
        match self {
            Self::Null | Self::Zero | Self::Random(_) => Ok(()),
            Self::Full => Err(Errno::NoSpace),
            Self::Log(stream) => {
                if !super::log::is_reasonable(&data) {
                    return Err(Errno::NoSpace);
                }
                stream.accept(data).await;
                Ok(())
            }
            Self::Capture(capture) => {
                let mut bytes = capture.lock().unwrap_or_else(PoisonError::into_inner);
                // The kubelet keeps 16 KiB of a probe's output; an API exec streams. 16 MiB bound both.
                if bytes.len() < 16 * 1024 * 1024 {
                    bytes.extend(data.into_bytes());
                }
                Ok(())
            }
            Self::Input(_) | Self::Reader(_) => Err(Errno::BadDescriptor),
            Self::Writer(writer) => writer.write(data).await,
            Self::Terminal(terminal) => terminal.output.write(data).await,
            Self::File(file) => file.write(data),
            Self::Socket(stream) => {
                let mut data = data;
                while !data.is_empty() {
                    stream.write(data.take(SOCKET_CHUNK).into_bytes()).await?;
                }
                Ok(())
            }
        }
    }
}

impl OpenFile {
    /// Goes on at this offset.
    pub fn seek(&self, offset: u64) {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = offset;
    }

    fn read(&self, limit: u64) -> Result<Data, Errno> {
        if matches!(self.mode, Mode::Write | Mode::Append) {
            return Err(Errno::BadDescriptor);
        }
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let data = self.filesystem.slice(&self.path, *offset, limit)?;
        *offset += data.len();
        Ok(data)
    }

    fn write(&self, data: Data) -> Result<(), Errno> {
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match self.mode {
            Mode::Read => return Err(Errno::BadDescriptor),
            Mode::Append => None,
            Mode::Write | Mode::ReadWrite => Some(*offset),
        };
        *offset = self.filesystem.write(&self.path, at, data)?;
        Ok(())
    }
}

/// The open descriptors of a process, by number.
#[derive(Clone, Debug, Default)]
pub struct Descriptors(BTreeMap<i32, Descriptor>);

impl Descriptors {
    /// Standard input, output and error.
    #[must_use]
    pub fn standard(input: Descriptor, output: Descriptor, error: Descriptor) -> Self {
        Self(BTreeMap::from([(0, input), (1, output), (2, error)]))
    }

    /// The descriptor with this number.
    pub fn get(&self, number: i32) -> Result<Descriptor, Errno> {
        self.0.get(&number).cloned().ok_or(Errno::BadDescriptor)
    }

    /// Connects a number; `None` closes it.
    pub fn set(&mut self, number: i32, descriptor: Option<Descriptor>) {
        match descriptor {
            Some(descriptor) => self.0.insert(number, descriptor),
            None => self.0.remove(&number),
        };
    }

    /// Opens an absolute path, devices and `/proc/PID/fd/N` included.
    pub fn open(&self, machine: &Arc<Machine>, path: &str, mode: Mode) -> Result<Descriptor, Errno> {
        let filesystem = &machine.spec.filesystem;
        let path = filesystem.resolve(path);
        if let Some(descriptor) = self.special(machine, &path) {
            return descriptor;
        }
        if mode == Mode::Read && (path.starts_with("/proc/") || path.starts_with("/sys/")) && filesystem.metadata(&path).is_err()
        {
            return match super::system_files::content(machine, &path) {
                Some(text) => Ok(Descriptor::input(text.into_bytes())),
                None => Err(Errno::NotFound),
            };
        }
        match mode {
            Mode::Read => match filesystem.metadata(&path)?.kind {
                // A directory can be opened; reading it fails.
                Kind::File | Kind::Directory => {}
                Kind::Device | Kind::Link(_) => return Err(Errno::NotFound),
            },
            Mode::Write => filesystem.create(&path, true)?,
            Mode::Append | Mode::ReadWrite => filesystem.create(&path, false)?,
        }
        Ok(Descriptor::File(Arc::new(OpenFile { filesystem: filesystem.clone(), path, mode, offset: Mutex::new(0) })))
    }

    fn special(&self, machine: &Arc<Machine>, path: &str) -> Option<Result<Descriptor, Errno>> {
        let number = match path {
            "/dev/null" => return Some(Ok(Descriptor::Null)),
            "/dev/zero" => return Some(Ok(Descriptor::Zero)),
            "/dev/full" => return Some(Ok(Descriptor::Full)),
            "/dev/random" | "/dev/urandom" => return Some(Ok(Descriptor::Random(Arc::clone(machine)))),
            "/dev/tty" => return Some(Err(Errno::NotFound)),
            "/dev/stdin" => "0",
            "/dev/stdout" => "1",
            "/dev/stderr" => "2",
            "/proc/1/fd/1" => return Some(Ok(Descriptor::Log(Arc::clone(&machine.stdout)))),
            "/proc/1/fd/2" => return Some(Ok(Descriptor::Log(Arc::clone(&machine.stderr)))),
            other => other.strip_prefix("/dev/fd/").or_else(|| other.strip_prefix("/proc/self/fd/"))?,
        };
        Some(number.parse().map_or(Err(Errno::NotFound), |number| self.get(number).map_err(|_| Errno::NotFound)))
    }
}
