//! The lock file beside a socket.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::folder::{Folder, file_type};
use super::peer::our_uid;

/// The right to put a socket at one name, held as long as the server listens.
///
/// Only its holder removes or makes the socket, so two servers that start at once cannot take each
/// other's away. The kernel lets go of it when the process ends, however it ends. The file is empty.
pub(super) struct LockFile {
    name: OsString,
    fd: OwnedFd,
}

#[derive(Debug)]
pub(super) enum LockProblem {
    /// Another server listens, or is just starting.
    Held,
    NotAFile,
    Owner(u32),
    Io(io::Error),
}

impl From<Errno> for LockProblem {
    fn from(error: Errno) -> Self {
        LockProblem::Io(error.into())
    }
}

impl LockFile {
    /// Takes the lock of the socket called `socket`, without waiting.
    pub(super) fn take(folder: &Folder, socket: &OsStr) -> Result<Self, LockProblem> {
        let mut name = socket.to_owned();
        name.push(".lock");
        // A server that ends removes the file while it holds the lock. Whoever opened it before holds a
        // lock on a file without a name then, which excludes nobody: that one has to begin again.
        for _ in 0..100 {
            let fd = open(folder, &name)?;
            match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(LockProblem::Held),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let lock = LockFile {
                name: name.clone(),
                fd,
            };
            if lock.is_in(folder)? {
                return Ok(lock);
            }
        }
        // Servers have come and gone a hundred times meanwhile; one of them is there now.
        Err(LockProblem::Held)
    }

    /// Whether the locked file is the one that has the name.
    fn is_in(&self, folder: &Folder) -> Result<bool, Errno> {
        let ours = FileId::of(&rustix::fs::fstat(&self.fd)?);
        match rustix::fs::statat(folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(FileId::of(&stat) == ours),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the name away, then lets go.
    pub(super) fn remove(&self, folder: &Folder) {
        if self.is_in(folder).unwrap_or(false) {
            let _ = rustix::fs::unlinkat(folder, &self.name, AtFlags::empty());
        }
    }
}

fn open(folder: &Folder, name: &OsStr) -> Result<OwnedFd, LockProblem> {
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    let fd = match rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => fd,
        // A link; a folder; a socket or a named pipe.
        Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(LockProblem::NotAFile),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&fd)?;
    if file_type(&stat) != FileType::RegularFile {
        return Err(LockProblem::NotAFile);
    }
    // Somebody else's file could be locked by them at will.
    if stat.st_uid != our_uid() {
        return Err(LockProblem::Owner(stat.st_uid));
    }
    // A strange umask may have left a file that its own user cannot open the next time.
    rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
    Ok(fd)
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    // The types of these fields differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    pub(super) fn of(stat: &Stat) -> Self {
        FileId {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }
}
