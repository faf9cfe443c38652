//! The vectors of `docs/protocol.md`: what the states send, what the document's formulas give when
//! written down once more, and what a program in another language makes of the document.

use std::collections::BTreeMap;
use std::process::Command;

use hmac::{Hmac, KeyInit, Mac};
use kaa_rpc_proto::handshake::{
    Features, InstanceId, KeyId, Keyring, Keys, ServiceName, Settings, Transport, client, server,
};
use kaa_rpc_proto::{Limits, Secret};
use sha2::{Digest, Sha256};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors.py");

struct Vector(BTreeMap<String, Vec<u8>>);

impl Vector {
    /// Reads `### Vector N` and its block of `name:` lines, each followed by indented hexadecimal.
    fn read(number: usize) -> Self {
        let document = std::fs::read_to_string(DOCUMENT).unwrap();
        let (_, rest) = document
            .split_once(&format!("### Vector {number}\n"))
            .unwrap();
        let (_, rest) = rest.split_once("```text\n").unwrap();
        let (block, _) = rest.split_once("```").unwrap();
        let mut values = BTreeMap::new();
        let mut name = "";
        for line in block.lines() {
            if let Some(hex) = line.strip_prefix("  ") {
                let value: &mut Vec<u8> = values.entry(name.to_owned()).or_default();
                value.extend(
                    (0..hex.len())
                        .step_by(2)
                        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()),
                );
            } else {
                name = line.strip_suffix(':').unwrap();
                values.insert(name.to_owned(), Vec::new());
            }
        }
        Self(values)
    }

    fn get(&self, name: &str) -> &[u8] {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the vector has no {name}"))
    }

    fn array<const N: usize>(&self, name: &str) -> &[u8; N] {
        self.get(name).try_into().unwrap()
    }
}

fn counted<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first + at as u8)
}

/// The states, given what the vector was made from, send and accept what it has.
#[track_caller]
fn check_states(vector: &Vector, key_id: KeyId, ours: (Settings, u8), theirs: (Settings, u8)) {
    let secret = Secret::from_bytes(vector.get("secret")).unwrap();
    assert_eq!(secret.to_line().as_bytes(), vector.get("secret file"));
    let mut keyring = Keyring::new([0xff; 32]);
    keyring.insert(key_id, &secret);
    let binding = vector.get("binding data");

    let client = client::start(ours.0, key_id, Keys::derive(&secret), counted(ours.1)).unwrap();
    assert_eq!(client.send, vector.get("preamble"));
    let server = server::AwaitPreamble::new(theirs.0, counted(theirs.1)).unwrap();
    let server = server.receive(vector.array("preamble"), &keyring).unwrap();
    assert_eq!(server.send, vector.get("answer"));
    let server = server.next.bind(binding);
    assert_eq!(server.send, vector.get("server hello"));
    let client = client
        .next
        .receive(vector.array("answer"))
        .unwrap()
        .bind(binding);
    let client = client.receive(vector.array("server hello"), 0).unwrap();
    assert_eq!(
        client.send,
        [vector.get("client hello"), vector.get("client proof")].concat()
    );
    let server = server.next.receive(vector.array("client hello")).unwrap();
    let server = server.receive(vector.array("client proof"), 0).unwrap();
    assert_eq!(server.send, vector.get("server proof"));
    let client = client.next.receive(vector.array("server proof")).unwrap();
    assert_eq!(client.session().0, *vector.array("session"));
    assert_eq!(server.next.session().0, *vector.array("session"));
}

#[test]
fn the_states_give_vector_1() {
    let settings = |first| Settings::new(Transport::Unix, InstanceId(counted(first)));
    check_states(
        &Vector::read(1),
        KeyId::EMPTY,
        (settings(0x20), 0x30),
        (settings(0x50), 0x60),
    );
}

#[test]
fn the_states_give_vector_2() {
    let service = ServiceName::new("media.player").unwrap();
    let settings = |first, offered, required, limits| Settings {
        service,
        offered: Features(offered),
        required: Features(required),
        limits,
        ..Settings::new(Transport::Other, InstanceId(counted(first)))
    };
    let lowest = Limits {
        max_frame: 1 << 16,
        max_calls: 1,
        max_request_bytes: 1 << 16,
        max_items: 1 << 10,
        max_nesting: 8,
        max_depth: 1,
        max_stream_items: 1,
        max_stream_bytes: 1 << 16,
    };
    let highest = Limits {
        max_frame: 1 << 30,
        max_calls: 1 << 20,
        max_request_bytes: 1 << 40,
        max_items: 1 << 30,
        max_nesting: 64,
        max_depth: 1024,
        max_stream_items: 1 << 16,
        max_stream_bytes: 1 << 30,
    };
    check_states(
        &Vector::read(2),
        KeyId::new("screen-1").unwrap(),
        (settings(0xa0, 0b0111, 0b0001, lowest), 0xb0),
        (settings(0xd0, 0b1011, 0b0010, highest), 0xe0),
    );
}

#[test]
fn the_formulas_of_the_document_give_its_vectors() {
    for number in [1, 2] {
        let vector = Vector::read(number);
        let prk = hmac(b"kaa-rpc/1 secret", &[vector.get("secret")]);
        assert_eq!(prk, vector.get("prk"));
        let client_key = hmac(&prk, &[b"kaa-rpc/1 client proof", &[1]]);
        assert_eq!(client_key, vector.get("client proof key"));
        let server_key = hmac(&prk, &[b"kaa-rpc/1 server proof", &[1]]);
        assert_eq!(server_key, vector.get("server proof key"));

        let messages = ["preamble", "answer", "server hello", "client hello"];
        let messages: Vec<_> = messages.map(|name| lp(vector.get(name))).concat();
        let hash = Sha256::digest(messages);
        assert_eq!(hash[..], *vector.get("transcript hash"));

        let transport = &vector.get("preamble")[11..12];
        let channel = [transport, &lp(vector.get("binding data"))].concat();
        let client = [lp(b"kaa-rpc/1 client proof"), lp(&hash), channel.clone()].concat();
        let client = hmac(&client_key, &[&client]);
        assert_eq!(client, vector.get("client proof"));
        let server = [
            lp(b"kaa-rpc/1 server proof"),
            lp(&hash),
            channel,
            lp(&client),
        ]
        .concat();
        let server = hmac(&server_key, &[&server]);
        assert_eq!(server, vector.get("server proof"));

        let session = [
            lp(b"kaa-rpc/1 session"),
            lp(&hash),
            lp(&client),
            lp(&server),
        ]
        .concat();
        assert_eq!(Sha256::digest(session)[..], *vector.get("session"));
    }
}

#[test]
fn a_program_in_python_gives_the_vectors_of_the_document() {
    // Where there is no Python, the formulas above have to do.
    let Ok(output) = Command::new("python3").args([SCRIPT, DOCUMENT]).output() else {
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn lp(part: &[u8]) -> Vec<u8> {
    [&(part.len() as u64).to_be_bytes(), part].concat()
}
