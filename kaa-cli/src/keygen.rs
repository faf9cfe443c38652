//! `kaa keygen`: makes a secret file.

use std::path::PathBuf;

use clap::Args;
use kaa_rpc_runtime::Secret;

use crate::report::{Failure, Status, say};

/// Make a secret file, for a server and its clients to share
///
/// The file gets 32 random bytes, and only its owner may read it (mode 0600). An existing file is never
/// overwritten. Whoever can read the file can call whatever a server with this secret exposes.
#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The file to make
    file: PathBuf,
}

impl Keygen {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        Secret::create_file(&self.file)
            .map_err(|error| Failure::new(Status::Failed, error.to_string()))?;
        say(format_args!(
            "made a new secret in {}, which only you can read",
            self.file.display()
        ));
        Ok(())
    }
}
