//! The shared secret: made from the system's random numbers, kept in a file that only its user reads.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use zeroize::Zeroizing;

use crate::transport::permissions;

/// The key that both ends share: at least 16 bytes, 32 random ones by default.
///
/// Whoever holds it can call as any other holder. It is cleared from memory when it is dropped and
/// no output shows it.
///
/// A secret file holds one line, `kaa-secret-1 BASE64`; white space after it does not matter. It
/// must belong to this process's user or to root, and nobody else may have any access to it.
///
/// ```
/// # use kaa_rpc_runtime::Secret;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("player.secret");
/// // The first of the two programs that gets here makes the file.
/// let secret = Secret::load_or_create(&path)?;
/// let same = Secret::from_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Secret(kaa_rpc_proto::Secret);

/// A secret could not be had. It says which file, what is wrong with it, and what to do.
pub struct SecretError {
    path: Option<PathBuf>,
    problem: Problem,
}

enum Problem {
    Random(getrandom::Error),
    Content(kaa_rpc_proto::SecretError),
    NotText,
    TooLong,
    NotAFile(&'static str),
    Owner {
        owner: u32,
        us: u32,
    },
    Access {
        mode: u32,
    },
    Exists,
    DanglingLink,
    NoName,
    Io {
        doing: &'static str,
        source: io::Error,
    },
}

/// More than the longest secret takes, with room for white space.
const MAX_FILE_LEN: u64 = 4096;

impl Secret {
    /// 32 random bytes from the system.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers to give. There is no weaker substitute.
    pub fn generate() -> Result<Self, SecretError> {
        Self::generate_with(getrandom::fill)
    }

    fn generate_with(
        fill: impl FnOnce(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<Self, SecretError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(bytes.as_mut_slice()).map_err(|error| Problem::Random(error).anywhere())?;
        Self::from_bytes(bytes.as_slice())
    }

    /// Takes a copy of random bytes. A phrase that a person thought of is no secret: it can be
    /// guessed from one recorded handshake.
    ///
    /// # Errors
    ///
    /// If there are fewer than 16 or more than 1024 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        kaa_rpc_proto::Secret::from_bytes(bytes)
            .map(Secret)
            .map_err(|error| Problem::Content(error).anywhere())
    }

    /// Reads a secret file.
    ///
    /// Symbolic links are followed (mounted secrets often are links); owner and permissions are those
    /// of the file that was opened, so the file cannot be exchanged between check and reading.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a regular file, belongs to another user than ours or root,
    /// can be accessed by its group or by others in any way, or does not hold a secret.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        read(path).map_err(|problem| problem.at(path))
    }

    /// Makes a new secret and writes it to a new file with mode 0600.
    ///
    /// The file appears with its whole content or not at all, and is on the disk when this returns.
    /// An existing file, or a link, is never written to.
    ///
    /// # Errors
    ///
    /// If something exists at `path`, the file cannot be written, or there are no random numbers.
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        let secret = Self::generate()?;
        write_new(path, &secret).map_err(|problem| problem.at(path))?;
        Ok(secret)
    }

    /// Reads the secret file at `path`, or makes it if nothing is there.
    ///
    /// Several processes may do this at the same time: one makes the file, all get its secret.
    ///
    /// # Errors
    ///
    /// Those of [`Secret::from_file`] and of [`Secret::create_file`].
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        match Self::from_file(path) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        match Self::create_file(path) {
            Err(error) if matches!(error.problem, Problem::Exists) => {}
            other => return other,
        }
        // Another process made it meanwhile; whole files only appear, so it can be read now. If there
        // still is nothing to read, the name is taken by a link that leads nowhere.
        Self::from_file(path).map_err(|error| match error.is_not_found() {
            true => Problem::DanglingLink.at(path),
            false => error,
        })
    }

    /// The secret as the protocol takes it.
    pub(crate) fn key(&self) -> &kaa_rpc_proto::Secret {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl From<kaa_rpc_proto::Secret> for Secret {
    fn from(secret: kaa_rpc_proto::Secret) -> Self {
        Secret(secret)
    }
}

fn read(path: &Path) -> Result<Secret, Problem> {
    let file = open(path)?;
    check(&file)?;
    // Room for all of it at once: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN as usize + 1));
    File::from(file)
        .take(MAX_FILE_LEN + 1)
        .read_to_end(&mut bytes)
        .map_err(Problem::io("cannot read it"))?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(Problem::TooLong);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::NotText)?;
    kaa_rpc_proto::Secret::parse(text)
        .map(Secret)
        .map_err(Problem::Content)
}

