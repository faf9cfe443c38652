//! Channels between a host and a child process.

use tokio::process::Command;
use tokio::runtime::Handle;

use super::{Channel, ChannelBuilder};
use crate::open::{ConnectError, Newborn, as_server};
use crate::plan::To;
use crate::secret::{Secret, random};
use crate::transport::{Inherited, Transport, UnixSocket};

impl Channel {
    /// Starts a program that has a channel to this process from its birth; this side exposes nothing. See
    /// [`Server::spawn`](crate::Server::spawn) for what holds between the two.
    ///
    /// # Errors
    ///
    /// Those of [`ChannelBuilder::spawn`].
    pub async fn spawn(command: impl Into<Command>) -> Result<Self, ConnectError> {
        let secret = Secret::from_bytes(&random::<32>().map_err(ConnectError::Random)?)
            .map_err(|error| ConnectError::Settings(error.to_string()))?;
        Self::builder(&secret).spawn(command).await
    }
}

impl<P: From<Channel>> ChannelBuilder<P> {
    /// Starts a program that has this channel from its birth; see [`Server::spawn`](crate::Server::spawn) for
    /// what holds between the two, and for a host with several children.
    ///
    /// The child gets a secret of its own, not that of this builder.
    ///
    /// Must be called within a tokio runtime, which must live as long as the child.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or does not open its channel within
    /// [`open_timeout`](Self::open_timeout); then it is killed if it has not ended.
    ///
    /// **Cancel safe:** dropping the future kills the child.
    pub async fn spawn(self, command: impl Into<Command>) -> Result<P, ConnectError> {
        if self.retry.is_some() {
            let what = "a child is started once: `retry` needs an address or a connector";
            return Err(ConnectError::Settings(what.to_owned()));
        }
        let (side, on_connect) = self.halves()?;
        let (newborn, transport, keyring) = Newborn::start(command.into(), side.close_timeout)?;
        let opening = as_server(transport, &side.announcement, &keyring);
        let opening = tokio::time::timeout(side.open_timeout, opening)
            .await
            .unwrap_or(Err(ConnectError::TimedOut(side.open_timeout)));
        let opening = newborn.settle(opening).await?;
        let setup = side.setup(Handle::current());
        Ok(Channel::start(setup, on_connect, opening).into())
    }

    /// Opens the channel that this process inherited from its host. The builder's secret must be
    /// [`Inherited::secret`].
    ///
    /// When the host closes the channel, or dies, the channel is closed here too: end the program then. It has
    /// a few seconds.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the host refuses, has died, or it takes longer than [`open_timeout`](Self::open_timeout).
    ///
    /// **Cancel safe:** dropping the future drops the connection.
    pub async fn connect_inherited(self, host: Inherited) -> Result<P, ConnectError> {
        let socket = UnixSocket::new(host.into_socket()).map_err(ConnectError::Io)?;
        self.open(To::stream(Transport::inherited(socket))).await
    }
}
