//! zbus from peer to peer, without a bus, over a Unix socket.

use std::future::pending;
use std::path::PathBuf;

use kaa_rpc_runtime::Bytes;
use serde_bytes::{ByteBuf, Bytes as Slice};
use tokio::net::UnixStream;
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use super::{Client, Place, System, listen};
use crate::Error;

/// With its defaults.
pub struct Zbus;

struct Mirror;

#[zbus::interface(name = "bench.Echo")]
impl Mirror {
    async fn text(&self, text: String) -> String {
        text
    }

    async fn data(&self, data: ByteBuf) -> ByteBuf {
        data
    }
}

impl System for Zbus {
    const NAME: &'static str = "zbus";
    type Client = EchoProxy<'static>;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let serve = |stream: UnixStream| {
            tokio::spawn(async {
                let server = Builder::unix_stream(stream.into_std()?)
                    .server(Guid::generate())
                    .p2p()
                    .serve_at("/bench", Mirror);
                // It serves as long as it is there.
                let _server = server.build().await?;
                pending::<Result<(), Error>>().await
            });
        };
        listen(&folder, serve).await
    }

    async fn connect(place: &Place) -> Result<Self::Client, Error> {
        let stream = std::os::unix::net::UnixStream::connect(&place.address)?;
        let connection: Connection = Builder::unix_stream(stream).p2p().build().await?;
        Ok(EchoProxy::new(&connection).await?)
    }
}

/// What is called.
#[zbus::proxy(
    interface = "bench.Echo",
    default_path = "/bench",
    default_service = "bench.Echo"
)]
pub trait Echo {
    /// Gives back what it got.
    fn text(&self, text: &str) -> zbus::Result<String>;

    /// Gives back what it got.
    fn data(&self, data: &Slice) -> zbus::Result<ByteBuf>;
}

impl Client for EchoProxy<'static> {
    fn another(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    async fn text(&mut self, text: &str) -> Result<super::Echo<'_>, Error> {
        Ok(super::Echo::Text(EchoProxy::text(self, text).await?))
    }

    async fn data(&mut self, data: &Bytes) -> Result<super::Echo<'_>, Error> {
        let back = EchoProxy::data(self, Slice::new(data)).await?;
        Ok(super::Echo::Bytes(Bytes::from(back.into_vec())))
    }
}