fn open(path: &Path) -> Result<OwnedFd, Problem> {
    // Non-blocking, as the open of a named pipe would wait for a writer otherwise.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| Problem::io("cannot open it")(error.into()))
}

/// Asks the open file, not the path, which may lead elsewhere by now.
fn check(file: &OwnedFd) -> Result<(), Problem> {
    let stat =
        rustix::fs::fstat(file).map_err(|error| Problem::io("cannot examine it")(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Problem::NotAFile("a folder")),
        FileType::Fifo => return Err(Problem::NotAFile("a named pipe")),
        _ => return Err(Problem::NotAFile("a device or the like")),
    }
    let us = rustix::process::geteuid().as_raw();
    if stat.st_uid != us && stat.st_uid != 0 {
        return Err(Problem::Owner {
            owner: stat.st_uid,
            us,
        });
    }
    let mode = permissions(&stat);
    if mode & 0o077 != 0 {
        return Err(Problem::Access { mode });
    }
    Ok(())
}

/// Writes a file under a name that nobody uses, then gives it its real name, which fails if that is
/// taken: so no reader ever sees half a secret, and two writers cannot overwrite each other.
fn write_new(path: &Path, secret: &Secret) -> Result<(), Problem> {
    let Some(name) = path.file_name() else {
        return Err(Problem::NoName);
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(Problem::Random)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:016x}", u64::from_ne_bytes(random)));
    let temporary = folder.join(temporary);

    let made = write_whole(&temporary, secret).and_then(|()| give_name(&temporary, path));
    // Gone if it was renamed; a second link if it was linked; a torso if writing failed.
    let _ = rustix::fs::unlink(&temporary);
    made?;
    // Without this the new name may be lost in a power cut, and both ends would make secrets anew.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Problem::io("cannot write its folder to the disk"))
}

fn write_whole(path: &Path, secret: &Secret) -> Result<(), Problem> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = rustix::fs::open(path, flags, mode)
        .map_err(|error| Problem::io("cannot create it")(error.into()))?;
    // A strange umask may have taken the owner's own bits.
    rustix::fs::fchmod(&file, mode)
        .map_err(|error| Problem::io("cannot set its mode")(error.into()))?;
    let mut file = File::from(file);
    file.write_all(secret.0.to_line().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(Problem::io("cannot write it"))
}

/// `rename`, but never over an existing file.
fn give_name(temporary: &Path, path: &Path) -> Result<(), Problem> {
    use rustix::io::Errno;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::RenameFlags;
        match rustix::fs::renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => return Err(Problem::Exists),
            // Some file systems cannot do it; a second link does the same where there are links.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(Problem::io("cannot name it")(error.into())),
        }
    }
    match rustix::fs::linkat(CWD, temporary, CWD, path, AtFlags::empty()) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(Problem::Exists),
        Err(error) => Err(Problem::io("cannot name it")(error.into())),
    }
}

/// Random bytes for the handshake: nonces and instance ids.
///
/// # Errors
///
/// If the system has none to give; no handshake may start then.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], io::Error> {
    let mut bytes = [0; N];
    #[cfg(test)]
    if tests::NO_RANDOM.get() {
        return Err(io::Error::other("the system gives no random numbers"));
    }
    getrandom::fill(&mut bytes).map_err(|error| {
        io::Error::other(format!("the system gives no random numbers ({error})"))
    })?;
    Ok(bytes)
}

