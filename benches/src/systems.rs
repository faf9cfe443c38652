//! What is compared.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kaa_rpc_runtime::{Bytes, Timestamp};

use tokio::net::{UnixListener, UnixStream};

use crate::bench::{Album, Song};
use crate::{Error, process};

#[cfg(feature = "capnp")]
pub mod capnp;
pub mod floors;
pub mod kaa;
#[cfg(feature = "tarpc")]
pub mod tarpc;
pub mod textbook;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "zbus")]
pub mod zbus;

/// Something that can be measured. Its client and its server are in processes of their own.
pub trait System: 'static {
    /// How it is called in tables and on the command line.
    const NAME: &'static str;

    /// Which of tokio's runtimes the processes have.
    const RUNTIME: Runtime = Runtime::MultiThread;

    /// What is connected to a server.
    type Client: Client;

    /// Serves until nobody needs it: binds, in the folder if it needs files, and then awaits
    /// [`crate::process::ready`].
    fn serve(folder: PathBuf) -> impl Future<Output = Result<(), Error>> + Send;

    /// Connects to a server that said it is `ready`.
    fn connect(place: &Place) -> impl Future<Output = Result<Self::Client, Error>> + Send;
}

/// One of tokio's runtimes.
#[derive(Clone, Copy, Debug)]
pub enum Runtime {
    /// Which most programs have.
    MultiThread,
    /// Which needs no other threads.
    CurrentThread,
    /// The server has the first one, and the client none: it blocks its thread.
    ClientBlocks,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder that it got.
    pub folder: PathBuf,
    /// What it told.
    pub address: String,
    /// The number of its process.
    pub server: u32,
}

/// One connection. Its server gives back what it gets. What a system cannot do is an error, so that no
/// comparison can list it for that.
pub trait Client: Send + Sync + Sized + 'static {
    /// The same connection, for another task.
    fn another(&self) -> Result<Self, Error> {
        Err("this system cannot share a connection between tasks".into())
    }

    /// A call with a short text.
    fn text(&mut self, text: &str) -> impl Future<Output = Result<Echo<'_>, Error>> + Send;

    /// A call with bytes.
    fn data(&mut self, data: &Bytes) -> impl Future<Output = Result<Echo<'_>, Error>> + Send {
        let _ = data;
        async { Err("this system has no call with bytes".into()) }
    }

    /// A call with [`ALBUM`]. True if as many songs came back.
    fn album(&mut self) -> impl Future<Output = Result<bool, Error>> + Send {
        async { Err("this system has no call with an album".into()) }
    }

    /// A call that yields so many numbers. An error unless all of them came.
    fn count(&mut self, to: u64) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = to;
        async { Err("this system has no call that yields items".into()) }
    }

    /// Has the server make so many calls with a short text to this end, by so many tasks.
    fn call_back(
        &mut self,
        calls: u64,
        tasks: u64,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (calls, tasks);
        async { Err("the server of this system cannot call".into()) }
    }
}

/// What came back, as a system gives it to its users.
#[derive(Debug)]
pub enum Echo<'a> {
    /// In the client's buffer.
    Borrowed(&'a [u8]),
    /// Text of its own.
    Text(String),
    /// Bytes of its own.
    Bytes(Bytes),
}

impl AsRef<[u8]> for Echo<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// Binds a Unix socket in `folder`, tells its path as the server's address, and hands over whoever
/// connects, until nobody needs it.
pub(crate) async fn listen(
    folder: &Path,
    connected: impl Fn(UnixStream) + Send + 'static,
) -> Result<(), Error> {
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connected(stream);
        }
    });
    Ok(process::ready(&path.to_string_lossy()).await?)
}

/// What is sent as an album. Systems with types of their own have it with the same fields and values.
pub static ALBUM: LazyLock<Album> = LazyLock::new(|| {
    let song = |number| Song {
        number,
        title: format!("The title of song number {number}"),
        seconds: 180 + number,
        favorite: number % 7 == 0,
    };
    Album {
        id: 1 << 40,
        title: "An album with a title".to_owned(),
        artist: "Whoever made it".to_owned(),
        year: 1999,
        rating: 4.5,
        length: std::time::Duration::from_secs(50 * 205),
        tags: vec!["one".to_owned(), "another".to_owned()],
        cover: None,
        added: Timestamp::now(),
        songs: (1..=50).map(song).collect(),
    }
});
