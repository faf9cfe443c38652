//! Items, ends and credit from peers that keep to no window.

use kaa_rpc_proto::Violation;
use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_runtime::{Context, Items, Limits, params};

use crate::common::multi_threaded;
use crate::common::raw;
use crate::stage::Stage;

/// What the peer sends, and what that is.
type Case<'a> = (&'a [Frame<'a>], fn(&Violation) -> bool);

const ITEM: &[u8] = b"\x2a";

/// How many items each end holds of a stream.
const WINDOW: u32 = 3;

fn limits() -> Limits {
    Limits {
        max_stream_items: WINDOW,
        ..Limits::default()
    }
}

/// `hold(numbers)` takes nothing, `flood()` yields without end.
fn stage() -> Stage {
    Stage::with(multi_threaded(), limits(), |server| {
        let hold = async |numbers: Items<u64>| {
            std::future::pending::<()>().await;
            drop(numbers);
            Ok(())
        };
        let flood = async |cx: Context| {
            let items = cx.yielder();
            loop {
                if items.give(&7_u64).await.is_err() {
                    return Ok(());
                }
            }
        };
        server
            .register_fn("hold", params(["numbers"], hold))
            .register_fn("flood", params([], flood))
    })
}

/// Call 0: a stream that is held.
fn hold() -> Vec<u8> {
    raw::bytes(&Frame::Call {
        id: 0,
        head: CallHead {
            streams: 1,
            ..CallHead::new("hold")
        },
        arguments: b"\x91\x00\x80",
    })
}

fn item(stream: u8) -> Frame<'static> {
    Frame::Item {
        id: 0,
        stream,
        value: ITEM,
    }
}

fn credit(items: u32, bytes: u64) -> Frame<'static> {
    Frame::Credit {
        id: 1,
        items,
        bytes,
    }
}

#[test]
fn hostile_45_what_no_window_allows_ends_the_channel() {
    let mut stage = stage();
    let end = Frame::End {
        id: 0,
        stream: 0,
        broken: false,
    };
    let cancel = Frame::Cancel { id: 0 };
    let yielded = u64::from(WINDOW) * 6;
    let cases: [Case<'_>; 9] = [
        (&[item(0), item(0), item(0), item(0)], |violation| {
            matches!(violation, Violation::CreditExceeded { .. })
        }),
        (&[item(1)], is_no_stream),
        (&[item(0), end, item(0)], is_no_stream),
        (&[end, end], is_no_stream),
        (&[cancel, item(0)], is_no_stream),
        (&[credit(0, 0)], is_too_much),
        (&[credit(WINDOW + 1, yielded + 6)], is_too_much),
        (&[credit(u32::MAX, u64::MAX)], is_too_much),
        (&[credit(1, yielded)], is_too_much),
    ];
    for (frames, why) in cases {
        let mut guest = stage.guest_with(limits());
        guest.peer.send_bytes(&hold());
        guest.peer.call(1, "flood", ());
        for _ in 0..WINDOW {
            let came = guest.peer.receive().unwrap();
            assert_eq!(came.frame(), Frame::Yield { id: 1, value: &[7] });
        }
        let bytes: Vec<u8> = frames.iter().flat_map(raw::bytes).collect();
        guest.peer.send_bytes(&bytes);
        stage.assert_closed(guest, why);
    }
}

fn is_no_stream(violation: &Violation) -> bool {
    matches!(violation, Violation::NoSuchStream { .. })
}

fn is_too_much(violation: &Violation) -> bool {
    matches!(violation, Violation::TooMuchCredit)
}

#[test]
fn hostile_44_who_takes_nothing_gets_no_more_than_a_window_and_slows_nobody_else() {
    let mut stage = stage();
    let mut guest = stage.guest_with(limits());
    guest.peer.call(1, "flood", ());
    for _ in 0..WINDOW {
        assert!(guest.peer.receive().is_some());
    }
    assert!(guest.peer.hears_nothing());
    stage.assert_honest_is_served();
    // Also the rest of the same channel.
    guest.peer.call(2, "add", (1, 2));
    let sum = guest.peer.receive().unwrap();
    assert_eq!(sum.frame(), Frame::Result { id: 2, value: &[3] });
    guest.peer.send(&credit(2, 12));
    for _ in 0..2 {
        assert!(guest.peer.receive().is_some());
    }
    assert!(guest.peer.hears_nothing());
}

/// Credit alone does not fill the output: it must be read, too.
#[test]
fn hostile_42_a_peer_that_gives_credit_and_never_reads_is_served_up_to_the_backlog() {
    let mut stage = stage();
    let guest_limits = Limits {
        max_stream_items: 1 << 16,
        max_stream_bytes: 1 << 30,
        ..Limits::default()
    };
    let mut guest = stage.guest_with(guest_limits);
    for id in 1..100 {
        guest.peer.call(id, "flood", ());
    }
    stage.assert_honest_is_served();
    // All of them stop when they are cancelled, and what was queued is still sound.
    for id in 1..100 {
        guest.peer.send(&Frame::Cancel { id });
    }
    let (mut ended, mut items) = (0, 0_u64);
    while ended < 99 {
        match guest.peer.receive().unwrap().frame() {
            Frame::Yield { .. } => items += 1,
            // Stopped where it waits, or told by its next item that nobody wants more.
            Frame::Error { .. } | Frame::Result { .. } => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    // What fits into the socket, and a backlog, in frames of ten bytes; not 99 windows.
    assert!((1000..200_000).contains(&items), "{items} items");
    stage.assert_honest_is_served();
}
