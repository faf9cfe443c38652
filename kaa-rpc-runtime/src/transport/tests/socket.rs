//! The connected socket: readiness, short reads, full buffers, the end.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use super::accept::NoDescriptors;
use super::*;

fn pair() -> (UnixSocket, UnixSocket) {
    let (one, other) = UnixSocket::pair().unwrap();
    (one, UnixSocket::new(other).unwrap())
}

fn transports() -> (Transport, Transport) {
    let (one, other) = pair();
    (Transport::unix(one), Transport::unix(other))
}

async fn read(socket: &UnixSocket, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| socket.poll_read(cx, &mut *buffer)).await
}

/// One try, as if nobody waited.
fn read_now(socket: &UnixSocket, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    socket.poll_read(&mut Context::from_waker(Waker::noop()), buffer)
}

/// Writes until there is no more room.
pub(super) async fn fill(socket: &mut UnixSocket) -> usize {
    let bytes = [0; 4096];
    let mut written = 0;
    poll_fn(|cx| {
        while let Poll::Ready(count) = socket.poll_write(cx, &[IoSlice::new(&bytes)]) {
            written += count.unwrap();
        }
        Poll::Ready(())
    })
    .await;
    written
}

/// The byte at a place of the test data.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

fn data(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(byte).collect()
}

async fn send_data(socket: &mut UnixSocket, total: usize, polls: &AtomicUsize) {
    let mut sent = 0;
    while sent < total {
        let chunk = data(sent, 100_000.min(total - sent));
        let (one, other) = chunk.split_at(chunk.len() / 3);
        sent += poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            socket.poll_write(cx, &[IoSlice::new(one), IoSlice::new(other)])
        })
        .await
        .unwrap();
    }
    socket.shutdown_write().unwrap();
}

/// A slow reader: the writer waits without being polled for nothing, and goes on when there is room.
#[tokio::test]
async fn a_slow_reader_slows_the_writer_without_a_busy_loop() {
    const TOTAL: usize = 16 << 20;
    let (mut writer, reader) = pair();
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = polls.clone();
    let writing = tokio::spawn(async move {
        send_data(&mut writer, TOTAL, &counter).await;
        assert!(
            !writer.is_watching(),
            "still registered although all was written"
        );
        writer
    });

    let mut received = 0;
    let mut buffer = vec![0; 4096];
    let mut before = 0;
    loop {
        // Nobody reads, so after it has filled the buffer the writer must rest, whatever else runs.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        if received % (1 << 20) == 0 && received < TOTAL / 2 {
            before = polls.load(Ordering::Relaxed);
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            assert_eq!(
                polls.load(Ordering::Relaxed),
                before,
                "polled while there was no room"
            );
        }
        let count = in_time(read(&reader, &mut buffer)).await.unwrap();
        if count == 0 {
            break;
        }
        assert_eq!(buffer[..count], data(received, count));
        received += count;
    }
    assert_eq!(received, TOTAL);
    assert!(before > 0);
    drop(in_time(writing).await.unwrap());
    // It was polled about once for each time that much of the buffer was free again, not for each read.
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < TOTAL / 4096 / 4, "{polls} polls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_transfer_between_threads_arrives() {
    const TOTAL: usize = 64 << 20;
    let (mut writer, reader) = pair();
    let writing = tokio::spawn(async move {
        send_data(&mut writer, TOTAL, &AtomicUsize::new(0)).await;
        writer
    });
    // Sizes that make reads fall short, fit exactly and leave something, in all orders.
    let mut received = 0;
    let mut buffer = vec![0; 70_000];
    loop {
        let size = 1 + usize::from(byte(received)) * 250;
        let count = in_time(read(&reader, &mut buffer[..size])).await.unwrap();
        if count == 0 {
            break;
        }
        assert!(
            buffer[..count] == data(received, count),
            "wrong bytes at {received}"
        );
        received += count;
    }
    assert_eq!(received, TOTAL);
    drop(writing.await.unwrap());
}

