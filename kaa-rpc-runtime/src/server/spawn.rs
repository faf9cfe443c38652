//! Channels with child processes.

use std::sync::Arc;

use kaa_rpc_proto::handshake::server::{AwaitPreamble, Refusal, VersionAgreed};
use kaa_rpc_proto::handshake::{Keyring, Opened, Step};
use tokio::process::Command;

use super::Server;
use super::accept::{Inner, closed, unless};
use super::members::Membership;
use super::rejected::Visitor;
use crate::channel::Channel;
use crate::connection::{Shared, drive};
use crate::open::{ConnectError, Doorkeeper, Newborn, Opening, as_server};

impl<P: From<Channel>> Server<P> {
    /// Starts a program that has a channel to this server from its birth, and gives the channel. The program
    /// takes it with [`Inherited`](crate::Inherited).
    ///
    /// The command is one of `std` or `tokio`; its standard input becomes the child's end of a socket pair.
    /// That it has this end is the proof of the child: it gets a secret of its own, down the pair, and never one
    /// of this server. The channel goes to [`on_connect`](crate::ServerBuilder::on_connect) and is one of
    /// [`channels`](Self::channels) like all others. A server without an address
    /// ([`unbound`](crate::ServerBuilder::unbound)) is enough.
    ///
    /// **The two end together.** When the child ends, the channel is closed, and
    /// [`CloseReason::ChildEnded`](crate::CloseReason::ChildEnded) has its status unless it said goodbye and
    /// succeeded. When the channel is closed, the child sees its end and has
    /// [`close_timeout`](crate::ServerBuilder::close_timeout) to end by itself (one second after a close that was
    /// not orderly); then it is killed. A channel is closed when its child has ended and was reaped. A child whose
    /// host dies sees the end of its channel; that it ends then is up to it. Processes that the child started are
    /// its own affair.
    ///
    /// Must be called within a tokio runtime, which must live as long as the child.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or does not open its channel within
    /// [`open_timeout`](crate::ServerBuilder::open_timeout); then it is killed if it has not ended.
    ///
    /// **Cancel safe:** dropping the future kills the child.
    pub async fn spawn(&self, command: impl Into<Command>) -> Result<P, ConnectError> {
        let inner = &self.inner;
        let side = &inner.side;
        if *inner.closing.borrow() {
            return Err(ConnectError::Closing);
        }
        let (newborn, transport, keyring) = Newborn::start(command.into(), side.close_timeout)?;
        let mut door = Door {
            server: inner,
            keyring,
            membership: None,
        };
        let mut closing = inner.closing.subscribe();
        let opening = as_server(transport, &side.announcement, &mut door);
        let opening = tokio::time::timeout(side.open_timeout, opening);
        let opening = match unless(closed(&mut closing), opening).await {
            None => Err(ConnectError::Closing),
            Some(opening) => opening.unwrap_or(Err(ConnectError::TimedOut(side.open_timeout))),
        };
        let opening = newborn.settle(opening).await?;
        let Some(membership) = door.membership else {
            // Nothing opens that was not admitted.
            return Err(ConnectError::Closing);
        };
        let channel = Channel::from_shared(Arc::clone(membership.shared()));
        tokio::spawn(welcome(Arc::clone(inner), opening, membership));
        // The hook runs before.
        let _ = channel.opened().await;
        Ok(channel.into())
    }
}

async fn welcome(inner: Arc<Inner>, opening: Opening, membership: Membership) {
    let visitor = Visitor::of(&opening.transport);
    if let Some((session, transport, membership)) = inner.welcome(opening, membership, visitor) {
        drive(session, transport, membership).await;
    }
}

/// Lets the child in that was handed the secret.
struct Door<'a> {
    server: &'a Arc<Inner>,
    keyring: Keyring,
    membership: Option<Membership>,
}

impl Doorkeeper for Door<'_> {
    fn judge(
        &mut self,
        state: AwaitPreamble,
        preamble: &[u8; AwaitPreamble::NEEDS],
    ) -> Result<Step<VersionAgreed>, Refusal> {
        state.receive(preamble, &self.keyring)
    }

    fn admit(&mut self, _: &Opened) -> Result<(), ConnectError> {
        let shared = Shared::new(self.server.setup());
        self.membership = Some(self.server.members.admit_child(shared)?);
        Ok(())
    }
}
