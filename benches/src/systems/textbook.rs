//! What one would write first: a task that writes what comes out of a queue, one that reads and finds who
//! waits in a map, a channel for each answer, and a task for each call. Its payloads are bytes, so nothing
//! is serialized.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kaa_rpc_runtime::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::{Client, Echo, Place, System, listen};
use crate::Error;

/// Frames that wait to be written.
const QUEUE: usize = 1024;

/// Over a Unix socket.
pub struct Textbook;

impl System for Textbook {
    const NAME: &'static str = "textbook";
    type Client = Connection;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let serve = |stream| {
            tokio::spawn(serve(stream));
        };
        listen(&folder, serve).await
    }

    async fn connect(place: &Place) -> Result<Connection, Error> {
        let (read, write) = UnixStream::connect(&place.address).await?.into_split();
        let (calls, queue) = mpsc::channel(QUEUE);
        let waiting = Arc::<Waiting>::default();
        tokio::spawn(write_all(write, queue));
        tokio::spawn(answer(read, Arc::clone(&waiting)));
        Ok(Connection {
            calls,
            waiting,
            next: Arc::default(),
        })
    }
}

struct Frame {
    id: u64,
    payload: Vec<u8>,
}

type Waiting = Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>;

async fn write_all(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Frame>,
) -> io::Result<()> {
    while let Some(Frame { id, payload }) = queue.recv().await {
        let mut bytes = Vec::with_capacity(12 + payload.len());
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.extend_from_slice(&payload);
        stream.write_all(&bytes).await?;
    }
    Ok(())
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let length = stream.read_u32_le().await?;
    let id = stream.read_u64_le().await?;
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok(Frame { id, payload })
}

async fn serve(stream: UnixStream) -> io::Result<()> {
    let (read_half, write) = stream.into_split();
    let (answers, queue) = mpsc::channel(QUEUE);
    tokio::spawn(write_all(write, queue));
    let mut stream = BufReader::new(read_half);
    loop {
        let frame = read(&mut stream).await?;
        let answers = answers.clone();
        tokio::spawn(async move { answers.send(frame).await });
    }
}

async fn answer(stream: impl AsyncRead + Unpin, waiting: Arc<Waiting>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Frame { id, payload } = read(&mut stream).await?;
        let caller = lock(&waiting).remove(&id);
        if let Some(caller) = caller {
            let _ = caller.send(payload);
        }
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Vec<u8>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection.
#[derive(Clone)]
pub struct Connection {
    calls: mpsc::Sender<Frame>,
    waiting: Arc<Waiting>,
    next: Arc<AtomicU64>,
}

impl Connection {
    async fn call(&self, payload: &[u8]) -> Result<Echo<'static>, Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answered, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, answered);
        let payload = payload.to_vec();
        self.calls.send(Frame { id, payload }).await?;
        Ok(Echo::Bytes(Bytes::from(answer.await?)))
    }
}

impl Client for Connection {
    fn another(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    async fn text(&mut self, text: &str) -> Result<Echo<'_>, Error> {
        self.call(text.as_bytes()).await
    }

    async fn data(&mut self, data: &Bytes) -> Result<Echo<'_>, Error> {
        self.call(data).await
    }
}
