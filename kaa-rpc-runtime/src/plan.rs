//! How a channel comes by its connections.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use kaa_rpc_proto::handshake::{KeyId, Keys};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::address::Address;
use crate::open::{ConnectError, Opening, as_client};
use crate::retry::{Backoff, Retry};
use crate::secret::random;
use crate::side::SoundSide;
#[cfg(feature = "tcp")]
use crate::transport::tcp;
use crate::transport::{AllowedUsers, Kind, Transport, connect};

/// A connection that can be made, any number of times.
pub(crate) struct Plan {
    pub(crate) side: SoundSide,
    pub(crate) keys: Keys,
    pub(crate) key_id: KeyId,
    pub(crate) to: To,
    pub(crate) retry: Option<Retry>,
}

/// What is connected to.
pub(crate) enum To {
    Address(Address, AllowedUsers),
    /// Makes streams.
    Connector(Box<dyn Fn() -> Connecting + Send + Sync>),
    /// Is connected already, and used once.
    Stream(Mutex<Option<Transport>>),
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Transport>> + Send>>;

impl To {
    pub(crate) fn connector<C, F, S>(connect: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::Connector(Box::new(move || {
            let connecting = connect();
            Box::pin(async move {
                let (stream, binding) = connecting.await?;
                Ok(Transport::stream(stream, Kind::Other, binding))
            })
        }))
    }

    pub(crate) fn stream(transport: Transport) -> Self {
        Self::Stream(Mutex::new(Some(transport)))
    }
}

impl Plan {
    /// Makes the connection once.
    pub(crate) async fn open(self: Arc<Self>) -> Result<Opening, ConnectError> {
        let limit = self.side.open_timeout;
        let opening = async {
            let transport = self.connect().await?;
            let keys = self.keys.clone();
            as_client(transport, &self.side.announcement, self.key_id, keys).await
        };
        tokio::time::timeout(limit, opening)
            .await
            .unwrap_or(Err(ConnectError::TimedOut(limit)))
    }

    async fn connect(&self) -> Result<Transport, ConnectError> {
        match &self.to {
            To::Address(Address::Unix(address), users) => connect(address, users)
                .await
                .map(Transport::unix)
                .map_err(ConnectError::Unix),
            #[cfg(feature = "tcp")]
            To::Address(Address::Tcp(address), _) => tcp::connect(address, self.side.plaintext)
                .await
                .map_err(ConnectError::Tcp),
            #[cfg(not(feature = "tcp"))]
            To::Address(address @ Address::Tcp(_), _) => {
                Err(ConnectError::Unsupported(crate::transport::no_tcp(address)))
            }
            To::Address(Address::Unnamed, _) => Err(ConnectError::Unsupported(
                "there is no address to connect to".to_owned(),
            )),
            To::Connector(connect) => connect().await.map_err(ConnectError::Connector),
            To::Stream(stream) => {
                let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
                stream.ok_or_else(|| ConnectError::Unsupported("the stream is used up".to_owned()))
            }
        }
    }

    /// Makes it, as often as the user wants.
    pub(crate) async fn open_at_last(
        self: Arc<Self>,
        backoff: &mut Option<Backoff>,
    ) -> Result<Opening, ConnectError> {
        loop {
            let error = match Arc::clone(&self).open().await {
                Ok(opening) => return Ok(opening),
                Err(error) => error,
            };
            match backoff.as_mut().and_then(|backoff| backoff.failed(&error)) {
                // Whoever waits for it is told what will not pass.
                Some(next) if !next.hopeless => tokio::time::sleep(next.pause).await,
                _ => return Err(error),
            }
        }
    }

    pub(crate) fn backoff(&self) -> Result<Option<Backoff>, ConnectError> {
        let retry = self.retry.clone();
        retry
            .map(|retry| Backoff::new(retry, random))
            .transpose()
            .map_err(ConnectError::Random)
    }
}
