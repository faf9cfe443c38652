//! Encryption of a stream that others can read or change: the Noise handshake, then records.
//!
//! The handshake is `Noise_NNpsk0_25519_ChaChaPoly_SHA256`: each end makes a key pair for this
//! connection alone, and a key derived from the secret is mixed in before the first byte. Its two
//! messages travel with messages of the [opening](crate::handshake), so they cost no round trip:
//!
//! ```text
//!        client                                                 server
//!   handshake::client::start    preamble, 64 bytes   →
//!   noise::start                message 1, 48 bytes  →    noise::AwaitFirst
//!                            ←  answer, 16 bytes
//!   noise::AwaitSecond       ←  message 2, 48 bytes
//!                            ←  hello, in a record
//! ```
//!
//! Both ends then have [`Secured`]: what seals and opens the records in which everything else travels,
//! and the hash of the handshake, which is the channel binding of the opening's proofs.
//!
//! As everywhere in this crate, bytes and randomness come from the caller: the ephemeral private keys
//! are 32 random bytes each.
//!
//! **Invariant:** nothing is allocated or computed with a private key before message 1 shows that the
//! client has the secret.

mod exchange;
mod records;
mod resolver;
#[cfg(test)]
mod tests;

pub use exchange::{AwaitFirst, AwaitSecond, MESSAGE_LEN, Secured, start};
pub use records::{RecordError, Records, Split};
