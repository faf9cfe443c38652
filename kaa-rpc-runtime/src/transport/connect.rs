//! The connecting end of a Unix address.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use super::error::{ConnectProblem, MAX_PATH_LEN, UnixConnectError};
use super::fds;
use super::folder::{Environment, Place};
use super::peer::{AllowedUsers, our_uid};
use super::socket::UnixSocket;
use crate::address::UnixAddress;

/// Connects to the server at `address`, which must run as one of the users `servers`.
///
/// Waits as long as the server's backlog is full; how long at most is up to the caller.
pub(crate) async fn connect(
    address: &UnixAddress,
    servers: &AllowedUsers,
) -> Result<UnixSocket, UnixConnectError> {
    connect_at(&Place::of(address, &Environment::current()), servers).await
}

pub(super) async fn connect_at(
    place: &Place,
    servers: &AllowedUsers,
) -> Result<UnixSocket, UnixConnectError> {
    let path = place.path();
    try_connect(place, &path, servers)
        .await
        .map_err(|problem| UnixConnectError { path, problem })
}

async fn try_connect(
    place: &Place,
    path: &PathBuf,
    servers: &AllowedUsers,
) -> Result<UnixSocket, ConnectProblem> {
    if path.as_os_str().len() > MAX_PATH_LEN {
        return Err(ConnectProblem::PathTooLong);
    }
    let address = SocketAddrUnix::new(path).map_err(io_error("cannot use the path"))?;
    let fd = fds::stream_socket().map_err(io_error("cannot make a socket"))?;
    let mut pause = FIRST_PAUSE;
    loop {
        match rustix::net::connect(&fd, &address) {
            Ok(()) => break,
            Err(Errno::INTR) => {}
            // Unlike TCP, this leaves the socket unconnected, and nothing tells when there is room.
            Err(Errno::AGAIN) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(refused(error, place)),
        }
    }
    let socket = UnixSocket::new(fd).map_err(|source| ConnectProblem::Io {
        doing: "cannot watch the socket",
        source,
    })?;
    let server = socket.peer();
    if !servers.contain(&server) {
        return Err(ConnectProblem::Peer {
            uid: server.uid(),
            allowed: servers.clone(),
        });
    }
    Ok(socket)
}

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

fn refused(error: Errno, place: &Place) -> ConnectProblem {
    match error {
        Errno::NOENT => ConnectProblem::NoSocket {
            elsewhere: place
                .elsewhere()
                .filter(|other| other.exists())
                .map(Into::into),
        },
        Errno::CONNREFUSED => match std::fs::metadata(place.path()) {
            Ok(found) if !is_socket(&found) => ConnectProblem::NotAServer,
            _ => ConnectProblem::NotListening,
        },
        Errno::PROTOTYPE | Errno::NOTSOCK | Errno::NOTDIR => ConnectProblem::NotAServer,
        Errno::ACCESS | Errno::PERM => ConnectProblem::NotPermitted { us: our_uid() },
        error => io_error("cannot connect")(error),
    }
}

fn is_socket(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    found.file_type().is_socket()
}

fn io_error(doing: &'static str) -> impl Fn(Errno) -> ConnectProblem {
    move |error| ConnectProblem::Io {
        doing,
        source: io::Error::from(error),
    }
}
