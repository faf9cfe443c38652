//! The child's side.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};
use zeroize::Zeroizing;

use super::{MAGIC, SECRET_LEN};
use crate::secret::Secret;

/// The host has sent what it hands over before it started this process.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end of a channel that the host, which started this process, gave to it.
///
/// ```no_run
/// # use kaa_rpc_runtime::{Channel, Inherited, params};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Inherited::take()?;
/// let channel = Channel::builder(host.secret())
///     .register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b)))
///     .connect_inherited(host)
///     .await?;
/// // A plugin lives as long as its channel.
/// channel.closed().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Inherited {
    socket: OwnedFd,
    secret: Secret,
}

impl Inherited {
    /// Takes over what the host gave to this process, see [`Server::spawn`](crate::Server::spawn).
    ///
    /// That is its standard input, which is `/dev/null` from now on. Call this at the beginning of `main`, before
    /// anything reads standard input and before other programs are started: these would inherit it.
    ///
    /// # Errors
    ///
    /// When this process was not started by a host; then standard input stays as it is.
    pub fn take() -> Result<Self, InheritedError> {
        let stdin = io::stdin();
        check(stdin.as_fd())?;
        // Close-on-exec, which standard input cannot be.
        let mut stream = UnixStream::from(stdin.as_fd().try_clone_to_owned().map_err(io_error)?);
        if !is_pair(&stream) {
            return Err(InheritedError(Problem::NoPair));
        }
        let secret = receive(&mut stream)?;
        let nothing = File::open("/dev/null").map_err(io_error)?;
        rustix::stdio::dup2_stdin(&nothing).map_err(|error| io_error(error.into()))?;
        Ok(Self {
            socket: stream.into(),
            secret,
        })
    }

    /// The secret that the host made for this process alone: for the builder.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket
    }
}

fn check(stdin: impl AsFd) -> Result<(), InheritedError> {
    let no_pair = || InheritedError(Problem::NoPair);
    let kind = sockopt::socket_type(&stdin).map_err(|_| no_pair())?;
    let address = rustix::net::getsockname(&stdin).map_err(|_| no_pair())?;
    if kind == SocketType::STREAM && address.address_family() == AddressFamily::UNIX {
        Ok(())
    } else {
        Err(no_pair())
    }
}

/// Neither end of a socket pair has a name. Whoever connects or is connected to has one at the other end or
/// at this one, and may be anybody.
fn is_pair(stream: &UnixStream) -> bool {
    let unnamed = |address: io::Result<std::os::unix::net::SocketAddr>| {
        address.is_ok_and(|address| address.is_unnamed())
    };
    unnamed(stream.local_addr()) && unnamed(stream.peer_addr())
}

fn receive(stream: &mut UnixStream) -> Result<Secret, InheritedError> {
    stream.set_nonblocking(false).map_err(io_error)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(io_error)?;
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).map_err(io_error)?;
    if magic != MAGIC {
        return Err(InheritedError(Problem::NotAHost));
    }
    let mut bytes = Zeroizing::new([0; SECRET_LEN]);
    stream.read_exact(bytes.as_mut_slice()).map_err(io_error)?;
    Secret::from_bytes(bytes.as_slice()).map_err(|_| InheritedError(Problem::NotAHost))
}

/// This process has no channel from a host.
#[derive(Debug)]
pub struct InheritedError(Problem);

#[derive(Debug)]
enum Problem {
    NoPair,
    NotAHost,
    Io(io::Error),
}

fn io_error(error: io::Error) -> InheritedError {
    InheritedError(Problem::Io(error))
}

impl fmt::Display for InheritedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this process has no channel from a host: ")?;
        match &self.0 {
            Problem::NoPair => f.write_str(
                "its standard input is no socket pair; it is to be started by a host, with `Server::spawn` or \
                 the like, and takes the channel once",
            ),
            Problem::NotAHost => f.write_str(
                "whoever is at the other end of its standard input does not speak as a host does",
            ),
            Problem::Io(error) => write!(f, "its standard input cannot be used: {error}"),
        }
    }
}

impl std::error::Error for InheritedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Problem::Io(error) => Some(error),
            Problem::NoPair | Problem::NotAHost => None,
        }
    }
}
