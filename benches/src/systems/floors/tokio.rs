//! tokio's own sockets, one task a connection.

use std::io;
use std::path::PathBuf;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream, UnixStream};
use kaa_rpc_runtime::Bytes;

use super::{HEADER, ROOM, TOGETHER, header, missing};
use crate::systems::{Client, Echo, Place, Runtime, System, listen};
use crate::{Error, process};

/// Over a Unix socket.
pub struct Unix;

/// Over a Unix socket, in a runtime without other threads.
pub struct UnixCurrentThread;

/// Over TCP.
pub struct Tcp;

impl System for Unix {
    const NAME: &'static str = "floor1: tokio";
    type Client = Frames<UnixStream>;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let echo = |stream| {
            ::tokio::spawn(Frames::new(stream).echo());
        };
        listen(&folder, echo).await
    }

    async fn connect(place: &Place) -> Result<Self::Client, Error> {
        Ok(Frames::new(UnixStream::connect(&place.address).await?))
    }
}

impl System for UnixCurrentThread {
    const NAME: &'static str = "floor1, current-thread";
    const RUNTIME: Runtime = Runtime::CurrentThread;
    type Client = Frames<UnixStream>;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        Unix::serve(folder).await
    }

    async fn connect(place: &Place) -> Result<Self::Client, Error> {
        Unix::connect(place).await
    }
}

impl System for Tcp {
    const NAME: &'static str = "floor1, TCP";
    type Client = Frames<TcpStream>;

    async fn serve(_: PathBuf) -> Result<(), Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        ::tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true)?;
                ::tokio::spawn(Frames::new(stream).echo());
            }
            io::Result::Ok(())
        });
        Ok(process::ready(&address.to_string()).await?)
    }

    async fn connect(place: &Place) -> Result<Self::Client, Error> {
        let stream = TcpStream::connect(&place.address).await?;
        stream.set_nodelay(true)?;
        Ok(Frames::new(stream))
    }
}

/// A connection, and the last frame that was received.
pub struct Frames<S> {
    stream: S,
    frame: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    pub(super) fn new(stream: S) -> Self {
        let frame = vec![0; ROOM];
        Self { stream, frame }
    }

    pub(super) async fn echo(mut self) -> io::Result<()> {
        loop {
            let length = self.receive().await?;
            self.stream.write_all(&self.frame[..length]).await?;
        }
    }

    async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let header = header(0, payload.len());
        if payload.len() > TOGETHER {
            self.stream.write_all(&header).await?;
            return self.stream.write_all(payload).await;
        }
        self.frame[..HEADER].copy_from_slice(&header);
        self.frame[HEADER..][..payload.len()].copy_from_slice(payload);
        let frame = &self.frame[..HEADER + payload.len()];
        self.stream.write_all(frame).await
    }

    /// Gives the length of a frame. Nothing is under way behind it, so a read takes whatever comes.
    async fn receive(&mut self) -> io::Result<usize> {
        let mut length = 0;
        loop {
            let missing = missing(&self.frame[..length]);
            if missing == 0 {
                return Ok(length);
            }
            if self.frame.len() < length + missing {
                self.frame.resize(length + missing, 0);
            }
            match self.stream.read(&mut self.frame[length..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => length += count,
            }
        }
    }

    async fn call(&mut self, payload: &[u8]) -> Result<Echo<'_>, Error> {
        self.send(payload).await?;
        let length = self.receive().await?;
        Ok(Echo::Borrowed(&self.frame[HEADER..length]))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static> Client for Frames<S> {
    async fn text(&mut self, text: &str) -> Result<Echo<'_>, Error> {
        self.call(text.as_bytes()).await
    }

    async fn data(&mut self, data: &Bytes) -> Result<Echo<'_>, Error> {
        self.call(data).await
    }
}
