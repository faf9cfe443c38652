//! How a connection opens: both ends prove that they have the same secret.
//!
//! ```text
//!        client                                             server
//!   client::start            preamble, 64 bytes  →    server::AwaitPreamble
//!   client::AwaitVersion  ←  answer, 16 bytes         server::VersionAgreed
//!   client::VersionAgreed    (an encrypted transport makes its keys here)
//!   client::AwaitHello    ←  hello, 256 bytes
//!                            hello, 256 bytes    →    server::AwaitHello
//!   client::AwaitProof       proof, 32 bytes     →    server::AwaitProof
//!   Opened                ←  proof, 32 bytes          Opened
//! ```
//!
//! On a local transport that is two round trips: the server sends answer and hello together, the
//! client hello and proof. Each state is consumed to get the next one, and an [`Opened`] can be had
//! only from the last, which has verified the other end's proof.
//!
//! # What the driver does
//!
//! It moves bytes and keeps the time; nothing here reads a clock, a socket or randomness.
//!
//! - Each awaiting state has `NEEDS`, the exact size of the message that is due. Read that many bytes
//!   and never more into `receive`; write what [`Step::send`] has before the next read.
//! - If the other end closes first, `closed` tells what that means.
//! - After the message before a proof nothing more can come until this end has sent its own. Two
//!   states therefore ask in `receive` for `unread`: the bytes that are already there to be read after
//!   the message, as a read that does not block, or a peek, finds them at that moment.
//! - Any error ends the connection without another byte, but for [`server::Refusal::send`].
//! - One deadline stands over the whole handshake.
//!
//! A complete handshake without a socket:
//!
//! ```
//! use kaa_rpc_proto::handshake::{
//!     HandshakeError, InstanceId, KeyId, Keyring, Keys, Settings, Transport, client, server,
//! };
//! use kaa_rpc_proto::Secret;
//!
//! // Randomness comes from the caller; a real one asks the operating system.
//! let secret = Secret::from([1; 32]);
//! let mut keyring = Keyring::new([2; 32]);
//! keyring.insert(KeyId::EMPTY, &secret);
//! let settings = |instance| Settings::new(Transport::Unix, InstanceId(instance));
//!
//! let (preamble, client) = client::start(settings([3; 16]), KeyId::EMPTY, Keys::derive(&secret), [4; 32])?.into();
//! let server = server::AwaitPreamble::new(settings([5; 16]), [6; 32])?;
//! let (answer, server) = server.receive(preamble.as_slice().try_into()?, &keyring)?.into();
//! let (hello, server) = server.bind(&[]).into();
//! let client = client.receive(answer.as_slice().try_into()?)?.bind(&[]);
//! let (hello_and_proof, client) = client.receive(hello.as_slice().try_into()?, 0)?.into();
//! let (hello, proof) = hello_and_proof.split_at(server::AwaitHello::NEEDS);
//! let server = server.receive(hello.try_into()?)?;
//! let (proof, at_server) = server.receive(proof.try_into()?, 0)?.into();
//! let at_client = client.receive(proof.as_slice().try_into()?)?;
//!
//! assert_eq!(at_client.session(), at_server.session());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod client;
mod error;
mod keys;
mod name;
mod opened;
mod proof;
pub mod server;
mod settings;
pub(crate) mod wire;

pub use error::{Blame, HandshakeError, Stage};
pub use keys::{Keyring, Keys};
pub use name::{KeyId, Name, NameError, ServiceName};
pub use opened::{Opened, Peer, SessionId};
pub use settings::{Features, InstanceId, Role, Settings, Transport, Versions};

/// A state, and what to send before its message is read.
#[derive(Debug)]
#[must_use]
pub struct Step<Next> {
    /// The bytes to send.
    pub send: Vec<u8>,
    /// The state after that.
    pub next: Next,
}

impl<Next> From<Step<Next>> for (Vec<u8>, Next) {
    fn from(step: Step<Next>) -> Self {
        (step.send, step.next)
    }
}
