//! How many calls and bytes may be in flight, at the end that keeps to it.

use kaa_rpc_proto::frame::{CallHead, Frame, MAX_NAME};
use kaa_rpc_proto::{CannotCall, TooLarge};

use crate::pair::{End, NO_ARGUMENTS, Pair, Seen, handshake, window};

const MAX_FRAME: usize = 64 << 10;

/// A frame's length without arguments, by its kind.
const CALL: usize = 10;
const ONEWAY: usize = 6;

fn caller(max_calls: u32) -> End {
    End::new(handshake(window(4), window(max_calls)).0)
}

#[test]
fn a_full_window_is_told_and_changes_nothing() {
    let mut pair = Pair::new(window(1), window(2));
    let (client, _) = pair.both();
    client.call(1);
    client.oneway();
    let head = CallHead::new("f");
    for _ in 0..3 {
        assert_eq!(
            client.connection.call(2, &head, NO_ARGUMENTS),
            Err(CannotCall::WindowFull)
        );
        assert_eq!(
            client.connection.oneway(&head, NO_ARGUMENTS),
            Err(CannotCall::WindowFull)
        );
    }
    assert_eq!(client.connection.calls_in_flight(), 2);
    assert_eq!(pair.exchange(1).len(), 2);
}

#[test]
fn places_come_back_with_the_final_frame_and_with_done() {
    let mut pair = Pair::new(window(1), window(2));
    let (client, _) = pair.both();
    assert_eq!(client.call(1), 0);
    client.oneway();
    client.connection.cancel(0);
    pair.exchange(1);

    let (client, server) = pair.both();
    assert_eq!(client.connection.calls_in_flight(), 2);
    server.connection.error(0, b"\x80").unwrap();
    server.connection.oneway_done(8);
    // A cancelled call gives its place back, but no token.
    assert_eq!(
        pair.exchange(0),
        [Seen::Error(None, vec![0x80]), Seen::Freed]
    );
    let (client, _) = pair.both();
    assert!(client.connection.is_idle());
    assert_eq!(client.call(2), 0);
}

#[test]
fn the_longest_frame_is_sent_and_no_longer_one() {
    let head = CallHead::new("f");
    for (fixed, id) in [(CALL, true), (ONEWAY, false)] {
        let mut client = caller(4);
        let mut send = |length: usize| {
            let arguments = vec![0; length - fixed];
            if id {
                client.connection.call(1, &head, &arguments).map(drop)
            } else {
                client.connection.oneway(&head, &arguments)
            }
        };
        let too_large = CannotCall::TooLarge(TooLarge {
            length: MAX_FRAME + 1,
            max_frame: MAX_FRAME as u32,
        });
        assert_eq!(send(MAX_FRAME + 1), Err(too_large));
        assert_eq!(send(MAX_FRAME), Ok(()));
        assert_eq!(send(MAX_FRAME), Ok(()));
        // The two are all of max_request_bytes.
        assert_eq!(send(fixed), Err(CannotCall::WindowFull));
    }
}

#[test]
fn an_answer_that_is_too_long_leaves_the_call_live() {
    let mut server = End::new(handshake(window(4), window(4)).1);
    let call = Frame::Call {
        id: 0,
        head: CallHead::new("f"),
        arguments: NO_ARGUMENTS,
    };
    server.hear(&call).unwrap();
    let long = vec![0xc0; MAX_FRAME - 4];
    assert!(server.connection.result(0, &long).is_err());
    assert!(server.connection.error(0, &long).is_err());
    assert!(server.connection.serves(0) && !server.connection.has_output());
    assert_eq!(server.connection.result(0, &long[1..]), Ok(()));
    // An answer to what has ended is not sent.
    let queued = server.connection.output_len();
    assert_eq!(server.connection.result(0, b"\xc0"), Ok(()));
    assert_eq!(server.connection.output_len(), queued);
}

#[test]
fn names_have_1_to_255_bytes() {
    let mut client = caller(4);
    for name in [String::new(), "n".repeat(MAX_NAME + 1)] {
        let refused = client
            .connection
            .call(1, &CallHead::new(&name), NO_ARGUMENTS);
        assert_eq!(refused, Err(CannotCall::BadName));
    }
    let longest = "n".repeat(MAX_NAME);
    let head = CallHead::new(&longest);
    assert!(client.connection.call(1, &head, NO_ARGUMENTS).is_ok());
}

#[test]
fn cancel_is_sent_once_and_only_for_what_is_wanted() {
    let mut client = caller(4);
    let cancelled = client.call(1);
    let detached = client.call(2);
    let call = 4 + CALL + NO_ARGUMENTS.len();
    client.connection.cancel(cancelled);
    client.connection.cancel(cancelled);
    client.connection.detach(detached);
    client.connection.cancel(detached);
    client.connection.cancel(99);
    assert_eq!(client.connection.output_len(), 2 * call + 9);
    assert_eq!(client.connection.calls_in_flight(), 2);
}
