//! Nothing is lost at the beginning of a channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kaa_rpc_runtime::codegen::Functions;
use kaa_rpc_runtime::{
    BindError, Channel, CloseReason, ConnectError, Context, Error, InProgress, Outcome, Secret,
    Server, params,
};

use crate::common::{
    Exposing, Was, multi_threaded, private_address, probe, secret, single_threaded,
};

/// A service of one function that gives `answer`.
fn answering(name: &'static str, answer: u64) -> Exposing<impl FnOnce(&mut Functions)> {
    Exposing(move |functions: &mut Functions| {
        functions.add(name, &Arc::new(answer), |answer, _cx, _arguments| {
            Ok(async move { Outcome::<u64>::Ok(*answer) })
        });
    })
}

async fn ask(channel: &Channel, name: &str) -> Result<u64, Error> {
    channel.rpc(name, ()).await
}

#[test]
fn no_early_call_meets_an_unknown_function() {
    for runtime in [single_threaded(), multi_threaded()] {
        runtime.block_on(async {
            for _ in 0..30 {
                let (_folder, address) = private_address();
                let server = Server::builder(secret())
                    .register(answering("server", 1))
                    .bind(&address)
                    .await
                    .unwrap();
                let mut connected = server.client_connected();
                let client = Channel::builder(&secret())
                    .register(answering("client", 2))
                    .connect_lazy(&address)
                    .unwrap();
                let early = ask(&client, "server");
                let back = async { ask(&connected.next().await.unwrap(), "client").await };
                let (early, back) = tokio::join!(early, back);
                assert_eq!((early.unwrap(), back.unwrap()), (1, 2));
            }
        });
    }
}

#[test]
fn on_connect_runs_before_any_call_of_the_channel() {
    for runtime in [single_threaded(), multi_threaded()] {
        runtime.block_on(async {
            let (_folder, address) = private_address();
            let connects = Arc::new(AtomicUsize::new(0));
            let (counted, seen) = (Arc::clone(&connects), Arc::clone(&connects));
            let early = Arc::new(AtomicBool::new(false));
            let noticed = Arc::clone(&early);
            let _server = Server::builder(secret())
                .register_fn(
                    "seen",
                    params([], move || {
                        if seen.load(Ordering::SeqCst) % 2 == 1 {
                            noticed.store(true, Ordering::SeqCst);
                        }
                        async { Ok(()) }
                    }),
                )
                .on_connect(move |_channel| {
                    // Odd while it runs.
                    counted.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    counted.fetch_add(1, Ordering::SeqCst);
                })
                .bind(&address)
                .await
                .unwrap();
            for round in 1..=10 {
                let client = Channel::connect(&address, &secret()).await.unwrap();
                client.rpc::<(), _>("seen", ()).await.unwrap();
                assert_eq!(connects.load(Ordering::SeqCst), 2 * round);
            }
            assert!(!early.load(Ordering::SeqCst));
        });
    }
}

#[test]
fn client_connected_gives_each_channel_once() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let server = Server::builder(secret()).bind(&address).await.unwrap();
        let (mut first, mut second) = (server.client_connected(), server.client_connected());
        let mut clients = Vec::new();
        for _ in 0..20 {
            let client = Channel::builder(&secret())
                .register(answering("who", clients.len() as u64))
                .connect(&address)
                .await
                .unwrap();
            clients.push(client);
        }
        for connected in [&mut first, &mut second] {
            let mut numbers = Vec::new();
            for _ in 0..20 {
                let channel = connected.next().await.unwrap();
                numbers.push(ask(&channel, "who").await.unwrap());
            }
            // Handshakes that overlap may end in any order.
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..20));
        }
        assert_eq!(server.channels().len(), 20);
        server.close().await;
        drop(server);
        assert!(first.next().await.is_none());
        assert!(second.next().await.is_none());
        for client in clients {
            assert!(client.closed().await.is_orderly());
        }
    });
}

