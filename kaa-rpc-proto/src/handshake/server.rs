//! The end that is connected to.

use std::fmt;

use super::Step;
use super::error::{HandshakeError, Stage};
#[cfg(feature = "noise")]
use super::keys::Keys;
use super::keys::{Credential, Keyring};
use super::name::KeyId;
use super::opened::{Context, Opened, Peer};
use super::proof::{Bound, Transcript};
use super::settings::{Role, Settings, Versions};
use super::wire::{self, Answer, Hello, Preamble};

/// Somebody connected; the client's preamble is due.
#[derive(Debug)]
#[must_use]
pub struct AwaitPreamble {
    settings: Settings,
    nonce: [u8; 32],
}

impl AwaitPreamble {
    /// The size of the preamble.
    pub const NEEDS: usize = wire::PREAMBLE_LEN;

    /// Begins a handshake. `nonce` are 32 random bytes, new for each.
    ///
    /// # Errors
    ///
    /// Those of [`Settings::validate`].
    pub fn new(settings: Settings, nonce: [u8; 32]) -> Result<Self, HandshakeError> {
        settings.validate()?;
        Ok(Self { settings, nonce })
    }

    /// Takes the client's preamble and gives the answer.
    ///
    /// A key id that is not in the keyring goes on like any other, up to the proof.
    ///
    /// # Errors
    ///
    /// If it is no preamble, or one of another version or transport.
    pub fn receive(
        self,
        bytes: &[u8; Self::NEEDS],
        keyring: &Keyring,
    ) -> Result<Step<VersionAgreed>, Refusal> {
        let Self { settings, nonce } = self;
        let Preamble {
            versions: theirs,
            transport,
            key_id,
        } = Preamble::decode(bytes)?;
        let ours = Versions::SUPPORTED;
        let chosen = ours.choose(theirs);
        let send = Answer {
            chosen,
            versions: ours,
        }
        .encode();
        let Some(version) = chosen else {
            return Err(Refusal {
                error: HandshakeError::VersionMismatch { ours, theirs },
                send,
            });
        };
        let ours = settings.transport;
        if transport != ours.number() {
            return Err(HandshakeError::TransportMismatch {
                ours,
                theirs: transport,
            }
            .into());
        }
        let mut transcript = Transcript::default();
        transcript.add(bytes);
        transcript.add(&send);
        let context = Context {
            settings,
            role: Role::Server,
            key_id,
            nonce,
        };
        let credential = keyring.find(&key_id);
        Ok(Step {
            send,
            next: VersionAgreed {
                context,
                credential,
                transcript,
                version,
            },
        })
    }

    /// Whether the beginning of a preamble, as far as it came, can be one. A driver that reads in
    /// pieces may ask, to close on a stranger before all the bytes are there.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::NotKaa`].
    pub fn check_beginning(received: &[u8]) -> Result<(), HandshakeError> {
        wire::check_magic(received)
    }

    /// The error if the client closed after `got` bytes of its preamble.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        HandshakeError::Closed {
            awaiting: Stage::Preamble,
            expected: Self::NEEDS,
            got,
        }
    }
}

/// The preamble was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub error: HandshakeError,
    /// What to send before closing: with a [`HandshakeError::VersionMismatch`] the versions of this
    /// server, and otherwise nothing.
    pub send: Vec<u8>,
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Self {
        Self {
            error,
            send: Vec::new(),
        }
    }
}

impl From<Refusal> for HandshakeError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Both ends agree on the version. A transport that encrypts makes its keys now; then the channel
/// binding is known.
#[derive(Debug)]
#[must_use]
pub struct VersionAgreed {
    context: Context,
    credential: Credential,
    transcript: Transcript,
    version: u8,
}

impl VersionAgreed {
    /// Goes on over a channel with this binding data, that of a local transport being empty, and
    /// gives this end's hello.
    pub fn bind(self, binding: &[u8]) -> Step<AwaitHello> {
        let Self {
            context,
            credential,
            mut transcript,
            version,
        } = self;
        let send = context.hello();
        transcript.add(&send);
        let binding = binding.into();
        Step {
            send,
            next: AwaitHello {
                context,
                credential,
                transcript,
                version,
                binding,
            },
        }
    }

    /// The keys that the client must have.
    #[cfg(feature = "noise")]
    pub(crate) fn keys(&self) -> &Keys {
        &self.credential.keys
    }

    /// The key id that the client sent; nothing shows yet that it has its secret.
    #[must_use]
    pub fn claimed_key_id(&self) -> KeyId {
        self.context.key_id
    }
}

/// The answer and this end's hello are sent; the client's hello is due.
#[derive(Debug)]
#[must_use]
pub struct AwaitHello {
    context: Context,
    credential: Credential,
    transcript: Transcript,
    version: u8,
    binding: Vec<u8>,
}

impl AwaitHello {
    /// The size of the hello.
    pub const NEEDS: usize = wire::HELLO_LEN;

    /// Takes the client's hello; its proof comes next, without an answer.
    ///
    /// # Errors
    ///
    /// If the hello is malformed or does not fit the settings of this end.
    pub fn receive(self, bytes: &[u8; Self::NEEDS]) -> Result<AwaitProof, HandshakeError> {
        let Self {
            context,
            credential,
            mut transcript,
            version,
            binding,
        } = self;
        let peer = context.judge(&Hello::decode(bytes)?)?;
        transcript.add(bytes);
        let bound = transcript.bind(context.settings.transport, binding);
        Ok(AwaitProof {
            context,
            credential,
            version,
            peer,
            bound,
        })
    }

    /// The error if the client closed after `got` bytes of its hello. A client whose settings do not
    /// fit the server's hello closes before it sends one.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        HandshakeError::Closed {
            awaiting: Stage::Hello,
            expected: Self::NEEDS,
            got,
        }
    }
}

/// The client's proof is due.
#[derive(Debug)]
#[must_use]
pub struct AwaitProof {
    context: Context,
    credential: Credential,
    version: u8,
    peer: Peer,
    bound: Bound,
}

impl AwaitProof {
    /// The size of the proof.
    pub const NEEDS: usize = wire::PROOF_LEN;

    /// Takes the client's proof and gives this end's.
    ///
    /// `unread` is how many bytes can be read after the proof at this moment. There can be none: the
    /// client does not know yet whom it talks to.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::WrongSecret`] if the proof is wrong; if it is right, and bytes follow it,
    /// [`HandshakeError::UnexpectedBytes`].
    pub fn receive(
        self,
        bytes: &[u8; Self::NEEDS],
        unread: usize,
    ) -> Result<Step<Opened>, HandshakeError> {
        let Self {
            context,
            credential,
            version,
            peer,
            bound,
        } = self;
        let verified =
            bound
                .verify_client(&credential, bytes)
                .ok_or(HandshakeError::WrongSecret {
                    key_id: context.key_id,
                })?;
        if unread > 0 {
            return Err(HandshakeError::UnexpectedBytes {
                after: Stage::Proof,
                got: unread,
            });
        }
        let proof = bound.server_proof(&credential.keys, bytes);
        let session = bound.session(bytes, &proof);
        let opened = Opened::new(context, peer, version, session, verified);
        Ok(Step {
            send: proof.into(),
            next: opened,
        })
    }

    /// The error if the client closed after `got` bytes of its proof.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        HandshakeError::Closed {
            awaiting: Stage::Proof,
            expected: Self::NEEDS,
            got,
        }
    }
}
