//! Connections without the secret, and clients that have it and break the protocol.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use kaa_rpc_proto::handshake::{InstanceId, KeyId, Keys, Settings, Transport, client};
use kaa_rpc_proto::noise::{AwaitSecond, Records, Split, start};
use kaa_rpc_runtime::{Channel, ConnectError, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::{LOOPBACK, builder, in_time, is_served};

/// Everything that came until the other end closed.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    match in_time(stream.read_to_end(&mut came)).await {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => came,
    }
}

async fn connect(server: &Server) -> TcpStream {
    let address = server.address().to_string().replace("tcp:", "");
    TcpStream::connect(address).await.unwrap()
}

/// Says something and gives the reply.
pub(crate) async fn say(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(server).await;
    stream.write_all(bytes).await.unwrap();
    until_closed(&mut stream).await
}

fn keys(secret: [u8; 32]) -> Keys {
    Keys::derive(&kaa_rpc_proto::Secret::from(secret))
}

/// A sound preamble, and what to go on with.
fn preamble(keys: Keys, transport: Transport) -> (Vec<u8>, client::AwaitVersion) {
    let settings = Settings::new(transport, InstanceId([3; 16]));
    client::start(settings, KeyId::EMPTY, keys, [4; 32])
        .unwrap()
        .into()
}

/// A client with the secret, after the Noise handshake.
struct Raw {
    stream: TcpStream,
    records: Records,
    state: Option<client::AwaitHello>,
}

impl Raw {
    async fn connect(server: &Server) -> Self {
        let mut stream = connect(server).await;
        let keys = keys([7; 32]);
        let (mut send, version) = preamble(keys.clone(), Transport::Tcp);
        let (first, second) = start(&keys, &send, [5; 32].into()).unwrap().into();
        send.extend_from_slice(&first);
        stream.write_all(&send).await.unwrap();
        let mut answer = [0; client::AwaitVersion::NEEDS];
        stream.read_exact(&mut answer).await.unwrap();
        let mut message = [0; AwaitSecond::NEEDS];
        stream.read_exact(&mut message).await.unwrap();
        let secured = second.receive(&message).unwrap();
        let state = version.receive(&answer).unwrap().bind(&secured.binding);
        Self {
            stream,
            records: secured.records,
            state: Some(state),
        }
    }

    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        self.records.seal(plain, &mut sealed).unwrap();
        sealed
    }

    /// The server's hello.
    async fn hello(&mut self) -> [u8; client::AwaitHello::NEEDS] {
        let mut record = [0; 2 + client::AwaitHello::NEEDS + 16];
        self.stream.read_exact(&mut record).await.unwrap();
        let Ok(Split::Record(body, _)) = self.records.split(&record) else {
            panic!("no record")
        };
        let mut plain = [0; client::AwaitHello::NEEDS + 16];
        self.records.open(body, &mut plain).unwrap();
        *plain.first_chunk().unwrap()
    }
}

#[tokio::test]
async fn hostile_03_other_protocols_are_closed_on_without_a_reply_over_tcp() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    for stranger in [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xc1kaa-rp_",
        &[0; 200],
    ] {
        assert_eq!(say(&server, stranger).await, b"");
        is_served(&server).await;
    }
}

#[tokio::test]
async fn hostile_06_who_has_not_the_secret_gets_the_answer_and_no_more() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    let wrong = keys([8; 32]);
    let (preamble, _) = preamble(wrong.clone(), Transport::Tcp);
    let (first, _) = start(&wrong, &preamble, [5; 32].into()).unwrap().into();
    for message in [first, vec![0; 48]] {
        let bytes = [preamble.as_slice(), &message, &[0; 1000]].concat();
        let came = say(&server, &bytes).await;
        // With more behind it than was read, the answer can be lost in the reset.
        assert!(came.is_empty() || came.len() == 16, "{came:?}");
        let came = say(&server, &bytes[..64 + 48]).await;
        assert_eq!(came.len(), 16, "{came:?}");
    }
    is_served(&server).await;
}

