//! Puts a listening socket at its place in the file system, and takes it away again.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use super::UnixOptions;
use super::error::{BindProblem, MAX_PATH_LEN, UnixBindError};
use super::fds;
use super::folder::{Folder, Place, file_type};
use super::lock::{FileId, LockFile, LockProblem};
use super::peer::our_uid;

/// The most connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// A socket's entry in the file system: removed when this is dropped, if it still is the same one.
pub(crate) struct SocketFile {
    place: Place,
    id: FileId,
    folder: Folder,
    lock: LockFile,
}

/// Makes a listening socket at `place`.
///
/// Nobody can connect before the mode is right: `bind` makes the entry with a mode that depends on the
/// umask, but until `listen` every connection is refused.
pub(super) fn bind(
    place: Place,
    options: &UnixOptions,
) -> Result<(OwnedFd, SocketFile), UnixBindError> {
    let path = place.path();
    try_bind(place, options).map_err(|problem| UnixBindError { path, problem })
}

fn try_bind(place: Place, options: &UnixOptions) -> Result<(OwnedFd, SocketFile), BindProblem> {
    let mode = options.socket_mode().map_err(BindProblem::Mode)?;
    let address = address_of(&place.path())?;
    let folder = place
        .open(options.is_shared())
        .map_err(BindProblem::Folder)?;
    let lock = take_lock(&folder, &place)?;
    let bound = remove_stale(&folder, &place, &address)
        .and_then(|()| listen(&folder, &place, &address, mode));
    match bound {
        Ok((fd, id)) => Ok((
            fd,
            SocketFile {
                place,
                id,
                folder,
                lock,
            },
        )),
        Err(problem) => {
            lock.remove(&folder);
            Err(problem)
        }
    }
}

pub(super) fn address_of(path: &PathBuf) -> Result<SocketAddrUnix, BindProblem> {
    if path.as_os_str().len() > MAX_PATH_LEN {
        return Err(BindProblem::PathTooLong);
    }
    SocketAddrUnix::new(path).map_err(io_error("cannot use the path"))
}

fn take_lock(folder: &Folder, place: &Place) -> Result<LockFile, BindProblem> {
    LockFile::take(folder, place.name()).map_err(|problem| match problem {
        LockProblem::Held => BindProblem::InUse,
        LockProblem::NotAFile => BindProblem::LockNotAFile,
        LockProblem::Owner(owner) => BindProblem::LockOwner {
            owner,
            us: our_uid(),
        },
        LockProblem::Io(source) => BindProblem::Io {
            doing: "cannot lock its lock file",
            source,
        },
    })
}

/// Removes a socket that nobody listens at. Needs the lock.
fn remove_stale(
    folder: &Folder,
    place: &Place,
    address: &SocketAddrUnix,
) -> Result<(), BindProblem> {
    let Some(found) = look(folder, place)? else {
        return Ok(());
    };
    check_replaceable(&found)?;
    let probe = fds::stream_socket().map_err(io_error("cannot make a socket"))?;
    match rustix::net::connect(&probe, address) {
        Err(Errno::CONNREFUSED) => {}
        Err(Errno::NOENT) => return Ok(()),
        // A full backlog is a live server too. This one has no lock file any more, or never had one.
        Ok(()) | Err(Errno::AGAIN) => return Err(BindProblem::InUse),
        Err(Errno::PROTOTYPE) => return Err(BindProblem::OtherSocket),
        Err(error) => return Err(io_error("cannot find out whether a server listens")(error)),
    }
    // Whoever exchanged it meanwhile does not keep to the lock; leave theirs alone.
    match look(folder, place)? {
        Some(now) if FileId::of(&now) != FileId::of(&found) => return Err(BindProblem::InUse),
        Some(_) => {}
        None => return Ok(()),
    }
    tracing::info!(path = %place.path().display(), "removing the socket of a server that has ended");
    match rustix::fs::unlinkat(folder, place.name(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(io_error(
            "cannot remove the socket of a server that has ended",
        )(error)),
    }
}

fn check_replaceable(found: &Stat) -> Result<(), BindProblem> {
    match file_type(found) {
        FileType::Socket => {}
        FileType::Symlink => return Err(BindProblem::NotASocket("a symbolic link")),
        FileType::RegularFile => return Err(BindProblem::NotASocket("a regular file")),
        FileType::Directory => return Err(BindProblem::NotASocket("a folder")),
        _ => return Err(BindProblem::NotASocket("a device or the like")),
    }
    let us = our_uid();
    if found.st_uid != us {
        return Err(BindProblem::Owner {
            owner: found.st_uid,
            us,
        });
    }
    Ok(())
}

fn listen(
    folder: &Folder,
    place: &Place,
    address: &SocketAddrUnix,
    mode: Mode,
) -> Result<(OwnedFd, FileId), BindProblem> {
    let fd = fds::stream_socket().map_err(io_error("cannot make a socket"))?;
    match rustix::net::bind(&fd, address) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return Err(BindProblem::InUse),
        Err(error) => return Err(io_error("cannot bind the socket")(error)),
    }
    // `bind` went by the path. What it made must be in the folder that was checked.
    let id = match look(folder, place)? {
        Some(stat) if check_replaceable(&stat).is_ok() => FileId::of(&stat),
        _ => return Err(BindProblem::Moved),
    };
    let ready = open_up(folder, place, mode, &fd);
    if ready.is_err() {
        remove_if_same(folder, place, id);
    }
    ready.map(|()| (fd, id))
}

fn open_up(folder: &Folder, place: &Place, mode: Mode, fd: &OwnedFd) -> Result<(), BindProblem> {
    rustix::fs::chmodat(folder, place.name(), mode, AtFlags::empty())
        .map_err(io_error("cannot set the mode of the socket"))?;
    match look(folder, place)? {
        Some(stat) if Mode::from_raw_mode(stat.st_mode) == mode => {}
        _ => return Err(BindProblem::Moved),
    }
    rustix::net::listen(fd, BACKLOG).map_err(io_error("cannot listen"))
}

fn look(folder: &Folder, place: &Place) -> Result<Option<Stat>, BindProblem> {
    match rustix::fs::statat(folder, place.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(io_error("cannot examine what is there")(error)),
    }
}

fn remove_if_same(folder: &Folder, place: &Place, id: FileId) {
    if let Ok(Some(stat)) = look(folder, place)
        && FileId::of(&stat) == id
    {
        let _ = rustix::fs::unlinkat(folder, place.name(), AtFlags::empty());
    }
}

fn io_error(doing: &'static str) -> impl Fn(Errno) -> BindProblem {
    move |error| BindProblem::Io {
        doing,
        source: io::Error::from(error),
    }
}

impl SocketFile {
    pub(super) fn path(&self) -> PathBuf {
        self.place.path()
    }
}

impl Drop for SocketFile {
    /// The lock goes last: whoever gets it next finds no socket of ours.
    fn drop(&mut self) {
        remove_if_same(&self.folder, &self.place, self.id);
        self.lock.remove(&self.folder);
    }
}