impl Problem {
    fn io(doing: &'static str) -> impl Fn(io::Error) -> Problem {
        move |source| Problem::Io { doing, source }
    }

    fn at(self, path: &Path) -> SecretError {
        SecretError {
            path: Some(path.to_owned()),
            problem: self,
        }
    }

    fn anywhere(self) -> SecretError {
        SecretError {
            path: None,
            problem: self,
        }
    }
}

impl SecretError {
    /// The secret file in question, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.problem, Problem::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        if self.path.is_some() {
            write!(f, "the secret file {}: ", path.display())?;
        }
        match &self.problem {
            Problem::Random(error) => write!(f, "the system gives no random numbers: {error}"),
            Problem::Content(error) => error.fmt(f),
            Problem::NotText => {
                f.write_str("it is not text: expected one line `kaa-secret-1 BASE64`")
            }
            Problem::TooLong => write!(
                f,
                "it has more than {MAX_FILE_LEN} bytes: expected one line `kaa-secret-1 BASE64`"
            ),
            Problem::NotAFile(what) => write!(f, "it is {what}: expected a regular file"),
            Problem::Owner { owner, us } => write!(
                f,
                "it belongs to the user {owner}: expected {us}, who runs this process, or root; \
                 run `chown {us} {}`",
                path.display()
            ),
            Problem::Access { mode } => write!(
                f,
                "others may access it (its mode is {mode:04o}): expected 0600; run `chmod 600 {}`, and \
                 make a new secret if somebody may have read this one",
                path.display()
            ),
            Problem::Exists => f.write_str("something exists there, and it is never overwritten"),
            Problem::DanglingLink => {
                f.write_str("it is a symbolic link that leads nowhere: remove the link")
            }
            Problem::NoName => f.write_str("the path does not end in a file name"),
            Problem::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

/// As its text, which tells what to do: a `main` that gives it on prints this.
impl fmt::Debug for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        /// This thread is to do without random numbers.
        pub(super) static NO_RANDOM: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    #[tokio::test]
    async fn hostile_60_neither_end_opens_without_random_numbers() {
        use crate::{BindError, Channel, ConnectError, Server};

        let secret = Secret::generate().unwrap();
        let server = Server::builder(secret.clone()).unbound().unwrap();
        let (ours, theirs) = tokio::io::duplex(1024);
        NO_RANDOM.set(true);
        let refused = Server::builder(secret.clone()).unbound().err();
        assert!(matches!(
            refused,
            Some(BindError::Side(ConnectError::Random(_)))
        ));
        let refused = Channel::builder(&secret).connect("unix:player").await;
        assert!(matches!(refused, Err(ConnectError::Random(_))));
        // A server that runs already closes, and has sent nothing.
        server.accept(ours, &[]).await;
        let mut came = Vec::new();
        let mut theirs = theirs;
        tokio::io::AsyncReadExt::read_to_end(&mut theirs, &mut came)
            .await
            .unwrap();
        NO_RANDOM.set(false);
        assert_eq!(came, b"");
    }

    #[test]
    fn hostile_60_no_secret_without_random_numbers() {
        let error = Secret::generate_with(|_| Err(getrandom::Error::UNSUPPORTED)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the system gives no random numbers")
        );
    }

    #[test]
    fn of_many_that_make_a_secret_at_once_all_get_the_same() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("secret");
            let barrier = std::sync::Barrier::new(8);
            let lines = std::thread::scope(|scope| {
                let make = || {
                    barrier.wait();
                    Secret::load_or_create(&path)
                        .unwrap()
                        .key()
                        .to_line()
                        .to_string()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect::<Vec<_>>()
            });
            assert!(lines.iter().all(|line| *line == lines[0]));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), lines[0]);
            // Nothing of the others is left.
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
    }
}
