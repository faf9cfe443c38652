//! How channels, servers and runtimes end.

use std::time::{Duration, Instant};

use kaa_rpc_proto::frame::Frame;
use kaa_rpc_runtime::{Channel, CloseReason, Error, InProgress, Limits, Outcome, Server, params};

use crate::common::raw::Peer;
use crate::common::{
    Ends, Over, Probe, Side, Told, Was, connect, everywhere, multi_threaded, plain,
    private_address, probe, secret, single_threaded,
};

/// Both ends expose `wait`.
async fn ends(over: Over, adjust: impl Fn(Side) -> Side) -> (Ends, Probe, Told) {
    let (probe, told) = probe();
    let (server, client) = (probe.handler(), probe.handler());
    let ends = connect(
        over,
        |side| adjust(side.function("wait", server)),
        |side| adjust(side.function("wait", client)),
    )
    .await;
    (ends, probe, told)
}

fn wait(channel: &Channel, number: u64) -> InProgress<u64> {
    channel.rpc("wait", (number,)).start()
}

/// Calls until the goodbye of the other end has come.
async fn until_refused(channel: &Channel) {
    loop {
        match channel.rpc::<(), _>("missing", ()).await.unwrap_err() {
            Error::UnknownFunction(_) => {}
            Error::NotConnected(reason) => {
                assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason:?}");
                return;
            }
            error => panic!("{error:?}"),
        }
    }
}

/// The closing end, and the other.
fn sides(ends: &Ends, closer: &str) -> (Channel, Channel) {
    let (server, client) = (ends.server.clone(), ends.client.clone());
    match closer {
        "server" => (server, client),
        _ => (client, server),
    }
}

#[test]
fn a_close_in_order_is_told_at_both_ends() {
    everywhere(async |over| {
        for closer in ["server", "client"] {
            let (ends, ..) = ends(over, plain).await;
            let (closing, other) = sides(&ends, closer);
            let reason = closing.close().await;
            assert!(matches!(*reason, CloseReason::Closed), "{reason:?}");
            let reason = other.closed().await;
            assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason:?}");
            for (channel, by_peer) in [(&closing, false), (&other, true)] {
                assert!(channel.is_closed());
                let error = wait(channel, 1).await.unwrap_err();
                let Error::NotConnected(reason) = error else {
                    panic!("{error:?}")
                };
                assert_eq!(matches!(*reason, CloseReason::ClosedByPeer), by_peer);
                assert!(reason.is_orderly());
                // Once more is no trouble.
                channel.close().await;
            }
        }
    });
}

#[test]
fn both_ends_may_close_at_once() {
    everywhere(async |over| {
        for _ in 0..20 {
            let (ends, ..) = ends(over, plain).await;
            let (one, two) = tokio::join!(ends.server.close(), ends.client.close());
            assert!(one.is_orderly() && two.is_orderly(), "{one:?} {two:?}");
        }
    });
}

#[test]
fn calls_in_progress_end_before_a_close() {
    everywhere(async |over| {
        for closer in ["server", "client"] {
            let (ends, probe, mut told) = ends(over, plain).await;
            let calls = [wait(&ends.server, 1), wait(&ends.client, 2)];
            for _ in 0..2 {
                assert!(matches!(told.next().await, Was::Started(_)));
            }
            let (closing, other) = sides(&ends, closer);
            let close = tokio::spawn({
                let closing = closing.clone();
                async move { closing.close().await }
            });
            // New calls are refused at once, as soon as an end knows.
            until_refused(&other).await;
            assert!(wait(&closing, 3).await.unwrap_err().never_ran());
            assert!(!other.is_closed() && !closing.is_closed());
            probe.let_go(2);
            for (n, call) in (1..).zip(calls) {
                assert_eq!(call.await.unwrap(), n);
            }
            assert!(close.await.unwrap().is_orderly());
            assert!(other.closed().await.is_orderly());
            let mut rest = told.so_far();
            rest.sort_unstable();
            assert_eq!(rest, [Was::Ended(1), Was::Ended(2)]);
        }
    });
}

