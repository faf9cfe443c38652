//! Calls and answers that break the rules, or stretch them.

use std::time::{Duration, Instant};

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::{Failure, FailureKind, Violation};
use kaa_rpc_runtime::{Channel, CloseReason, Error, InProgress, Limits};

use crate::common::raw::{self, Came, NOTHING, Peer};
use crate::common::{Was, multi_threaded, private_address, secret};
use crate::stage::Stage;

pub(crate) fn failure(came: &Came) -> Failure {
    match came.frame() {
        Frame::Error { failure, .. } => Failure::decode(failure, &Default::default()),
        other => panic!("{other:?}"),
    }
}

fn id(came: &Came) -> u32 {
    match came.frame() {
        Frame::Call { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_32_an_answer_to_no_call_ends_the_channel() {
    let mut stage = Stage::new(multi_threaded());
    for live in [false, true] {
        for answer in [
            Frame::Result {
                id: 1,
                value: b"\xc0",
            },
            Frame::Error {
                id: 1,
                failure: b"\x80",
            },
            Frame::Result {
                id: u32::MAX,
                value: b"\xc0",
            },
        ] {
            let mut guest = stage.guest();
            let call: Option<InProgress<u64>> = live.then(|| guest.channel.rpc("f", ()).start());
            if live {
                assert_eq!(id(&guest.peer.receive().unwrap()), 0);
            }
            guest.peer.send(&answer);
            if let Some(call) = call {
                let error = stage.runtime.block_on(call).unwrap_err();
                assert!(matches!(error, Error::ConnectionLost(_)), "{error:?}");
            }
            stage.assert_closed(guest, |violation| {
                matches!(violation, Violation::NoSuchCall(_))
            });
        }
    }
}

#[test]
fn hostile_32_a_second_answer_ends_the_channel() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let call: InProgress<u64> = guest.channel.rpc("f", ()).start();
    assert_eq!(id(&guest.peer.receive().unwrap()), 0);
    let both = [
        raw::bytes(&Frame::Result { id: 0, value: &[7] }),
        raw::bytes(&Frame::Result { id: 0, value: &[8] }),
    ];
    guest.peer.send_bytes(&both.concat());
    // The first one counts.
    assert_eq!(stage.runtime.block_on(call).unwrap(), 7);
    stage.assert_closed(guest, |violation| {
        matches!(violation, Violation::NoSuchCall(0))
    });
}

#[test]
fn hostile_32_more_given_back_than_was_sent_ends_the_channel() {
    let mut stage = Stage::new(multi_threaded());
    for frame in [
        Frame::Done { calls: 1, bytes: 1 },
        Frame::Done {
            calls: u32::MAX,
            bytes: u64::MAX,
        },
        Frame::Done { calls: 0, bytes: 5 },
        Frame::Pong { token: 1 },
        Frame::Goodbye { calls: 1 },
    ] {
        let mut guest = stage.guest();
        guest.peer.send(&frame);
        stage.assert_closed(guest, |violation| {
            matches!(
                violation,
                Violation::TooManyDone
                    | Violation::Malformed(_)
                    | Violation::UnexpectedPong
                    | Violation::AfterGoodbye(_)
            )
        });
    }
    let mut guest = stage.guest();
    let goodbye = raw::bytes(&Frame::Goodbye { calls: 0 });
    // Twice in one write, with a call running that keeps the channel from closing in order.
    let bytes = [raw::call(0, "wait", (1,)), goodbye.clone(), goodbye].concat();
    guest.peer.send_bytes(&bytes);
    let reason = stage.runtime.block_on(guest.channel.closed());
    assert!(
        matches!(&*reason, CloseReason::Violation(Violation::AfterGoodbye(_))),
        "{reason:?}"
    );
    stage.assert_honest_is_served();
}

#[test]
fn hostile_33_an_id_that_is_in_use_ends_the_channel() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    guest.peer.call(5, "wait", (1,));
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Started(1));
    guest.peer.call(5, "wait", (2,));
    stage.assert_closed(guest, |violation| {
        matches!(violation, Violation::IdInUse(5))
    });
    // The first one was stopped, the second never started.
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Dropped(1));
    assert_eq!(stage.told.so_far(), []);
}

