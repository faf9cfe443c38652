//! The listening end of any address.

use std::io;
use std::path::PathBuf;

use super::bind::SocketFile;
#[cfg(feature = "tcp")]
use super::tcp::TcpListener;
use super::unix::UnixListener;
use super::{Transport, UnixOptions};
use crate::address::Address;
use crate::server::BindError;

/// How to listen.
pub(crate) struct ListenOptions {
    pub(crate) unix: UnixOptions,
    /// TCP without encryption.
    #[cfg(feature = "tcp")]
    pub(crate) plaintext: bool,
}

/// What accepts connections.
pub(crate) enum Listener {
    Unix(Box<UnixListener>),
    #[cfg(feature = "tcp")]
    Tcp(TcpListener),
}

impl Listener {
    /// Listens at `address`, and gives the address that it really has.
    #[cfg_attr(
        not(feature = "tcp"),
        expect(clippy::unused_async, reason = "TCP resolves names here")
    )]
    pub(crate) async fn bind(
        address: Address,
        options: &ListenOptions,
    ) -> Result<(Self, Address), BindError> {
        match &address {
            Address::Unix(unix) => {
                let listener = UnixListener::bind(unix, &options.unix).map_err(BindError::Unix)?;
                Ok((Self::Unix(Box::new(listener)), address))
            }
            #[cfg(feature = "tcp")]
            Address::Tcp(tcp) => {
                let listener = TcpListener::bind(tcp, options.plaintext)
                    .await
                    .map_err(BindError::Tcp)?;
                let address = listener.address().unwrap_or(address);
                Ok((Self::Tcp(listener), address))
            }
            #[cfg(not(feature = "tcp"))]
            Address::Tcp(_) => Err(BindError::Unsupported(super::no_tcp(&address))),
            Address::Unnamed => Err(BindError::Unsupported(
                "there is no address to listen at".to_owned(),
            )),
        }
    }

    /// The path of its socket, if it has one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Unix(listener) => listener.path(),
            #[cfg(feature = "tcp")]
            Self::Tcp(_) => None,
        }
    }

    /// See [`UnixListener::take_file`].
    pub(crate) fn take_file(&mut self) -> Option<SocketFile> {
        match self {
            Self::Unix(listener) => listener.take_file(),
            #[cfg(feature = "tcp")]
            Self::Tcp(_) => None,
        }
    }

    /// Waits for the next connection. What passes by itself is logged and waited out; an error means
    /// that this listener will never accept again. Can be dropped and called again at any time.
    pub(crate) async fn accept(&mut self) -> io::Result<Transport> {
        match self {
            Self::Unix(listener) => listener.accept().await.map(Transport::unix),
            #[cfg(feature = "tcp")]
            Self::Tcp(listener) => listener.accept().await,
        }
    }
}
