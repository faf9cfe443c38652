//! The two ends against each other, and against docs/protocol.md.

mod properties;

use zeroize::Zeroizing;

use super::*;
use crate::Secret;
use crate::handshake::{
    HandshakeError, InstanceId, KeyId, Keyring, Keys, Settings, Transport, client, server,
};

fn counted<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first.wrapping_add(at as u8))
}

fn secret() -> Secret {
    Secret::from(counted(0))
}

fn settings(first: u8) -> Settings {
    Settings::new(Transport::Tcp, InstanceId(counted(first)))
}

/// A client that has sent its preamble and message 1, and those.
fn client(secret: &Secret) -> (Vec<u8>, client::AwaitVersion, Vec<u8>, AwaitSecond) {
    let keys = Keys::derive(secret);
    let (preamble, version) =
        client::start(settings(0x20), KeyId::EMPTY, keys.clone(), counted(0x30))
            .unwrap()
            .into();
    let (first, second) = start(&keys, &preamble, Zeroizing::new(counted(0x80)))
        .unwrap()
        .into();
    (preamble, version, first, second)
}

/// A server that has the preamble.
fn server(preamble: &[u8], secret: &Secret) -> (Vec<u8>, server::VersionAgreed, AwaitFirst) {
    let mut keyring = Keyring::new([0xff; 32]);
    keyring.insert(KeyId::EMPTY, secret);
    let (answer, agreed) = server::AwaitPreamble::new(settings(0x50), counted(0x60))
        .unwrap()
        .receive(preamble.try_into().unwrap(), &keyring)
        .unwrap()
        .into();
    let noise = AwaitFirst::new(&agreed, preamble, Zeroizing::new(counted(0xa0))).unwrap();
    (answer, agreed, noise)
}

/// The records of a client and of its server.
fn records() -> (Records, Records) {
    let (preamble, _, first, second) = client(&secret());
    let (_, _, noise) = server(&preamble, &secret());
    let (reply, at_server) = noise
        .receive(first.as_slice().try_into().unwrap())
        .unwrap()
        .into();
    let at_client = second
        .receive(reply.as_slice().try_into().unwrap())
        .unwrap();
    assert_eq!(at_client.binding, at_server.binding);
    (at_client.records, at_server.records)
}

/// A bit of each byte, not always the same.
fn one_in_each(bytes: &[u8]) -> impl Iterator<Item = usize> + use<> {
    (0..bytes.len()).map(|at| at * 8 + at % 8)
}

fn seal(records: &mut Records, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    records.seal(plain, &mut out).unwrap();
    out
}

fn open(records: &mut Records, bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
    let Split::Record(record, end) = records.split(bytes)? else {
        panic!("the record is not whole")
    };
    assert_eq!(end, bytes.len());
    let mut out = vec![0; record.len()];
    let length = records.open(record, &mut out)?;
    out.truncate(length);
    Ok(out)
}

#[test]
fn records_go_both_ways_and_come_out_as_they_went_in() {
    let (mut client, mut server) = records();
    for length in [1, 2, 64, 16 * 1024, Records::MAX_PLAIN] {
        let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let sealed = seal(&mut client, &plain);
        assert_eq!(sealed.len(), length + 18);
        assert_eq!(open(&mut server, &sealed).unwrap(), plain);
        let sealed = seal(&mut server, &plain);
        assert_eq!(open(&mut client, &sealed).unwrap(), plain);
    }
    // Not for both directions the same.
    assert_ne!(seal(&mut client, b"x"), seal(&mut server, b"x"));
}

