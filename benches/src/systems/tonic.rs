//! tonic: gRPC with messages of prost, over a Unix socket.

use std::path::PathBuf;
use std::sync::LazyLock;

use prost::bytes::Bytes;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use self::generated::echo_client::EchoClient;
use self::generated::echo_server::{self, EchoServer};
use super::{Client, Echo, Place, System};
use crate::{Error, bench, process};

#[allow(missing_docs, unused_qualifications, clippy::all, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/bench.Echo.rs"));
}

/// With its defaults.
pub struct Tonic;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Data {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

/// As [`bench::Album`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Album {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    title: String,
    #[prost(string, tag = "3")]
    artist: String,
    #[prost(uint32, tag = "4")]
    year: u32,
    #[prost(double, tag = "5")]
    rating: f64,
    #[prost(message, optional, tag = "6")]
    length: Option<Time>,
    #[prost(string, repeated, tag = "7")]
    tags: Vec<String>,
    #[prost(bytes = "bytes", optional, tag = "8")]
    cover: Option<Bytes>,
    #[prost(message, optional, tag = "9")]
    added: Option<Time>,
    #[prost(message, repeated, tag = "10")]
    songs: Vec<Song>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Song {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(string, tag = "2")]
    title: String,
    #[prost(uint32, tag = "3")]
    seconds: u32,
    #[prost(bool, tag = "4")]
    favorite: bool,
}

static ALBUM: LazyLock<Album> = LazyLock::new(|| (*super::ALBUM).clone().into());

impl From<bench::Album> for Album {
    fn from(album: bench::Album) -> Self {
        let song = |song: bench::Song| Song {
            number: song.number,
            title: song.title,
            seconds: song.seconds,
            favorite: song.favorite,
        };
        let time = |seconds| Some(Time { seconds, nanos: 0 });
        Self {
            id: album.id,
            title: album.title,
            artist: album.artist,
            year: album.year.into(),
            rating: album.rating,
            length: time(album.length.as_secs() as i64),
            tags: album.tags,
            cover: album.cover.map(Into::into),
            added: time(1 << 30),
            songs: album.songs.into_iter().map(song).collect(),
        }
    }
}

struct Mirror;

#[tonic::async_trait]
impl echo_server::Echo for Mirror {
    async fn text(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn data(&self, request: Request<Data>) -> Result<Response<Data>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn album(&self, request: Request<Album>) -> Result<Response<Album>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

impl System for Tonic {
    const NAME: &'static str = "tonic";
    type Client = Connection;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let path = folder.join("socket");
        let incoming = UnixListenerStream::new(UnixListener::bind(&path)?);
        let server = Server::builder().add_service(EchoServer::new(Mirror));
        tokio::spawn(server.serve_with_incoming(incoming));
        Ok(process::ready(&path.to_string_lossy()).await?)
    }

    async fn connect(place: &Place) -> Result<Connection, Error> {
        let endpoint = Endpoint::from_shared(format!("unix:{}", place.address))?;
        let client = EchoClient::new(endpoint.connect().await?);
        Ok(Connection { client })
    }
}

/// A connection.
#[derive(Clone)]
pub struct Connection {
    client: EchoClient<Channel>,
}

impl Client for Connection {
    fn another(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    async fn text(&mut self, text: &str) -> Result<Echo<'_>, Error> {
        let text = text.to_owned();
        Ok(Echo::Text(
            self.client.text(Text { text }).await?.into_inner().text,
        ))
    }

    async fn data(&mut self, data: &kaa_rpc_runtime::Bytes) -> Result<Echo<'_>, Error> {
        let data = data.clone().into();
        let back = self.client.data(Data { data }).await?.into_inner().data;
        Ok(Echo::Bytes(back.into()))
    }

    async fn album(&mut self) -> Result<bool, Error> {
        let back = self.client.album(ALBUM.clone()).await?.into_inner();
        Ok(back.songs.len() == ALBUM.songs.len())
    }
}
