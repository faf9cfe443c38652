//! What holds for every stream.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use kaa_rpc_runtime::{
    Address, Channel, CloseReason, ConnectError, HandshakeError, Secret, params,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

use crate::{ask, builder, in_time, secret};

const BINDING: &[u8] = b"both ends know this";

/// Takes and gives one byte at a time, and is not `Sync`.
struct Narrow(DuplexStream, Cell<usize>);

impl AsyncRead for Narrow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let polled = Pin::new(&mut self.0).poll_read(cx, &mut one);
        self.1.set(self.1.get() + one.filled().len());
        out.put_slice(one.filled());
        polled
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let one = bytes.get(..1).unwrap_or(bytes);
        Pin::new(&mut self.0).poll_write(cx, one)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn both_ends_call_over_a_stream_that_the_user_made() {
    let (greeted, mut greeting) = mpsc::unbounded_channel();
    let (server, _turned) = builder();
    let server = server
        .on_connect(move |channel: Channel| drop(greeted.send(channel)))
        .unbound()
        .unwrap();
    assert_eq!(server.address(), &Address::Unnamed);
    assert_eq!(server.path(), None);

    let (ours, theirs) = duplex(100);
    let from: SocketAddr = "192.0.2.7:99".parse().unwrap();
    let accepting = server.accept_from(from, Narrow(theirs, Cell::new(0)), BINDING);
    let connecting = Channel::builder(&secret())
        .register_fn("name", params([], async || Ok("client")))
        .connect_over(Narrow(ours, Cell::new(0)), BINDING);
    let ((), client) = in_time(async { tokio::join!(accepting, connecting) }).await;
    let client = client.unwrap();
    assert_eq!(ask(&client).await, 42);

    let at_server = in_time(greeting.recv()).await.unwrap();
    let name: String = in_time(at_server.rpc("name", ())).await.unwrap();
    assert_eq!(name, "client");
    assert_eq!(at_server.peer().unwrap().address(), Some(from));
    assert_eq!(server.channels().len(), 1);

    in_time(server.close()).await;
    assert!(matches!(
        *in_time(client.closed()).await,
        CloseReason::ClosedByPeer
    ));
}

#[tokio::test]
async fn hostile_10_streams_with_different_bindings_do_not_open() {
    let (server, mut turned) = builder();
    let server = server.unbound().unwrap();
    for (at_server, at_client) in [
        (BINDING, b"something else".as_slice()),
        (b"", BINDING),
        (BINDING, b""),
    ] {
        let (ours, theirs) = duplex(1000);
        server.accept(theirs, at_server).await;
        let client = Channel::builder(&secret()).connect_over(ours, at_client);
        let client = in_time(client).await.unwrap_err();
        let rejected = turned.error().await;
        for (error, bound) in [(client, at_client), (rejected, at_server)] {
            let text = error.to_string();
            if bound.is_empty() {
                assert!(matches!(error, ConnectError::Handshake(_)), "{error:?}");
            } else {
                assert!(matches!(error, ConnectError::Binding(_)), "{error:?}");
                assert!(text.contains("somebody is between them"), "{text}");
            }
            assert!(text.contains("secret"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_at_both_ends_of_a_stream() {
    let (server, mut turned) = builder();
    let server = server.unbound().unwrap();
    let (ours, theirs) = duplex(1000);
    server.accept(theirs, b"").await;
    let wrong = Secret::from_bytes(&[8; 32]).unwrap();
    let client = Channel::builder(&wrong).connect_over(ours, b"");
    assert!(matches!(
        in_time(client).await,
        Err(ConnectError::Handshake(HandshakeError::Refused))
    ));
    assert!(matches!(
        turned.error().await,
        ConnectError::Handshake(HandshakeError::WrongSecret { .. })
    ));
}

#[tokio::test]
async fn a_server_at_an_address_takes_streams_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let address = format!("unix:{}", folder.path().join("s").display());
    let (server, _turned) = builder();
    let server = server.bind(&address).await.unwrap();
    let by_address = Channel::connect(&address, &secret()).await.unwrap();
    let (ours, theirs) = duplex(1000);
    server.accept(theirs, b"").await;
    let over = Channel::builder(&secret()).connect_over(ours, b"");
    let over = in_time(over).await.unwrap();
    assert_eq!(ask(&by_address).await, 42);
    assert_eq!(ask(&over).await, 42);
    assert_eq!(server.channels().len(), 2);
}

#[tokio::test]
async fn hostile_10_a_unix_client_is_no_client_of_another_stream() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let path = folder.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (server, mut turned) = builder();
    let server = server.unbound().unwrap();
    let address = format!("unix:{}", path.display());
    let connecting =
        tokio::spawn(async move { Channel::connect(&address, &secret()).await.map(drop) });
    let (stream, _) = in_time(listener.accept()).await.unwrap();
    server.accept(stream, b"").await;
    assert!(matches!(
        turned.error().await,
        ConnectError::Handshake(HandshakeError::TransportMismatch { .. })
    ));
    in_time(connecting).await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn hostile_01_a_stream_that_says_nothing_is_given_up_at_the_deadline() {
    let (server, mut turned) = builder();
    let limit = Duration::from_secs(3);
    let server = server.open_timeout(limit).unbound().unwrap();
    let from: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
    let (mut ours, theirs) = duplex(1000);
    server.accept_from(from, theirs, b"").await;
    let rejected = turned.next().await;
    assert!(
        matches!(rejected.error, ConnectError::TimedOut(by) if by == limit),
        "{rejected:?}"
    );
    assert_eq!(rejected.address, Some(from));
    // The server let go of its end.
    assert_eq!(in_time(ours.read(&mut [0; 8])).await.unwrap(), 0);

    let (ours, _theirs) = duplex(1000);
    let client = Channel::builder(&secret())
        .open_timeout(limit)
        .connect_over(ours, b"");
    assert!(matches!(client.await, Err(ConnectError::TimedOut(by)) if by == limit));
}

#[tokio::test]
async fn a_closing_server_lets_go_of_streams() {
    let (server, _turned) = builder();
    let server = server.unbound().unwrap();
    let (mut opening, theirs) = duplex(1000);
    server.accept(theirs, b"").await;
    in_time(server.close()).await;
    assert_eq!(in_time(opening.read(&mut [0; 8])).await.unwrap(), 0);
    let (mut late, theirs) = duplex(1000);
    in_time(server.accept(theirs, b"")).await;
    assert_eq!(in_time(late.read(&mut [0; 8])).await.unwrap(), 0);
}
