//! Which program is meant, and how it is reached: what all commands have in common that talk to one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kaa_rpc_runtime::{Channel, ConnectError, HandshakeError, Secret, SecretError};

use crate::report::{Failure, Status};
use crate::time;

/// How long the end of the connection may take once there is nothing to lose.
pub(crate) const PARTING: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// Where the program listens: `unix:NAME`, `unix:/PATH` or `tcp:HOST:PORT`
    pub(crate) address: String,
    /// The file with the secret that the program has, too
    #[arg(
        long,
        value_name = "FILE",
        env = "KAA_SECRET_FILE",
        hide_env_values = true
    )]
    secret_file: Option<PathBuf>,
    /// Which of the program's secrets this one is, where it has several
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    key_id: String,
    /// Talk only to a program of this service name, or of none, though others may have the same secret
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    service: String,
    /// How long to wait for the connection, and then for the answer, such as 250ms, 5s or 2m
    ///
    /// Without it: 10 seconds for the connection, and no end for the answer.
    #[arg(long, value_name = "TIME", value_parser = time::parse_timeout)]
    pub(crate) timeout: Option<Duration>,
}

impl Reach {
    /// Connects, and does something with the channel. `close_timeout`: how long the end of the connection may take,
    /// if not as long as usual.
    pub(crate) fn with_channel(
        &self,
        close_timeout: Option<Duration>,
        work: impl AsyncFnOnce(&Channel) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = self.secret_file.as_deref().ok_or_else(no_secret)?;
        let secret = Secret::from_file(path).map_err(|error| unreadable(path, &error))?;
        // Not of this thread alone: the connection lives on while this one is stuck in writing its output.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Status::Failed, format!("cannot start: {error}")))?;
        runtime.block_on(async {
            let mut builder = Channel::builder(&secret)
                .key_id(&self.key_id)
                .service(&self.service);
            if let Some(timeout) = self.timeout {
                builder = builder.timeout(timeout).open_timeout(timeout);
            }
            if let Some(timeout) = close_timeout {
                builder = builder.close_timeout(timeout);
            }
            let connecting = builder.connect(&self.address).await;
            work(&connecting.map_err(|error| self.not_connected(&error, path))?).await
        })
    }

    fn not_connected(&self, error: &ConnectError, secret: &Path) -> Failure {
        match error {
            ConnectError::Address(_) | ConnectError::Settings(_) => {
                Failure::usage(error.to_string())
            }
            ConnectError::Handshake(HandshakeError::Refused) => {
                let key_id = match self.key_id.as_str() {
                    "" => String::new(),
                    id => format!(", under the key id `{id}`"),
                };
                self.handshake(error).help(format!(
                    "probably a wrong secret: this is the one in {}, and the server needs the same{key_id}",
                    secret.display()
                ))
            }
            ConnectError::Handshake(_) | ConnectError::Io(_) | ConnectError::TimedOut(_) => {
                self.handshake(error)
            }
            _ => Failure::new(Status::NotConnected, error.to_string()),
        }
    }

    /// For errors that do not name the address themselves.
    fn handshake(&self, error: &ConnectError) -> Failure {
        let message = format!("cannot connect to {}: {error}", self.address);
        Failure::new(Status::NotConnected, message)
    }
}

fn no_secret() -> Failure {
    Failure::usage("no secret: give --secret-file FILE, or set KAA_SECRET_FILE")
        .help("`kaa keygen FILE` makes one; the server must use the same file, or a copy")
}

fn unreadable(path: &Path, error: &SecretError) -> Failure {
    let failure = Failure::usage(error.to_string());
    if error.is_not_found() {
        let path = path.display();
        return failure.help(format!(
            "`kaa keygen {path}` makes it; the server must use the same file, or a copy"
        ));
    }
    failure
}
