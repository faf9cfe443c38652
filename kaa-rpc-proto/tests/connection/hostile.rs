//! One end against a peer that sends what it likes.

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::{Connection, Violation};

use crate::pair::{ALL, End, NO_ARGUMENTS, Pair, Seen, handshake, window};

/// A server that accepts four calls and 128 KiB of them, and has made call 0 and one oneway call of
/// 8 bytes, which are written.
fn victim() -> End {
    let mut victim = End::new(handshake(window(4), window(4)).1);
    victim.call(70);
    victim.oneway();
    victim.write(ALL);
    victim
}

fn call(id: u32) -> Frame<'static> {
    sized_call(id, NO_ARGUMENTS)
}

fn sized_call(id: u32, arguments: &[u8]) -> Frame<'_> {
    Frame::Call {
        id,
        head: CallHead::new("f"),
        arguments,
    }
}

fn oneway() -> Frame<'static> {
    Frame::Oneway {
        head: CallHead::new("f"),
        arguments: NO_ARGUMENTS,
    }
}

fn result(id: u32) -> Frame<'static> {
    Frame::Result { id, value: b"\xc0" }
}

/// Hears `before`, which is in order, then `last`, which is not.
#[track_caller]
fn check(before: &[Frame<'_>], last: &Frame<'_>, expected: Violation) {
    let mut victim = victim();
    for frame in before {
        victim.hear(frame).expect("in order so far");
    }
    assert_eq!(victim.hear(last), Err(expected));
    // It says nothing more by itself, and its own call still ends exactly once.
    assert!(victim.connection.abandon().len() <= 1);
    assert_eq!(victim.connection.abandon(), []);
}

#[test]
fn hostile_15_bad_lengths_are_refused_before_the_body_comes() {
    for length in [0, (64 << 10) + 1, u32::MAX] {
        assert_eq!(
            victim().read(&u32::to_be_bytes(length)),
            Err(Violation::FrameLength {
                length,
                max_frame: 64 << 10
            })
        );
    }
}

#[test]
fn hostile_21_unknown_kinds_are_refused() {
    for kind in (0..=255).filter(|kind| !matches!(kind, 1..=16)) {
        assert_eq!(
            victim().read(&[0, 0, 0, 5, kind, 0, 0, 0, 0]),
            Err(Violation::UnknownFrame(kind))
        );
    }
}

#[test]
fn hostile_32_an_answer_to_no_call_is_refused() {
    check(&[], &result(1), Violation::NoSuchCall(1));
    check(&[], &result(u32::MAX), Violation::NoSuchCall(u32::MAX));
    let error = Frame::Error {
        id: 3,
        failure: b"\x80",
    };
    check(&[], &error, Violation::NoSuchCall(3));
}

#[test]
fn hostile_32_a_second_answer_is_refused() {
    check(&[result(0)], &result(0), Violation::NoSuchCall(0));
}

#[test]
fn hostile_32_an_answer_to_a_call_that_goodbye_refused_is_refused() {
    let goodbye = Frame::Goodbye { calls: 0 };
    check(&[goodbye], &result(0), Violation::NoSuchCall(0));
}

#[test]
fn hostile_32_what_was_not_written_cannot_have_been_answered() {
    // A peer that answers without reading would make us call, and queue, without end.
    let mut victim = End::new(handshake(window(4), window(4)).1);
    victim.call(1);
    let frame = victim.write(ALL).len();
    victim.call(2);
    victim.write(frame - 1);
    assert_eq!(victim.hear(&result(1)), Err(Violation::NoSuchCall(1)));
    victim.write(1);
    assert_eq!(
        victim.hear(&result(1)),
        Ok(Seen::Result(Some(2), vec![0xc0]))
    );
}

#[test]
fn hostile_33_a_live_id_is_refused() {
    check(&[call(2)], &call(2), Violation::IdInUse(2));
    // Also once its call was cancelled.
    check(
        &[call(2), Frame::Cancel { id: 2 }],
        &call(2),
        Violation::IdInUse(2),
    );
}

#[test]
fn hostile_33_an_id_is_taken_until_its_final_frame_was_written() {
    let mut victim = victim();
    victim.hear(&call(2)).unwrap();
    victim.connection.result(2, b"\xc0").unwrap();
    assert!(!victim.connection.serves(2));
    victim.write(9);
    assert_eq!(victim.hear(&call(2)), Err(Violation::IdInUse(2)));
    victim.write(1);
    assert!(victim.hear(&call(2)).is_ok());
}

#[test]
fn hostile_40_ids_beyond_the_window_are_refused() {
    for id in [4, u32::MAX] {
        check(&[], &call(id), Violation::IdOutOfRange { id, window: 4 });
    }
}

#[test]
fn hostile_40_calls_beyond_the_window_are_refused() {
    let exceeded = Violation::WindowExceeded { window: 4 };
    check(
        &[call(0), call(1), call(2), oneway()],
        &call(3),
        exceeded.clone(),
    );
    check(
        &[oneway(), oneway(), oneway(), oneway()],
        &oneway(),
        exceeded,
    );
}

#[test]
fn hostile_40_bytes_beyond_the_announced_ones_are_refused() {
    // Two frames of max_frame are all that max_request_bytes allows.
    let overhead = Frame::overhead(&CallHead::new("f")) - 4;
    let arguments = vec![0; (64 << 10) - overhead];
    let two = [sized_call(0, &arguments), sized_call(1, &arguments)];
    let exceeded = Violation::RequestBytesExceeded {
        max_request_bytes: 128 << 10,
    };
    check(&two, &call(2), exceeded.clone());
    check(&two, &oneway(), exceeded);
}

#[test]
fn hostile_40_more_oneway_calls_given_back_than_were_sent_are_refused() {
    let done = |calls, bytes| Frame::Done { calls, bytes };
    for frame in [
        done(2, 8),
        done(1, 7),
        done(1, 9),
        done(u32::MAX, u64::MAX),
        done(1, u64::MAX),
        done(1, 0),
    ] {
        check(&[], &frame, Violation::TooManyDone);
    }
    check(&[done(1, 8)], &done(1, 8), Violation::TooManyDone);
    let empty = Violation::Malformed("a done frame for no calls");
    check(&[], &done(0, 0), empty);
}

#[test]
fn hostile_40_a_oneway_call_that_was_not_written_cannot_have_ended() {
    let mut victim = victim();
    victim.oneway();
    victim.write(11);
    let both = Frame::Done {
        calls: 2,
        bytes: 16,
    };
    assert_eq!(victim.hear(&both), Err(Violation::TooManyDone));
    victim.write(1);
    assert_eq!(victim.hear(&both), Ok(Seen::Freed));
}

#[test]
fn hostile_20_nothing_but_an_end_comes_after_goodbye() {
    let goodbye = Frame::Goodbye { calls: 2 };
    let late = Violation::AfterGoodbye("a call after goodbye");
    check(&[goodbye], &call(0), late.clone());
    check(&[goodbye], &oneway(), late);
    let twice = Violation::AfterGoodbye("goodbye was said twice");
    check(&[goodbye], &goodbye, twice);
    for calls in [3, u64::MAX] {
        check(
            &[],
            &Frame::Goodbye { calls },
            Violation::AfterGoodbye("a goodbye that counts more calls than were sent"),
        );
    }
}

#[test]
fn hostile_45_a_pong_without_its_ping_is_refused() {
    for token in [0, 1, u64::MAX] {
        check(&[], &Frame::Pong { token }, Violation::UnexpectedPong);
    }
    let mut victim = victim();
    victim.connection.ping();
    victim.connection.ping();
    assert_eq!(
        victim.hear(&Frame::Pong { token: 3 }),
        Err(Violation::UnexpectedPong)
    );
    assert_eq!(victim.hear(&Frame::Pong { token: 2 }), Ok(Seen::Liveness));
    assert!(!victim.connection.awaits_pong());
    // The second answered the first too.
    assert_eq!(
        victim.hear(&Frame::Pong { token: 1 }),
        Err(Violation::UnexpectedPong)
    );
}

#[test]
fn hostile_41_cancelling_frees_no_place() {
    let mut victim = victim();
    for id in 0..4 {
        victim.hear(&call(id)).unwrap();
        let cancelled = victim.hear(&Frame::Cancel { id });
        assert_eq!(cancelled, Ok(Seen::Cancel(id)));
        assert!(victim.connection.serves(id));
    }
    assert_eq!(
        victim.hear(&oneway()),
        Err(Violation::WindowExceeded { window: 4 })
    );
}

#[test]
fn hostile_41_a_cancel_that_goes_with_no_call_is_refused() {
    for id in [0, 3, 4, u32::MAX] {
        check(&[], &Frame::Cancel { id }, Violation::UnexpectedCancel(id));
    }
}

#[test]
fn hostile_41_a_second_cancel_is_refused() {
    let cancel = Frame::Cancel { id: 2 };
    let twice = Violation::UnexpectedCancel(2);
    check(&[call(2), cancel], &cancel, twice.clone());
    // Also if the call ended between them.
    let mut victim = victim();
    victim.hear(&call(2)).unwrap();
    victim.hear(&cancel).unwrap();
    victim.connection.result(2, b"\xc0").unwrap();
    assert_eq!(victim.hear(&cancel), Err(twice.clone()));
    victim.write(ALL);
    assert_eq!(victim.hear(&cancel), Err(twice));
}

/// The final frame may cross the cancel; for each call one is ignored.
#[test]
fn hostile_41_a_late_cancel_is_ignored_once_for_each_call() {
    let mut victim = victim();
    for _ in 0..1000 {
        victim.hear(&call(2)).unwrap();
        victim.connection.result(2, b"\xc0").unwrap();
        victim.write(ALL);
        assert_eq!(victim.hear(&Frame::Cancel { id: 2 }), Ok(Seen::Liveness));
        assert!(!victim.connection.has_output());
    }
    assert_eq!(
        victim.hear(&Frame::Cancel { id: 2 }),
        Err(Violation::UnexpectedCancel(2))
    );
}

#[test]
fn hostile_41_a_call_that_goodbye_refused_may_be_cancelled_once() {
    let mut victim = victim();
    victim.connection.goodbye();
    assert_eq!(victim.hear(&call(1)), Ok(Seen::Refused));
    assert_eq!(victim.hear(&Frame::Cancel { id: 1 }), Ok(Seen::Liveness));
    assert_eq!(
        victim.hear(&Frame::Cancel { id: 1 }),
        Err(Violation::UnexpectedCancel(1))
    );
}

/// Calls and answers as fast as it can and never reads; gives how many bytes were queued when it
/// was refused.
fn flood(
    victim: &mut End,
    mut frame: impl FnMut(u32) -> Frame<'static>,
    mut end: impl FnMut(&mut Connection, Seen),
) -> (usize, Violation) {
    for turn in 0..10_000 {
        match victim.hear(&frame(turn)) {
            Ok(seen) => end(&mut victim.connection, seen),
            Err(violation) => return (victim.connection.output_len(), violation),
        }
    }
    panic!("{} bytes are queued", victim.connection.output_len());
}

#[test]
fn hostile_42_a_peer_that_never_reads_is_refused_before_the_output_grows() {
    let answer = |connection: &mut Connection, seen| match seen {
        Seen::Call { id: Some(id), .. } => connection.error(id, &[0xc0; 100]).unwrap(),
        Seen::Call { cost, .. } => connection.oneway_done(cost),
        _ => {}
    };
    let (queued, violation) = flood(&mut victim(), |turn| call(turn % 4), answer);
    assert_eq!(violation, Violation::IdInUse(0));
    assert_eq!(queued, 4 * 109);

    let (queued, violation) = flood(&mut victim(), |_| oneway(), answer);
    assert_eq!(violation, Violation::WindowExceeded { window: 4 });
    assert_eq!(queued, 0);
}

#[test]
fn hostile_42_gathering_frees_nothing_before_it_is_written() {
    // A driver that tries to write after each call, to a socket that takes nothing.
    let stuck = |connection: &mut Connection, seen| {
        if let Seen::Call { cost, .. } = seen {
            connection.oneway_done(cost);
        }
        connection.write_to(|_| Ok::<_, ()>(0)).unwrap();
    };
    let (queued, violation) = flood(&mut victim(), |_| oneway(), stuck);
    assert_eq!(violation, Violation::WindowExceeded { window: 4 });
    assert_eq!(queued, 4 * (4 + 13));
}

#[test]
fn hostile_42_pings_are_answered_together_and_not_too_many() {
    let mut victim = victim();
    for round in 0..1000 {
        for token in 0..16 {
            victim.hear(&Frame::Ping { token }).unwrap();
            assert_eq!(victim.connection.output_len(), 0);
        }
        let mut expected = Vec::new();
        Frame::Pong { token: 15 }.encode(&mut expected);
        assert_eq!(victim.write(ALL), expected, "{round}");
    }
    // A pong that is queued, or written but for a byte, cannot have been read.
    for token in 0..16 {
        victim.hear(&Frame::Ping { token }).unwrap();
    }
    victim.write(12);
    let ping = Frame::Ping { token: 16 };
    assert_eq!(victim.hear(&ping), Err(Violation::TooManyPings));
    victim.write(1);
    assert_eq!(victim.hear(&ping), Ok(Seen::Liveness));
}

#[test]
fn no_more_pings_are_sent_than_the_other_end_accepts() {
    let mut pair = Pair::new(window(4), window(4));
    let (client, _) = pair.both();
    for _ in 0..100 {
        client.connection.ping();
    }
    assert_eq!(client.connection.output_len(), 16 * 13);
    pair.exchange(1);
    pair.exchange(0);
    let (client, _) = pair.both();
    assert!(!client.connection.awaits_pong());
    client.connection.ping();
    assert!(client.connection.awaits_pong());
}

#[test]
fn hostile_42_calls_after_goodbye_leave_nothing_behind() {
    let mut victim = victim();
    victim.connection.goodbye();
    victim.write(ALL);
    for turn in 0..10_000 {
        assert_eq!(victim.hear(&call(turn % 4)), Ok(Seen::Refused));
    }
    assert!(!victim.connection.has_output());
    // Oneway calls are given back, so they are counted.
    for _ in 0..4 {
        assert_eq!(victim.hear(&oneway()), Ok(Seen::Refused));
    }
    assert_eq!(
        victim.hear(&oneway()),
        Err(Violation::WindowExceeded { window: 4 })
    );
}

#[test]
fn hostile_39_any_deadline_and_depth_arrive_as_they_are() {
    let (_, server) = handshake(window(4), window(4));
    let mut connection = Connection::new(server);
    for (id, remaining) in [0, 1, u64::MAX].into_iter().enumerate() {
        let sent = CallHead {
            depth: u16::MAX,
            remaining: Some(remaining),
            ..CallHead::new("f")
        };
        let frame = Frame::Call {
            id: u32::try_from(id).unwrap(),
            head: sent,
            arguments: NO_ARGUMENTS,
        };
        let event = connection.handle(&frame, 30).unwrap();
        assert!(
            matches!(event, kaa_rpc_proto::Event::Call { head, .. } if head == sent),
            "{event:?}"
        );
    }
}

/// The bytes of a session, and what each end made of them.
fn session() -> (Vec<u8>, Vec<Seen>) {
    let mut pair = Pair::new(window(4), window(4));
    let (client, server) = pair.both();
    client.call(1);
    client.oneway();
    server.call(2);
    pair.exchange(1);
    pair.exchange(0);
    let (client, _) = pair.both();
    client.call(3);
    client.connection.cancel(0);
    client.connection.result(0, &[0xc4, 2, 7, 8]).unwrap();
    client.connection.ping();
    client.connection.goodbye();
    let bytes = client.write(ALL);
    let mut replay = replay();
    let seen = replay.read(&bytes).unwrap();
    (bytes, seen)
}

/// The server of [`session`], before the bytes come.
fn replay() -> End {
    let mut server = End::new(handshake(window(4), window(4)).1);
    server.call(2);
    server.write(ALL);
    server.hear(&call(0)).unwrap();
    server.hear(&oneway()).unwrap();
    server
}

#[test]
fn hostile_18_every_split_gives_the_same() {
    let (bytes, expected) = session();
    assert_eq!(expected.len(), 5);
    for at in 0..=bytes.len() {
        let mut server = replay();
        let mut seen = server.read(&bytes[..at]).unwrap();
        seen.extend(server.read(&bytes[at..]).unwrap());
        assert_eq!(seen, expected, "split at {at}");
    }
    let mut server = replay();
    let seen: Vec<Seen> = bytes
        .iter()
        .flat_map(|byte| server.read(&[*byte]).unwrap())
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn hostile_17_an_end_at_any_byte_is_no_goodbye_and_dispatches_nothing_partial() {
    let (bytes, expected) = session();
    for at in 0..bytes.len() {
        let mut server = replay();
        let seen = server.read(&bytes[..at]).unwrap();
        assert_eq!(seen, expected[..seen.len()], "cut at {at}");
        server.connection.goodbye();
        assert!(!server.connection.is_parted(), "cut at {at}");
    }
}