#[test]
fn hostile_33_a_cancelled_call_holds_its_id() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    guest.peer.call(0, "wait", (1,));
    assert_eq!(stage.runtime.block_on(stage.told.next()), Was::Started(1));
    guest.peer.send(&Frame::Cancel { id: 0 });
    assert_eq!(
        failure(&guest.peer.receive().unwrap()).kind,
        FailureKind::Cancelled
    );
    guest.peer.call(0, "add", (1, 2));
    assert_eq!(
        guest.peer.receive().unwrap().frame(),
        Frame::Result { id: 0, value: &[3] }
    );
    stage.assert_honest_is_served();
}

#[test]
fn hostile_34_an_answer_that_cannot_be_read_fails_that_call_alone() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let deep = [vec![0x91; 100_000], vec![0xc0]].concat();
    let wide = [vec![0xdd, 0xff, 0xff, 0xff, 0xff], vec![0xc0; 100]].concat();
    for value in [
        &b""[..],
        b"\xc1",
        b"\xa4text",
        b"\xa4tex",
        b"\x07\x07",
        b"\xdb\xff\xff\xff\xff",
        b"\xc7\x01\x05\x00",
        &deep,
        &wide,
    ] {
        let call: InProgress<u64> = guest.channel.rpc("f", ()).start();
        let id = id(&guest.peer.receive().unwrap());
        guest.peer.send(&Frame::Result { id, value });
        let error = stage.runtime.block_on(call).unwrap_err();
        assert!(matches!(error, Error::BadResult(_)), "{error:?}");

        // And one that says nothing readable of a failure.
        let call: InProgress<u64> = guest.channel.rpc("f", ()).start();
        let id = crate::calls::id(&guest.peer.receive().unwrap());
        guest.peer.send(&Frame::Error { id, failure: value });
        let error = stage.runtime.block_on(call).unwrap_err();
        assert!(matches!(error, Error::Fault(_)), "{error:?}");
    }
    let call: InProgress<u64> = guest.channel.rpc("f", ()).start();
    let id = id(&guest.peer.receive().unwrap());
    guest.peer.result(id, 7);
    assert_eq!(stage.runtime.block_on(call).unwrap(), 7);
    stage.assert_honest_is_served();
}

#[test]
fn hostile_34_arguments_that_cannot_be_read_fail_that_call_alone() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let deep = [vec![0x91; 100_000], vec![0xc0, 0x80]].concat();
    for arguments in [
        &b""[..],
        b"\x90",
        b"\x92\x01\x02",
        b"\x92\x01\x02\x80\xc0",
        b"\x80\x90",
        b"\x92\x01\xc1\x80",
        b"\xdd\xff\xff\xff\xff",
        b"\x90\xdf\xff\xff\xff\xff",
        b"\x92\x01\xa2\xff\xff\x80",
        b"\x90\x82\xa1a\x01\xa1a\x02",
        b"\x90\x82\x01\x01\x02\x02",
        &deep,
    ] {
        guest.peer.send(&Frame::Call {
            id: 0,
            head: CallHead::new("add"),
            arguments,
        });
        let failure = failure(&guest.peer.receive().unwrap());
        assert_eq!(failure.kind, FailureKind::BadArguments, "{failure:?}");
        assert!(!failure.message.is_empty());
    }
    guest.peer.call(0, "add", (1, 2));
    assert_eq!(
        guest.peer.receive().unwrap().frame(),
        Frame::Result { id: 0, value: &[3] }
    );
    stage.assert_honest_is_served();
}

#[test]
fn hostile_35_unknown_functions_are_answered_and_forgotten() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    for round in 0..2000 {
        let name = format!("{round}{}", "x".repeat(round % 240));
        guest.peer.call(0, &name, ());
        let failure = failure(&guest.peer.receive().unwrap());
        assert_eq!(failure.kind, FailureKind::UnknownFunction);
    }
    // Whatever the name is made of.
    guest.peer.call(0, "\x1b[2J\n\0", ());
    assert_eq!(
        failure(&guest.peer.receive().unwrap()).kind,
        FailureKind::UnknownFunction
    );
    stage.assert_honest_is_served();
}

