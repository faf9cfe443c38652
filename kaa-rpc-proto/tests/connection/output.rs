//! What is queued, and how it is taken.

use std::io::IoSlice;

use kaa_rpc_proto::frame::{CallHead, Frame, Split, split};
use kaa_rpc_proto::msgpack::{Bytes, Encoded};
use kaa_rpc_proto::{Connection, LARGE_PAYLOAD, Limits, Output};
use proptest::prelude::*;

use crate::pair::{ALL, End, NO_ARGUMENTS, handshake, window};

fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Split::Frame(body, consumed) = split(bytes, 1 << 16).unwrap() {
        frames.push(Frame::decode(body).unwrap());
        bytes = &bytes[consumed..];
    }
    assert_eq!(bytes, []);
    frames
}

fn joined(segments: &[IoSlice<'_>]) -> Vec<u8> {
    segments
        .iter()
        .flat_map(|segment| segment.iter().copied())
        .collect()
}

/// A server that serves call 0 and two oneway calls of 8 bytes.
fn server() -> End {
    let mut server = End::new(handshake(window(4), window(4)).1);
    let head = CallHead::new("f");
    let arguments = NO_ARGUMENTS;
    server
        .hear(&Frame::Call {
            id: 0,
            head,
            arguments,
        })
        .unwrap();
    server.hear(&Frame::Oneway { head, arguments }).unwrap();
    server.hear(&Frame::Oneway { head, arguments }).unwrap();
    server
}

#[test]
fn oneway_calls_that_have_ended_share_a_frame() {
    let mut server = server();
    server.connection.oneway_done(8);
    server.connection.oneway_done(8);
    assert!(server.connection.has_output());
    assert_eq!(server.connection.output_len(), 0);
    let done = Frame::Done {
        calls: 2,
        bytes: 16,
    };
    assert_eq!(frames(&server.write(ALL)), [done]);
    assert!(!server.connection.has_output());
}

#[test]
fn gathered_frames_stand_at_the_end() {
    let mut server = server();
    server.hear(&Frame::Ping { token: 7 }).unwrap();
    server.connection.oneway_done(8);
    server.connection.result(0, b"\xc0").unwrap();
    assert_eq!(
        frames(&server.write(ALL)),
        [
            Frame::Result {
                id: 0,
                value: b"\xc0"
            },
            Frame::Done { calls: 1, bytes: 8 },
            Frame::Pong { token: 7 },
        ]
    );
}

#[test]
fn writing_in_place_keeps_what_was_not_taken() {
    let mut server = server();
    server.connection.result(0, b"\xc0").unwrap();
    server.connection.oneway_done(8);
    let mut stream = Vec::new();
    for step in 1.. {
        let all = server.connection.write_to(|segments| {
            let bytes = joined(segments);
            let taken = step.min(bytes.len());
            stream.extend_from_slice(&bytes[..taken]);
            Ok::<_, ()>(taken)
        });
        if all == Ok(true) {
            break;
        }
    }
    assert_eq!(frames(&stream).len(), 2);
    assert!(!server.connection.has_output());
}

/// How a payload comes to the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum As {
    Lent,
    Given,
    Shared,
}

/// The bytes of a value of this size, nearly all of which are shared if it is large.
fn payload(number: usize, size: usize) -> Encoded {
    let mut encoded = Encoded::default();
    let data = Bytes::from(vec![number as u8; size]);
    encoded.value(&(number, data, "end")).unwrap();
    encoded
}

/// Calls with payloads of these sizes.
fn calls(sizes: &[usize], how: As) -> Connection {
    let mut connection = Connection::new(handshake(Limits::default(), Limits::default()).0);
    for (number, &size) in sizes.iter().enumerate() {
        let encoded = payload(number, size);
        let mut bytes = encoded.contiguous().into_owned();
        let head = CallHead::new("f");
        match how {
            As::Lent => _ = connection.call(0, &head, &bytes).unwrap(),
            As::Given => {
                connection.call(0, &head, &mut bytes).unwrap();
                assert_eq!(bytes.is_empty(), encoded.len() >= LARGE_PAYLOAD);
            }
            As::Shared => _ = connection.call(0, &head, &encoded).unwrap(),
        }
    }
    connection
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![
        3 => 0..100_usize,
        2 => LARGE_PAYLOAD - 2..LARGE_PAYLOAD + 2,
        1 => LARGE_PAYLOAD..5 * LARGE_PAYLOAD,
    ];
    prop::collection::vec(size, 1..24)
}

proptest! {
    #[test]
    fn large_payloads_stand_where_they_belong(
        sizes in sizes(),
        steps in prop::collection::vec(1..3 * LARGE_PAYLOAD, 1..8),
        in_place in any::<bool>(),
        how in prop::sample::select(vec![As::Given, As::Shared]),
    ) {
        let mut expected = Output::default();
        calls(&sizes, As::Lent).take_output(&mut expected);
        let length = expected.len();
        let expected = expected.take(length);

        let mut connection = calls(&sizes, how);
        prop_assert_eq!(connection.output_len(), length);
        let mut output = Output::default();
        if !in_place {
            connection.take_output(&mut output);
            prop_assert_eq!(output.len(), length);
        }
        let mut got = Vec::new();
        for step in steps.iter().cycle() {
            if in_place {
                let done = connection.write_to(|segments| {
                    let bytes = joined(segments);
                    let taken = bytes.len().min(*step);
                    got.extend_from_slice(&bytes[..taken]);
                    Ok::<_, ()>(taken)
                });
                if done == Ok(true) {
                    break;
                }
            } else {
                got.extend(output.take(*step));
                if output.is_empty() {
                    break;
                }
            }
            prop_assert!(got.len() < length);
        }
        prop_assert!(got == expected);
    }
}

/// Whoever else has bytes may run code when the last of them goes: they are not dropped where they are written.
#[test]
fn what_others_own_is_given_back_when_it_was_written() {
    let data = Bytes::from(vec![7; LARGE_PAYLOAD]);
    let mut encoded = Encoded::default();
    encoded.arguments(&(&data, 1, &data)).unwrap();
    let mut connection = Connection::new(handshake(Limits::default(), Limits::default()).0);
    connection.call(0, &CallHead::new("f"), &encoded).unwrap();
    let half = connection.output_len() / 2;
    let mut spent = 0;
    for (step, expected) in [(half + 10, 1), (usize::MAX, 2)] {
        let write = |segments: &[IoSlice<'_>]| Ok::<_, ()>(joined(segments).len().min(step));
        connection.write_to(write).unwrap();
        spent += connection.take_spent().unwrap().len();
        assert_eq!(spent, expected);
    }
}
