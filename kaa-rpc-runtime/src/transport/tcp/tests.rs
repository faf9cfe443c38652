//! Encrypted streams over streams that take and give bytes in all sizes; and how sockets are connected.

use std::os::fd::AsFd;

use kaa_rpc_proto::Secret;
use kaa_rpc_proto::handshake::{InstanceId, KeyId, Keyring, Keys, Settings, client, server};
use kaa_rpc_proto::noise::{AwaitFirst, Records, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

use super::connect::first_of;
use super::{EncryptedStream, transport};

fn records() -> (Records, Records) {
    let secret = Secret::from([7; 32]);
    let keys = Keys::derive(&secret);
    let settings = |id| {
        Settings::new(
            kaa_rpc_proto::handshake::Transport::Tcp,
            InstanceId([id; 16]),
        )
    };
    let (preamble, _) = client::start(settings(1), KeyId::EMPTY, keys.clone(), [2; 32])
        .unwrap()
        .into();
    let mut keyring = Keyring::new([3; 32]);
    keyring.insert(KeyId::EMPTY, &secret);
    let agreed = server::AwaitPreamble::new(settings(4), [5; 32])
        .unwrap()
        .receive(preamble.as_slice().try_into().unwrap(), &keyring)
        .unwrap()
        .next;
    let (first, second) = start(&keys, &preamble, [6; 32].into()).unwrap().into();
    let (reply, server) = AwaitFirst::new(&agreed, &preamble, [8; 32].into())
        .unwrap()
        .receive(first.as_slice().try_into().unwrap())
        .unwrap()
        .into();
    let client = second
        .receive(reply.as_slice().try_into().unwrap())
        .unwrap();
    (client.records, server.records)
}

fn pair(capacity: usize) -> (EncryptedStream<DuplexStream>, EncryptedStream<DuplexStream>) {
    let (left, right) = duplex(capacity);
    let (ours, theirs) = records();
    (
        EncryptedStream::new(left, ours),
        EncryptedStream::new(right, theirs),
    )
}

/// Numbers that look random and are the same each time.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    }
}

#[tokio::test]
async fn hostile_18_bytes_come_out_the_same_however_they_are_cut() {
    for (round, capacity) in [1, 2, 17, 64, 1000, 65_536, 1 << 20]
        .into_iter()
        .enumerate()
    {
        let (mut from, mut to) = pair(capacity);
        let total = (capacity * 300).clamp(3000, 400_000);
        let sent: Vec<u8> = (0..total).map(|at| (at % 253) as u8).collect();
        let expected = sent.clone();
        let sending = async move {
            let mut number = numbers(round as u64);
            let mut rest = sent.as_slice();
            while !rest.is_empty() {
                let most = if number(4) == 0 { 100_000 } else { 300 };
                let (now, later) = rest.split_at((1 + number(most)).min(rest.len()));
                from.write_all(now).await.unwrap();
                from.flush().await.unwrap();
                rest = later;
            }
            from.shutdown().await.unwrap();
        };
        let receiving = async move {
            let mut number = numbers(round as u64 + 100);
            let mut came = Vec::new();
            loop {
                let most = if number(4) == 0 { 100_000 } else { 300 };
                let mut buffer = vec![0; 1 + number(most)];
                match to.read(&mut buffer).await.unwrap() {
                    0 => break came,
                    count => came.extend_from_slice(&buffer[..count]),
                }
            }
        };
        let ((), came) = tokio::join!(sending, receiving);
        assert!(came == expected, "capacity {capacity}");
    }
}

#[tokio::test]
async fn hostile_42_a_reader_that_stops_makes_its_writer_wait() {
    let (mut from, _to) = pair(1000);
    let data = vec![1; 1 << 20];
    let written = async {
        let mut written = 0;
        loop {
            written += from.write(&data[written..]).await.unwrap();
            assert!(written <= Records::MAX_PLAIN, "no more than a record waits");
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), written);
    assert!(waited.await.is_err());
}

#[tokio::test]
async fn hostile_49_a_write_that_is_given_up_leaves_no_half_record() {
    let (mut from, mut to) = pair(10);
    {
        let writing = from.write_all(&[1; 100]);
        tokio::pin!(writing);
        // Taken, sealed, and in part on its way.
        assert!(poll_once(writing.as_mut()).is_ready());
    }
    let finishing = async {
        from.write_all(&[2; 100]).await.unwrap();
        from.shutdown().await.unwrap();
    };
    let mut came = Vec::new();
    let ((), read) = tokio::join!(finishing, to.read_to_end(&mut came));
    read.unwrap();
    assert_eq!(came, [[1; 100], [2; 100]].concat());
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn hostile_19_after_a_bad_record_every_read_fails() {
    let (left, mut raw) = duplex(1 << 16);
    let (ours, mut theirs) = records();
    let mut stream = EncryptedStream::new(left, ours);
    let mut bytes = Vec::new();
    theirs.seal(b"sound", &mut bytes).unwrap();
    let bad = bytes.len() + 5;
    theirs.seal(b"changed", &mut bytes).unwrap();
    theirs.seal(b"sound again", &mut bytes).unwrap();
    bytes[bad] ^= 1;
    raw.write_all(&bytes).await.unwrap();
    let mut buffer = [0; 100];
    // What came before it is still given.
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 5);
    for _ in 0..3 {
        let error = stream.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("encrypted record"), "{error}");
    }
}

/// The same socket once more.
fn duplicate(stream: &TcpStream) -> std::net::TcpStream {
    stream.as_fd().try_clone_to_owned().unwrap().into()
}

#[tokio::test]
async fn both_ends_send_small_frames_at_once() {
    for plaintext in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        for stream in [ours.unwrap(), theirs.unwrap().0] {
            let socket = duplicate(&stream);
            assert!(!socket.nodelay().unwrap());
            let _transport = transport(stream, address, plaintext).unwrap();
            assert!(socket.nodelay().unwrap());
        }
    }
}

/// An address that refuses: of a port that was free a moment ago.
async fn refusing(host: &str) -> std::io::Result<std::net::SocketAddr> {
    TcpListener::bind((host, 0)).await?.local_addr()
}

#[tokio::test]
async fn the_next_address_is_tried_if_one_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listening = listener.local_addr().unwrap();
    let mut addresses = vec![refusing("127.0.0.1").await.unwrap()];
    // Without IPv6 it fails in another way, which is as good.
    addresses.push("[::1]:1".parse().unwrap());
    addresses.push(listening);
    let (stream, peer) = first_of(addresses.clone()).await.unwrap();
    assert_eq!(peer, listening);
    assert_eq!(stream.peer_addr().unwrap(), listening);

    // All that were tried are told, if none accepts.
    drop(listener);
    let mut failed: Vec<_> = first_of(addresses.clone())
        .await
        .unwrap_err()
        .into_iter()
        .map(|(address, _)| address)
        .collect();
    failed.sort();
    addresses.sort();
    assert_eq!(failed, addresses);
    assert!(first_of(Vec::new()).await.unwrap_err().is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_does_not_answer_holds_up_nobody_for_long() {
    // Its queue is full: Linux lets whoever comes then wait for an answer.
    let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let silent = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(
        std::time::Duration::from_millis(200),
        TcpStream::connect(silent),
    )
    .await
    {
        waiting.push(stream);
        assert!(waiting.len() < 100, "its queue is never full");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listening = listener.local_addr().unwrap();
    let connecting = first_of(vec![silent, listening]);
    let (_, peer) = tokio::time::timeout(std::time::Duration::from_secs(30), connecting)
        .await
        .expect("it waits for the first address")
        .unwrap();
    assert_eq!(peer, listening);
}
