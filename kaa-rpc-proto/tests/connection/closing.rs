//! Goodbye, from both sides.

use kaa_rpc_proto::CannotCall;
use kaa_rpc_proto::frame::{CallHead, Frame};

use crate::pair::{ALL, End, NO_ARGUMENTS, Pair, Seen, handshake, window};

#[test]
fn idle_ends_part_at_once() {
    let mut pair = Pair::new(window(4), window(4));
    pair.ends[0].connection.goodbye();
    assert_eq!(pair.exchange(1), [Seen::Goodbye(vec![])]);
    pair.ends[1].connection.goodbye();
    pair.ends[1].connection.goodbye();
    assert!(pair.ends[1].connection.is_parted());
    assert!(!pair.ends[1].connection.is_finished());
    assert_eq!(pair.exchange(0), [Seen::Goodbye(vec![])]);
    assert!(pair.ends.iter().all(|end| end.connection.is_finished()));
}

#[test]
fn nobody_calls_after_either_goodbye() {
    let mut pair = Pair::new(window(4), window(4));
    pair.ends[0].connection.goodbye();
    pair.exchange(1);
    for end in &mut pair.ends {
        let head = CallHead::new("f");
        assert_eq!(
            end.connection.call(1, &head, NO_ARGUMENTS),
            Err(CannotCall::Closing)
        );
        assert_eq!(
            end.connection.oneway(&head, NO_ARGUMENTS),
            Err(CannotCall::Closing)
        );
    }
}

#[test]
fn calls_that_run_end_as_usual_and_those_that_came_late_never_ran() {
    let mut pair = Pair::new(window(8), window(8));
    let (client, _) = pair.both();
    client.call(1);
    client.oneway();
    pair.exchange(1);

    // These three cross the goodbye.
    let (client, server) = pair.both();
    client.call(2);
    client.oneway();
    let cancelled = client.call(3);
    client.connection.cancel(cancelled);
    server.connection.goodbye();
    assert_eq!(
        pair.exchange(1),
        [Seen::Refused, Seen::Refused, Seen::Refused, Seen::Liveness]
    );
    // The goodbye ends the second call; the third one nobody wants; the oneway call is given back.
    assert_eq!(pair.exchange(0), [Seen::Goodbye(vec![2]), Seen::Freed]);
    assert_eq!(pair.ends[0].connection.calls_in_flight(), 2);
    pair.ends[0].connection.goodbye();
    pair.exchange(1);
    assert!(!pair.ends[1].connection.is_parted());

    let (_, server) = pair.both();
    server.connection.result(0, b"\xc0").unwrap();
    server.connection.oneway_done(8);
    assert_eq!(
        pair.exchange(0),
        [Seen::Result(Some(1), vec![0xc0]), Seen::Freed]
    );
    assert!(pair.ends.iter().all(|end| end.connection.is_finished()));
}

#[test]
fn nothing_is_finished_before_the_last_done_is_written() {
    // Whoever closes without it leaves the other end with oneway calls in flight: a loss, to its eyes.
    let mut pair = Pair::new(window(4), window(4));
    pair.ends[0].oneway();
    pair.ends[0].connection.goodbye();
    pair.exchange(1);
    pair.ends[1].connection.goodbye();
    pair.exchange(0);

    let (_, server) = pair.both();
    server.connection.oneway_done(8);
    assert!(server.connection.is_idle());
    assert!(!server.connection.is_finished());
    server.write(ALL);
    assert!(server.connection.is_finished());
    pair.deliver(0, ALL).1.unwrap();
    assert!(pair.ends[0].connection.is_finished());
}

#[test]
fn goodbye_counts_oneway_calls_too() {
    let mut server = End::new(handshake(window(4), window(4)).1);
    let head = CallHead::new("f");
    let arguments = NO_ARGUMENTS;
    server
        .hear(&Frame::Call {
            id: 3,
            head,
            arguments,
        })
        .unwrap();
    server.hear(&Frame::Oneway { head, arguments }).unwrap();
    server.connection.goodbye();
    let mut expected = Vec::new();
    Frame::Goodbye { calls: 2 }.encode(&mut expected);
    assert_eq!(server.write(ALL), expected);
}

#[test]
fn hostile_20_an_end_without_goodbye_is_told_apart() {
    let mut pair = Pair::new(window(4), window(4));
    assert!(!pair.ends[0].connection.is_parted());
    pair.ends[0].call(1);
    pair.exchange(1);
    pair.ends[0].connection.goodbye();
    pair.exchange(1);
    pair.ends[1].connection.goodbye();
    pair.exchange(0);
    // Both said goodbye, but the answer is owed.
    assert!(pair.ends.iter().all(|end| !end.connection.is_parted()));
}
