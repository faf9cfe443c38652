//! The connecting end of a TCP address.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::error::{Problem, TcpConnectError};
use super::{resolve, transport};
use crate::address::TcpAddress;
use crate::transport::Transport;

/// An address that has not answered for so long gets company by the next one.
const PATIENCE: Duration = Duration::from_millis(250);

/// Connects to the first address of a name that accepts. Waits as long as the system does: put a timeout
/// around it. Cancel safe.
pub(crate) async fn connect(
    address: &TcpAddress,
    plaintext: bool,
) -> Result<Transport, TcpConnectError> {
    let failed = |problem| TcpConnectError::new(address.clone(), problem);
    let addresses = resolve(address)
        .await
        .map_err(|error| failed(Problem::Name(error)))?;
    match first_of(addresses).await {
        Ok((stream, peer)) => transport(stream, peer, plaintext)
            .map_err(|error| failed(Problem::Attempts(vec![(peer, error)]))),
        Err(attempts) => Err(failed(Problem::Attempts(attempts))),
    }
}

pub(super) async fn first_of(
    addresses: Vec<SocketAddr>,
) -> Result<(TcpStream, SocketAddr), Vec<(SocketAddr, io::Error)>> {
    let mut failures = Vec::new();
    let mut rest = addresses.into_iter();
    // Dropped with this future, and all attempts with it.
    let mut attempts = JoinSet::new();
    loop {
        let next = rest.next();
        let last = next.is_none();
        if let Some(address) = next {
            attempts.spawn(async move { (address, attempt(address).await) });
        }
        let ended = if last {
            attempts.join_next().await
        } else {
            match tokio::time::timeout(PATIENCE, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok((address, Ok(stream)))) => return Ok((stream, address)),
            Some(Ok((address, Err(error)))) => failures.push((address, error)),
            None if last => return Err(failures),
            Some(Err(_)) | None => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Where nobody listens at a port of those that the system hands out, it can connect a socket to itself.
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}
