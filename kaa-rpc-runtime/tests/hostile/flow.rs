//! Windows, floods, peers that do not read, and sudden ends.

use std::time::{Duration, Instant};

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::{Failure, FailureKind, Violation};
use kaa_rpc_runtime::{Channel, CloseReason, Error, InProgress, Limits};

use crate::common::raw::{self, NOTHING};
use crate::common::{Was, multi_threaded, secret, single_threaded};
use crate::stage::{Guest, Stage};

fn narrow() -> Limits {
    Limits {
        max_frame: 64 << 10,
        max_calls: 4,
        max_request_bytes: 64 << 10,
        ..Limits::default()
    }
}

#[test]
fn hostile_40_more_calls_than_the_window_end_the_channel() {
    let mut stage = Stage::with_limits(multi_threaded(), narrow());
    // An id that the window does not have.
    for id in [4, 5, u32::MAX] {
        let mut guest = stage.guest();
        guest.peer.call(id, "add", (1, 2));
        stage.assert_closed(
            guest,
            |violation| matches!(violation, Violation::IdOutOfRange { id: got, window: 4 } if *got == id),
        );
    }
    // One oneway call too many.
    let mut guest = stage.guest();
    for id in 0..4 {
        guest.peer.call(id, "wait", (id,));
        assert_eq!(
            stage.runtime.block_on(stage.told.next()),
            Was::Started(id.into())
        );
    }
    guest.peer.send(&Frame::Oneway {
        head: CallHead::new("add"),
        arguments: NOTHING,
    });
    stage.assert_closed(guest, |violation| {
        matches!(violation, Violation::WindowExceeded { window: 4 })
    });
    let mut dropped: Vec<Was> = (0..4)
        .map(|_| stage.runtime.block_on(stage.told.next()))
        .collect();
    dropped.sort_unstable();
    assert!(dropped.into_iter().eq((0..4).map(Was::Dropped)));
}

#[test]
fn hostile_40_more_bytes_than_the_window_end_the_channel() {
    let mut stage = Stage::with_limits(multi_threaded(), narrow());
    let mut guest = stage.guest();
    guest.peer.call(0, "wait", (0,));
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Started(0));
    guest
        .peer
        .call(1, "length", ("x".repeat(65_000), "x".repeat(505)));
    stage.assert_closed(guest, |violation| {
        matches!(violation, Violation::RequestBytesExceeded { .. })
    });
}

/// Cancelling frees nothing: the place is held until the handler is gone and that was told.
#[test]
fn hostile_41_calling_and_cancelling_starts_no_more_than_the_window() {
    for runtime in [single_threaded(), multi_threaded()] {
        let mut stage = Stage::with_limits(runtime, narrow());
        let mut guest = stage.guest();
        let mut flood = Vec::new();
        for id in 0..4 {
            flood.extend(raw::call(id, "wait", (id,)));
            flood.extend(raw::bytes(&Frame::Cancel { id }));
        }
        flood.extend(raw::call(0, "wait", (9,)));
        guest.peer.send_bytes(&flood);
        let reason = stage.runtime.block_on(guest.channel.closed());
        let violated = matches!(&*reason, CloseReason::Violation(Violation::IdInUse(0)));
        assert!(violated, "{reason:?}");
        let told = stage.told.so_far();
        assert!(!told.contains(&Was::Started(9)), "{told:?}");
        stage.assert_honest_is_served();
    }
}

/// Waits for each final frame, as it must, and so can go on as long as it likes.
#[test]
fn hostile_41_rapid_cancels_leave_nothing_behind() {
    let mut stage = Stage::with_limits(multi_threaded(), narrow());
    let mut guest = stage.guest();
    for round in 0..2000 {
        let id = round % 4;
        let both = [
            raw::call(id, "wait", (round,)),
            raw::bytes(&Frame::Cancel { id }),
        ];
        guest.peer.send_bytes(&both.concat());
        let came = guest.peer.receive().unwrap();
        let Frame::Error { failure, .. } = came.frame() else {
            panic!("{came:?}")
        };
        let failure = Failure::decode(failure, &Default::default());
        assert_eq!(failure.kind, FailureKind::Cancelled);
    }
    let told = stage.told.so_far();
    let started = told
        .iter()
        .filter(|was| matches!(was, Was::Started(_)))
        .count();
    let dropped = told
        .iter()
        .filter(|was| matches!(was, Was::Dropped(_)))
        .count();
    assert_eq!((started, dropped), (2000, 2000));
    stage.assert_honest_is_served();
}

