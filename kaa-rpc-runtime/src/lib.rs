//! The tokio runtime of Kaa RPC: servers, channels, and typed or dynamic calls in both directions over
//! one authenticated connection.
//!
//! ```
//! use kaa_rpc_runtime::{Channel, kwargs, params};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (server, client) = Channel::pair(
//!     |side| side.register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b))),
//!     |side| side.register_fn("name", params([], async || Ok("client"))),
//! )
//! .await?;
//! let sum: i64 = client.rpc("add", (40, kwargs! { b: 2 })).await?;
//! assert_eq!(sum, 42);
//! let name: String = server.rpc("name", ()).await?;
//! assert_eq!(name, "client");
//! # Ok(()) }
//! ```
//!
//! | module | what it knows |
//! | --- | --- |
//! | `server`, `channel`, `side` | what users build and hold |
//! | `call` | a call from its caller's side |
//! | [`blocking`] | the same for code that is not async |
//! | `serve` | a call from its callee's side |
//! | `told`, `trace`, `scope` | what comes along with a call, and goes on with the calls of its handler |
//! | `connection` | the state that both share, and the task that drives it |
//! | `plan`, `retry`, `status` | how a channel gets a connection, and another one |
//! | `describe` | what an end tells of itself, and how it is compared |
//! | `open`, `transport`, `address`, `secret` | how a connection comes to be |
//! | `observe` | spans and measurements of calls |
//! | `codegen` | what generated code names |

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod address;
mod attached;
pub mod blocking;
mod buffers;
mod call;
mod channel;
mod close;
#[doc(hidden)]
pub mod codegen;
mod connection;
mod context;
mod describe;
mod error;
mod items;
mod lag;
mod macros;
mod observe;
mod open;
mod outcome;
mod peer;
mod plan;
mod ratelimit;
mod retry;
mod scope;
mod secret;
mod serve;
mod server;
mod side;
mod status;
mod text;
mod told;
mod trace;
mod transport;

pub use address::{Address, AddressError, TcpAddress, UnixAddress};
pub use call::{Call, CallEnd, Event, Ignored, InProgress, MadeCall, MadeNext};
pub use channel::{Channel, ChannelBuilder};
pub use close::CloseReason;
pub use codegen::{Service, Unknown};
pub use context::{Cancelled, Context};
pub use error::{
    BadArguments, BadResult, CallError, Error, FromFailure, RemoteError, RemoteFault,
    UnknownFunction,
};
pub use items::{
    Give, GiveError, ItemIter, ItemReceiver, ItemSender, ItemSource, Items, NoItems,
    StreamArgument, TakeError, Yielder, item_channel, item_iter,
};
pub use kaa_rpc_describe::{Change, Compatibility, Description, Difference, Effect};
pub use kaa_rpc_proto::handshake::HandshakeError;
pub use kaa_rpc_proto::msgpack::{Arguments, Bytes, Integer, Kwargs, Timestamp, Value};
pub use kaa_rpc_proto::{FailureKind, Limits, Metadata, MetadataError, Violation, kwargs};
pub use lag::Lag;
pub use open::ConnectError;
pub use outcome::{Fault, NoError, Outcome, Throws};
pub use peer::Peer;
pub use retry::Retry;
pub use scope::Scoped;
pub use secret::{Secret, SecretError};
pub use serve::blocking::{BlockingClosure, BlockingParams, blocking_params};
pub use serve::functions::RegisterError;
pub use serve::intercept::{Answer, ServedCall, ServedNext};
pub use serve::params::{Closure, Handler, Parameter, Params, params};
pub use server::{
    AddSecretError, Behind, BindError, Broadcast, ClientConnected, Clients, Rejected, Server,
    ServerBuilder, WhenBehind,
};
pub use status::{Status, StatusWatch};
pub use trace::{TraceContext, TraceParentError};
#[cfg(feature = "process")]
pub use transport::{Inherited, InheritedError};
#[cfg(feature = "socket-activation")]
pub use transport::{PassedError, PassedSocket, passed_sockets};
pub use transport::{PeerCredentials, UnixBindError, UnixConnectError, UnixOptions};
#[cfg(feature = "tcp")]
pub use transport::{TcpBindError, TcpConnectError};
