//! One end against a peer that sends items, and credit for items, as it likes.

use kaa_rpc_proto::frame::{CallHead, CallId, Frame, StreamNumber};
use kaa_rpc_proto::{CannotSend, Limits, Token, Violation};

use crate::pair::{ALL, End, NO_ARGUMENTS, Seen, handshake, window};

/// What one item costs that has [`ITEM`] as its value.
const YIELDED: u64 = 6;
const SENT: u64 = 7;
const ITEM: &[u8] = b"\x2a";

/// Two items of a stream, 64 KiB of them, and three streams at once.
fn limits() -> Limits {
    Limits {
        max_request_bytes: 256 << 10,
        max_stream_items: 2,
        max_stream_bytes: 64 << 10,
        ..window(4)
    }
}

/// A server that has made call 0 with two streams, of which it has written two items and one, and call 1
/// without any. It runs call 0 of the other end, which came with two streams, and has yielded two items,
/// and call 1, which came with none.
fn victim() -> End {
    let mut victim = End::new(handshake(limits(), limits()).1);
    call_with(&mut victim, 70, 2);
    victim.call(71);
    for stream in [0, 0, 1] {
        victim.connection.send_item(0, stream, ITEM).unwrap();
    }
    victim.hear(&call(0, 2)).unwrap();
    victim.hear(&call(1, 0)).unwrap();
    for _ in 0..2 {
        victim.connection.give_item(0, 1, ITEM).unwrap();
    }
    victim.write(ALL);
    victim
}

fn call_with(end: &mut End, token: Token, streams: u8) -> CallId {
    let head = head(streams);
    end.connection
        .call(token, &head, NO_ARGUMENTS)
        .expect("there is room")
}

fn head(streams: u8) -> CallHead<'static> {
    CallHead {
        streams,
        ..CallHead::new("f")
    }
}

fn call(id: CallId, streams: u8) -> Frame<'static> {
    Frame::Call {
        id,
        head: head(streams),
        arguments: NO_ARGUMENTS,
    }
}

fn result(id: CallId) -> Frame<'static> {
    Frame::Result { id, value: b"\xc0" }
}

fn yielded(id: CallId) -> Frame<'static> {
    Frame::Yield { id, value: ITEM }
}

fn credit(id: CallId, items: u32, bytes: u64) -> Frame<'static> {
    Frame::Credit { id, items, bytes }
}

fn item(id: CallId, stream: StreamNumber) -> Frame<'static> {
    Frame::Item {
        id,
        stream,
        value: ITEM,
    }
}

fn end(id: CallId, stream: StreamNumber) -> Frame<'static> {
    Frame::End {
        id,
        stream,
        broken: false,
    }
}

fn grant(id: CallId, stream: StreamNumber, items: u32, bytes: u64) -> Frame<'static> {
    Frame::Grant {
        id,
        stream,
        items,
        bytes,
    }
}

fn stop(id: CallId, stream: StreamNumber) -> Frame<'static> {
    Frame::Stop { id, stream }
}

fn no_stream<T>(id: CallId, stream: StreamNumber) -> Result<T, Violation> {
    Err(Violation::NoSuchStream { id, stream })
}

fn no_credit() -> Violation {
    Violation::CreditExceeded {
        max_stream_items: 2,
        max_stream_bytes: 64 << 10,
    }
}

