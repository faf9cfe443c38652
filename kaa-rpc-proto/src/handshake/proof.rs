//! The transcript of a handshake and the proofs over it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::keys::{CLIENT_PROOF, Credential, Keys, SERVER_PROOF};
use super::opened::SessionId;
use super::settings::Transport;
use super::wire::PROOF_LEN;

const SESSION: &[u8] = b"kaa-rpc/1 session";

/// Shows that the other end's proof was verified: only this module makes one, and only then.
#[derive(Debug)]
pub(crate) struct Verified(());

/// The hash of every message so far, each after its length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    hash: Sha256,
}

impl Transcript {
    pub(crate) fn add(&mut self, message: &[u8]) {
        self.hash.update(length(message));
        self.hash.update(message);
    }

    /// Binds the transcript to the channel that carried it. No message may follow.
    pub(crate) fn bind(self, transport: Transport, data: Vec<u8>) -> Bound {
        Bound {
            hash: self.hash.finalize().into(),
            transport,
            data,
        }
    }
}

/// What both proofs are made over: the complete transcript and the channel's binding.
#[derive(Debug)]
pub(crate) struct Bound {
    hash: [u8; 32],
    transport: Transport,
    data: Vec<u8>,
}

impl Bound {
    pub(crate) fn client_proof(&self, keys: &Keys) -> [u8; PROOF_LEN] {
        self.client_mac(keys).finalize().into_bytes().into()
    }

    pub(crate) fn server_proof(&self, keys: &Keys, client: &[u8; PROOF_LEN]) -> [u8; PROOF_LEN] {
        self.server_mac(keys, client).finalize().into_bytes().into()
    }

    /// Both comparisons take the same time whatever the proof. With an unknown key id the work is the
    /// same too, and its result is not looked at.
    pub(crate) fn verify_client(
        &self,
        credential: &Credential,
        proof: &[u8; PROOF_LEN],
    ) -> Option<Verified> {
        let matches = self
            .client_mac(&credential.keys)
            .verify_slice(proof)
            .is_ok();
        (matches & credential.known).then_some(Verified(()))
    }

    pub(crate) fn verify_server(
        &self,
        keys: &Keys,
        client: &[u8; PROOF_LEN],
        proof: &[u8; PROOF_LEN],
    ) -> Option<Verified> {
        let matches = self.server_mac(keys, client).verify_slice(proof).is_ok();
        matches.then_some(Verified(()))
    }

    /// A public name for what both ends agreed on.
    pub(crate) fn session(&self, client: &[u8; PROOF_LEN], server: &[u8; PROOF_LEN]) -> SessionId {
        let mut hash = Sha256::new();
        for part in [SESSION, &self.hash, client, server] {
            hash.update(length(part));
            hash.update(part);
        }
        SessionId(hash.finalize().into())
    }

    fn client_mac(&self, keys: &Keys) -> Hmac<Sha256> {
        self.mac(keys.client_proof(), CLIENT_PROOF)
    }

    fn server_mac(&self, keys: &Keys, client: &[u8; PROOF_LEN]) -> Hmac<Sha256> {
        let mut mac = self.mac(keys.server_proof(), SERVER_PROOF);
        update(&mut mac, client);
        mac
    }

    fn mac(&self, key: &[u8; 32], label: &[u8]) -> Hmac<Sha256> {
        let mut mac = hmac(key);
        update(&mut mac, label);
        update(&mut mac, &self.hash);
        mac.update(&[self.transport.number()]);
        update(&mut mac, &self.data);
        mac
    }
}

/// HMAC fills a short key up with zeros by itself; done here, no length of a key can be wrong.
fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    if let Some(start) = block.first_chunk_mut() {
        *start = *key;
    }
    Hmac::new((&*block).into())
}

fn update(mac: &mut Hmac<Sha256>, part: &[u8]) {
    mac.update(&length(part));
    mac.update(part);
}

/// What stands before each part that is hashed, so that no two lists of parts hash alike.
fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}
