//! Everything that strangers can send before they have proved anything.

use kaa_rpc_proto::Secret;
use kaa_rpc_proto::handshake::{
    HandshakeError, InstanceId, KeyId, Keyring, Keys, Opened, Settings, Transport, client, server,
};

use crate::input::Input;

/// The first byte chooses; the others are what a server or client receives, places where an honest
/// connection is changed on its way, or the text of a secret file.
pub fn handshake(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => never_opens(serve(RECORDED + 1, input.rest(), &mut Vec::new())),
        1 => never_opens(connect(RECORDED + 1, input.rest(), &mut Vec::new())),
        2 => tampered(input),
        _ => secret_file(input.rest()),
    }
}

/// The nonces of the connection that was recorded for the seeds; nobody but it has them.
const RECORDED: u8 = 1;

/// Nobody who has not the key makes the proof, also not who has heard others.
fn never_opens(result: Result<Opened, HandshakeError>) {
    let error = result.expect_err("it opened without a proof");
    assert!(!error.to_string().is_empty());
}

/// Each end of an honest connection gets what the other sent, but for some bytes. An end that saw a
/// change does not open, nor does one whose own messages were changed before it had the proof.
fn tampered(mut input: Input<'_>) {
    let mut to_server = Vec::new();
    let mut to_client = Vec::new();
    honest(&mut to_server, &mut to_client);
    let (before_server, before_client) = (to_server.clone(), to_client.clone());
    while !input.is_empty() {
        let (place, change) = (usize::from(input.short()), input.byte());
        let place = place % (to_server.len() + to_client.len());
        match to_server.get_mut(place) {
            Some(byte) => *byte ^= change,
            None => to_client[place - before_server.len()] ^= change,
        }
    }

    let opened = serve(RECORDED, &to_server, &mut Vec::new()).is_ok();
    assert_eq!(opened, to_server == before_server, "the server's end");
    let opened = connect(RECORDED, &to_client, &mut Vec::new()).is_ok();
    assert_eq!(opened, to_client == before_client, "the client's end");
}

/// What the two ends below say to each other.
pub(crate) fn honest(from_client: &mut Vec<u8>, from_server: &mut Vec<u8>) {
    for _ in 0..4 {
        let (to_client, to_server) = (std::mem::take(from_server), std::mem::take(from_client));
        let _ = connect(RECORDED, &to_client, from_client);
        let _ = serve(RECORDED, &to_server, from_server);
    }
}

fn settings(instance: u8) -> Settings {
    Settings::new(Transport::Unix, InstanceId([instance; 16]))
}

/// A server's end that receives `bytes` and then the close.
fn serve(nonce: u8, mut bytes: &[u8], sent: &mut Vec<u8>) -> Result<Opened, HandshakeError> {
    let mut keyring = Keyring::new([0xdd; 32]);
    keyring.insert(KeyId::EMPTY, &Secret::from([0x42; 32]));

    let state = server::AwaitPreamble::new(settings(2), [nonce; 32])?;
    let early = server::AwaitPreamble::check_beginning(bytes);
    let Some(preamble) = next(&mut bytes) else {
        return Err(early.err().unwrap_or(state.closed(bytes.len())));
    };
    let answered = state.receive(preamble, &keyring).map_err(|refusal| {
        assert!(refusal.send.is_empty() || refusal.send.len() == client::AwaitVersion::NEEDS);
        HandshakeError::from(refusal)
    });
    assert!(early.is_ok() || answered.is_err());
    let (answer, state) = answered?.into();
    let (hello, state) = state.bind(&[]).into();
    sent.extend([answer, hello].concat());
    let Some(hello) = next(&mut bytes) else {
        return Err(state.closed(bytes.len()));
    };
    let state = state.receive(hello)?;
    let Some(proof) = next(&mut bytes) else {
        return Err(state.closed(bytes.len()));
    };
    let (proof, opened) = state.receive(proof, bytes.len())?.into();
    sent.extend(proof);
    assert_eq!(opened.local_limits(), &settings(2).limits);
    Ok(opened)
}

/// A client's end that receives `bytes` and then the close.
fn connect(nonce: u8, mut bytes: &[u8], sent: &mut Vec<u8>) -> Result<Opened, HandshakeError> {
    let keys = Keys::derive(&Secret::from([0x42; 32]));
    let (preamble, state) = client::start(settings(1), KeyId::EMPTY, keys, [nonce; 32])?.into();
    sent.extend(preamble);
    let early = client::AwaitVersion::check_beginning(bytes);
    let Some(answer) = next(&mut bytes) else {
        return Err(early.err().unwrap_or(state.closed(bytes.len())));
    };
    let state = state.receive(answer);
    assert!(early.is_ok() || state.is_err());
    let state = state?.bind(&[]);
    let Some(hello) = next(&mut bytes) else {
        return Err(state.closed(bytes.len()));
    };
    // What follows comes later, as a driver would see it: else nothing here got beyond this place.
    let (hello_and_proof, state) = state.receive(hello, 0)?.into();
    sent.extend(hello_and_proof);
    let Some(proof) = next(&mut bytes) else {
        return Err(state.closed(bytes.len()));
    };
    state.receive(proof)
}

fn next<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (message, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(message)
}

/// A secret file that is accepted has the one form that is written, but for space at its end.
fn secret_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Secret::parse(text) {
        Ok(secret) => assert_eq!(text.trim_end(), secret.to_line().trim_end()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
