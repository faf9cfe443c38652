//! Peers that do not, or not yet, know the secret, over Unix sockets.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use kaa_rpc_proto::handshake::{InstanceId, KeyId, Keys, Settings, Transport, client};
use kaa_rpc_runtime::{Channel, ConnectError, HandshakeError, Limits};

use crate::common::raw::{self, rand};
use crate::common::{multi_threaded, private_address, secret};
use crate::stage::Stage;

fn client(instance: [u8; 16], transport: Transport) -> (Vec<u8>, client::AwaitVersion) {
    let keys = Keys::derive(&kaa_rpc_proto::Secret::from([7; 32]));
    let settings = Settings::new(transport, InstanceId(instance));
    client::start(settings, KeyId::EMPTY, keys, rand())
        .unwrap()
        .into()
}

/// Connects, sends a sound preamble and reads the answer and the server's hello.
fn greeted(stage: &Stage, instance: [u8; 16]) -> (UnixStream, client::AwaitHello, [u8; 256]) {
    let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
    let (preamble, state) = client(instance, Transport::Unix);
    stream.write_all(&preamble).unwrap();
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).unwrap();
    let mut hello = [0; 256];
    stream.read_exact(&mut hello).unwrap();
    (stream, state.receive(&answer).unwrap().bind(&[]), hello)
}

/// Nothing more comes; the end may be a reset if not all was read.
fn is_closed(mut stream: UnixStream) -> bool {
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    came.is_empty()
}

/// A server that gives strangers this time.
fn hasty(limit: Duration) -> Stage {
    Stage::with(multi_threaded(), Limits::default(), |server| {
        server.open_timeout(limit)
    })
}

#[test]
fn hostile_01_a_silent_unix_client_is_closed_on_at_the_deadline() {
    let limit = Duration::from_millis(500);
    let stage = hasty(limit);
    let (preamble, _) = client(rand(), Transport::Unix);
    // Silent from the beginning, within the preamble, after it, and within the hello.
    for (said, answered) in [(0, 0), (63, 0), (64, 272), (64 + 255, 272)] {
        let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
        let began = Instant::now();
        let bytes: Vec<u8> = preamble
            .iter()
            .copied()
            .chain([0; 255])
            .take(said)
            .collect();
        stream.write_all(&bytes).unwrap();
        stage.assert_honest_is_served();
        let mut came = Vec::new();
        let _ = stream.read_to_end(&mut came);
        assert_eq!(came.len(), answered, "after {said} bytes");
        assert!(began.elapsed() >= limit, "after {said} bytes");
    }
    stage.assert_honest_is_served();
}

#[test]
fn hostile_02_bytes_that_trickle_do_not_move_the_deadline_of_a_unix_client() {
    let limit = Duration::from_millis(500);
    let stage = hasty(limit);
    let (preamble, _) = client(rand(), Transport::Unix);
    let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
    let began = Instant::now();
    let mut sent = 0;
    for byte in preamble {
        // At this pace, the preamble alone would take six times as long.
        std::thread::sleep(Duration::from_millis(50));
        if stream.write_all(&[byte]).is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 64, "all of it was taken");
    assert!(is_closed(stream));
    assert!(began.elapsed() >= limit);
    stage.assert_honest_is_served();
}

#[test]
fn hostile_03_other_protocols_are_closed_on_without_a_reply_over_a_unix_socket() {
    let stage = Stage::new(multi_threaded());
    let random: [u8; 200] = rand();
    let strangers: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xc1kaa-rp_",
        &[0; 200],
        &random,
    ];
    for stranger in strangers {
        let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
        stream.write_all(stranger).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        assert!(is_closed(stream), "{stranger:x?}");
        stage.assert_honest_is_served();
    }
}

#[test]
fn hostile_05_a_frame_before_the_proof_runs_nothing() {
    let mut stage = Stage::new(multi_threaded());
    let call = raw::call(0, "wait", (7,));
    // In place of the preamble, and in place of hello and proof: as long as what is read there.
    let frames = |length: usize| {
        call.iter()
            .copied()
            .cycle()
            .take(length)
            .collect::<Vec<u8>>()
    };
    let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
    stream.write_all(&frames(64)).unwrap();
    assert!(is_closed(stream));
    let (mut stream, ..) = greeted(&stage, rand());
    stream.write_all(&frames(256 + 32)).unwrap();
    assert!(is_closed(stream));
    stage.assert_honest_is_served();
    assert_eq!(stage.told.so_far(), []);
}

#[test]
fn hostile_06_a_proof_that_is_wrong_at_any_byte_is_closed_on() {
    let stage = Stage::new(multi_threaded());
    for at in 0..32 {
        let (mut stream, state, hello) = greeted(&stage, rand());
        let (mut send, _) = state.receive(&hello, 0).unwrap().into();
        send[256 + at] ^= 1;
        stream.write_all(&send).unwrap();
        assert!(is_closed(stream), "{at}");
    }
    stage.assert_honest_is_served();
}

#[test]
fn hostile_07_a_server_that_gets_its_own_hello_back_closes() {
    let stage = Stage::new(multi_threaded());
    let (mut stream, _, hello) = greeted(&stage, rand());
    stream.write_all(&[&hello[..], &[0; 32]].concat()).unwrap();
    assert!(is_closed(stream));
    stage.assert_honest_is_served();
}

#[test]
fn hostile_08_two_connections_to_one_server_open_nothing_over_sockets() {
    let stage = Stage::new(multi_threaded());
    let (mut first, _, hello) = greeted(&stage, rand());
    let (mut second, _, other) = greeted(&stage, rand());
    first.write_all(&[&other[..], &[0; 32]].concat()).unwrap();
    second.write_all(&[&hello[..], &[0; 32]].concat()).unwrap();
    assert!(is_closed(first) && is_closed(second));
    stage.assert_honest_is_served();
}