#[test]
fn hostile_50_a_handler_that_does_not_end_is_dropped_when_the_time_is_over() {
    everywhere(async |over| {
        for closer in ["server", "client"] {
            let short = |side: Side| side.close_timeout(Duration::from_millis(30));
            let (ends, _probe, mut told) = ends(over, short).await;
            let call = wait(&ends.client, 1);
            assert_eq!(told.next().await, Was::Started(1));
            let (closing, other) = sides(&ends, closer);
            let reason = closing.close().await;
            assert!(matches!(*reason, CloseReason::CloseTimedOut), "{reason:?}");
            assert!(!reason.is_orderly());
            assert_eq!(told.next().await, Was::Dropped(1));
            let error = call.await.unwrap_err();
            assert!(
                matches!(error, Error::ConnectionLost(_) | Error::Cancelled),
                "{error:?}"
            );
            // Goodbye was said, so nobody has vanished.
            let reason = other.closed().await;
            assert!(matches!(*reason, CloseReason::CloseTimedOut), "{reason:?}");
        }
    });
}

/// The other end gives a close as much time as it wants; this one only its own.
#[test]
fn an_end_that_was_told_goodbye_has_its_own_time() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let wait = probe.handler();
        let ends = connect(
            over,
            |side| {
                side.function("wait", wait)
                    .close_timeout(Duration::from_millis(30))
            },
            |side| side.close_timeout(Duration::from_secs(3600)),
        )
        .await;
        let call: InProgress<u64> = ends.client.rpc("wait", (1,)).start();
        assert_eq!(told.next().await, Was::Started(1));
        let reason = ends.client.close().await;
        assert!(!reason.is_orderly());
        assert_eq!(told.next().await, Was::Dropped(1));
        assert!(call.await.is_err());
    });
}

#[test]
fn all_the_time_there_is_may_be_given_to_a_close() {
    everywhere(async |over| {
        let (ends, probe, mut told) = ends(over, |side| side.close_timeout(Duration::MAX)).await;
        let call = wait(&ends.client, 1);
        assert_eq!(told.next().await, Was::Started(1));
        let (client, server) = (ends.client.clone(), ends.server.clone());
        let close = tokio::spawn(async move { client.close().await });
        until_refused(&server).await;
        probe.let_go(1);
        assert_eq!(call.await.unwrap(), 1);
        assert!(close.await.unwrap().is_orderly());
        assert!(server.closed().await.is_orderly());
    });
}

#[test]
fn calls_that_wait_for_the_window_fail_when_the_channel_closes() {
    everywhere(async |over| {
        for closer in ["server", "client"] {
            let (ends, probe, mut told) = ends(over, |side| side.max_calls(1)).await;
            let running = wait(&ends.client, 1);
            let waiting = wait(&ends.client, 2);
            assert_eq!(told.next().await, Was::Started(1));
            let (closing, _) = sides(&ends, closer);
            let close = tokio::spawn(async move { closing.close().await });
            // Although the first still runs.
            let error = waiting.await.unwrap_err();
            let Error::NotConnected(reason) = error else {
                panic!("{error:?}")
            };
            assert_eq!(
                matches!(*reason, CloseReason::ClosedByPeer),
                closer == "server",
                "{reason:?}"
            );
            probe.let_go(1);
            assert_eq!(running.await.unwrap(), 1);
            assert!(close.await.unwrap().is_orderly());
            assert_eq!(told.so_far(), [Was::Ended(1)]);
        }
    });
}

#[test]
fn the_last_handle_closes_the_channel() {
    everywhere(async |over| {
        let (
            Ends {
                server,
                client,
                host,
            },
            probe,
            mut told,
        ) = ends(over, plain).await;
        let call = wait(&client, 1);
        let clone = client.clone();
        assert_eq!(told.next().await, Was::Started(1));
        drop(client);
        // The other handle still works.
        let error = clone.rpc::<u64, _>("missing", ()).await.unwrap_err();
        assert!(matches!(error, Error::UnknownFunction(_)), "{error:?}");
        drop(clone);
        // What is in progress still ends.
        probe.let_go(1);
        assert_eq!(call.await.unwrap(), 1);
        let reason = server.closed().await;
        assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason:?}");
        drop(host);
    });
}

#[test]
fn a_server_closes_all_its_channels_in_the_time_of_one() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (probe, mut told) = probe();
        let server = Server::builder(secret())
            .register_fn("wait", probe.handler())
            .close_timeout(Duration::from_millis(300))
            .bind(&address)
            .await
            .unwrap();
        let mut calls = Vec::new();
        let mut clients = Vec::new();
        for n in 0..10 {
            let client = Channel::connect(&address, &secret()).await.unwrap();
            calls.push(wait(&client, n));
            clients.push(client);
            assert_eq!(told.next().await, Was::Started(n));
        }
        let began = Instant::now();
        server.close().await;
        assert!(
            began.elapsed() < Duration::from_millis(1500),
            "{:?}",
            began.elapsed()
        );
        for call in calls {
            assert!(call.await.is_err());
        }
        assert!(Channel::connect(&address, &secret()).await.is_err());
    });
}