#[test]
fn hostile_37_what_a_failure_says_is_cut_and_escaped() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let text = format!("\x1b[31m{}", "ä".repeat(100_000));
    for kind in [
        "fault",
        "declared",
        "panic",
        "cancelled",
        "timed_out",
        "bad_arguments",
        "unknown_function",
        "too_deep",
        "too_large",
        "something new",
    ] {
        let call: InProgress<u64> = guest.channel.rpc("f", ()).start();
        let id = id(&guest.peer.receive().unwrap());
        let lines = vec![&text; 50];
        let body = kaa_rpc_runtime::Kwargs::new()
            .with("kind", kind)
            .with("message", &text)
            .with("name", &text)
            .with("parameter", &text)
            .with("expected", &text)
            .with("got", &text)
            .with("value", &text)
            .with("causes", [&text, &text])
            .with("trace", &lines);
        // Named arguments without the positional ones are a map.
        let body = raw::arguments(body);
        guest.peer.send(&Frame::Error {
            id,
            failure: &body[1..],
        });
        let error = stage.runtime.block_on(call).unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains('\x1b'), "{kind}");
        assert!(!format!("{error:?}").contains('\x1b'), "{kind}");
        // 32 lines of 4 KiB, and a message with its causes.
        assert!(shown.len() < 160_000, "{kind}: {}", shown.len());
    }
    stage.assert_honest_is_served();
}

#[test]
fn hostile_38_a_depth_beyond_the_limit_is_refused() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    for (depth, runs) in [(0, true), (32, true), (33, false), (u16::MAX, false)] {
        guest.peer.send(&Frame::Call {
            id: 0,
            head: CallHead {
                depth,
                ..CallHead::new("add")
            },
            arguments: &raw::arguments((1, 2)),
        });
        let came = guest.peer.receive().unwrap();
        if runs {
            assert_eq!(came.frame(), Frame::Result { id: 0, value: &[3] });
        } else {
            let failure = failure(&came);
            assert_eq!(failure.kind, FailureKind::TooDeep);
            assert!(failure.message.contains("max_depth"), "{failure:?}");
        }
    }
    // The deepest call that is taken calls back one deeper, which this end may refuse.
    guest.peer.send(&Frame::Call {
        id: 0,
        head: CallHead {
            depth: 31,
            ..CallHead::new("call_back")
        },
        arguments: NOTHING,
    });
    let came = guest.peer.receive().unwrap();
    assert!(matches!(came.frame(), Frame::Call { head, .. } if head.depth == 32));
    guest.peer.result(0, 5);
    assert_eq!(
        guest.peer.receive().unwrap().frame(),
        Frame::Result { id: 0, value: &[5] }
    );
    stage.assert_honest_is_served();
}

#[test]
fn hostile_39_any_remaining_time_is_taken() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let call = |remaining| {
        raw::bytes(&Frame::Call {
            id: 0,
            head: CallHead {
                remaining: Some(remaining),
                ..CallHead::new("wait")
            },
            arguments: &raw::arguments((remaining,)),
        })
    };
    guest.peer.send_bytes(&call(0));
    assert_eq!(
        failure(&guest.peer.receive().unwrap()).kind,
        FailureKind::TimedOut
    );
    assert_eq!(stage.told.so_far(), []);
    for remaining in [1, 1000, 50_000] {
        let began = Instant::now();
        guest.peer.send_bytes(&call(remaining));
        assert_eq!(
            failure(&guest.peer.receive().unwrap()).kind,
            FailureKind::TimedOut
        );
        assert!(began.elapsed() >= Duration::from_micros(remaining));
        stage.told.so_far();
    }
    for remaining in [u64::MAX, u64::MAX / 2, 1 << 53] {
        guest.peer.send_bytes(&call(remaining));
        let started = stage.runtime.block_on(stage.told.next());
        assert_eq!(started, Was::Started(remaining));
        stage.assert_honest_is_served();
        stage.probe.let_go(1);
        assert!(matches!(
            guest.peer.receive().unwrap().frame(),
            Frame::Result { id: 0, .. }
        ));
        stage.told.so_far();
    }
}

