//! Everything that strangers can send before they have proved anything.

use std::mem::take;
use std::sync::OnceLock;

use kaa_rpc_proto::Secret;
use kaa_rpc_proto::handshake::Transport::{self, Tcp, Unix};
use kaa_rpc_proto::handshake::{
    HandshakeError, InstanceId, KeyId, Keyring, Keys, Opened, Settings, client, server,
};
use kaa_rpc_proto::noise::{self, AwaitFirst, Records, Secured, Split};

use crate::input::Input;

/// The first byte chooses; the others are what a server or client receives, places where an honest
/// connection is changed on its way, or the text of a secret file.
pub fn handshake(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 7 {
        0 => never_opens(serve(Unix, RECORDED + 1, input.rest(), &mut Vec::new())),
        1 => never_opens(connect(Unix, RECORDED + 1, input.rest(), &mut Vec::new())),
        2 => tampered(Unix, input),
        3 => secret_file(input.rest()),
        4 => never_opens(serve(Tcp, RECORDED + 1, input.rest(), &mut Vec::new())),
        5 => never_opens(connect(Tcp, RECORDED + 1, input.rest(), &mut Vec::new())),
        _ => tampered(Tcp, input),
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
fn tampered(transport: Transport, mut input: Input<'_>) {
    let (before_server, before_client) = honest(transport);
    let (mut to_server, mut to_client) = (before_server.clone(), before_client.clone());
    while !input.is_empty() {
        let (place, change) = (usize::from(input.short()), input.byte());
        let place = place % (to_server.len() + to_client.len());
        match to_server.get_mut(place) {
            Some(byte) => *byte ^= change,
            None => to_client[place - before_server.len()] ^= change,
        }
    }

    let opened = serve(transport, RECORDED, &to_server, &mut Vec::new()).is_ok();
    assert_eq!(opened, to_server == *before_server, "the server's end");
    let opened = connect(transport, RECORDED, &to_client, &mut Vec::new()).is_ok();
    assert_eq!(opened, to_client == *before_client, "the client's end");
}

/// What the two ends below say to each other: what the client sends, and what the server does.
pub(crate) fn honest(transport: Transport) -> &'static (Vec<u8>, Vec<u8>) {
    static UNIX: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    static TCP: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    let said = if transport == Tcp { &TCP } else { &UNIX };
    said.get_or_init(|| {
        let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let (to_client, to_server) = (take(&mut from_server), take(&mut from_client));
            let _ = connect(transport, RECORDED, &to_client, &mut from_client);
            let _ = serve(transport, RECORDED, &to_server, &mut from_server);
        }
        (from_client, from_server)
    })
}

fn settings(transport: Transport, instance: u8) -> Settings {
    Settings::new(transport, InstanceId([instance; 16]))
}

/// A server's end that receives `bytes` and then the close.
fn serve(
    transport: Transport,
    nonce: u8,
    bytes: &[u8],
    sent: &mut Vec<u8>,
) -> Result<Opened, HandshakeError> {
    let mut keyring = Keyring::new([0xdd; 32]);
    keyring.insert(KeyId::EMPTY, &Secret::from([0x42; 32]));
    let mut wire = Wire::new(bytes, sent);

    let state = server::AwaitPreamble::new(settings(transport, 2), [nonce; 32])?;
    let early = server::AwaitPreamble::check_beginning(bytes);
    let Some(preamble) = wire.next() else {
        return Err(early.err().unwrap_or(state.closed(bytes.len())));
    };
    let answered = state.receive(&preamble, &keyring).map_err(|refusal| {
        assert!(refusal.send.is_empty() || refusal.send.len() == client::AwaitVersion::NEEDS);
        HandshakeError::from(refusal)
    });
    assert!(early.is_ok() || answered.is_err());
    let (answer, state) = answered?.into();
    let mut binding = Vec::new();
    if transport == Tcp {
        let noise = AwaitFirst::new(&state, &preamble, [nonce ^ 0x80; 32].into())?;
        let Some(first) = wire.next() else {
            return Err(noise.closed(wire.unread()));
        };
        let (second, secured) = noise.receive(&first)?.into();
        wire.send(&[answer, second].concat());
        binding = wire.secure(secured);
    } else {
        wire.send(&answer);
    }
    let (hello, state) = state.bind(&binding).into();
    wire.send(&hello);
    let Some(hello) = wire.next() else {
        return Err(state.closed(wire.unread()));
    };
    let state = state.receive(&hello)?;
    let Some(proof) = wire.next() else {
        return Err(state.closed(wire.unread()));
    };
    let (proof, opened) = state.receive(&proof, wire.unread())?.into();
    wire.send(&proof);
    assert_eq!(opened.local_limits(), &settings(transport, 2).limits);
    Ok(opened)
}

