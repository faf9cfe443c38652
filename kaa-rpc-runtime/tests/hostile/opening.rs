//! Peers that do not, or not yet, know the secret, over Unix sockets.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use kaa_rpc_proto::handshake::{InstanceId, KeyId, Keys, Settings, Transport, client};
use kaa_rpc_runtime::{Channel, ConnectError, HandshakeError};

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