/// A peer that answers, and then says that it never took the call in.
#[test]
fn hostile_48_a_call_ends_once_also_if_the_peer_contradicts_itself() {
    let mut stage = Stage::new(multi_threaded());
    let mut guest = stage.guest();
    let calls: Vec<InProgress<u64>> = (0..3)
        .map(|n| guest.channel.rpc("f", (n,)).start())
        .collect();
    for _ in 0..3 {
        guest.peer.receive().unwrap();
    }
    let bytes = [
        raw::bytes(&Frame::Result { id: 1, value: &[7] }),
        raw::bytes(&Frame::Goodbye { calls: 1 }),
        raw::bytes(&Frame::Result { id: 2, value: &[8] }),
    ];
    guest.peer.send_bytes(&bytes.concat());
    let mut calls = calls.into_iter().map(|call| stage.runtime.block_on(call));
    // In flight when the channel ended; answered; not run, as it said itself.
    assert!(matches!(
        calls.next().unwrap(),
        Err(Error::ConnectionLost(_))
    ));
    assert_eq!(calls.next().unwrap().unwrap(), 7);
    assert!(matches!(calls.next().unwrap(), Err(Error::NotConnected(_))));
    drop(calls);
    let reason = stage.runtime.block_on(guest.channel.closed());
    assert!(
        matches!(&*reason, CloseReason::Violation(Violation::NoSuchCall(2))),
        "{reason:?}"
    );
    stage.assert_honest_is_served();
}

/// A hostile server does to its client no more than a hostile client does to its server.
#[test]
fn hostile_48_a_client_survives_a_hostile_server() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let listener = raw::listen(&folder.path().join("s"));
    let good = raw::bytes(&Frame::Result { id: 0, value: &[7] });
    for bytes in [
        vec![0, 0, 0, 0],
        vec![0xff; 4],
        vec![0, 0, 0, 1, 99],
        raw::bytes(&Frame::Result { id: 3, value: &[1] }),
        raw::bytes(&Frame::Call {
            id: u32::MAX,
            head: CallHead::new("f"),
            arguments: NOTHING,
        }),
        good.clone(),
    ] {
        let last = bytes == good;
        let listener = listener.try_clone().unwrap();
        let accepting = std::thread::spawn(move || Peer::accept(&listener, Limits::default()));
        let client = runtime
            .block_on(Channel::connect(&address, &secret()))
            .unwrap();
        let mut peer = accepting.join().unwrap();
        let call: InProgress<u64> = client.rpc("f", ()).start();
        peer.receive().unwrap();
        peer.send_bytes(&bytes);
        let ended = runtime.block_on(call);
        if last {
            assert_eq!(ended.unwrap(), 7);
        } else {
            assert!(matches!(ended, Err(Error::ConnectionLost(_))));
            let reason = runtime.block_on(client.closed());
            assert!(matches!(*reason, CloseReason::Violation(_)), "{reason:?}");
        }
    }
}

#[test]
fn hostile_36_a_peer_that_makes_a_handler_panic_harms_itself_alone() {
    let mut stage = Stage::with(multi_threaded(), Limits::default(), |server| {
        let now = async |_: u64| -> kaa_rpc_runtime::Outcome<u64> { panic!("at once") };
        let later = async |_: u64| -> kaa_rpc_runtime::Outcome<u64> {
            tokio::task::yield_now().await;
            panic!("as a task")
        };
        server
            .register_fn("panic", kaa_rpc_runtime::params(["n"], now))
            .register_fn("panic_later", kaa_rpc_runtime::params(["n"], later))
    });
    let mut guest = stage.guest();
    for round in 0..50 {
        guest
            .peer
            .call(0, ["panic", "panic_later"][round % 2], (1,));
        let failure = failure(&guest.peer.receive().unwrap());
        assert_eq!(failure.kind, FailureKind::Panic, "{failure:?}");
    }
    guest.peer.call(0, "add", (1, 2));
    let sum = guest.peer.receive().unwrap();
    assert_eq!(sum.frame(), Frame::Result { id: 0, value: &[3] });
    stage.assert_honest_is_served();
}