#[test]
fn a_record_is_neither_empty_nor_too_long() {
    let (mut client, _) = records();
    let mut out = vec![7];
    for plain in [vec![], vec![0; Records::MAX_PLAIN + 1]] {
        assert!(client.seal(&plain, &mut out).is_err());
        assert_eq!(out, [7]);
    }
    for got in 0..=16 {
        let (mut client, _) = records();
        let error = client.split(&u16::to_be_bytes(got)).unwrap_err();
        assert_eq!(error, RecordError::Length { got });
    }
    assert_eq!(client.split(&[0]), Ok(Split::Incomplete));
    assert_eq!(client.split(&[0, 17]), Ok(Split::Incomplete));
}

#[test]
fn hostile_19_a_record_with_any_byte_changed_does_not_open_nor_does_any_after_it() {
    let (mut client, mut server) = records();
    let sealed = seal(&mut client, b"a call");
    for bit in one_in_each(&sealed) {
        let mut bytes = sealed.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (_, mut server) = records();
        // A bit of the length: the record ends elsewhere, or is never complete.
        let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        bytes.resize(2 + length, 0);
        assert!(open(&mut server, &bytes).is_err(), "bit {bit}");
        assert!(open(&mut server, &sealed).is_err(), "bit {bit}");
    }
    assert_eq!(open(&mut server, &sealed).unwrap(), b"a call");
}

#[test]
fn hostile_19_records_do_not_open_again_or_out_of_order() {
    let sealed = |count| -> (Vec<Vec<u8>>, Records) {
        let (mut client, server) = records();
        let sealed = (0..count).map(|at| seal(&mut client, &[at])).collect();
        (sealed, server)
    };
    for order in [
        [0, 0].as_slice(), // repeated
        &[1],              // the first one left out
        &[0, 2],           // one left out
        &[1, 0],           // exchanged
        &[0, 1, 0],        // repeated later
    ] {
        let (sealed, mut server) = sealed(3);
        let (last, before) = order.split_last().unwrap();
        let opened = before
            .iter()
            .all(|&at| open(&mut server, &sealed[at]).is_ok());
        let end = open(&mut server, &sealed[*last]);
        assert!(
            !opened || end == Err(RecordError::NotAuthentic),
            "{order:?}"
        );
    }
    // What an end sealed does not open at itself.
    let (mut client, _) = records();
    let own = seal(&mut client, b"mine");
    assert_eq!(open(&mut client, &own), Err(RecordError::NotAuthentic));
}

#[test]
fn no_nonce_is_used_twice() {
    let (mut client, mut server) = records();
    client.skip_to(u64::MAX - 1);
    server.skip_to(u64::MAX - 1);
    let last = seal(&mut client, b"last");
    assert_eq!(open(&mut server, &last).unwrap(), b"last");
    let mut out = Vec::new();
    assert_eq!(client.seal(b"more", &mut out), Err(RecordError::Exhausted));
    assert!(out.is_empty());
    assert_eq!(open(&mut server, &last), Err(RecordError::Exhausted));
}

#[test]
fn a_wrong_secret_is_told_by_the_first_message() {
    let (preamble, _, first, _) = client(&secret());
    let (_, _, noise) = server(&preamble, &Secret::from([9; 32]));
    let error = noise
        .receive(first.as_slice().try_into().unwrap())
        .unwrap_err();
    assert!(matches!(error, HandshakeError::WrongSecret { .. }));
}

#[test]
fn hostile_11_a_changed_preamble_or_message_fails_the_noise_handshake() {
    let (preamble, _, first, _) = client(&secret());
    // Reserved bytes too. The key id has to stay one, so its bits are not tried.
    for at in (12..16).chain(48..64) {
        let mut changed = preamble.clone();
        changed[at] ^= 1;
        let (_, _, noise) = server(&changed, &secret());
        assert!(noise.receive(first.as_slice().try_into().unwrap()).is_err());
    }
    for bit in one_in_each(&first) {
        let (_, _, noise) = server(&preamble, &secret());
        let mut changed = first.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            noise
                .receive(changed.as_slice().try_into().unwrap())
                .is_err()
        );

        let (_, _, noise) = server(&preamble, &secret());
        let sent = noise.receive(first.as_slice().try_into().unwrap()).unwrap();
        let mut changed = sent.send;
        changed[bit / 8] ^= 1 << (bit % 8);
        let (_, _, _, second) = client(&secret());
        let error = second
            .receive(changed.as_slice().try_into().unwrap())
            .unwrap_err();
        assert_eq!(error, HandshakeError::ServerNotProven);
    }
}

