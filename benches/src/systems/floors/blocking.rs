//! Blocking sockets, one thread a connection: what the system takes, without a reactor.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use kaa_rpc_runtime::Bytes;

use super::{HEADER, ROOM, TOGETHER, header, missing};
use crate::systems::{Client, Echo, Place, System};
use crate::{Error, process};

/// Over a Unix socket.
pub struct Blocking;

impl System for Blocking {
    const NAME: &'static str = "floor0: blocking";
    type Client = Frames;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let path = folder.join("floor");
        let listener = UnixListener::bind(&path)?;
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream?;
                thread::spawn(|| Frames::new(stream).echo());
            }
            io::Result::Ok(())
        });
        Ok(process::ready(&path.to_string_lossy()).await?)
    }

    async fn connect(place: &Place) -> Result<Frames, Error> {
        Ok(Frames::new(UnixStream::connect(&place.address)?))
    }
}

/// A connection, and the last frame that was received.
pub struct Frames {
    stream: UnixStream,
    frame: Vec<u8>,
}

impl Frames {
    fn new(stream: UnixStream) -> Self {
        let frame = vec![0; ROOM];
        Self { stream, frame }
    }

    fn echo(mut self) -> io::Result<()> {
        loop {
            let length = self.receive()?;
            self.stream.write_all(&self.frame[..length])?;
        }
    }

    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let header = header(0, payload.len());
        if payload.len() > TOGETHER {
            self.stream.write_all(&header)?;
            return self.stream.write_all(payload);
        }
        self.frame[..HEADER].copy_from_slice(&header);
        self.frame[HEADER..][..payload.len()].copy_from_slice(payload);
        self.stream.write_all(&self.frame[..HEADER + payload.len()])
    }

    /// Gives the length of a frame. Nothing is under way behind it, so a read takes whatever comes.
    fn receive(&mut self) -> io::Result<usize> {
        let mut length = 0;
        loop {
            let missing = missing(&self.frame[..length]);
            if missing == 0 {
                return Ok(length);
            }
            if self.frame.len() < length + missing {
                self.frame.resize(length + missing, 0);
            }
            match self.stream.read(&mut self.frame[length..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => length += count,
            }
        }
    }

    fn call(&mut self, payload: &[u8]) -> Result<Echo<'_>, Error> {
        self.send(payload)?;
        let length = self.receive()?;
        Ok(Echo::Borrowed(&self.frame[HEADER..length]))
    }
}

impl Client for Frames {
    async fn text(&mut self, text: &str) -> Result<Echo<'_>, Error> {
        self.call(text.as_bytes())
    }

    async fn data(&mut self, data: &Bytes) -> Result<Echo<'_>, Error> {
        self.call(data)
    }
}
