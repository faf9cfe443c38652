//! Every call ends exactly once; never sent and may have run are told apart.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kaa_rpc_proto::frame::Frame;
use kaa_rpc_proto::{Failure, FailureKind};
use kaa_rpc_runtime::{Channel, CloseReason, Error, InProgress, Limits, params};

use crate::common::raw::{self, Peer};
use crate::common::{
    Exposing, Was, connect, everywhere, multi_threaded, plain, private_address, probe, secret,
    single_threaded,
};

/// A client of the runtime whose server is played by the test.
struct Stage {
    runtime: tokio::runtime::Runtime,
    client: Channel,
    peer: Peer,
    _folder: tempfile::TempDir,
}

fn stage(limits: Limits, runtime: tokio::runtime::Runtime) -> Stage {
    let (folder, address) = private_address();
    let listener = raw::listen(address.strip_prefix("unix:").unwrap().as_ref());
    let accepting = std::thread::spawn(move || Peer::accept(&listener, limits));
    let client = runtime
        .block_on(Channel::connect(&address, &secret()))
        .unwrap();
    Stage {
        runtime,
        client,
        peer: accepting.join().unwrap(),
        _folder: folder,
    }
}

fn cancelled() -> Vec<u8> {
    let mut bytes = Vec::new();
    Failure::new(FailureKind::Cancelled, "cancelled").encode(&mut bytes);
    bytes
}

fn id_and_name(came: &raw::Came) -> (u32, &str) {
    match came.frame() {
        Frame::Call { id, head, .. } => (id, head.name),
        other => panic!("not a call: {other:?}"),
    }
}

#[test]
fn a_call_ends_when_the_peer_closes_after_any_number_of_its_bytes() {
    let whole = raw::call(0, "f", ("argument",)).len();
    for read in 0..=whole {
        let Stage {
            runtime,
            client,
            mut peer,
            ..
        } = stage(Limits::default(), multi_threaded());
        let call: InProgress<u64> = client.rpc("f", ("argument",)).start();
        let mut bytes = vec![0; read];
        std::io::Read::read_exact(&mut peer.stream, &mut bytes).unwrap();
        drop(peer);
        let error = runtime.block_on(call).unwrap_err();
        match &error {
            Error::ConnectionLost(reason) => {
                assert!(matches!(**reason, CloseReason::Ended), "{error:?}");
                assert!(!error.never_ran());
            }
            // The end may be noticed before anything is written; then that is told.
            Error::NotConnected(_) if read == 0 => assert!(error.never_ran()),
            _ => panic!("after {read} bytes: {error:?}"),
        }
        let reason = runtime.block_on(client.closed());
        assert!(!reason.is_orderly());
        let error = runtime
            .block_on(client.rpc::<u64, _>("f", ()).start())
            .unwrap_err();
        assert!(matches!(error, Error::NotConnected(_)), "{error:?}");
        assert!(error.never_ran());
    }
}

/// The socket takes a part of the first call and nothing of the second.
#[test]
fn a_call_of_which_no_byte_was_sent_never_ran() {
    for runtime in [single_threaded(), multi_threaded()] {
        let Stage {
            runtime,
            client,
            peer,
            ..
        } = stage(Limits::default(), runtime);
        let (first, second) = runtime.block_on(async {
            let big = "x".repeat(4 << 20);
            let first: InProgress<u64> = client.rpc("f", (big,)).start();
            let second: InProgress<u64> = client.rpc("g", (2,)).start();
            // The driver writes what the socket takes before it looks at anything else.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            (first, second)
        });
        drop(peer);
        let (first, second) = runtime.block_on(async { (first.await, second.await) });
        let (first, second) = (first.unwrap_err(), second.unwrap_err());
        assert!(matches!(first, Error::ConnectionLost(_)), "{first:?}");
        assert!(matches!(second, Error::NotConnected(_)), "{second:?}");
    }
}

#[test]
fn calls_beyond_the_window_never_ran_and_those_within_may_have() {
    let limits = Limits {
        max_calls: 3,
        ..Limits::default()
    };
    let Stage {
        runtime,
        client,
        mut peer,
        ..
    } = stage(limits, multi_threaded());
    let calls: Vec<InProgress<u64>> = (0..10).map(|n| client.rpc("f", (n,)).start()).collect();
    for _ in 0..3 {
        peer.receive().unwrap();
    }
    assert!(peer.hears_nothing());
    drop(peer);
    let ended: Vec<Error> = runtime.block_on(async {
        let mut ended = Vec::new();
        for call in calls {
            ended.push(call.await.unwrap_err());
        }
        ended
    });
    for (number, error) in ended.iter().enumerate() {
        assert_eq!(error.never_ran(), number >= 3, "{number}: {error:?}");
    }
}