#[test]
fn hostile_09_a_replayed_first_message_gives_other_keys() {
    let (preamble, _, first, _) = client(&secret());
    let secured = |ephemeral| {
        let mut keyring = Keyring::new([0xff; 32]);
        keyring.insert(KeyId::EMPTY, &secret());
        let (_, agreed) = server::AwaitPreamble::new(settings(0x50), counted(0x60))
            .unwrap()
            .receive(preamble.as_slice().try_into().unwrap(), &keyring)
            .unwrap()
            .into();
        let noise = AwaitFirst::new(&agreed, &preamble, Zeroizing::new(ephemeral)).unwrap();
        noise
            .receive(first.as_slice().try_into().unwrap())
            .unwrap()
            .next
    };
    let (mut one, mut other) = (secured(counted(0xa0)), secured(counted(0xb0)));
    assert_ne!(one.binding, other.binding);
    assert_ne!(
        seal(&mut one.records, b"hello"),
        seal(&mut other.records, b"hello")
    );
}

/// The value of this name in the block of `name:` lines and indented hexadecimal.
fn vector(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, chapter) = document.split_once("### Vector of TCP\n").unwrap();
    let (_, block) = chapter.split_once("```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (_, value) = block.split_once(&format!("{name}:\n")).unwrap();
    let hex: String = value
        .lines()
        .map_while(|line| line.strip_prefix("  "))
        .collect();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn the_handshake_gives_the_vector_of_the_document() {
    let secret = secret();
    assert_eq!(
        Keys::derive(&secret).noise().as_slice(),
        vector("noise psk")
    );
    let (preamble, version, first, second) = client(&secret);
    assert_eq!(preamble, vector("preamble"));
    assert_eq!(first, vector("message 1"));
    let (answer, agreed, noise) = server(&preamble, &secret);
    assert_eq!(answer, vector("answer"));
    let (reply, mut at_server) = noise
        .receive(first.as_slice().try_into().unwrap())
        .unwrap()
        .into();
    assert_eq!(reply, vector("message 2"));
    assert_eq!(at_server.binding.as_slice(), vector("handshake hash"));

    let (hello, server) = agreed.bind(&at_server.binding).into();
    let record = seal(&mut at_server.records, &hello);
    assert_eq!(record, vector("record of the server hello"));
    let mut at_client = second
        .receive(reply.as_slice().try_into().unwrap())
        .unwrap();
    let opened = open(&mut at_client.records, &record).unwrap();
    let client = version
        .receive(answer.as_slice().try_into().unwrap())
        .unwrap();
    let (proof, client) = client
        .bind(&at_client.binding)
        .receive(opened.as_slice().try_into().unwrap(), 0)
        .unwrap()
        .into();
    let record = seal(&mut at_client.records, &proof);
    assert_eq!(record, vector("record of the client hello and proof"));
    let opened = open(&mut at_server.records, &record).unwrap();
    let (hello, proof) = opened.split_at(server::AwaitHello::NEEDS);
    let server = server.receive(hello.try_into().unwrap()).unwrap();
    let (proof, at_server_opened) = server.receive(proof.try_into().unwrap(), 0).unwrap().into();
    let record = seal(&mut at_server.records, &proof);
    assert_eq!(record, vector("record of the server proof"));
    let opened = open(&mut at_client.records, &record).unwrap();
    let client = client
        .receive(opened.as_slice().try_into().unwrap())
        .unwrap();
    assert_eq!(client.session(), at_server_opened.session());
}