/// Many small messages to and fro: a lost edge would hang this.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_readiness_is_lost_between_threads() {
    let (mut one, mut other) = transports();
    let echo = tokio::spawn(async move {
        let mut buffer = [0; 64];
        loop {
            let count = poll_fn(|cx| other.poll_read(cx, &mut buffer))
                .await
                .unwrap();
            if count == 0 {
                return;
            }
            other.write_all(&buffer[..count]).await.unwrap();
        }
    });
    let mut buffer = [0; 64];
    for round in 0..20_000 {
        let message = data(round, 1 + round % 64);
        one.write_all(&message).await.unwrap();
        let answer = &mut buffer[..message.len()];
        in_time(one.read_exact(answer)).await.unwrap();
        assert_eq!(answer, message);
    }
    drop(one);
    in_time(echo).await.unwrap();
}

#[tokio::test]
async fn a_short_read_is_the_last_one_until_more_comes() {
    let (one, other) = pair();
    let mut buffer = [0; 8];
    for message in [&b"abc"[..], b"defgh"] {
        one.writer().try_write(&[IoSlice::new(message)]).unwrap();
        assert_eq!(
            in_time(read(&other, &mut buffer)).await.unwrap(),
            message.len()
        );
        assert!(read_now(&other, &mut buffer).is_pending());
    }
    // An end that came with the last bytes is seen although they were read short.
    one.writer().try_write(&[IoSlice::new(b"z")]).unwrap();
    drop(one);
    assert_eq!(in_time(read(&other, &mut buffer)).await.unwrap(), 1);
    assert_eq!(in_time(read(&other, &mut buffer)).await.unwrap(), 0);
    assert_eq!(in_time(read(&other, &mut buffer)).await.unwrap(), 0);
}