#[test]
fn a_result_that_came_before_the_end_is_not_lost() {
    let Stage {
        runtime,
        client,
        mut peer,
        ..
    } = stage(Limits::default(), multi_threaded());
    let _unanswered: InProgress<u64> = client.rpc("g", ()).start();
    let call: InProgress<u64> = client.rpc("f", ()).start();
    let id = loop {
        let came = peer.receive().unwrap();
        if let Frame::Call { id, head, .. } = came.frame()
            && head.name == "f"
        {
            break id;
        }
    };
    peer.result(id, 7);
    drop(peer);
    assert_eq!(runtime.block_on(call).unwrap(), 7);
}

/// Only the final frame frees the place of a cancelled or overdue call.
#[test]
fn a_cancelled_call_holds_its_place_until_its_final_frame() {
    let limits = Limits {
        max_calls: 1,
        ..Limits::default()
    };
    let Stage {
        runtime,
        client,
        mut peer,
        ..
    } = stage(limits, multi_threaded());
    for how in ["dropped", "timed out"] {
        if how == "dropped" {
            let first: InProgress<u64> = client.rpc("first", ()).start();
            assert_eq!(id_and_name(&peer.receive().unwrap()), (0, "first"));
            drop(first);
        } else {
            let first: InProgress<u64> = client
                .rpc("first", ())
                .timeout(Duration::from_millis(20))
                .start();
            assert_eq!(id_and_name(&peer.receive().unwrap()), (0, "first"));
            let error = runtime.block_on(first).unwrap_err();
            assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        }
        assert_eq!(peer.receive().unwrap().frame(), Frame::Cancel { id: 0 });

        let second: InProgress<u64> = client.rpc("second", ()).start();
        assert!(peer.hears_nothing(), "{how}");
        peer.send(&Frame::Error {
            id: 0,
            failure: &cancelled(),
        });
        assert_eq!(id_and_name(&peer.receive().unwrap()), (0, "second"));
        peer.result(0, 2);
        assert_eq!(runtime.block_on(second).unwrap(), 2);
    }
}

#[test]
fn the_answer_to_a_cancelled_call_is_nobody_elses() {
    let Stage {
        runtime,
        client,
        mut peer,
        ..
    } = stage(Limits::default(), multi_threaded());
    let first: InProgress<u64> = client.rpc("first", ()).start();
    assert_eq!(id_and_name(&peer.receive().unwrap()), (0, "first"));
    drop(first);
    assert_eq!(peer.receive().unwrap().frame(), Frame::Cancel { id: 0 });
    let second: InProgress<u64> = client.rpc("second", ()).start();
    let came = peer.receive().unwrap();
    let (id, name) = id_and_name(&came);
    assert_eq!(name, "second");
    assert_ne!(id, 0);
    // The result crossed the cancel.
    peer.result(0, 1);
    peer.result(id, 2);
    assert_eq!(runtime.block_on(second).unwrap(), 2);
}

#[test]
fn oneway_calls_take_places_until_they_are_given_back() {
    let limits = Limits {
        max_calls: 2,
        ..Limits::default()
    };
    let Stage {
        runtime,
        client,
        mut peer,
        ..
    } = stage(limits, multi_threaded());
    runtime.block_on(async {
        client.rpc("log", (1,)).oneway().await.unwrap();
        client.rpc("log", (2,)).oneway().await.unwrap();
    });
    let third = client.rpc::<(), _>("log", (3,)).oneway().start();
    let length = (0..2).map(|_| peer.receive().unwrap().0.len() as u64).sum();
    assert!(peer.hears_nothing());
    peer.send(&Frame::Done {
        calls: 2,
        bytes: length,
    });
    runtime.block_on(third).unwrap();
    assert!(matches!(
        peer.receive().unwrap().frame(),
        Frame::Oneway { .. }
    ));
}

#[test]
fn oneway_calls_are_given_back_by_the_callee() {
    everywhere(async |over| {
        let ran = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ran);
        let log = params([], move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        });
        let ends = connect(over, |side| side.function("log", log).max_calls(4), plain).await;
        for _ in 0..1000 {
            ends.client.rpc("log", ()).oneway().await.unwrap();
        }
        // It comes after all of them.
        let error = ends.client.rpc::<(), _>("nothing", ()).await.unwrap_err();
        assert!(matches!(error, Error::UnknownFunction(_)), "{error}");
        assert_eq!(ran.load(Ordering::Relaxed), 1000);
    });
}

