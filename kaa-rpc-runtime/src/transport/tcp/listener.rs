//! The listening end of a TCP address.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use tokio::net::TcpSocket;

use super::error::{Problem, TcpBindError};
use super::{resolve, transport};
use crate::address::{Address, TcpAddress};
use crate::transport::Transport;
use crate::transport::accepting::{AcceptFailure, Pause, classify};

/// A listening TCP socket.
pub(crate) struct TcpListener {
    listener: tokio::net::TcpListener,
    plaintext: bool,
    pause: Pause,
}

impl TcpListener {
    /// Listens at the first address of a name at which that is possible.
    pub(crate) async fn bind(address: &TcpAddress, plaintext: bool) -> Result<Self, TcpBindError> {
        let addresses = resolve(address)
            .await
            .map_err(|error| TcpBindError::new(address.clone(), Problem::Name(error)))?;
        let mut attempts = Vec::new();
        for one in addresses {
            match listen(one) {
                Ok(listener) => {
                    return Ok(Self {
                        listener,
                        plaintext,
                        pause: Pause::default(),
                    });
                }
                Err(error) => attempts.push((one, error)),
            }
        }
        Err(TcpBindError::new(
            address.clone(),
            Problem::Attempts(attempts),
        ))
    }

    /// Accepts at a socket that somebody else made, and which does not block.
    pub(crate) fn given(listener: std::net::TcpListener, plaintext: bool) -> io::Result<Self> {
        Ok(Self {
            listener: tokio::net::TcpListener::from_std(listener)?,
            plaintext,
            pause: Pause::default(),
        })
    }

    /// The address that it really has: with a number instead of a name, and the port that the system
    /// chose for port 0.
    pub(crate) fn address(&self) -> Option<Address> {
        let address = self.listener.local_addr().ok()?;
        Address::tcp(&address.ip().to_string(), address.port()).ok()
    }

    /// Waits for the next connection; as [`crate::transport::Listener::accept`].
    pub(crate) async fn accept(&mut self) -> io::Result<Transport> {
        loop {
            let error = match self.listener.accept().await {
                Ok((stream, peer)) => match transport(stream, peer, self.plaintext) {
                    Ok(transport) => {
                        self.pause = Pause::default();
                        return Ok(transport);
                    }
                    // There are too few resources to watch it: this one is lost.
                    Err(error) => {
                        self.pause.after(&error).await;
                        continue;
                    }
                },
                Err(error) => error,
            };
            match Errno::from_io_error(&error).map(classify) {
                Some(AcceptFailure::Empty | AcceptFailure::Next) => continue,
                Some(AcceptFailure::Broken) => return Err(error),
                Some(AcceptFailure::Exhausted) | None => {}
            }
            self.pause.after(&error).await;
        }
    }
}

/// So many connections may wait to be accepted; the system allows fewer, perhaps. Whoever comes when all
/// have come tries again only after a second, so a crowd must not fill this easily.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // What is left of a former server's connections is in nobody's way.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
