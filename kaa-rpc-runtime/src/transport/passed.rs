//! Sockets that a service manager passed on, as systemd does (`sd_listen_fds(3)`).
//!
//! To own a descriptor of which one has only the number takes unsafe code, which is the library `listenfd`'s.

use std::env;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;

/// More than any service has.
const MOST: usize = 1024;

/// A listening socket that the service manager passed on: for
/// [`ServerBuilder::listen_on`](crate::ServerBuilder::listen_on).
#[derive(Debug)]
pub struct PassedSocket {
    name: String,
    fd: OwnedFd,
}

impl PassedSocket {
    /// The name that the service manager gave it (`FileDescriptorName=` in a systemd socket unit); empty if
    /// it gave none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<PassedSocket> for OwnedFd {
    fn from(socket: PassedSocket) -> Self {
        socket.fd
    }
}

/// Takes the listening sockets that a service manager passed on to this process, in their order: systemd does,
/// and whatever sets `LISTEN_PID`, `LISTEN_FDS` and, with names, `LISTEN_FDNAMES` like it. None if this process
/// was started in another way. The second call gives none.
///
/// Call this at the beginning of `main`, before there are other threads and before other programs are started:
/// it changes the environment, and until then programs that are started inherit the sockets.
///
/// ```no_run
/// # use kaa_rpc_runtime::{Secret, Server, passed_sockets};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Server::builder(Secret::from_file("player.secret")?);
/// let server = match passed_sockets()?.into_iter().next() {
///     Some(socket) => builder.listen_on(socket)?,
///     None => builder.bind("unix:player").await?,
/// };
/// # drop(server);
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// When one of them is no stream socket of Unix or TCP, or the variables are no numbers. Then none is taken:
/// those before it are closed.
pub fn passed_sockets() -> Result<Vec<PassedSocket>, PassedError> {
    if number("LISTEN_PID")? != Some(std::process::id() as usize) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS")?.unwrap_or(0);
    if count > MOST {
        let count = count.to_string();
        return Err(PassedError::Variable("LISTEN_FDS", count));
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    (0..passed.len())
        .map(|index| {
            let name = names.next().unwrap_or_default().to_owned();
            match take(&mut passed, index) {
                Ok(fd) => Ok(PassedSocket { name, fd }),
                Err(source) => Err(PassedError::Socket {
                    index,
                    name,
                    source,
                }),
            }
        })
        .collect()
}

fn number(variable: &'static str) -> Result<Option<usize>, PassedError> {
    match env::var(variable) {
        Ok(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(PassedError::Variable(variable, text)),
        },
        Err(_) => Ok(None),
    }
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<OwnedFd> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    match passed.take_unix_listener(index) {
        Ok(listener) => listener.map(OwnedFd::from).ok_or_else(missing),
        Err(_) => {
            let listener = passed.take_tcp_listener(index)?;
            listener.map(OwnedFd::from).ok_or_else(missing)
        }
    }
}

/// The sockets that a service manager passed on cannot be taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum PassedError {
    /// A variable of the environment does not have a possible value.
    Variable(&'static str, String),
    /// One of them is no stream socket of Unix or TCP.
    Socket {
        /// Which one, from 0.
        index: usize,
        /// The name that it was given, if any.
        name: String,
        /// What is wrong with it.
        source: io::Error,
    },
}

impl fmt::Display for PassedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name, value) => write!(
                f,
                "the environment variable {name} has the value {value:?}, expected a number"
            ),
            Self::Socket {
                index,
                name,
                source,
            } => write!(
                f,
                "socket {index} (`{name}`) of those that the service manager passed on is no listening stream \
                 socket of Unix or TCP: {source}"
            ),
        }
    }
}

impl std::error::Error for PassedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket { source, .. } => Some(source),
            Self::Variable(..) => None,
        }
    }
}