#[tokio::test]
async fn hostile_01_a_silent_client_is_closed_on_at_the_deadline() {
    let limit = Duration::from_millis(300);
    let server = builder().open_timeout(limit).bind(LOOPBACK).await.unwrap();
    let (preamble, _) = preamble(keys([7; 32]), Transport::Tcp);
    // Silent from the beginning, after the preamble, within the Noise message.
    for bytes in [
        vec![],
        preamble.clone(),
        [preamble.as_slice(), &[0; 47]].concat(),
    ] {
        let began = Instant::now();
        assert_eq!(say(&server, &bytes).await, b"");
        assert!(began.elapsed() >= limit);
        is_served(&server).await;
    }
    // And with the secret.
    let mut raw = Raw::connect(&server).await;
    raw.hello().await;
    assert_eq!(until_closed(&mut raw.stream).await, b"");
}

#[tokio::test]
async fn hostile_02_bytes_that_trickle_do_not_move_the_deadline() {
    let limit = Duration::from_millis(500);
    let server = builder().open_timeout(limit).bind(LOOPBACK).await.unwrap();
    let (preamble, _) = preamble(keys([7; 32]), Transport::Tcp);
    let mut stream = connect(&server).await;
    let began = Instant::now();
    for byte in preamble {
        // At this pace, the preamble alone would take three seconds.
        tokio::time::sleep(Duration::from_millis(50)).await;
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    assert_eq!(until_closed(&mut stream).await, b"");
    assert!(began.elapsed() >= limit);
    is_served(&server).await;
}

#[tokio::test]
async fn hostile_05_a_frame_before_the_proof_is_not_taken_for_one() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    let mut connected = server.client_connected();
    let ping = b"\0\0\0\x09\x09\0\0\0\0\0\0\0\x01";
    let mut raw = Raw::connect(&server).await;
    raw.hello().await;
    // As long as a hello and a proof, so that the server judges it.
    let frames: Vec<u8> = ping.iter().copied().cycle().take(256 + 32).collect();
    let sealed = raw.seal(&frames);
    raw.stream.write_all(&sealed).await.unwrap();
    assert_eq!(until_closed(&mut raw.stream).await, b"");
    is_served(&server).await;
    // Nobody but the honest client has connected.
    let served = in_time(connected.next()).await.unwrap();
    assert!(in_time(served.closed()).await.is_orderly());
}

#[tokio::test]
async fn hostile_13_a_record_between_the_proofs_is_a_violation() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    for together in [true, false] {
        let mut raw = Raw::connect(&server).await;
        let hello = raw.hello().await;
        let state = raw.state.take().unwrap();
        let (mut send, _) = state.receive(&hello, 0).unwrap().into();
        let ping = b"\0\0\0\x09\x09\0\0\0\0\0\0\0\x01";
        let sealed = if together {
            send.extend_from_slice(ping);
            raw.seal(&send)
        } else {
            [raw.seal(&send), raw.seal(ping)].concat()
        };
        raw.stream.write_all(&sealed).await.unwrap();
        assert_eq!(until_closed(&mut raw.stream).await, b"", "{together}");
        is_served(&server).await;
    }
}

#[tokio::test]
async fn hostile_15_a_record_of_an_impossible_length_closes() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    for length in [0_u16, 1, 16] {
        let mut raw = Raw::connect(&server).await;
        raw.hello().await;
        raw.stream.write_all(&length.to_be_bytes()).await.unwrap();
        assert_eq!(until_closed(&mut raw.stream).await, b"");
        is_served(&server).await;
    }
}

/// Who has the only place does not go for others, so it is free only when the time is over.
#[tokio::test]
async fn hostile_04_places_that_strangers_take_are_free_again_at_the_deadline() {
    let limit = Duration::from_secs(3);
    let (told, mut telling) = mpsc::unbounded_channel();
    let server = builder()
        .open_timeout(limit)
        .max_opening(1)
        .on_rejected(move |rejected| told.send(rejected.error).unwrap())
        .bind(LOOPBACK)
        .await
        .unwrap();
    // It has shown the secret, and says nothing more.
    let _holder = Raw::connect(&server).await;
    let address = server.address().to_string();
    in_time(Channel::connect(&address, &crate::secret()))
        .await
        .unwrap_err();
    let refused = in_time(telling.recv()).await.unwrap();
    assert!(
        matches!(refused, ConnectError::Crowded { places: 1 }),
        "{refused}"
    );
    let over = in_time(telling.recv()).await.unwrap();
    assert!(matches!(over, ConnectError::TimedOut(_)), "{over}");
    assert!(over.to_string().contains("open_timeout"), "{over}");
    is_served(&server).await;
}
