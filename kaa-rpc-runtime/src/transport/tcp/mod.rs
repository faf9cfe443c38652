//! TCP: names that have several addresses, and encryption.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `listener`, `connect` | the two ends of a TCP address |
//! | `stream` | a connected one |
//! | `encrypted` | a stream in records |
//!
//! A connection is encrypted after the first messages of the handshake, see `open::secure`. Before that, and
//! if both ends want it plain, it is a socket like any other.

mod connect;
mod encrypted;
mod error;
mod listener;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use connect::connect;
pub(super) use encrypted::EncryptedStream;
pub use error::{TcpBindError, TcpConnectError};
pub(super) use listener::TcpListener;
pub(super) use stream::{RecordWriter, TcpSocket};

use std::io;
use std::net::SocketAddr;

use super::Transport;
use super::socket::Socket;
use crate::address::TcpAddress;

/// So many addresses of one name are tried.
const ADDRESSES: usize = 16;

/// The addresses of a name, in the order in which the system wants them to be tried.
async fn resolve(address: &TcpAddress) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((address.host(), address.port())).await?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) && addresses.len() < ADDRESSES {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn transport(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    plaintext: bool,
) -> io::Result<Transport> {
    // A socket on which this fails is broken, and says so at the next read.
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream.into_std()?.into())?;
    Ok(Transport::Tcp(TcpSocket::new(socket, peer, plaintext)))
}
