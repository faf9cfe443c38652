//! Where sockets live, and whether that place is safe.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::peer::our_uid;
use crate::address::{UnixAddress, UnixPlace};

/// What of the process's surroundings decides where named sockets live.
pub(crate) struct Environment {
    runtime_dir: Option<PathBuf>,
    temporary: PathBuf,
}

impl Environment {
    pub(crate) fn current() -> Self {
        Self::new(std::env::var_os("XDG_RUNTIME_DIR"), std::env::temp_dir())
    }

    /// As the XDG specification says, a runtime folder that is not absolute is ignored.
    pub(super) fn new(runtime_dir: Option<OsString>, temporary: PathBuf) -> Self {
        let runtime_dir = runtime_dir
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        Environment {
            runtime_dir,
            temporary,
        }
    }

    fn own_folder(&self) -> PathBuf {
        match &self.runtime_dir {
            Some(folder) => folder.join("kaa"),
            None => self.other_folder(),
        }
    }

    /// The folder that a program without `XDG_RUNTIME_DIR` uses.
    fn other_folder(&self) -> PathBuf {
        self.temporary.join(format!("kaa-{}", our_uid()))
    }
}

/// The place of one socket.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    name: OsString,
    /// The folder is the user's own, made on demand.
    own: bool,
    /// Where else a server may have put a socket of this name.
    elsewhere: Option<PathBuf>,
}

impl Place {
    pub(super) fn of(address: &UnixAddress, environment: &Environment) -> Self {
        match address.place() {
            UnixPlace::Name(name) => {
                let folder = environment.own_folder();
                let other = environment.other_folder();
                Place {
                    elsewhere: (other != folder).then(|| other.join(name)),
                    folder,
                    name: name.into(),
                    own: true,
                }
            }
            UnixPlace::Path(path) => Place {
                folder: match path.parent() {
                    Some(folder) if folder != Path::new("") => folder.to_owned(),
                    _ => PathBuf::from("."),
                },
                name: path.file_name().unwrap_or_default().to_owned(),
                own: false,
                elsewhere: None,
            },
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    pub(super) fn name(&self) -> &OsString {
        &self.name
    }

    pub(super) fn elsewhere(&self) -> Option<&Path> {
        self.elsewhere.as_deref()
    }

    /// Opens the folder, making the user's own one if it is missing, and checks it.
    ///
    /// With `shared`, others may enter it, as long as they cannot exchange what is in it.
    pub(super) fn open(&self, shared: bool) -> Result<Folder, FolderError> {
        let wrap = |problem| FolderError {
            folder: self.folder.clone(),
            problem,
        };
        if self.own {
            make(&self.folder).map_err(|error| wrap(FolderProblem::Make(error.into())))?;
        }
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if self.own {
            // A link that somebody left in the temporary folder would lead us anywhere. A path that
            // the user wrote may well go through links.
            flags |= OFlags::NOFOLLOW;
        }
        let fd = match rustix::fs::open(&self.folder, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(wrap(FolderProblem::NotAFolder)),
            Err(error) => return Err(wrap(FolderProblem::Open(error.into()))),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| wrap(FolderProblem::Open(e.into())))?;
        let checked = match shared && !self.own {
            true => check_shared(&stat),
            false => check_private(&stat),
        };
        checked.map_err(wrap)?;
        Ok(Folder { fd })
    }
}

/// A checked folder. What is done through it is done in this folder, even if its path changes meanwhile.
pub(super) struct Folder {
    fd: OwnedFd,
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn make(folder: &Path) -> Result<(), Errno> {
    match rustix::fs::mkdir(folder, Mode::RWXU) {
        // A strange umask may have taken the owner's own bits.
        Ok(()) => rustix::fs::chmod(folder, Mode::RWXU),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

fn check_private(stat: &Stat) -> Result<(), FolderProblem> {
    let us = our_uid();
    if stat.st_uid != us {
        return Err(FolderProblem::Owner {
            owner: stat.st_uid,
            us,
        });
    }
    let mode = permissions(stat);
    if mode & 0o077 != 0 {
        return Err(FolderProblem::Access { mode });
    }
    Ok(())
}

fn check_shared(stat: &Stat) -> Result<(), FolderProblem> {
    const STICKY: u32 = 0o1000;
    let us = our_uid();
    if stat.st_uid != us && stat.st_uid != 0 {
        return Err(FolderProblem::Owner {
            owner: stat.st_uid,
            us,
        });
    }
    let mode = permissions(stat);
    if mode & 0o002 != 0 && mode & STICKY == 0 {
        return Err(FolderProblem::Writable { mode });
    }
    Ok(())
}

/// The permission bits, with those for set-user-id and the like.
#[allow(
    clippy::useless_conversion,
    reason = "modes have 16 bits on some systems"
)]
pub(crate) fn permissions(stat: &Stat) -> u32 {
    u32::from(stat.st_mode) & 0o7777
}

pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A folder is not one that a socket may live in.
#[derive(Debug)]
pub(super) struct FolderError {
    folder: PathBuf,
    problem: FolderProblem,
}

#[derive(Debug)]
enum FolderProblem {
    Make(io::Error),
    Open(io::Error),
    NotAFolder,
    Owner { owner: u32, us: u32 },
    Access { mode: u32 },
    Writable { mode: u32 },
}

impl FolderError {
    pub(super) fn kind(&self) -> io::ErrorKind {
        match &self.problem {
            FolderProblem::Make(error) | FolderProblem::Open(error) => error.kind(),
            FolderProblem::NotAFolder => io::ErrorKind::NotADirectory,
            _ => io::ErrorKind::PermissionDenied,
        }
    }
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match &self.problem {
            FolderProblem::Make(error) => write!(f, "cannot make the folder {folder}: {error}"),
            FolderProblem::Open(error) => write!(f, "cannot open the folder {folder}: {error}"),
            FolderProblem::NotAFolder => write!(
                f,
                "{folder} is not a folder, or is a symbolic link, which is not followed here: remove it"
            ),
            FolderProblem::Owner { owner, us } => write!(
                f,
                "the folder {folder} belongs to the user {owner}, expected {us}, who runs this process: \
                 whoever owns it can exchange what is in it"
            ),
            FolderProblem::Access { mode } => write!(
                f,
                "others may enter the folder {folder} (its mode is {mode:04o}), expected 0700: run \
                 `chmod 700` on it, use a folder of its own, or say with `.mode()` who may connect"
            ),
            FolderProblem::Writable { mode } => write!(
                f,
                "anyone may exchange what is in the folder {folder} (its mode is {mode:04o}): use \
                 another, or run `chmod o-w` on it"
            ),
        }
    }
}