#[test]
fn a_dropped_server_closes_the_channels_that_its_user_kept() {
    multi_threaded().block_on(async {
        let (ends, ..) = ends(Over::Unix, plain).await;
        let Ends {
            server,
            client,
            host,
        } = ends;
        drop(host);
        assert!(matches!(&*client.closed().await, CloseReason::ClosedByPeer));
        assert!(matches!(&*server.closed().await, CloseReason::Closed));
    });
}

#[test]
fn the_address_is_free_after_a_close() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        for n in 0..5u64 {
            let server = Server::builder(secret())
                .register_fn(
                    "n",
                    params([], move || async move { Outcome::<u64>::Ok(n) }),
                )
                .bind(&address)
                .await
                .unwrap();
            let client = Channel::connect(&address, &secret()).await.unwrap();
            assert_eq!(client.rpc::<u64, _>("n", ()).await.unwrap(), n);
            server.close().await;
            assert!(client.closed().await.is_orderly());
        }
    });
}

#[test]
fn hostile_20_an_end_without_goodbye_is_abnormal() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let (probe, mut told) = probe();
    let server = runtime
        .block_on(
            Server::builder(secret())
                .register_fn("wait", probe.handler())
                .bind(&address),
        )
        .unwrap();
    let mut connected = server.client_connected();
    let path = folder.path().join("s");
    for how in ["idle", "serving", "calling"] {
        let mut peer = Peer::connect(&path, Limits::default());
        let channel = runtime.block_on(connected.next()).unwrap();
        let mut call = None;
        match how {
            "serving" => {
                peer.call(0, "wait", (1,));
                assert_eq!(runtime.block_on(told.next()), Was::Started(1));
            }
            "calling" => {
                call = Some(wait(&channel, 2));
                peer.receive().unwrap();
            }
            _ => {}
        }
        // A kernel closes the sockets of a process that was killed, and no more.
        drop(peer);
        let reason = runtime.block_on(channel.closed());
        assert!(matches!(*reason, CloseReason::Ended), "{how}: {reason:?}");
        assert!(!reason.is_orderly());
        if how == "serving" {
            assert_eq!(runtime.block_on(told.next()), Was::Dropped(1));
        }
        if let Some(call) = call {
            let error = runtime.block_on(call).unwrap_err();
            assert!(matches!(error, Error::ConnectionLost(_)), "{error:?}");
        }
    }
}

/// What `goodbye(n)` says of calls after the n-th.
#[test]
fn calls_after_a_goodbye_never_ran() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let listener = crate::common::raw::listen(&folder.path().join("s"));
    let accepting = std::thread::spawn(move || Peer::accept(&listener, Limits::default()));
    let client = runtime
        .block_on(Channel::connect(&address, &secret()))
        .unwrap();
    let mut peer = accepting.join().unwrap();
    let calls: Vec<_> = (0..4).map(|n| wait(&client, n)).collect();
    for _ in 0..4 {
        peer.receive().unwrap();
    }
    // It took in two.
    peer.send(&Frame::Goodbye { calls: 2 });
    let mut calls = calls.into_iter();
    let ran: Vec<_> = calls.by_ref().take(2).collect();
    for call in calls {
        let error = runtime.block_on(call).unwrap_err();
        let Error::NotConnected(reason) = error else {
            panic!("{error:?}")
        };
        assert!(matches!(*reason, CloseReason::ClosedByPeer));
    }
    assert_eq!(peer.receive().unwrap().frame(), Frame::Goodbye { calls: 0 });
    peer.result(0, 10);
    peer.result(1, 11);
    for (n, call) in (10..).zip(ran) {
        assert_eq!(runtime.block_on(call).unwrap(), n);
    }
    assert!(matches!(
        &*runtime.block_on(client.closed()),
        CloseReason::ClosedByPeer
    ));
    assert!(peer.is_closed_by_other_end());
}

