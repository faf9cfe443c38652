//! tarpc with bincode, over a Unix socket.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::StreamExt;
use kaa_rpc_runtime::Bytes;
use serde::{Deserialize, Serialize};
use tarpc::context::{self, Context};
use tarpc::serde_transport::{self, Transport};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::length_delimited::LengthDelimitedCodec;
use tokio::net::UnixStream;

use super::{Client, Echo, Place, System, listen};
use crate::{Error, bench};

/// With its defaults.
pub struct Tarpc;

#[tarpc::service]
trait Service {
    async fn text(text: String) -> String;
    async fn data(data: Bytes) -> Bytes;
    async fn album(album: Arc<Album>) -> Album;
}

/// As [`bench::Album`], which bincode cannot read: it stands for maps by name.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Album {
    id: u64,
    title: String,
    artist: String,
    year: u16,
    rating: f64,
    length: Duration,
    tags: Vec<String>,
    cover: Option<Bytes>,
    added: Duration,
    songs: Vec<Song>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Song {
    number: u32,
    title: String,
    seconds: u32,
    favorite: bool,
}

static ALBUM: LazyLock<Arc<Album>> = LazyLock::new(|| Arc::new((*super::ALBUM).clone().into()));

impl From<bench::Album> for Album {
    fn from(album: bench::Album) -> Self {
        let song = |song: bench::Song| Song {
            number: song.number,
            title: song.title,
            seconds: song.seconds,
            favorite: song.favorite,
        };
        Self {
            id: album.id,
            title: album.title,
            artist: album.artist,
            year: album.year,
            rating: album.rating,
            length: album.length,
            tags: album.tags,
            cover: album.cover,
            added: Duration::from_secs(1 << 30),
            songs: album.songs.into_iter().map(song).collect(),
        }
    }
}

#[derive(Clone)]
struct Mirror;

impl Service for Mirror {
    async fn text(self, _: Context, text: String) -> String {
        text
    }

    async fn data(self, _: Context, data: Bytes) -> Bytes {
        data
    }

    async fn album(self, _: Context, album: Arc<Album>) -> Album {
        Arc::unwrap_or_clone(album)
    }
}

fn transport<Item, SinkItem>(
    stream: UnixStream,
) -> Transport<UnixStream, Item, SinkItem, Bincode<Item, SinkItem>>
where
    Item: for<'a> Deserialize<'a>,
    SinkItem: Serialize,
{
    let framed = LengthDelimitedCodec::builder().new_framed(stream);
    serde_transport::new(framed, Bincode::default())
}

impl System for Tarpc {
    const NAME: &'static str = "tarpc, bincode";
    type Client = Connection;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let serve = |stream| {
            let calls = BaseChannel::with_defaults(transport(stream)).execute(Mirror.serve());
            tokio::spawn(calls.for_each(async |call| {
                tokio::spawn(call);
            }));
        };
        listen(&folder, serve).await
    }

    async fn connect(place: &Place) -> Result<Connection, Error> {
        let stream = UnixStream::connect(&place.address).await?;
        let client = ServiceClient::new(tarpc::client::Config::default(), transport(stream));
        let client = client.spawn();
        Ok(Connection { client })
    }
}

/// A connection.
#[derive(Clone)]
pub struct Connection {
    client: ServiceClient,
}

impl Client for Connection {
    fn another(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    async fn text(&mut self, text: &str) -> Result<Echo<'_>, Error> {
        let back = self.client.text(context::current(), text.to_owned());
        Ok(Echo::Text(back.await?))
    }

    async fn data(&mut self, data: &Bytes) -> Result<Echo<'_>, Error> {
        Ok(Echo::Bytes(
            self.client.data(context::current(), data.clone()).await?,
        ))
    }

    async fn album(&mut self) -> Result<bool, Error> {
        let album = Arc::clone(&ALBUM);
        let back = self.client.album(context::current(), album).await?;
        Ok(back.songs.len() == ALBUM.songs.len())
    }
}
