//! What is compared.

use std::path::Path;

use kaa_rpc_runtime::Bytes;

use crate::Error;

pub mod kaa;

/// Something that can be measured. Its client and its server are in processes of their own.
pub trait System {
    /// How it is called in tables and on the command line.
    const NAME: &'static str;

    /// What is connected to a server.
    type Client: Echo;

    /// Serves until nobody needs it: binds, in `folder` if it needs files, and then awaits
    /// [`crate::process::ready`].
    fn serve(folder: &Path) -> impl Future<Output = Result<(), Error>> + Send;

    /// Connects to a server that said it is `ready` at `address`. `folder` is the one it got.
    fn connect(
        address: &str,
        folder: &Path,
    ) -> impl Future<Output = Result<Self::Client, Error>> + Send;
}

/// A client whose server gives back what it gets.
pub trait Echo: Send + Sync {
    /// One call, and its result.
    fn echo(&self, data: &[u8]) -> impl Future<Output = Result<Bytes, Error>> + Send;
}