/// A call that crosses a goodbye is not run, and its caller knows.
#[test]
fn a_call_that_crosses_a_goodbye_is_not_run() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let (probe, mut told) = probe();
    let server = runtime
        .block_on(
            Server::builder(secret())
                .register_fn("wait", probe.handler())
                .bind(&address),
        )
        .unwrap();
    let mut connected = server.client_connected();
    let mut peer = Peer::connect(&folder.path().join("s"), Limits::default());
    let channel = runtime.block_on(connected.next()).unwrap();
    peer.call(0, "wait", (0,));
    assert_eq!(runtime.block_on(told.next()), Was::Started(0));
    let close = runtime.spawn(async move { channel.close().await });
    assert_eq!(peer.receive().unwrap().frame(), Frame::Goodbye { calls: 1 });
    peer.call(1, "wait", (1,));
    peer.send(&Frame::Goodbye { calls: 0 });
    probe.let_go(1);
    let began = Instant::now();
    assert!(matches!(
        peer.receive().unwrap().frame(),
        Frame::Result { id: 0, .. }
    ));
    assert!(peer.is_closed_by_other_end());
    // The last answer ends the close, not the time that it may take.
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert!(runtime.block_on(close).unwrap().is_orderly());
    assert_eq!(told.so_far(), [Was::Ended(0)]);
}

#[test]
fn hostile_53_a_runtime_that_is_dropped_ends_its_channels() {
    for over in [Over::Memory, Over::Unix] {
        for runtime in [single_threaded(), multi_threaded()] {
            let (ends, probe, mut told) = runtime.block_on(ends(over, plain));
            let calls: Vec<_> = (0..10).map(|n| wait(&ends.client, n)).collect();
            runtime.block_on(async {
                for n in 0..10 {
                    assert_eq!(told.next().await, Was::Started(n));
                }
            });
            drop(runtime);
            // Every handler is gone: nothing of them was leaked.
            let mut dropped = told.so_far();
            dropped.sort_unstable();
            assert!(dropped.into_iter().eq((0..10).map(Was::Dropped)));
            for channel in [&ends.server, &ends.client] {
                assert!(channel.is_closed());
                let reason = single_threaded().block_on(channel.closed());
                assert!(!reason.is_orderly(), "{reason:?}");
                let error = single_threaded().block_on(wait(channel, 1)).unwrap_err();
                assert!(matches!(error, Error::NotConnected(_)), "{error:?}");
            }
            for call in calls {
                let error = single_threaded().block_on(call).unwrap_err();
                assert!(
                    matches!(
                        error,
                        Error::ConnectionLost(_) | Error::NotConnected(_) | Error::Cancelled
                    ),
                    "{error:?}"
                );
            }
            drop(probe);
        }
    }
}

/// Calls that wait for their turn are dropped one after the other, not one inside the other.
#[test]
fn hostile_53_a_long_queue_is_no_deep_stack() {
    for runtime in [single_threaded(), multi_threaded()] {
        runtime.block_on(async {
            let (probe, mut told) = probe();
            let object = std::sync::Arc::new(probe.clone());
            let service = crate::common::Exposing(
                move |functions: &mut kaa_rpc_runtime::codegen::Functions| {
                    functions
                        .add("step", &object, |probe, _cx, arguments| {
                            let run = probe.run(arguments.required("number")?);
                            Ok(async move { Outcome::<u64>::Ok(run.await) })
                        })
                        .serial();
                },
            );
            let side = |side: Side| side.service(service).max_calls(100_000);
            let ends = connect(Over::Memory, side, plain).await;
            for n in 0..50_000u64 {
                ends.client.rpc::<u64, _>("step", (n,)).start().detach();
            }
            // All have arrived.
            let _ = ends.client.rpc::<u64, _>("missing", ()).await;
            assert_eq!(told.next().await, Was::Started(0));
        });
        drop(runtime);
    }
}

#[test]
fn hostile_53_a_runtime_that_is_dropped_closes_its_sockets() {
    let (folder, address) = private_address();
    let path = folder.path().join("s");
    let runtime = multi_threaded();
    let server = runtime
        .block_on(Server::builder(secret()).bind(&address))
        .unwrap();
    let mut peers: Vec<Peer> = (0..5)
        .map(|_| Peer::connect(&path, Limits::default()))
        .collect();
    let channels = server.channels();
    drop(runtime);
    for peer in &mut peers {
        peer.until_closed();
    }
    assert!(std::os::unix::net::UnixStream::connect(&path).is_err());
    drop((server, channels));
}
