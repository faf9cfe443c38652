//! The keys that both ends derive from a secret, and a server's collection of them.

use std::fmt;
use std::sync::Arc;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::name::KeyId;
use crate::secret::Secret;

const SALT: &[u8] = b"kaa-rpc/1 secret";

/// The `info` of a key: one for each purpose, so that no key serves two.
pub(crate) const CLIENT_PROOF: &[u8] = b"kaa-rpc/1 client proof";
pub(crate) const SERVER_PROOF: &[u8] = b"kaa-rpc/1 server proof";
#[cfg(feature = "noise")]
const NOISE: &[u8] = b"kaa-rpc/1 noise psk";

/// The keys of one secret. Cheap to clone; cleared when the last clone is dropped.
#[derive(Clone)]
pub struct Keys {
    material: Arc<Material>,
}

struct Material {
    client_proof: Zeroizing<[u8; 32]>,
    server_proof: Zeroizing<[u8; 32]>,
    #[cfg(feature = "noise")]
    noise: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Derives all keys of a secret; a few microseconds.
    #[must_use]
    pub fn derive(secret: &Secret) -> Self {
        Self::from_key_material(secret.as_bytes())
    }

    fn from_key_material(secret: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), secret);
        let expand = |info: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            #[expect(
                clippy::expect_used,
                reason = "HKDF gives up to 255 hashes, and a key is one"
            )]
            hkdf.expand(info, key.as_mut_slice())
                .expect("a key is not too long for HKDF");
            key
        };
        Self {
            material: Arc::new(Material {
                client_proof: expand(CLIENT_PROOF),
                server_proof: expand(SERVER_PROOF),
                #[cfg(feature = "noise")]
                noise: expand(NOISE),
            }),
        }
    }

    pub(crate) fn client_proof(&self) -> &[u8; 32] {
        &self.material.client_proof
    }

    pub(crate) fn server_proof(&self) -> &[u8; 32] {
        &self.material.server_proof
    }

    /// The pre-shared key of the Noise handshake.
    #[cfg(feature = "noise")]
    pub(crate) fn noise(&self) -> &[u8; 32] {
        &self.material.noise
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(redacted)")
    }
}

/// The keys that a server accepts, by key id.
///
/// Several make it possible to rotate a secret, to tell peers apart and to revoke one of them. A
/// client that names an id which is not here takes the same path as one with a wrong secret.
#[derive(Clone, Debug)]
pub struct Keyring {
    entries: Vec<(KeyId, Keys)>,
    decoy: Keys,
}

impl Keyring {
    /// A keyring that accepts nobody yet.
    ///
    /// `decoy` are random bytes: the keys against which proofs for unknown key ids are checked, in
    /// vain.
    #[must_use]
    pub fn new(decoy: [u8; 32]) -> Self {
        let decoy = Zeroizing::new(decoy);
        Self {
            entries: Vec::new(),
            decoy: Keys::from_key_material(decoy.as_slice()),
        }
    }

    /// Accepts the secret under this key id from now on, instead of a former one.
    pub fn insert(&mut self, id: KeyId, secret: &Secret) {
        self.remove(&id);
        self.entries.push((id, Keys::derive(secret)));
    }

    /// No longer accepts this key id; channels that are open stay so. Whether it was accepted.
    pub fn remove(&mut self, id: &KeyId) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(other, _)| other != id);
        self.entries.len() < before
    }

    /// The key ids that are accepted, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.entries.iter().map(|(id, _)| *id)
    }

    /// The keys to check a proof with. Looks at every entry, wherever the one that is sought stands
    /// or if there is none.
    pub(crate) fn find(&self, id: &KeyId) -> Credential {
        let mut known = false;
        let mut keys = &self.decoy;
        for (other, theirs) in &self.entries {
            if other == id {
                known = true;
                keys = theirs;
            }
        }
        Credential {
            keys: keys.clone(),
            known,
        }
    }
}

/// Keys to check a client's proof with.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) keys: Keys,
    /// Whether they are those of a key id that the server accepts. If not, every proof is wrong.
    pub(crate) known: bool,
}