#[test]
fn a_lazy_channel_is_usable_at_once() {
    for runtime in [single_threaded(), multi_threaded()] {
        runtime.block_on(async {
            let (_folder, address) = private_address();
            let (probe, mut told) = probe();
            let _server = Server::builder(secret())
                .register_fn("wait", probe.handler())
                .bind(&address)
                .await
                .unwrap();
            let client = Channel::builder(&secret()).connect_lazy(&address).unwrap();
            assert!(!client.is_closed());
            let calls: Vec<InProgress<u64>> =
                (0..10).map(|n| client.rpc("wait", (n,)).start()).collect();
            client.rpc("wait", (10,)).oneway().start().detach();
            // One that is let go before it could be sent never is.
            drop(client.rpc::<u64, _>("wait", (99,)).start());
            client.opened().await.unwrap();
            assert!(client.peer().is_some());
            for n in 0..=10 {
                assert_eq!(told.next().await, Was::Started(n));
            }
            probe.let_go(11);
            for (n, call) in (0..).zip(calls) {
                assert_eq!(call.await.unwrap(), n);
            }
        });
    }
}

#[test]
fn a_lazy_channel_that_cannot_open_fails_its_calls() {
    for runtime in [single_threaded(), multi_threaded()] {
        runtime.block_on(async {
            let (_folder, address) = private_address();
            let client = Channel::builder(&secret()).connect_lazy(&address).unwrap();
            let early: InProgress<u64> = client.rpc("f", ()).start();
            let oneway = client.rpc::<(), _>("f", ()).oneway().start();
            for error in [
                early.await.unwrap_err(),
                oneway.await.unwrap_err(),
                ask(&client, "f").await.unwrap_err(),
            ] {
                assert!(error.never_ran());
                let Error::NotConnected(reason) = &error else {
                    panic!("{error:?}")
                };
                assert!(matches!(&**reason, CloseReason::NotOpened(_)), "{reason:?}");
            }
            assert!(client.opened().await.is_err());
            assert!(matches!(&*client.closed().await, CloseReason::NotOpened(_)));
            assert!(client.is_closed());
        });
    }
}

#[test]
fn a_lazy_channel_can_be_closed_and_its_calls_time_out_while_it_opens() {
    multi_threaded().block_on(async {
        let (folder, address) = private_address();
        // Accepts nobody: the handshake waits.
        let _listener = crate::common::raw::listen(&folder.path().join("s"));
        let client = Channel::builder(&secret()).connect_lazy(&address).unwrap();
        let overdue = client
            .rpc::<u64, _>("f", ())
            .timeout(Duration::from_millis(20));
        assert!(matches!(overdue.await, Err(Error::TimedOut { .. })));
        let waiting: InProgress<u64> = client.rpc("f", ()).start();
        assert!(matches!(&*client.close().await, CloseReason::Closed));
        assert!(matches!(waiting.await, Err(Error::NotConnected(_))));

        let client = Channel::builder(&secret())
            .open_timeout(Duration::from_millis(20))
            .connect_lazy(&address)
            .unwrap();
        let error = ask(&client, "f").await.unwrap_err();
        assert!(
            error.never_ran() && error.to_string().contains("20ms"),
            "{error}"
        );
        let error = Channel::builder(&secret())
            .open_timeout(Duration::from_millis(20))
            .connect(&address)
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut(_)), "{error:?}");
    });
}