/// Hears `before`, which is in order, then `last`, which is not.
#[track_caller]
fn check(before: &[Frame<'_>], last: &Frame<'_>, expected: Violation) {
    let mut victim = victim();
    for frame in before {
        victim.hear(frame).expect("in order so far");
    }
    assert_eq!(victim.hear(last), Err(expected));
    assert!(victim.connection.abandon().len() <= 2);
}

#[test]
fn hostile_45_credit_for_more_than_was_sent_is_refused() {
    for (items, bytes) in [
        (3, 2 * YIELDED),
        (2, 2 * YIELDED + 1),
        (1, 2 * YIELDED + 1),
        (u32::MAX, u64::MAX),
        (u32::MAX, 1),
        (1, u64::MAX),
        // Items without their bytes, and the other way round.
        (2, 2 * YIELDED - 1),
        (1, 2 * YIELDED),
    ] {
        check(&[], &credit(0, items, bytes), Violation::TooMuchCredit);
    }
    let all = credit(0, 2, 2 * YIELDED);
    check(&[all], &credit(0, 1, YIELDED), Violation::TooMuchCredit);
    // Nothing was yielded by these.
    for id in [1, 3, u32::MAX] {
        check(&[], &credit(id, 1, YIELDED), Violation::TooMuchCredit);
    }
    for (items, bytes) in [(3, 14), (2, 15), (u32::MAX, u64::MAX), (2, 13), (1, 14)] {
        check(&[], &grant(0, 0, items, bytes), Violation::TooMuchCredit);
    }
    check(&[], &grant(0, 1, 2, 14), Violation::TooMuchCredit);
    check(
        &[grant(0, 1, 1, SENT)],
        &grant(0, 1, 1, SENT),
        Violation::TooMuchCredit,
    );
}

#[test]
fn hostile_45_credit_for_no_items_is_refused() {
    for bytes in [0, YIELDED] {
        check(&[], &credit(0, 0, bytes), Violation::TooMuchCredit);
        check(&[], &credit(1, 0, bytes), Violation::TooMuchCredit);
        check(&[], &credit(3, 0, bytes), Violation::TooMuchCredit);
        check(&[], &grant(0, 0, 0, bytes), Violation::TooMuchCredit);
    }
    // Also when the call has ended, and would otherwise be forgiven some.
    let mut victim = victim();
    victim.connection.result(0, b"\xc0").unwrap();
    assert_eq!(victim.hear(&credit(0, 0, 0)), Err(Violation::TooMuchCredit));
}

#[test]
fn hostile_45_items_beyond_the_credit_are_refused() {
    check(&[item(0, 1), item(0, 1)], &item(0, 1), no_credit());
    check(&[yielded(0), yielded(0)], &yielded(0), no_credit());
    // Two of the largest fit, and not a byte more.
    let largest = vec![0xc0; (32 << 10) - 6];
    let large = Frame::Item {
        id: 0,
        stream: 0,
        value: &largest,
    };
    let mut victim = victim();
    victim.hear(&large).unwrap();
    victim.hear(&large).unwrap();
    let larger = vec![0xc0; (64 << 10) - 5];
    let too_large = Frame::Yield {
        id: 1,
        value: &larger,
    };
    victim.hear(&too_large).unwrap();
    assert_eq!(victim.hear(&yielded(1)), Err(no_credit()));
}

/// The same for credit: one that never reads gets no room, and makes us queue no more than that.
#[test]
fn hostile_42_what_was_taken_gives_room_once_it_was_told_in_writing() {
    for unwritten in [22, 1, 0] {
        let mut victim = victim();
        victim.hear(&item(0, 0)).unwrap();
        victim.hear(&item(0, 0)).unwrap();
        victim.connection.items_taken((0, 1), 0, 1, 1);
        victim.write(22 - unwritten);
        if unwritten == 0 {
            victim.hear(&item(0, 0)).unwrap();
        }
        assert_eq!(victim.hear(&item(0, 0)), Err(no_credit()));
    }
    // What nobody waits for is given back as it comes.
    for unwritten in [21, 1, 0] {
        let mut victim = victim();
        victim.connection.detach(0);
        victim.hear(&yielded(0)).unwrap();
        victim.write(21 - unwritten);
        victim.hear(&yielded(0)).unwrap();
        if unwritten == 0 {
            victim.hear(&yielded(0)).unwrap();
        }
        assert_eq!(victim.hear(&yielded(0)), Err(no_credit()));
        assert!(victim.connection.output_len() <= 2 * 21);
    }
}

#[test]
fn hostile_45_items_after_the_end_of_their_stream_are_refused() {
    let over = Violation::NoSuchStream { id: 0, stream: 0 };
    check(&[end(0, 0)], &item(0, 0), over.clone());
    check(&[end(0, 0)], &end(0, 0), over.clone());
    check(&[item(0, 0), end(0, 0)], &item(0, 0), over);
    // The other stream is another matter.
    victim().hear(&end(0, 0)).unwrap();
    let mut victim = victim();
    victim.hear(&end(0, 0)).unwrap();
    assert!(matches!(victim.hear(&item(0, 1)), Ok(Seen::Item { .. })));
}

#[test]
fn hostile_45_streams_that_the_call_has_not_are_refused() {
    for (id, stream) in [(0, 2), (0, 255), (1, 0), (3, 0), (u32::MAX, 0)] {
        assert_eq!(victim().hear(&item(id, stream)), no_stream(id, stream));
        assert_eq!(victim().hear(&end(id, stream)), no_stream(id, stream));
    }
    for (id, stream) in [(0, 2), (0, 255), (1, 0)] {
        let stopped = victim().hear(&stop(id, stream));
        assert_eq!(stopped, no_stream(id, stream));
        let granted = victim().hear(&grant(id, stream, 1, SENT));
        assert_eq!(granted, no_stream(id, stream));
    }
}

#[test]
fn hostile_32_yields_grants_and_stops_of_no_call_are_refused() {
    for id in [2, u32::MAX] {
        for frame in [yielded(id), grant(id, 0, 1, SENT), stop(id, 0)] {
            check(&[], &frame, Violation::NoSuchCall(id));
        }
    }
    for frame in [yielded(0), grant(0, 0, 1, SENT), stop(0, 0)] {
        check(&[result(0)], &frame, Violation::NoSuchCall(0));
        let goodbye = Frame::Goodbye { calls: 0 };
        check(&[goodbye], &frame, Violation::NoSuchCall(0));
    }
}

#[test]
fn hostile_32_a_call_that_was_not_written_cannot_have_yielded() {
    let mut victim = End::new(handshake(limits(), limits()).1);
    call_with(&mut victim, 1, 1);
    victim.connection.send_item(0, 0, ITEM).unwrap();
    victim.write(16);
    for frame in [yielded(0), grant(0, 0, 1, SENT), stop(0, 0)] {
        assert_eq!(victim.hear(&frame), Err(Violation::NoSuchCall(0)));
    }
    victim.write(1);
    assert_eq!(
        victim.hear(&yielded(0)),
        Ok(Seen::Yield(1, ITEM.to_owned()))
    );
}

#[test]
fn hostile_45_a_stop_is_the_last_of_its_stream() {
    let again = Violation::NoSuchStream { id: 0, stream: 0 };
    check(&[stop(0, 0)], &stop(0, 0), again);
    check(
        &[stop(0, 0)],
        &grant(0, 0, 1, SENT),
        Violation::TooMuchCredit,
    );
    // A stop that crosses the end is no mistake.
    let mut victim = victim();
    victim.connection.end_stream(0, 0, false);
    assert_eq!(victim.hear(&stop(0, 0)), Ok(Seen::Stop(70, 0)));
    assert_eq!(
        victim.connection.send_item(0, 0, ITEM),
        Err(CannotSend::Over)
    );
}

#[test]
fn hostile_41_nothing_comes_of_a_call_after_its_cancel() {
    let cancel = Frame::Cancel { id: 0 };
    let over = Violation::NoSuchStream { id: 0, stream: 0 };
    for ended in [false, true] {
        for (frame, expected) in [
            (item(0, 0), over.clone()),
            (end(0, 0), over.clone()),
            (credit(0, 1, YIELDED), Violation::TooMuchCredit),
        ] {
            let mut victim = victim();
            victim.hear(&cancel).unwrap();
            if ended {
                victim.connection.error(0, b"\x80").unwrap();
                victim.write(ALL);
            }
            assert_eq!(victim.hear(&frame), Err(expected), "{frame:?}");
        }
    }
}

/// What had room when the call ended, and no frame more.
#[test]
fn hostile_45_stray_items_are_counted() {
    for written in [0, ALL] {
        let mut victim = victim();
        victim.hear(&item(0, 0)).unwrap();
        victim.hear(&end(0, 1)).unwrap();
        victim.connection.result(0, b"\xc0").unwrap();
        victim.write(written);
        assert_eq!(victim.hear(&item(0, 0)), Ok(Seen::Liveness));
        assert_eq!(victim.hear(&end(0, 0)), Ok(Seen::Liveness));
        assert_eq!(victim.hear(&item(0, 0)), no_stream(0, 0));
        assert_eq!(victim.hear(&end(0, 0)), no_stream(0, 0));
        // Others had no streams, whatever is left of this one.
        assert_eq!(victim.hear(&item(1, 0)), no_stream(1, 0));
    }
}

/// A grant that is queued when the call ends may be read, and used, before the final frame.
#[test]
fn what_was_granted_before_the_end_of_a_call_may_still_come() {
    let mut victim = victim();
    for _ in 0..2 {
        victim.hear(&item(0, 0)).unwrap();
        victim.connection.items_taken((0, 1), 0, 1, 1);
    }
    victim.connection.result(0, b"\xc0").unwrap();
    victim.write(2 * 22);
    for _ in 0..(2 + 1) + (2 + 1) {
        assert_eq!(victim.hear(&item(0, 0)), Ok(Seen::Liveness));
    }
    assert_eq!(victim.hear(&item(0, 0)), no_stream(0, 0));
}

/// Functions may go on after their calls have ended, and others have their ids.
#[test]
fn items_of_a_call_that_has_ended_are_nothing_to_the_next_with_its_id() {
    let mut victim = victim();
    victim.hear(&item(0, 0)).unwrap();
    victim.connection.result(0, b"\xc0").unwrap();
    victim.write(ALL);
    victim.hear(&call(0, 2)).unwrap();
    victim.connection.items_taken((0, 1), 0, 1, 1);
    victim.connection.stop_stream((0, 1), 0);
    let given = victim.connection.give_item(0, 1, ITEM);
    assert_eq!(given, Err(CannotSend::Over));
    assert!(!victim.connection.has_output());
    let came = victim.hear(&item(0, 0)).unwrap();
    assert!(matches!(came, Seen::Item { call: (0, 3), .. }), "{came:?}");
    victim.connection.items_taken((0, 3), 0, 1, 1);
    victim.connection.stop_stream((0, 3), 0);
    victim.connection.give_item(0, 3, ITEM).unwrap();
    assert_eq!(victim.connection.output_len(), 22 + 10 + 10);
}

#[test]
fn hostile_45_stray_credit_is_counted() {
    let mut victim = victim();
    victim.connection.result(0, b"\xc0").unwrap();
    victim.connection.result(1, b"\xc0").unwrap();
    victim.write(ALL);
    assert_eq!(victim.hear(&credit(0, 1, YIELDED)), Ok(Seen::Liveness));
    assert_eq!(victim.hear(&credit(0, 1, YIELDED)), Ok(Seen::Liveness));
    let more = victim.hear(&credit(0, 1, YIELDED));
    assert_eq!(more, Err(Violation::TooMuchCredit));
    let other = victim.hear(&credit(1, 1, YIELDED));
    assert_eq!(other, Err(Violation::TooMuchCredit));
}

/// Of a call that came after goodbye all may come that it brought along.
#[test]
fn hostile_45_stray_items_of_a_call_that_was_not_run_are_counted() {
    let mut victim = victim();
    victim.connection.goodbye();
    assert_eq!(victim.hear(&call(2, 2)), Ok(Seen::Refused));
    for _ in 0..2 * (2 + 1) {
        assert_eq!(victim.hear(&item(2, 0)), Ok(Seen::Liveness));
    }
    assert_eq!(victim.hear(&item(2, 0)), no_stream(2, 0));
}

/// An id that is used again owes nothing of what its last call did.
#[test]
fn hostile_45_strays_do_not_gather_over_calls() {
    let mut victim = victim();
    for turn in 0..1000 {
        victim.hear(&call(2, 1)).unwrap();
        victim.connection.give_item(2, 3 + turn, ITEM).unwrap();
        victim.connection.result(2, b"\xc0").unwrap();
        victim.write(ALL);
    }
    assert_eq!(victim.hear(&credit(2, 1, YIELDED)), Ok(Seen::Liveness));
    for _ in 0..2 + 1 {
        assert_eq!(victim.hear(&item(2, 0)), Ok(Seen::Liveness));
    }
    assert_eq!(victim.hear(&item(2, 0)), no_stream(2, 0));
    let more = victim.hear(&credit(2, 1, YIELDED));
    assert_eq!(more, Err(Violation::TooMuchCredit));
}

#[test]
fn hostile_40_streams_beyond_the_announced_bytes_are_refused() {
    // Three windows of a stream fit, but not with the frames.
    let mut victim = End::new(handshake(limits(), limits()).1);
    let exceeded = Err(Violation::RequestBytesExceeded {
        max_request_bytes: 256 << 10,
    });
    assert_eq!(victim.hear(&call(0, 4)), exceeded);
    assert_eq!(victim.hear(&call(0, 255)), exceeded);
    victim.hear(&call(0, 1)).unwrap();
    victim.hear(&call(1, 2)).unwrap();
    assert_eq!(victim.hear(&call(2, 1)), exceeded);
    victim.hear(&call(2, 0)).unwrap();
    // They are free again with the final frame.
    victim.connection.result(1, b"\xc0").unwrap();
    assert_eq!(victim.hear(&call(3, 1)), exceeded);
    victim.write(ALL);
    victim.hear(&call(3, 1)).unwrap();
}

/// Whatever credit it gives, and although it reads nothing.
#[test]
fn hostile_42_credit_for_what_was_not_read_queues_no_more_than_the_backlog() {
    let mut victim = victim();
    let large = vec![0xc0; (32 << 10) - 6];
    victim.hear(&credit(0, 2, 2 * YIELDED)).unwrap();
    let cost = large.len() as u64 + 5;
    let mut given = 0;
    let refused = loop {
        match victim.connection.give_item(0, 1, &large) {
            Ok(()) => given += 1,
            Err(refused) => break refused,
        }
        victim.hear(&credit(0, 1, cost)).unwrap();
        assert!(given < 100, "there is no end");
    };
    assert_eq!(refused, CannotSend::Backlog);
    assert_eq!(given, 8);
    assert!(victim.connection.has_backlog());
    victim.write(ALL);
    assert!(!victim.connection.has_backlog());
    victim.connection.give_item(0, 1, &large).unwrap();
}
