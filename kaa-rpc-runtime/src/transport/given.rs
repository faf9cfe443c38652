//! Listening sockets that somebody else made.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::listener::{ListenOptions, Listener};
#[cfg(feature = "tcp")]
use super::tcp::TcpListener;
use super::unix::UnixListener;
use crate::address::Address;
use crate::server::BindError;

impl Listener {
    /// Accepts at this socket; also gives its address. Must run inside a tokio runtime.
    #[cfg_attr(
        not(feature = "tcp"),
        expect(unused_variables, reason = "TCP is encrypted or not")
    )]
    pub(crate) fn given(
        socket: OwnedFd,
        options: &ListenOptions,
    ) -> Result<(Self, Address), BindError> {
        let family = family_of(&socket).map_err(BindError::Given)?;
        prepare(&socket).map_err(BindError::Given)?;
        if family == AddressFamily::UNIX {
            let listener = UnixListener::given(socket.into()).map_err(BindError::Given)?;
            let path = listener.path();
            let address = path.and_then(|path| Address::unix_path(path).ok());
            return Ok((
                Self::Unix(Box::new(listener)),
                address.unwrap_or(Address::Unnamed),
            ));
        }
        #[cfg(feature = "tcp")]
        {
            let listener =
                TcpListener::given(socket.into(), options.plaintext).map_err(BindError::Given)?;
            let address = listener.address().unwrap_or(Address::Unnamed);
            Ok((Self::Tcp(listener), address))
        }
        #[cfg(not(feature = "tcp"))]
        Err(BindError::Unsupported(
            "a TCP socket was given, and TCP is the feature `tcp` of kaa-rpc-runtime".to_owned(),
        ))
    }
}

/// What kind of address it has, if it is a socket that can be listened at.
fn family_of(socket: &OwnedFd) -> io::Result<AddressFamily> {
    let unfit = |what| {
        let text = format!("expected a listening Unix or TCP socket, got {what}");
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    };
    let Ok(kind) = sockopt::socket_type(socket) else {
        return unfit("what is no socket");
    };
    let family = rustix::net::getsockname(socket)?.address_family();
    let is_known = matches!(
        family,
        AddressFamily::UNIX | AddressFamily::INET | AddressFamily::INET6
    );
    if kind != SocketType::STREAM || !is_known {
        return unfit("a socket of another kind");
    }
    if !is_listening(socket)? {
        return unfit("one that does not listen");
    }
    Ok(family)
}

#[cfg(not(target_vendor = "apple"))]
fn is_listening(socket: &OwnedFd) -> io::Result<bool> {
    Ok(sockopt::socket_acceptconn(socket)?)
}

/// This system does not tell; the first `accept` fails.
#[cfg(target_vendor = "apple")]
fn is_listening(_: &OwnedFd) -> io::Result<bool> {
    Ok(true)
}

fn prepare(socket: &OwnedFd) -> io::Result<()> {
    rustix::io::fcntl_setfd(socket, FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(socket, true)?;
    Ok(())
}
