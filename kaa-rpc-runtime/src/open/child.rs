//! The host's part of opening a channel with a child process.

use std::time::Duration;

use kaa_rpc_proto::handshake::{KeyId, Keyring};
use tokio::process::Command;

use super::{ConnectError, Opening};
use crate::secret::random;
use crate::transport::{ChildProcess, Hosted, Transport};

/// A child that was started and has yet to open its channel. It is killed when this is dropped.
pub(crate) struct Newborn {
    program: String,
    child: ChildProcess,
}

impl Newborn {
    /// Starts a program. Also gives the end of the pair that this process has, and the one secret by which
    /// the child can be known. `grace`: see [`Hosted::start`].
    pub(crate) fn start(
        command: Command,
        grace: Duration,
    ) -> Result<(Self, Transport, Keyring), ConnectError> {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let mut keyring = Keyring::new(random().map_err(ConnectError::Random)?);
        match Hosted::start(command, grace) {
            Ok(hosted) => {
                keyring.insert(KeyId::EMPTY, hosted.secret.key());
                let child = hosted.child;
                Ok((Self { program, child }, hosted.transport, keyring))
            }
            Err(error) => Err(ConnectError::Spawn { program, error }),
        }
    }

    /// Ties the child to its channel, or ends it if there is none.
    pub(crate) async fn settle(
        self,
        opening: Result<Opening, ConnectError>,
    ) -> Result<Opening, ConnectError> {
        match opening {
            Ok(mut opening) => {
                opening.transport.keep(self.child);
                Ok(opening)
            }
            Err(error) => Err(ConnectError::Child {
                program: self.program,
                error: Box::new(error),
                status: self.child.end_unopened().await,
            }),
        }
    }
}