#[test]
fn all_of_many_calls_end_once_when_the_peer_is_killed() {
    for _ in 0..10 {
        let (probe, mut told) = probe();
        let server_runtime = multi_threaded();
        let client_runtime = multi_threaded();
        let (folder, address) = private_address();
        let server = server_runtime
            .block_on(
                kaa_rpc_runtime::Server::builder(secret())
                    .register_fn("wait", probe.handler())
                    .register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)))
                    .bind(&address),
            )
            .unwrap();
        let client = client_runtime
            .block_on(Channel::connect(&address, &secret()))
            .unwrap();
        let tasks: Vec<_> = (0..200u64)
            .map(|n| {
                let client = client.clone();
                client_runtime.spawn(async move {
                    // Half of them over and over again, half once.
                    if n % 2 == 0 {
                        return client.rpc::<u64, _>("wait", (n,)).await.unwrap_err();
                    }
                    loop {
                        match client.rpc::<u64, _>("add", (n, 1)).await {
                            Ok(sum) => assert_eq!(sum, n + 1),
                            Err(error) => return error,
                        }
                    }
                })
            })
            .collect();
        let mut started = BTreeSet::new();
        while started.len() < 100 {
            let Was::Started(n) = server_runtime.block_on(told.next()) else {
                panic!()
            };
            started.insert(n);
        }
        // As a crash does: nothing is said, the sockets close.
        server_runtime.shutdown_background();
        for task in tasks {
            let error = client_runtime.block_on(task).unwrap();
            assert!(
                // A runtime that is shut down drops its handlers, and may still say so.
                matches!(
                    error,
                    Error::ConnectionLost(_) | Error::NotConnected(_) | Error::Cancelled
                ),
                "{error:?}"
            );
        }
        drop((server, folder));
    }
}

/// What the callee sends: one final frame for each call, whatever became of it.
#[test]
fn each_call_gets_one_final_frame() {
    let runtime = multi_threaded();
    let (probe, mut told) = probe();
    let (folder, address) = private_address();
    let path = folder.path().join("s");
    let (stubborn, mut stubborn_told) = crate::common::probe();
    let object = Arc::new(stubborn.clone());
    let server = runtime
        .block_on(
            kaa_rpc_runtime::Server::builder(secret())
                .register_fn("wait", probe.handler())
                .register(Exposing(
                    move |functions: &mut kaa_rpc_runtime::codegen::Functions| {
                        functions
                            .add("stubborn", &object, |probe, _cx, arguments| {
                                let run = probe.run(arguments.required("number")?);
                                Ok(async move { kaa_rpc_runtime::Outcome::<u64>::Ok(run.await) })
                            })
                            .uncancelled();
                    },
                ))
                .bind(&address),
        )
        .unwrap();
    let mut peer = Peer::connect(&path, Limits::default());
    for round in 0..20 {
        peer.call(0, "wait", (round,));
        assert_eq!(runtime.block_on(told.next()), Was::Started(round));
        peer.send(&Frame::Cancel { id: 0 });
        let came = peer.receive().unwrap();
        let Frame::Error { id: 0, failure } = came.frame() else {
            panic!("{came:?}")
        };
        let failure = Failure::decode(failure, &Default::default());
        assert_eq!(failure.kind, FailureKind::Cancelled);
        assert_eq!(runtime.block_on(told.next()), Was::Dropped(round));
        // The id is free. A late cancel changes nothing.
        peer.call(0, "nothing", ());
        assert!(matches!(
            peer.receive().unwrap().frame(),
            Frame::Error { id: 0, .. }
        ));
        peer.send(&Frame::Cancel { id: 0 });
    }
    peer.call(5, "stubborn", (1,));
    assert_eq!(runtime.block_on(stubborn_told.next()), Was::Started(1));
    peer.send(&Frame::Cancel { id: 5 });
    assert!(peer.hears_nothing());
    stubborn.let_go(1);
    assert!(matches!(
        peer.receive().unwrap().frame(),
        Frame::Result { id: 5, .. }
    ));
    peer.call(5, "nothing", ());
    assert!(matches!(
        peer.receive().unwrap().frame(),
        Frame::Error { id: 5, .. }
    ));
    assert!(peer.hears_nothing());
    drop(server);
}