#[tokio::test]
async fn an_end_while_nobody_looks_is_seen() {
    let (one, other) = pair();
    let mut buffer = [0; 8];
    assert!(read_now(&other, &mut buffer).is_pending());
    let reading = tokio::spawn(async move { read(&other, &mut [0; 8]).await });
    tokio::task::yield_now().await;
    drop(one);
    assert_eq!(in_time(reading).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn hostile_51_after_a_half_close_the_other_half_works() {
    let (mut one, mut other) = transports();
    one.write_all(b"question").await.unwrap();
    poll_fn(|cx| one.poll_shutdown(cx)).await.unwrap();
    let mut buffer = [0; 8];
    other.read_exact(&mut buffer).await.unwrap();
    let end = other.read_exact(&mut [0]).await.unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);

    other.write_all(b"answer").await.unwrap();
    drop(other);
    one.read_exact(&mut buffer[..6]).await.unwrap();
    assert_eq!(&buffer[..6], b"answer");
    let end = one.read_exact(&mut [0]).await.unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    // Twice is no error, and neither is it when the peer has gone.
    poll_fn(|cx| one.poll_shutdown(cx)).await.unwrap();
}

#[tokio::test]
async fn hostile_51_a_peer_that_goes_without_reading_leaves_its_answer() {
    let (mut one, mut other) = transports();
    one.write_all(b"unread").await.unwrap();
    other.write_all(b"last words").await.unwrap();
    drop(other);
    let mut buffer = [0; 10];
    one.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"last words");
    // The end is an error then, as bytes were lost.
    let end = one.read_exact(&mut [0]).await.unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    let broken = one.write_all(b"more").await.unwrap_err();
    assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_writer_that_waits_learns_of_the_end() {
    let (mut one, other) = pair();
    fill(&mut one).await;
    let writing =
        tokio::spawn(async move { poll_fn(|cx| one.poll_write(cx, &[IoSlice::new(b"x")])).await });
    tokio::task::yield_now().await;
    drop(other);
    let error = in_time(writing).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn writers_on_other_threads_do_not_keep_the_socket_open() {
    let (one, other) = pair();
    let writer = one.writer();
    let thread = std::thread::spawn(move || {
        assert_eq!(writer.try_write(&[IoSlice::new(b"ab")]).unwrap(), 2);
        let parts = [IoSlice::new(b"c"), IoSlice::new(b""), IoSlice::new(b"de")];
        assert_eq!(writer.try_write(&parts).unwrap(), 3);
        writer
    });
    let writer = thread.join().unwrap();
    let mut buffer = [0; 8];
    assert_eq!(read(&other, &mut buffer).await.unwrap(), 5);
    assert_eq!(&buffer[..5], b"abcde");

    drop(one);
    assert_eq!(in_time(read(&other, &mut buffer)).await.unwrap(), 0);
    assert_eq!(
        writer.try_write(&[IoSlice::new(b"x")]).unwrap_err().kind(),
        io::ErrorKind::NotConnected
    );
}

#[tokio::test]
async fn a_direct_write_without_room_does_not_wait() {
    let (mut one, other) = pair();
    let writer = one.writer();
    let written = fill(&mut one).await;
    assert_eq!(
        writer.try_write(&[IoSlice::new(b"x")]).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    let mut left = written;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        left -= in_time(read(&other, &mut buffer)).await.unwrap();
    }
    assert_eq!(writer.try_write(&[IoSlice::new(b"x")]).unwrap(), 1);
    // The driver finds room too, without having been woken for it in between.
    assert_eq!(
        in_time(poll_fn(|cx| one.poll_write(cx, &[IoSlice::new(b"yz")])))
            .await
            .unwrap(),
        2
    );
    assert!(!one.is_watching());
}

#[tokio::test]
async fn more_segments_than_the_system_takes_at_once_arrive() {
    let (mut one, other) = pair();
    let bytes = data(0, 5000);
    let segments: Vec<_> = bytes.chunks(1).map(IoSlice::new).collect();
    let mut rest = &segments[..];
    while !rest.is_empty() {
        let count = in_time(poll_fn(|cx| one.poll_write(cx, rest)))
            .await
            .unwrap();
        rest = &rest[count..];
    }
    let mut received = vec![0; 5000];
    Transport::unix(other)
        .read_exact(&mut received)
        .await
        .unwrap();
    assert_eq!(received, bytes);
}

#[tokio::test]
async fn the_handshake_reads_not_a_byte_too_many() {
    let (one, other) = tokio::io::duplex(64);
    let binding = b"handshake hash".to_vec();
    let streams = (
        Transport::stream(one, Kind::Other, binding.clone()),
        Transport::stream(other, Kind::Other, binding),
    );
    for (mut one, mut other) in [transports(), streams] {
        assert_eq!(
            other.try_read(&mut [0]).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        one.write_all(b"helloproofframes").await.unwrap();
        let mut buffer = [0; 5];
        for expected in [b"hello", b"proof"] {
            other.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, expected);
        }
        // What came early is noticed, and nothing of it was lost.
        let mut early = [0; 16];
        assert_eq!(other.try_read(&mut early).unwrap(), 6);
        assert_eq!(&early[..6], b"frames");
        drop(one);
        assert_eq!(other.try_read(&mut early).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_transport_tells_the_handshake_what_it_is() {
    let (one, other) = transports();
    assert_eq!((one.kind(), other.kind()), (Kind::Unix, Kind::Unix));
    assert!(one.binding().is_empty());
    assert!(one.direct_writer().is_some());
    assert_eq!(
        one.peer_credentials().unwrap().pid(),
        Some(std::process::id())
    );

    let (stream, _) = tokio::io::duplex(64);
    let stream = Transport::stream(stream, Kind::Other, *b"hash");
    assert_eq!(
        (stream.kind(), stream.binding()),
        (Kind::Other, &b"hash"[..])
    );
    assert!(stream.direct_writer().is_none() && stream.peer_credentials().is_none());
}

/// Nothing to watch with: slower, but the connection lives.
#[test]
fn hostile_46_without_descriptors_writing_goes_on() {
    if told().is_none() {
        let test = "transport::tests::socket::hostile_46_without_descriptors_writing_goes_on";
        return run_child(test, "");
    }
    const TOTAL: usize = 4 << 20;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut writer, reader) = pair();
        let _shortage = NoDescriptors::now();
        let writing = tokio::spawn(async move {
            send_data(&mut writer, TOTAL, &AtomicUsize::new(0)).await;
            assert!(!writer.is_watching());
        });
        let mut received = vec![0; TOTAL];
        in_time(Transport::unix(reader).read_exact(&mut received))
            .await
            .unwrap();
        assert!(received == data(0, TOTAL));
        writing.await.unwrap();
    });
}