#[test]
fn functions_come_and_go() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let server = Server::builder(secret())
            .register_at("left.", answering("answer", 1))
            .register_at("right.", answering("answer", 2))
            .bind(&address)
            .await
            .unwrap();
        let client = Channel::connect(&address, &secret()).await.unwrap();
        assert_eq!(ask(&client, "left.answer").await.unwrap(), 1);
        assert_eq!(ask(&client, "right.answer").await.unwrap(), 2);

        server.register(answering("answer", 3)).unwrap();
        server.register_at("new.", answering("answer", 4)).unwrap();
        let add = params(["a", "b"], async |a: u64, b: u64| Ok(a + b));
        server.register_fn("add", add).unwrap();
        assert_eq!(ask(&client, "answer").await.unwrap(), 3);
        assert_eq!(ask(&client, "new.answer").await.unwrap(), 4);
        assert_eq!(client.rpc::<u64, _>("add", (1, 2)).await.unwrap(), 3);

        // A name that is taken: nothing of the service is added.
        let both = Exposing(|functions: &mut Functions| {
            for name in ["fresh", "answer"] {
                functions.add(name, &Arc::new(()), |_, _cx, _arguments| {
                    Ok(async move { Outcome::<u64>::Ok(5) })
                });
            }
        });
        let error = server.register(both).unwrap_err();
        assert_eq!(error.name, "answer");
        assert!(error.to_string().contains("`answer`"), "{error}");
        let error = ask(&client, "fresh").await.unwrap_err();
        assert!(matches!(error, Error::UnknownFunction(_)));
        assert_eq!(ask(&client, "answer").await.unwrap(), 3);

        assert!(server.unregister("answer"));
        assert!(!server.unregister("answer"));
        assert_eq!(server.unregister_at("left."), 1);
        for name in ["answer", "left.answer"] {
            let error = ask(&client, name).await.unwrap_err();
            assert!(matches!(error, Error::UnknownFunction(_)), "{error:?}");
        }
        assert_eq!(ask(&client, "right.answer").await.unwrap(), 2);
        server.register(answering("answer", 6)).unwrap();
        assert_eq!(ask(&client, "answer").await.unwrap(), 6);
    });
}

#[test]
fn a_function_that_is_taken_away_still_ends() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (probe, mut told) = probe();
        let server = Server::builder(secret())
            .register_fn("wait", probe.handler())
            .bind(&address)
            .await
            .unwrap();
        let client = Channel::connect(&address, &secret()).await.unwrap();
        let call: InProgress<u64> = client.rpc("wait", (1,)).start();
        assert_eq!(told.next().await, Was::Started(1));
        server.unregister("wait");
        probe.let_go(1);
        assert_eq!(call.await.unwrap(), 1);
    });
}

#[test]
fn two_functions_of_one_name_are_an_error_before_anything_begins() {
    multi_threaded().block_on(async {
        let (folder, address) = private_address();
        for name in ["twice", "kaa.ping", "", &"x".repeat(256)] {
            let function = || params([], async || Ok(()));
            let error = Server::builder(secret())
                .register_fn(name, function())
                .register_fn(name, function())
                .bind(&address)
                .await
                .unwrap_err();
            let BindError::Side(ConnectError::Register(error)) = error else {
                panic!("{error:?}")
            };
            assert_eq!(error.name, name);
            // The address stays free.
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            let builder = || {
                Channel::builder(&secret())
                    .register_fn(name, function())
                    .register_fn(name, function())
            };
            let error = builder().connect(&address).await.unwrap_err();
            assert!(matches!(error, ConnectError::Register(_)), "{error:?}");
            let error = builder().connect_lazy(&address).unwrap_err();
            assert!(matches!(error, ConnectError::Register(_)), "{error:?}");
        }
        let error = Channel::connect("nonsense:x", &secret()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Address(_)), "{error:?}");
    });
}

/// A channel of the hook is the same as that of the calls.
#[test]
fn on_connect_may_keep_the_channel_and_call() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let sum = Arc::new(AtomicUsize::new(0));
        let added = Arc::clone(&sum);
        let session = params([], async |cx: Context| Ok(cx.peer().session().to_owned()));
        let _server = Server::builder(secret())
            .register_fn("session", session)
            .on_connect(move |channel| {
                let added = Arc::clone(&added);
                tokio::spawn(async move {
                    let number: u64 = channel.rpc("number", ()).await.unwrap();
                    added.fetch_add(number as usize, Ordering::SeqCst);
                    channel.close().await;
                });
            })
            .bind(&address)
            .await
            .unwrap();
        for _ in 0..3 {
            let client = Channel::builder(&Secret::from_bytes(&[7; 32]).unwrap())
                .register(answering("number", 5))
                .connect(&address)
                .await
                .unwrap();
            assert!(matches!(&*client.closed().await, CloseReason::ClosedByPeer));
        }
        assert_eq!(sum.load(Ordering::SeqCst), 15);
    });
}
