//! A child process and the socket pair that it inherits one end of.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `process` | the host's side: the process, its end, and who reaps it |
//! | `inherited` | the child's side: how it finds its end |
//!
//! The child's end is its standard input: the only descriptor that can be given to a program and found in it
//! without unsafe code, and without a name that its own children would see too.

mod inherited;
mod process;

pub use inherited::{Inherited, InheritedError};
pub(crate) use process::{ChildProcess, Hosted};

/// What the host sends before the handshake: this, and the secret.
const MAGIC: [u8; 8] = *b"\xc1kaa-key";

/// The bytes of the secret that a child is handed.
const SECRET_LEN: usize = 32;