#[test]
fn hostile_09_a_recorded_client_opens_nothing_over_a_socket() {
    let stage = Stage::new(multi_threaded());
    let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
    let (preamble, state) = client(rand(), Transport::Unix);
    stream.write_all(&preamble).unwrap();
    let mut came = [0; 16 + 256];
    stream.read_exact(&mut came).unwrap();
    let state = state
        .receive(came[..16].try_into().unwrap())
        .unwrap()
        .bind(&[]);
    let (send, _) = state
        .receive(came[16..].try_into().unwrap(), 0)
        .unwrap()
        .into();
    stream.write_all(&send).unwrap();
    stream.read_exact(&mut [0; 32]).unwrap();
    // The same bytes again: the server's nonce is another one.
    let mut again = UnixStream::connect(stage.server.path().unwrap()).unwrap();
    again.write_all(&preamble).unwrap();
    again.read_exact(&mut came).unwrap();
    again.write_all(&send).unwrap();
    assert!(is_closed(again));
    stage.assert_honest_is_served();
}

#[test]
fn hostile_10_another_transport_is_closed_on_without_an_answer() {
    let stage = Stage::new(multi_threaded());
    for transport in [Transport::Tcp, Transport::PlainTcp, Transport::Other] {
        let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
        let (preamble, _) = client(rand(), transport);
        stream.write_all(&preamble).unwrap();
        assert!(is_closed(stream), "{transport:?}");
    }
    stage.assert_honest_is_served();
}

/// Somebody between a client and the server flips one bit of what either says: neither opens.
#[test]
fn hostile_11_a_bit_flipped_anywhere_in_the_opening_fails_both_ends_over_a_unix_socket() {
    let stage = Stage::new(multi_threaded());
    // Every byte of the three messages before the server's proof, in a bit that differs from byte to byte.
    let bit = |at: usize| 1_u8 << (at % 8);
    for at in 0..64 {
        let mut stream = UnixStream::connect(stage.server.path().unwrap()).unwrap();
        let (mut preamble, state) = client(rand(), Transport::Unix);
        preamble[at] ^= bit(at);
        stream.write_all(&preamble).unwrap();
        let mut came = [0; 16 + 256];
        if stream.read_exact(&mut came).is_err() {
            continue;
        }
        // What it did not find out at once, the proofs do.
        let Ok(state) = state.receive(came[..16].try_into().unwrap()) else {
            continue;
        };
        let state = state.bind(&[]);
        if let Ok(step) = state.receive(came[16..].try_into().unwrap(), 0) {
            let (send, _) = step.into();
            stream.write_all(&send).unwrap();
            assert!(is_closed(stream), "preamble, {at}");
        }
    }
    for at in (0..256).step_by(3) {
        // In the server's hello, which the client then believes, and in the client's own.
        for whose in ["server", "client"] {
            let (mut stream, state, mut hello) = greeted(&stage, rand());
            if whose == "server" {
                hello[at] ^= bit(at);
            }
            let Ok(step) = state.receive(&hello, 0) else {
                continue;
            };
            let (mut send, _) = step.into();
            if whose == "client" {
                send[at] ^= bit(at);
            }
            stream.write_all(&send).unwrap();
            assert!(is_closed(stream), "{whose}, {at}");
        }
    }
    stage.assert_honest_is_served();
}

#[test]
fn hostile_12_a_client_with_the_servers_own_instance_is_closed_on() {
    let stage = Stage::new(multi_threaded());
    let (_, _, hello) = greeted(&stage, rand());
    // Where a hello has it.
    let instance: [u8; 16] = hello[8..24].try_into().unwrap();
    let mut hello_of_another = hello;
    hello_of_another[8] ^= 1;
    let (mut stream, state, _) = greeted(&stage, instance);
    // A client that does not look would go on.
    let (send, _) = state.receive(&hello_of_another, 0).unwrap().into();
    stream.write_all(&send).unwrap();
    assert!(is_closed(stream));
    stage.assert_honest_is_served();
}

#[test]
fn hostile_13_a_frame_before_the_servers_proof_is_closed_on() {
    let stage = Stage::new(multi_threaded());
    let (mut stream, state, hello) = greeted(&stage, rand());
    let (mut send, _) = state.receive(&hello, 0).unwrap().into();
    send.extend_from_slice(b"\0\0\0\x09\x09\0\0\0\0\0\0\0\x01");
    stream.write_all(&send).unwrap();
    assert!(is_closed(stream));
    stage.assert_honest_is_served();
}

#[test]
fn hostile_14_a_server_that_dies_before_its_proof_opens_no_client() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let listener = raw::listen(&folder.path().join("s"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut keyring = kaa_rpc_proto::handshake::Keyring::new(rand());
        keyring.insert(KeyId::EMPTY, &kaa_rpc_proto::Secret::from([7; 32]));
        let settings = Settings::new(Transport::Unix, InstanceId(rand()));
        let state = kaa_rpc_proto::handshake::server::AwaitPreamble::new(settings, rand()).unwrap();
        let mut preamble = [0; 64];
        stream.read_exact(&mut preamble).unwrap();
        let (mut answer, state) = match state.receive(&preamble, &keyring) {
            Ok(step) => step.into(),
            Err(refusal) => panic!("{refusal}"),
        };
        let (hello, _) = state.bind(&[]).into();
        answer.extend_from_slice(&hello);
        stream.write_all(&answer).unwrap();
        stream.read_exact(&mut [0; 256 + 32]).unwrap();
    });
    let error = runtime
        .block_on(Channel::connect(&address, &secret()))
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Handshake(HandshakeError::Refused)),
        "{error}"
    );
    server.join().unwrap();
}