/// As many pairs of call and cancel at a time as there are places, as fast as the answers come.
#[test]
fn hostile_41_no_more_handlers_run_than_the_window_however_fast_calls_are_cancelled() {
    for runtime in [single_threaded(), multi_threaded()] {
        let mut stage = Stage::with_limits(runtime, narrow());
        let Guest { mut peer, channel } = stage.guest();
        let flooding = stage.runtime.handle().spawn_blocking(move || {
            for round in 0..1000 {
                let mut flood = Vec::new();
                for id in 0..4 {
                    flood.extend(raw::call(id, "wait", (round * 4 + id,)));
                    flood.extend(raw::bytes(&Frame::Cancel { id }));
                }
                peer.send_bytes(&flood);
                for _ in 0..4 {
                    assert!(peer.receive().is_some());
                }
            }
            peer
        });
        stage.assert_honest_is_served();
        let peer = stage.runtime.block_on(flooding).unwrap();
        let (mut running, mut most) = (0, 0);
        for was in stage.told.so_far() {
            match was {
                Was::Started(_) => running += 1,
                Was::Dropped(_) | Was::Ended(_) => running -= 1,
            }
            most = most.max(running);
        }
        assert_eq!(running, 0);
        assert!((1..=4).contains(&most), "{most} handlers at once");
        assert!(!channel.is_closed());
        drop(peer);
    }
}

/// The server's calls to a peer that reads nothing fill its socket; reading goes on all the same.
#[test]
fn hostile_42_a_peer_that_does_not_read_slows_nobody_else() {
    for runtime in [single_threaded(), multi_threaded()] {
        let mut stage = Stage::new(runtime);
        let mut guest = stage.guest();
        let big = "x".repeat(1 << 20);
        let mut calls: Vec<InProgress<u64>> = (0..4)
            .map(|n| guest.channel.rpc("back", (n, &big)).start())
            .collect();
        guest.peer.call(0, "make", (1 << 20,));
        for _ in 0..5 {
            stage.assert_honest_is_served();
        }
        // What it sends is still read.
        guest.peer.call(1, "wait", (1,));
        assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Started(1));
        // When it reads at last, all is there.
        let reading = stage.runtime.handle().spawn_blocking(move || {
            let mut peer = guest.peer;
            let (mut calls, mut results) = (0, 0);
            while calls < 4 || results < 1 {
                let came = peer.receive().unwrap();
                match came.frame() {
                    Frame::Call { id, .. } => {
                        calls += 1;
                        peer.result(id, id);
                    }
                    Frame::Result { id: 0, value } => {
                        results += 1;
                        assert!(value.len() > 1 << 20);
                    }
                    other => panic!("{other:?}"),
                }
            }
            peer
        });
        let peer = stage.runtime.block_on(reading).unwrap();
        let last = calls.split_off(3);
        for call in calls {
            stage.runtime.block_on(call).unwrap();
        }
        drop((peer, last));
    }
}

/// A peer that sends call after call for large results and reads none of them.
#[test]
fn hostile_42_results_that_are_not_read_are_bounded_by_the_window() {
    let mut stage = Stage::with_limits(multi_threaded(), narrow());
    let mut guest = stage.guest();
    // The id of an answered call is free only when the answer was sent: a peer that uses it before
    // cannot have read that.
    let mut sent = 0;
    while sent < 1000
        && guest
            .peer
            .try_send_bytes(&raw::call(sent % 4, "make", (1 << 20,)))
    {
        sent += 1;
    }
    let reason = stage.runtime.block_on(guest.channel.closed());
    assert!(matches!(*reason, CloseReason::Violation(_)), "{reason:?}");
    stage.assert_honest_is_served();
}

/// The peer reads nothing until the call, of which a part is in the socket, was given up.
#[test]
fn hostile_49_a_call_that_is_dropped_half_written_goes_out_whole() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let big = "x".repeat(4 << 20);
    for round in 0..5_u32 {
        let call: InProgress<u64> = guest.channel.rpc("back", (&big,)).start();
        stage.assert_honest_is_served();
        drop(call);
        stage.assert_honest_is_served();
        let came = guest.peer.receive().unwrap();
        let Frame::Call { id, arguments, .. } = came.frame() else {
            panic!("{came:?}")
        };
        assert!(arguments.len() > big.len(), "round {round}");
        let cancel = guest.peer.receive().unwrap();
        assert_eq!(cancel.frame(), Frame::Cancel { id });
        guest.peer.result(id, round);
        // The stream is whole: the next call has its answer.
        let next: InProgress<u64> = guest.channel.rpc("back", (round,)).start();
        let came = guest.peer.receive().unwrap();
        let Frame::Call { id, .. } = came.frame() else {
            panic!("{came:?}")
        };
        guest.peer.result(id, round);
        assert_eq!(stage.runtime.block_on(next).unwrap(), u64::from(round));
    }
}

