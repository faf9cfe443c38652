//! The cipher of encrypted connections, by itself: how fast it seals.

use std::path::PathBuf;

use kaa_rpc_proto::Secret;
use kaa_rpc_proto::handshake::{
    InstanceId, KeyId, Keyring, Keys, Settings, Transport, client, server,
};
use kaa_rpc_proto::noise::{self, AwaitFirst, Records};
use kaa_rpc_runtime::Bytes;

use crate::Error;
use crate::systems::{Client, Echo, Place, System, listen};

/// Seals what it gets, and sends it to nobody. An echo seals and opens it twice each.
pub struct Cipher;

impl System for Cipher {
    const NAME: &'static str = "the cipher alone, once";
    type Client = Sealing;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        listen(&folder, drop).await
    }

    async fn connect(_: &Place) -> Result<Sealing, Error> {
        Ok(Sealing {
            records: records()?,
            sealed: Vec::new(),
        })
    }
}

/// One end of a connection that has no other.
pub struct Sealing {
    records: Records,
    sealed: Vec<u8>,
}

impl Client for Sealing {
    async fn text(&mut self, text: &str) -> Result<Echo<'_>, Error> {
        self.seal(text.as_bytes())?;
        Ok(Echo::Text(text.to_owned()))
    }

    async fn data(&mut self, data: &Bytes) -> Result<Echo<'_>, Error> {
        self.seal(data)?;
        Ok(Echo::Bytes(data.clone()))
    }
}

impl Sealing {
    fn seal(&mut self, plain: &[u8]) -> Result<(), Error> {
        self.sealed.clear();
        for piece in plain.chunks(Records::MAX_PLAIN) {
            self.records.seal(piece, &mut self.sealed)?;
        }
        Ok(())
    }
}

/// What two ends have who agreed on keys, here without a connection between them.
fn records() -> Result<Records, Error> {
    let secret = Secret::from([7; 32]);
    let settings = |id| Settings::new(Transport::Tcp, InstanceId([id; 16]));
    let keys = Keys::derive(&secret);
    let (preamble, _) = client::start(settings(1), KeyId::EMPTY, keys.clone(), [2; 32])?.into();
    let (first, second) = noise::start(&keys, &preamble, [3; 32].into())?.into();
    let mut keyring = Keyring::new([4; 32]);
    keyring.insert(KeyId::EMPTY, &secret);
    let server = server::AwaitPreamble::new(settings(5), [6; 32])?;
    let (_, agreed) = server
        .receive(preamble.as_slice().try_into()?, &keyring)?
        .into();
    let server = AwaitFirst::new(&agreed, &preamble, [7; 32].into())?;
    let (reply, _) = server.receive(first.as_slice().try_into()?)?.into();
    Ok(second.receive(reply.as_slice().try_into()?)?.records)
}
