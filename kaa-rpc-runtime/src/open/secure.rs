//! The part of the handshake that makes a TCP connection an encrypted one.

use kaa_rpc_proto::handshake::{Keys, Step, server};
use kaa_rpc_proto::noise::{self, AwaitFirst, AwaitSecond};
use zeroize::Zeroizing;

use super::{ConnectError, Doorkeeper, read, write};
use crate::secret::random;
use crate::transport::{Kind, Transport};

/// Appends to the preamble what the client sends with it. `None`: the stream stays as it is.
pub(super) fn begin(
    transport: &Transport,
    keys: &Keys,
    preamble: &mut Vec<u8>,
) -> Result<Option<AwaitSecond>, ConnectError> {
    if transport.kind() != Kind::Tcp {
        return Ok(None);
    }
    let Step { send, next } = noise::start(keys, preamble, ephemeral()?)?;
    preamble.extend_from_slice(&send);
    Ok(Some(next))
}

/// At the client, after the answer: encrypts all that follows.
pub(super) async fn client(
    mut transport: Transport,
    noise: Option<AwaitSecond>,
) -> Result<Transport, ConnectError> {
    let Some(noise) = noise else {
        return Ok(transport);
    };
    let mut bytes = [0; AwaitSecond::NEEDS];
    read(&mut transport, &mut bytes, |got| noise.closed(got)).await?;
    Ok(transport.encrypted(noise.receive(&bytes)?))
}

/// At the server: sends the answer, and encrypts all that follows. The answer is empty then.
pub(super) async fn server(
    mut transport: Transport,
    agreed: &server::VersionAgreed,
    preamble: &[u8],
    answer: &mut Vec<u8>,
    door: &mut impl Doorkeeper,
) -> Result<Transport, ConnectError> {
    if transport.kind() != Kind::Tcp {
        return Ok(transport);
    }
    let noise = AwaitFirst::new(agreed, preamble, ephemeral()?)?;
    let mut bytes = [0; AwaitFirst::NEEDS];
    read(&mut transport, &mut bytes, |got| noise.closed(got)).await?;
    match noise.receive(&bytes) {
        Ok(Step { send, next }) => {
            door.showed_secret(&bytes);
            answer.extend_from_slice(&send);
            write(&mut transport, answer).await?;
            answer.clear();
            Ok(transport.encrypted(next))
        }
        Err(error) => {
            // With the answer the client can tell its user that it is the secret.
            let _ = transport.write_all(answer).await;
            Err(error.into())
        }
    }
}

fn ephemeral() -> Result<Zeroizing<[u8; 32]>, ConnectError> {
    random().map(Zeroizing::new).map_err(ConnectError::Random)
}
