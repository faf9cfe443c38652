//! What is queued, and how it is taken.

use kaa_rpc_proto::frame::{CallHead, Frame, Split, split};

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
        let all = server.connection.write_to(|bytes| {
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
