//! Metadata of answers.

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::{Metadata, Violation};

use crate::pair::{ALL, End, NO_ARGUMENTS, Seen, handshake, window};

const MAP: &[u8] = b"\x81\xa1a\xa1b";

/// A client that has made call 0, and a server that runs it.
fn ends() -> (End, End) {
    let (client, server) = handshake(window(4), window(4));
    let (mut client, mut server) = (End::new(client), End::new(server));
    client.call(70);
    server.read(&client.write(ALL)).unwrap();
    (client, server)
}

fn told() -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("a", "b").unwrap();
    metadata
}

fn metadata(id: u32) -> Frame<'static> {
    Frame::Metadata { id, metadata: MAP }
}

#[test]
fn they_are_told_once_and_before_the_final_frame() {
    let (mut client, mut server) = ends();
    // Nothing is nothing.
    server.connection.metadata(0, &Metadata::new());
    assert!(!server.connection.has_output());
    server.connection.metadata(0, &told());
    server.connection.metadata(0, &told());
    server.connection.error(0, b"\x80").unwrap();
    server.connection.metadata(0, &told());
    let seen = client.read(&server.write(ALL)).unwrap();
    let expected = [
        Seen::Metadata(70, MAP.to_owned()),
        Seen::Error(Some(70), vec![0x80]),
    ];
    assert_eq!(seen, expected);
    assert!(client.connection.is_idle() && server.connection.is_idle());
}

#[test]
fn who_does_not_want_the_outcome_gets_none() {
    let (mut client, mut server) = ends();
    client.connection.cancel(0);
    server.connection.metadata(0, &told());
    assert_eq!(client.read(&server.write(ALL)), Ok(vec![Seen::Liveness]));
}

#[test]
fn hostile_32_metadata_for_no_call_or_twice_are_refused() {
    let (mut client, _) = ends();
    assert_eq!(client.hear(&metadata(1)), Err(Violation::NoSuchCall(1)));
    let (mut client, _) = ends();
    client.hear(&metadata(0)).unwrap();
    assert_eq!(client.hear(&metadata(0)), Err(Violation::MetadataTwice(0)));
    // After the final frame there is no call any more.
    let (mut client, _) = ends();
    let result = Frame::Result { id: 0, value: MAP };
    client.hear(&result).unwrap();
    assert_eq!(client.hear(&metadata(0)), Err(Violation::NoSuchCall(0)));
    // And before it was written there is none yet.
    let mut early = End::new(handshake(window(4), window(4)).0);
    early.call(70);
    assert_eq!(early.hear(&metadata(0)), Err(Violation::NoSuchCall(0)));
}

#[test]
fn hostile_15_metadata_of_an_answer_are_bounded() {
    let (mut client, _) = ends();
    let long = vec![0; kaa_rpc_proto::metadata::MAX_METADATA + 1];
    let mut bytes = Vec::new();
    Frame::Metadata {
        id: 0,
        metadata: &long,
    }
    .encode(&mut bytes);
    assert!(matches!(client.read(&bytes), Err(Violation::Malformed(_))));
    // What else stands there is no matter of the frame.
    let (mut client, _) = ends();
    let rubbish = Frame::Metadata {
        id: 0,
        metadata: b"\xc1",
    };
    assert_eq!(client.hear(&rubbish), Ok(Seen::Metadata(70, vec![0xc1])));
}

#[test]
fn those_of_a_call_come_with_it() {
    let (client, _) = handshake(window(4), window(4));
    let mut client = End::new(client);
    let head = CallHead {
        metadata: &told().encoded(),
        ..CallHead::new("f")
    };
    client.connection.call(1, &head, NO_ARGUMENTS).unwrap();
    let bytes = client.write(ALL);
    assert!(bytes.windows(MAP.len()).any(|part| part == MAP));
}
