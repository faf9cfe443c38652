//! Somebody on the way: sees every message and record, and does with it what a test wants.

use std::net::SocketAddr;
use std::sync::Arc;

use kaa_rpc_runtime::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

pub(crate) const WAYS: [Way; 2] = [Way::ToServer, Way::ToClient];

/// Messages before this one are in clear: preamble or answer, and the Noise message.
pub(crate) const FIRST_RECORD: usize = 2;
/// The first record after the handshake: client hello and proof go together.
pub(crate) const FIRST_FRAMES: [usize; 2] = [3, 4];

impl Way {
    /// The number of the first message of this way that carries frames.
    pub(crate) fn first_frames(self) -> usize {
        FIRST_FRAMES[self as usize]
    }

    /// The sizes of the messages before records.
    fn clear(self) -> [usize; FIRST_RECORD] {
        match self {
            Way::ToServer => [64, 48],
            Way::ToClient => [16, 48],
        }
    }
}

/// What goes on instead of a message.
#[derive(Debug)]
pub(crate) enum Deed {
    Pass(Vec<u8>),
    /// This, and then the end of the connection in both ways.
    Cut(Vec<u8>),
}

pub(crate) struct Proxy {
    pub(crate) address: String,
    /// Each message, as it came.
    pub(crate) seen: mpsc::UnboundedReceiver<(Way, usize, Vec<u8>)>,
}

/// Stands before a server. `deed` gets the way, number and bytes of each message.
pub(crate) async fn before(
    server: &Server,
    deed: impl Fn(Way, usize, Vec<u8>) -> Deed + Send + Sync + 'static,
) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let target: SocketAddr = server
        .address()
        .to_string()
        .strip_prefix("tcp:")
        .unwrap()
        .parse()
        .unwrap();
    let (tell, seen) = mpsc::unbounded_channel();
    let deed = Arc::new(deed);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(target).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let (one, other) = (Arc::clone(&deed), Arc::clone(&deed));
            let (tell, tell_other) = (tell.clone(), tell.clone());
            tokio::spawn(async move {
                // When one way ends, both do.
                tokio::select! {
                    () = relay(Way::ToServer, from_client, to_server, &*one, tell) => {}
                    () = relay(Way::ToClient, from_server, to_client, &*other, tell_other) => {}
                }
            });
        }
    });
    Proxy { address, seen }
}

async fn relay(
    way: Way,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    deed: &(impl Fn(Way, usize, Vec<u8>) -> Deed + Sync),
    tell: mpsc::UnboundedSender<(Way, usize, Vec<u8>)>,
) {
    for number in 0.. {
        let Some(message) = message(way, number, &mut from).await else {
            return;
        };
        let _ = tell.send((way, number, message.clone()));
        let (bytes, cut) = match deed(way, number, message) {
            Deed::Pass(bytes) => (bytes, false),
            Deed::Cut(bytes) => (bytes, true),
        };
        if to.write_all(&bytes).await.is_err() || cut {
            return;
        }
    }
}

async fn message(way: Way, number: usize, from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let length = match way.clear().get(number) {
        Some(length) => *length,
        None => {
            let mut length = [0; 2];
            from.read_exact(&mut length).await.ok()?;
            message.extend_from_slice(&length);
            usize::from(u16::from_be_bytes(length))
        }
    };
    let begin = message.len();
    message.resize(begin + length, 0);
    from.read_exact(&mut message[begin..]).await.ok()?;
    Some(message)
}
