//! The end that connects.

use super::Step;
use super::error::{HandshakeError, Stage};
use super::keys::Keys;
use super::name::KeyId;
use super::opened::{Context, Opened, Peer};
use super::proof::{Bound, Transcript};
use super::settings::{Role, Settings, Versions};
use super::wire::{self, Answer, Hello, Preamble};

/// Begins a handshake with the preamble.
///
/// `key_id` tells the server which of its secrets `keys` were derived from. `nonce` are 32 random
/// bytes, new for each handshake.
///
/// # Errors
///
/// Those of [`Settings::validate`].
pub fn start(
    settings: Settings,
    key_id: KeyId,
    keys: Keys,
    nonce: [u8; 32],
) -> Result<Step<AwaitVersion>, HandshakeError> {
    settings.validate()?;
    let versions = Versions::SUPPORTED;
    let transport = settings.transport.number();
    let send = Preamble {
        versions,
        transport,
        key_id,
    }
    .encode();
    let mut transcript = Transcript::default();
    transcript.add(&send);
    let context = Context {
        settings,
        role: Role::Client,
        key_id,
        nonce,
    };
    Ok(Step {
        send,
        next: AwaitVersion {
            context,
            keys,
            transcript,
        },
    })
}

/// The preamble is sent; the server's answer is due.
#[derive(Debug)]
#[must_use]
pub struct AwaitVersion {
    context: Context,
    keys: Keys,
    transcript: Transcript,
}

impl AwaitVersion {
    /// The size of the answer.
    pub const NEEDS: usize = wire::ANSWER_LEN;

    /// Takes the server's answer.
    ///
    /// # Errors
    ///
    /// If it is none, or has no version that this end supports.
    pub fn receive(mut self, bytes: &[u8; Self::NEEDS]) -> Result<VersionAgreed, HandshakeError> {
        let Answer {
            chosen,
            versions: theirs,
        } = Answer::decode(bytes)?;
        let ours = Versions::SUPPORTED;
        let Some(version) = ours.choose(theirs) else {
            return Err(HandshakeError::VersionMismatch { ours, theirs });
        };
        // Anything but the highest common version would be a downgrade.
        if chosen != Some(version) {
            return Err(HandshakeError::Malformed {
                stage: Stage::Version,
                field: "chosen version",
            });
        }
        self.transcript.add(bytes);
        Ok(VersionAgreed {
            state: self,
            version,
        })
    }

    /// Whether the beginning of an answer, as far as it came, can be one. A driver that reads in
    /// pieces may ask, to tell a stranger before all the bytes are there.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::NotKaa`].
    pub fn check_beginning(received: &[u8]) -> Result<(), HandshakeError> {
        wire::check_magic(received)
    }

    /// The error if the server closed after `got` bytes of its answer.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        HandshakeError::Closed {
            awaiting: Stage::Version,
            expected: Self::NEEDS,
            got,
        }
    }
}

/// Both ends agree on the version. A transport that encrypts makes its keys now; then the channel
/// binding is known.
#[derive(Debug)]
#[must_use]
pub struct VersionAgreed {
    state: AwaitVersion,
    version: u8,
}

impl VersionAgreed {
    /// Goes on over a channel with this binding data; that of a local transport is empty.
    pub fn bind(self, binding: &[u8]) -> AwaitHello {
        AwaitHello {
            agreed: self,
            binding: binding.into(),
        }
    }
}

/// The server's hello is due.
#[derive(Debug)]
#[must_use]
pub struct AwaitHello {
    agreed: VersionAgreed,
    binding: Vec<u8>,
}

impl AwaitHello {
    /// The size of the hello.
    pub const NEEDS: usize = wire::HELLO_LEN;

    /// Takes the server's hello and gives this end's, with its proof.
    ///
    /// `unread` is how many bytes can be read after the hello at this moment. There can be none: the
    /// server has nothing to say before it has the proof.
    ///
    /// # Errors
    ///
    /// If the hello is malformed or does not fit the settings of this end, or bytes follow it.
    pub fn receive(
        self,
        bytes: &[u8; Self::NEEDS],
        unread: usize,
    ) -> Result<Step<AwaitProof>, HandshakeError> {
        let VersionAgreed {
            state:
                AwaitVersion {
                    context,
                    keys,
                    mut transcript,
                },
            version,
        } = self.agreed;
        let peer = context.judge(&Hello::decode(bytes)?)?;
        if unread > 0 {
            return Err(HandshakeError::UnexpectedBytes {
                after: Stage::Hello,
                got: unread,
            });
        }
        let mut send = context.hello();
        transcript.add(bytes);
        transcript.add(&send);
        let bound = transcript.bind(context.settings.transport, self.binding);
        let proof = bound.client_proof(&keys);
        send.extend_from_slice(&proof);
        Ok(Step {
            send,
            next: AwaitProof {
                context,
                keys,
                version,
                peer,
                bound,
                proof,
            },
        })
    }

    /// The error if the server closed after `got` bytes of its hello.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        HandshakeError::Closed {
            awaiting: Stage::Hello,
            expected: Self::NEEDS,
            got,
        }
    }
}

/// This end's proof is sent; the server's is due.
#[derive(Debug)]
#[must_use]
pub struct AwaitProof {
    context: Context,
    keys: Keys,
    version: u8,
    peer: Peer,
    bound: Bound,
    proof: [u8; wire::PROOF_LEN],
}

impl AwaitProof {
    /// The size of the proof.
    pub const NEEDS: usize = wire::PROOF_LEN;

    /// Takes the server's proof. What follows it are frames.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::ServerNotProven`] if it is wrong.
    pub fn receive(self, bytes: &[u8; Self::NEEDS]) -> Result<Opened, HandshakeError> {
        let Self {
            context,
            keys,
            version,
            peer,
            bound,
            proof,
        } = self;
        let verified = bound
            .verify_server(&keys, &proof, bytes)
            .ok_or(HandshakeError::ServerNotProven)?;
        Ok(Opened::new(
            context,
            peer,
            version,
            bound.session(&proof, bytes),
            verified,
        ))
    }

    /// The error if the server closed after `got` bytes of its proof. Without any it is
    /// [`HandshakeError::Refused`]: a server with another secret closes just so.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        match got {
            0 => HandshakeError::Refused,
            _ => HandshakeError::Closed {
                awaiting: Stage::Proof,
                expected: Self::NEEDS,
                got,
            },
        }
    }
}
