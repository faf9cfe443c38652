//! Why a Unix socket could not be bound or connected.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::FolderError;
use super::peer::AllowedUsers;

/// The longest path that the system takes for a socket, in bytes: its structure also holds a NUL.
#[cfg(not(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd"
)))]
pub(super) const MAX_PATH_LEN: usize = 107;
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd"
))]
pub(super) const MAX_PATH_LEN: usize = 103;

/// A server cannot listen at a Unix address. It says what is in the way and what to do.
#[derive(Debug)]
pub struct UnixBindError {
    pub(super) path: PathBuf,
    pub(super) problem: BindProblem,
}

#[derive(Debug)]
pub(super) enum BindProblem {
    InUse,
    PathTooLong,
    Mode(u32),
    Folder(FolderError),
    /// What is there instead of a socket.
    NotASocket(&'static str),
    /// A socket, but not one that a connection can be made to.
    OtherSocket,
    Owner {
        owner: u32,
        us: u32,
    },
    LockNotAFile,
    LockOwner {
        owner: u32,
        us: u32,
    },
    Moved,
    Io {
        doing: &'static str,
        source: io::Error,
    },
}

impl UnixBindError {
    pub(super) fn io(path: PathBuf, doing: &'static str, source: io::Error) -> Self {
        UnixBindError {
            path,
            problem: BindProblem::Io { doing, source },
        }
    }

    /// Where the socket was to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a server listens there already.
    pub fn is_in_use(&self) -> bool {
        matches!(self.problem, BindProblem::InUse)
    }

    /// The nearest kind that the standard library has.
    pub fn kind(&self) -> io::ErrorKind {
        match &self.problem {
            BindProblem::InUse => io::ErrorKind::AddrInUse,
            BindProblem::PathTooLong | BindProblem::Mode(_) => io::ErrorKind::InvalidInput,
            BindProblem::Folder(error) => error.kind(),
            BindProblem::NotASocket(_) | BindProblem::OtherSocket => io::ErrorKind::AlreadyExists,
            BindProblem::Owner { .. }
            | BindProblem::LockNotAFile
            | BindProblem::LockOwner { .. } => io::ErrorKind::PermissionDenied,
            BindProblem::Moved => io::ErrorKind::Other,
            BindProblem::Io { source, .. } => source.kind(),
        }
    }
}

impl fmt::Display for UnixBindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "cannot listen at {path}: ")?;
        match &self.problem {
            BindProblem::InUse => f.write_str("address in use: a server is listening"),
            BindProblem::PathTooLong => path_too_long(f, &self.path),
            BindProblem::Mode(mode) => write!(
                f,
                "{mode:#o} is no mode for a socket: expected at least 0o600 and at most 0o777"
            ),
            BindProblem::Folder(error) => error.fmt(f),
            BindProblem::NotASocket(what) => {
                write!(
                    f,
                    "{what} is there, expected a socket or nothing: use another address, or remove it"
                )
            }
            BindProblem::OtherSocket => {
                f.write_str("the socket of another kind of program is there: use another address")
            }
            BindProblem::Owner { owner, us } => write!(
                f,
                "the socket there belongs to the user {owner}, expected {us}, who runs this process: use \
                 another address"
            ),
            BindProblem::LockNotAFile => write!(
                f,
                "its lock file {path}.lock is not a regular file: use another address, or remove it"
            ),
            BindProblem::LockOwner { owner, us } => write!(
                f,
                "its lock file {path}.lock belongs to the user {owner}, expected {us}, who runs this \
                 process: use another address"
            ),
            BindProblem::Moved => f.write_str("the folder was exchanged meanwhile"),
            BindProblem::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for UnixBindError {}

/// A client cannot connect to a Unix address. It says why and what to do.
#[derive(Debug)]
pub struct UnixConnectError {
    pub(super) path: PathBuf,
    pub(super) problem: ConnectProblem,
}

#[derive(Debug)]
pub(super) enum ConnectProblem {
    NoSocket {
        elsewhere: Option<PathBuf>,
    },
    NotListening,
    NotAServer,
    PathTooLong,
    NotPermitted {
        us: u32,
    },
    Peer {
        uid: u32,
        allowed: AllowedUsers,
    },
    Io {
        doing: &'static str,
        source: io::Error,
    },
}

impl UnixConnectError {
    /// Where the server was expected.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nobody listens there, so that a later try may succeed.
    pub fn is_not_running(&self) -> bool {
        matches!(
            self.problem,
            ConnectProblem::NoSocket { .. } | ConnectProblem::NotListening
        )
    }

    /// The nearest kind that the standard library has.
    pub fn kind(&self) -> io::ErrorKind {
        match &self.problem {
            ConnectProblem::NoSocket { .. } => io::ErrorKind::NotFound,
            ConnectProblem::NotListening | ConnectProblem::NotAServer => {
                io::ErrorKind::ConnectionRefused
            }
            ConnectProblem::PathTooLong => io::ErrorKind::InvalidInput,
            ConnectProblem::NotPermitted { .. } | ConnectProblem::Peer { .. } => {
                io::ErrorKind::PermissionDenied
            }
            ConnectProblem::Io { source, .. } => source.kind(),
        }
    }
}

impl fmt::Display for UnixConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "cannot connect to {path}: ")?;
        match &self.problem {
            ConnectProblem::NoSocket { elsewhere: None } => {
                f.write_str("there is no such socket: start the server")
            }
            ConnectProblem::NoSocket {
                elsewhere: Some(other),
            } => write!(
                f,
                "there is no such socket, but there is {}: one of server and client runs without \
                 XDG_RUNTIME_DIR; give both the same, or a full path",
                other.display()
            ),
            ConnectProblem::NotListening => f.write_str(
                "the socket is there, but nobody listens: its server has ended; start it again",
            ),
            ConnectProblem::NotAServer => f.write_str("what is there is not a server's socket"),
            ConnectProblem::PathTooLong => path_too_long(f, &self.path),
            ConnectProblem::NotPermitted { us } => write!(
                f,
                "the user {us}, who runs this process, may not open it: run as the server's user, or \
                 give the server a wider `.mode()`"
            ),
            ConnectProblem::Peer { uid, allowed } => write!(
                f,
                "the server there runs as the user {uid}, expected {allowed}: nothing was sent to it"
            ),
            ConnectProblem::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for UnixConnectError {}

fn path_too_long(f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
    write!(
        f,
        "the path has {} bytes, and the system takes at most {MAX_PATH_LEN} for a socket: use a shorter one",
        path.as_os_str().len()
    )
}