/// A client's end that receives `bytes` and then the close.
fn connect(
    transport: Transport,
    nonce: u8,
    bytes: &[u8],
    sent: &mut Vec<u8>,
) -> Result<Opened, HandshakeError> {
    let keys = Keys::derive(&Secret::from([0x42; 32]));
    let mut wire = Wire::new(bytes, sent);
    let settings = settings(transport, 1);
    let (preamble, state) =
        client::start(settings, KeyId::EMPTY, keys.clone(), [nonce; 32])?.into();
    wire.send(&preamble);
    let (first, noise) = noise::start(&keys, &preamble, [nonce; 32].into())?.into();
    if transport == Tcp {
        wire.send(&first);
    }
    let early = client::AwaitVersion::check_beginning(bytes);
    let Some(answer) = wire.next() else {
        return Err(early.err().unwrap_or(state.closed(bytes.len())));
    };
    let state = state.receive(&answer);
    assert!(early.is_ok() || state.is_err());
    let state = state?;
    let mut binding = Vec::new();
    if transport == Tcp {
        let Some(second) = wire.next() else {
            return Err(noise.closed(wire.unread()));
        };
        binding = wire.secure(noise.receive(&second)?);
    }
    let state = state.bind(&binding);
    let Some(hello) = wire.next() else {
        return Err(state.closed(wire.unread()));
    };
    // What follows comes later, as a driver would see it: else nothing here got beyond this place.
    let (hello_and_proof, state) = state.receive(&hello, 0)?.into();
    wire.send(&hello_and_proof);
    let Some(proof) = wire.next() else {
        return Err(state.closed(wire.unread()));
    };
    state.receive(&proof)
}

/// What one end reads and writes, in records once it is secured.
struct Wire<'a> {
    received: &'a [u8],
    sent: &'a mut Vec<u8>,
    records: Option<Records>,
    /// Of records that were opened, and not yet read.
    plain: Vec<u8>,
}

impl<'a> Wire<'a> {
    fn new(received: &'a [u8], sent: &'a mut Vec<u8>) -> Self {
        Self {
            received,
            sent,
            records: None,
            plain: Vec::new(),
        }
    }

    fn send(&mut self, message: &[u8]) {
        match &mut self.records {
            None => self.sent.extend_from_slice(message),
            Some(records) => records.seal(message, self.sent).expect("it is short"),
        }
    }

    /// The next message, if it comes. After a record that is wrong nothing does.
    fn next<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.records.is_none() {
            let (message, rest) = self.received.split_first_chunk()?;
            self.received = rest;
            return Some(*message);
        }
        while self.plain.len() < N && self.open_record().is_some() {}
        let message = *self.plain.first_chunk()?;
        self.plain.drain(..N);
        Some(message)
    }

    /// So many bytes could be read now.
    fn unread(&mut self) -> usize {
        if self.records.is_none() {
            return self.received.len();
        }
        while self.open_record().is_some() {}
        self.plain.len()
    }

    fn open_record(&mut self) -> Option<()> {
        let records = self.records.as_mut()?;
        let Ok(Split::Record(record, end)) = records.split(self.received) else {
            return None;
        };
        let mut plain = vec![0; record.len()];
        let length = records.open(record, &mut plain).ok()?;
        self.plain.extend_from_slice(&plain[..length]);
        self.received = &self.received[end..];
        Some(())
    }

    fn secure(&mut self, secured: Secured) -> Vec<u8> {
        self.records = Some(secured.records);
        secured.binding.to_vec()
    }
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
