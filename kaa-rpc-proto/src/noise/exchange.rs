//! The two messages of the handshake.

use std::fmt;

use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::records::Records;
use super::resolver::Resolver;
use crate::handshake::{HandshakeError, KeyId, Keys, Stage, Step, server};

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";

/// The size of either message: a public key and a tag.
pub const MESSAGE_LEN: usize = 48;

/// What both ends have after the handshake.
#[derive(Debug)]
pub struct Secured {
    /// Seals and opens what this end sends and receives from now on.
    pub records: Records,
    /// The hash of the handshake: the same at both ends and of no other connection.
    pub binding: [u8; 32],
}

/// Begins the handshake at the client. [`Step::send`] goes directly after the preamble.
///
/// `ephemeral` are 32 random bytes, new for each connection.
pub fn start(
    keys: &Keys,
    preamble: &[u8],
    ephemeral: Zeroizing<[u8; 32]>,
) -> Result<Step<AwaitSecond>, HandshakeError> {
    let mut state = build(keys, preamble, ephemeral, Builder::build_initiator)?;
    let send = write(&mut state)?;
    Ok(Step {
        send,
        next: AwaitSecond { state },
    })
}

/// At the client: the server's message is due.
#[must_use]
pub struct AwaitSecond {
    state: HandshakeState,
}

impl AwaitSecond {
    /// The size of the message.
    pub const NEEDS: usize = MESSAGE_LEN;

    /// Takes the server's message.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::ServerNotProven`] if it was not made with the same secret, for this
    /// connection.
    pub fn receive(mut self, bytes: &[u8; Self::NEEDS]) -> Result<Secured, HandshakeError> {
        if !read(&mut self.state, bytes) {
            return Err(HandshakeError::ServerNotProven);
        }
        finish(self.state)
    }

    /// The error if the server closed after `got` bytes of its message. A server that has another
    /// secret closes before the first.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        match got {
            0 => HandshakeError::Refused,
            got => HandshakeError::Closed {
                awaiting: Stage::Noise,
                expected: Self::NEEDS,
                got,
            },
        }
    }
}

impl fmt::Debug for AwaitSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwaitSecond")
    }
}

/// At the server: the client's message is due.
#[must_use]
pub struct AwaitFirst {
    state: HandshakeState,
    key_id: KeyId,
}

impl AwaitFirst {
    /// The size of the message.
    pub const NEEDS: usize = MESSAGE_LEN;

    /// Goes on with a client whose preamble was sound. A key id that the server does not have goes
    /// the same way as a wrong secret.
    ///
    /// `ephemeral` are 32 random bytes, new for each connection.
    ///
    /// # Errors
    ///
    /// None that the client can bring about.
    pub fn new(
        agreed: &server::VersionAgreed,
        preamble: &[u8],
        ephemeral: Zeroizing<[u8; 32]>,
    ) -> Result<Self, HandshakeError> {
        Ok(Self {
            state: build(agreed.keys(), preamble, ephemeral, Builder::build_responder)?,
            key_id: agreed.claimed_key_id(),
        })
    }

    /// Takes the client's message and gives this end's.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::WrongSecret`] if it was not made with the same secret, for this preamble.
    pub fn receive(mut self, bytes: &[u8; Self::NEEDS]) -> Result<Step<Secured>, HandshakeError> {
        if !read(&mut self.state, bytes) {
            return Err(HandshakeError::WrongSecret {
                key_id: self.key_id,
            });
        }
        let send = write(&mut self.state)?;
        Ok(Step {
            send,
            next: finish(self.state)?,
        })
    }

    /// The error if the client closed after `got` bytes of its message.
    #[must_use]
    pub fn closed(&self, got: usize) -> HandshakeError {
        HandshakeError::Closed {
            awaiting: Stage::Noise,
            expected: Self::NEEDS,
            got,
        }
    }
}

impl fmt::Debug for AwaitFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitFirst")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

fn build<'a>(
    keys: &'a Keys,
    preamble: &'a [u8],
    ephemeral: Zeroizing<[u8; 32]>,
    role: impl FnOnce(Builder<'a>) -> Result<HandshakeState, snow::Error>,
) -> Result<HandshakeState, HandshakeError> {
    PATTERN
        .parse()
        .map(|pattern| Builder::with_resolver(pattern, Box::new(Resolver::new(ephemeral))))
        .and_then(|builder| builder.psk(0, keys.noise()))
        .and_then(|builder| builder.prologue(preamble))
        .and_then(role)
        .map_err(broken)
}

/// Whether the message is what the other end must have sent.
fn read(state: &mut HandshakeState, bytes: &[u8; MESSAGE_LEN]) -> bool {
    matches!(state.read_message(bytes, &mut [0; MESSAGE_LEN]), Ok(0))
}

fn write(state: &mut HandshakeState) -> Result<Vec<u8>, HandshakeError> {
    let mut message = vec![0; MESSAGE_LEN];
    let length = state.write_message(&[], &mut message).map_err(broken)?;
    message.truncate(length);
    Ok(message)
}

fn finish(state: HandshakeState) -> Result<Secured, HandshakeError> {
    let mut binding = [0; 32];
    let hash = state.get_handshake_hash();
    binding.copy_from_slice(hash.get(..32).ok_or(HandshakeError::Cipher)?);
    let state = state.into_stateless_transport_mode().map_err(broken)?;
    Ok(Secured {
        records: Records::new(state),
        binding,
    })
}

/// What is left are mistakes in how this module uses snow.
fn broken(_: snow::Error) -> HandshakeError {
    HandshakeError::Cipher
}
