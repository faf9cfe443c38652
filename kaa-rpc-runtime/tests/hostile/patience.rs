//! Peers that are slow, silent or useless, and what is put up with.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use kaa_rpc_proto::frame::Frame;
use kaa_rpc_runtime::{CloseReason, Limits};

use crate::common::raw;
use crate::common::{multi_threaded, single_threaded};
use crate::stage::{Guest, Stage};

/// Runs `peer` beside the server, which may have one thread only.
fn beside<T: Send + 'static>(
    stage: &Stage,
    peer: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    stage.runtime.handle().spawn_blocking(peer)
}

#[test]
fn hostile_16_a_frame_that_trickles_is_closed_on() {
    for runtime in [single_threaded(), multi_threaded()] {
        let mut stage = Stage::with(runtime, Limits::default(), |server| {
            server.frame_timeout(Duration::from_millis(300))
        });
        let Guest { mut peer, channel } = stage.guest();
        let began = Instant::now();
        let trickling = beside(&stage, move || {
            peer.send_bytes(&u32::to_be_bytes(1 << 20));
            while peer.try_send_bytes(b"\x01") {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        stage.assert_honest_is_served();
        let reason = stage.runtime.block_on(channel.closed());
        assert!(
            matches!(*reason, CloseReason::FrameTimedOut(_)),
            "{reason:?}"
        );
        assert!(reason.to_string().contains("frame_timeout"), "{reason}");
        assert!(began.elapsed() >= Duration::from_millis(300));
        stage.runtime.block_on(trickling).unwrap();
        stage.assert_honest_is_served();
    }
}

/// It takes three times as long as the time that each frame has, and arrives.
#[test]
fn a_large_frame_on_a_slow_line_arrives() {
    let mut stage = Stage::with(multi_threaded(), Limits::default(), |server| {
        server.frame_timeout(Duration::from_millis(500))
    });
    let Guest { mut peer, channel } = stage.guest();
    let sending = beside(&stage, move || {
        let call = raw::call(0, "length", (serde_bytes(600 << 10),));
        for chunk in call.chunks(64 << 10) {
            peer.send_bytes(chunk);
            std::thread::sleep(Duration::from_millis(150));
        }
        let came = peer.receive().unwrap();
        assert!(
            matches!(came.frame(), Frame::Result { id: 0, .. }),
            "{came:?}"
        );
    });
    stage.runtime.block_on(sending).unwrap();
    drop(channel);
}

fn serde_bytes(length: usize) -> kaa_rpc_runtime::Bytes {
    vec![7; length].into()
}

#[test]
fn hostile_42_a_peer_that_never_reads_is_closed_on_at_the_write_timeout() {
    for runtime in [single_threaded(), multi_threaded()] {
        let mut stage = Stage::with(runtime, Limits::default(), |server| {
            server.write_timeout(Duration::from_millis(300))
        });
        let Guest { mut peer, channel } = stage.guest();
        for id in 0..4 {
            peer.call(id, "make", (1 << 20,));
        }
        stage.assert_honest_is_served();
        // What it sends is read all the while, and does not help it.
        let calling = beside(&stage, move || {
            let mut id = 4;
            while peer.try_send_bytes(&raw::call(id, "add", (1, 2))) && id < 1000 {
                id += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            peer
        });
        let reason = stage.runtime.block_on(channel.closed());
        assert!(
            matches!(*reason, CloseReason::WriteTimedOut(_)),
            "{reason:?}"
        );
        assert!(reason.to_string().contains("write_timeout"), "{reason}");
        stage.runtime.block_on(calling).unwrap();
        stage.assert_honest_is_served();
    }
}

/// It takes several times as long as a stuck write may, but goes on and on.
#[test]
fn a_peer_that_reads_slowly_is_waited_for() {
    let mut stage = Stage::with(multi_threaded(), Limits::default(), |server| {
        server.write_timeout(Duration::from_millis(700))
    });
    let Guest { mut peer, channel } = stage.guest();
    for id in 0..4 {
        peer.call(id, "make", (1 << 20,));
    }
    let reading = beside(&stage, move || {
        let mut chunk = vec![0; 128 << 10];
        let mut left: usize = 4 << 20;
        while left > 0 {
            let count = peer.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "it was closed on");
            left = left.saturating_sub(count);
            std::thread::sleep(Duration::from_millis(50));
        }
        peer
    });
    let peer = stage.runtime.block_on(reading).unwrap();
    assert!(!channel.is_closed());
    drop(peer);
}

#[test]
fn a_silent_peer_is_asked_and_closed_on_if_nothing_comes() {
    let mut stage = Stage::with(multi_threaded(), Limits::default(), |server| {
        server.keepalive(Duration::from_millis(50), Duration::from_secs(1))
    });
    let Guest { mut peer, channel } = stage.guest();
    let answering = beside(&stage, move || {
        for expected in 1..=5 {
            let came = peer.receive().unwrap();
            let Frame::Ping { token } = came.frame() else {
                panic!("{came:?}")
            };
            assert_eq!(token, expected);
            if expected == 3 {
                // Anything is a sign of life, if it is not the pong.
                peer.call(0, "add", (1, 2));
                let result = peer.receive().unwrap();
                assert!(matches!(result.frame(), Frame::Result { .. }));
            } else {
                peer.send(&Frame::Pong { token });
            }
        }
        assert!(matches!(
            peer.receive().unwrap().frame(),
            Frame::Ping { token: 6 }
        ));
        // No answer, no more words.
        assert!(peer.is_closed_by_other_end());
    });
    let reason = stage.runtime.block_on(channel.closed());
    let CloseReason::Unresponsive(silence) = &*reason else {
        panic!("{reason:?}")
    };
    assert!(*silence >= Duration::from_millis(1050), "{silence:?}");
    stage.runtime.block_on(answering).unwrap();
    // An honest client that is as silent answers.
    stage.assert_honest_is_served();
}

#[test]
fn hostile_35_a_peer_that_only_makes_bad_calls_is_closed_on() {
    for bad in ["unknown function", "bad arguments", "too deep", "oneway"] {
        let mut stage = Stage::with(multi_threaded(), Limits::default(), |server| {
            server.bad_calls(100, 1)
        });
        let Guest { mut peer, channel } = stage.guest();
        let mut made = 0;
        loop {
            let call = match bad {
                "unknown function" => raw::call(0, "nothing", ()),
                "bad arguments" => raw::call(0, "add", ("one", "two")),
                "too deep" => raw::bytes(&Frame::Call {
                    id: 0,
                    head: kaa_rpc_proto::frame::CallHead {
                        depth: 1000,
                        ..kaa_rpc_proto::frame::CallHead::new("add")
                    },
                    arguments: &raw::arguments((1, 2)),
                }),
                _ => raw::bytes(&Frame::Oneway {
                    head: kaa_rpc_proto::frame::CallHead::new("add"),
                    arguments: &raw::arguments(("one", "two")),
                }),
            };
            // Good calls neither help nor harm.
            if !peer.try_send_bytes(&raw::call(1, "add", (1, 2))) || !peer.try_send_bytes(&call) {
                break;
            }
            let (Some(_), Some(_)) = (peer.receive(), peer.receive()) else {
                break;
            };
            made += 1;
            assert!(made < 100_000, "{bad} have no budget");
        }
        assert!(made >= 100, "{bad}: {made}");
        let reason = stage.runtime.block_on(channel.closed());
        assert!(
            matches!(*reason, CloseReason::TooManyBadCalls),
            "{bad}: {reason:?}"
        );
        assert!(reason.to_string().contains("bad_calls"), "{reason}");
        stage.assert_honest_is_served();
    }
}

/// Whoever has a newer schema tells everyone of events that some do not know.
#[test]
fn oneway_calls_of_unknown_functions_have_no_budget() {
    let mut stage = Stage::with(multi_threaded(), Limits::default(), |server| {
        server.bad_calls(10, 1)
    });
    let Guest { mut peer, .. } = stage.guest();
    let event = raw::bytes(&Frame::Oneway {
        head: kaa_rpc_proto::frame::CallHead::new("nothing"),
        arguments: raw::NOTHING,
    });
    // Many times the budget, and it is still served.
    for _ in 0..200 {
        peer.send_bytes(&event);
    }
    peer.send_bytes(&raw::call(1, "add", (1, 2)));
    loop {
        match peer.receive().expect("the channel stays open").frame() {
            Frame::Done { .. } => {}
            Frame::Result { id: 1, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    stage.assert_honest_is_served();
}

#[test]
fn times_and_limits_that_make_no_sense_are_refused_by_name() {
    let none = Duration::ZERO;
    let second = Duration::from_secs(1);
    type Set =
        fn(kaa_rpc_runtime::ServerBuilder, Duration, Duration) -> kaa_rpc_runtime::ServerBuilder;
    let cases: [(&str, Set); 5] = [
        ("write_timeout", |side, none, _| side.write_timeout(none)),
        ("frame_timeout", |side, none, _| side.frame_timeout(none)),
        ("interval of keepalive", |side, none, second| {
            side.keepalive(none, second)
        }),
        ("limit of keepalive", |side, none, second| {
            side.keepalive(second, none)
        }),
        ("max_items", |side, _, _| {
            side.limits(Limits {
                max_items: 1,
                ..Limits::default()
            })
        }),
    ];
    let runtime = single_threaded();
    for (name, set) in cases {
        let (_folder, address) = crate::common::private_address();
        let server = kaa_rpc_runtime::Server::builder(crate::common::secret());
        let bound = runtime.block_on(set(server, none, second).bind(&address));
        let error = bound
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains(name), "{name}: {error}");
    }
}

/// Counts what is logged on this thread.
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::atomic::AtomicU32>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn hostile_35_oneway_calls_that_fail_do_not_fill_the_log() {
    let lines = Lines::default();
    // The server runs on this thread while it is waited for.
    let _logging = tracing::subscriber::set_default(lines.clone());
    let mut stage = Stage::with(single_threaded(), Limits::default(), |server| {
        server.bad_calls(u32::MAX, u32::MAX)
    });
    let began = Instant::now();
    // Also not by many channels.
    for _ in 0..5 {
        let Guest { mut peer, channel } = stage.guest();
        let flooding = beside(&stage, move || {
            let arguments = raw::arguments(("a", "b"));
            for name in ["nothing", "add", "call_back"] {
                let mut sent = 0;
                let mut back = 0;
                while back < 1000 {
                    while sent < 1000 && sent - back < 1000 {
                        let frame = raw::bytes(&Frame::Oneway {
                            head: kaa_rpc_proto::frame::CallHead::new(name),
                            arguments: if name == "call_back" {
                                raw::NOTHING
                            } else {
                                &arguments
                            },
                        });
                        peer.stream.write_all(&frame).unwrap();
                        sent += 1;
                    }
                    match peer.receive().unwrap().frame() {
                        Frame::Done { calls, .. } => back += calls,
                        // `call_back` calls this peer, which knows no such function.
                        Frame::Call { id, .. } => peer.send(&Frame::Error {
                            id,
                            failure: b"\x81\xa4kind\xa5fault",
                        }),
                        other => panic!("{other:?}"),
                    }
                }
            }
            peer
        });
        stage.runtime.block_on(flooding).unwrap();
        drop(channel);
    }
    let logged = lines.0.load(std::sync::atomic::Ordering::Relaxed);
    let seconds = began.elapsed().as_secs();
    assert!(logged > 0, "what fails is logged");
    assert!(u64::from(logged) <= 2 * (seconds + 2), "{logged} lines");
    stage.assert_honest_is_served();
}