/// A peer that never ends its part of a close: the time is over, its handler stopped, and others go on.
#[test]
fn hostile_50_a_close_that_is_held_up_ends_at_its_time_and_holds_up_nobody() {
    let limit = Duration::from_millis(500);
    let mut stage = Stage::with(multi_threaded(), Limits::default(), |server| {
        server.close_timeout(limit)
    });
    let mut guest = stage.guest();
    guest.peer.call(0, "wait", (1,));
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Started(1));
    let began = Instant::now();
    let closing = stage.runtime.spawn({
        let channel = guest.channel.clone();
        async move { channel.close().await }
    });
    let goodbye = guest.peer.receive().unwrap();
    assert!(
        matches!(goodbye.frame(), Frame::Goodbye { .. }),
        "{goodbye:?}"
    );
    stage.assert_honest_is_served();
    let reason = stage.runtime.block_on(closing).unwrap();
    assert!(matches!(*reason, CloseReason::CloseTimedOut), "{reason:?}");
    assert!(began.elapsed() >= limit);
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Dropped(1));
    guest.peer.until_closed();
    stage.assert_honest_is_served();
}

/// The end of a client's runtime, with calls on their way, is the end of its connection and of its calls.
#[test]
fn hostile_53_a_client_whose_runtime_is_dropped_leaves_nothing_at_the_server() {
    let mut stage = Stage::new(multi_threaded());
    for runtime in [single_threaded(), multi_threaded()] {
        let address = stage.server.address().to_string();
        let client = runtime
            .block_on(Channel::connect(&address, &secret()))
            .unwrap();
        let calls: Vec<InProgress<u64>> =
            (0..3).map(|n| client.rpc("wait", (n,)).start()).collect();
        runtime.block_on(async {
            for n in 0..3 {
                assert_eq!(stage.told.next().await, Was::Started(n));
            }
        });
        drop(runtime);
        let mut dropped: Vec<Was> = (0..3)
            .map(|_| stage.runtime.block_on(stage.told.next()))
            .collect();
        dropped.sort_unstable();
        assert!(dropped.into_iter().eq((0..3).map(Was::Dropped)));
        assert!(client.is_closed());
        for call in calls {
            assert!(stage.runtime.block_on(call).is_err());
        }
        stage.assert_honest_is_served();
    }
}

#[test]
fn hostile_51_an_end_that_only_stops_sending_has_ended() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let call: InProgress<u64> = guest.channel.rpc("back", ()).start();
    guest.peer.receive().unwrap();
    guest.peer.call(0, "wait", (1,));
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Started(1));
    guest.peer.half_close();
    let reason = stage.runtime.block_on(guest.channel.closed());
    assert!(matches!(*reason, CloseReason::Ended), "{reason:?}");
    let error = stage.runtime.block_on(call).unwrap_err();
    assert!(matches!(error, Error::ConnectionLost(_)), "{error:?}");
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Dropped(1));
    stage.assert_honest_is_served();
}

#[test]
fn hostile_51_an_end_with_unread_bytes_has_ended() {
    let mut stage = Stage::new(multi_threaded());
    for round in 0..50 {
        let mut guest = stage.guest();
        // It sends a result and closes with our calls unread, which resets the connection.
        let answered: InProgress<u64> = guest.channel.rpc("back", ()).start();
        guest.peer.receive().unwrap();
        let unread: Vec<InProgress<u64>> = (0..5)
            .map(|n| guest.channel.rpc("back", (n,)).start())
            .collect();
        guest.peer.result(0, round);
        drop(guest.peer);
        // What it said before is heard.
        assert_eq!(stage.runtime.block_on(answered).unwrap(), round);
        for call in unread {
            assert!(stage.runtime.block_on(call).is_err());
        }
        let reason = stage.runtime.block_on(guest.channel.closed());
        assert!(matches!(*reason, CloseReason::Ended), "{reason:?}");
    }
    stage.assert_honest_is_served();
}
