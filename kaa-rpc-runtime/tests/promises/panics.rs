//! A panic in user code is a fault for its caller, and for nobody else.

use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kaa_rpc_runtime::codegen::Functions;
use kaa_rpc_runtime::{Channel, CloseReason, Context, Error, InProgress, Outcome, Server, params};
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use crate::common::{
    Ends, Exposing, Over, Side, Was, connect, everywhere, multi_threaded, plain, private_address,
    probe, secret,
};

/// Panics when it is encoded.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("cannot write")
    }
}

/// Panics when it is decoded.
struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("cannot read")
    }
}

/// Panics when it is dropped.
struct Undroppable;

impl Drop for Undroppable {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("cannot drop");
        }
    }
}

/// An error that cannot be told.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("cannot speak")
    }
}

impl std::error::Error for Unspeakable {}

fn functions(side: Side) -> Side {
    side.function(
        "now",
        params([], async || -> Outcome<u64> { panic!("now") }),
    )
    .function(
        "later",
        params([], async || {
            tokio::task::yield_now().await;
            if true {
                panic!("{}", String::from("later"));
            }
            Ok(0u64)
        }),
    )
    .function(
        "eager",
        params([], || {
            if true {
                panic!("eager");
            }
            async { Ok(0u64) }
        }),
    )
    .function(
        "anything",
        params([], async || -> Outcome<u64> { panic_any(42) }),
    )
    .function(
        "worse",
        params([], async || -> Outcome<u64> { panic_any(Undroppable) }),
    )
    .function(
        "worse_later",
        params([], async || -> Outcome<u64> {
            tokio::task::yield_now().await;
            panic_any(Undroppable)
        }),
    )
    .function("result", params([], async || Ok(Unwritable)))
    .function("argument", params(["a"], async |_: Unreadable| Ok(0u64)))
    .function(
        "error",
        params([], async || -> Outcome<u64> { Err(Unspeakable.into()) }),
    )
    .function(
        "drop",
        params(["turns"], async |turns: u64| {
            let _undroppable = Undroppable;
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            Ok(7u64)
        }),
    )
    .function("good", params(["n"], async |n: u64| Ok(n)))
}

#[test]
fn hostile_36_a_panic_is_a_fault_for_its_caller_alone() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let side = |side| functions(side).function("wait", probe.handler());
        let ends = connect(over, side, plain).await;
        let other: InProgress<u64> = ends.client.rpc("wait", (1,)).start();
        assert_eq!(told.next().await, Was::Started(1));
        for (name, said) in [
            ("now", "now"),
            ("later", "later"),
            ("eager", "eager"),
            ("anything", "a panic without a message"),
            ("worse", "a panic without a message"),
            ("worse_later", "a panic without a message"),
            ("result", "cannot write"),
            ("argument", "cannot read"),
            ("error", "cannot speak"),
        ] {
            let call = if name == "argument" {
                ends.client.rpc::<u64, _>(name, (1,)).start()
            } else {
                ends.client.rpc::<u64, _>(name, ()).start()
            };
            let error = call.await.unwrap_err();
            let Error::Fault(fault) = &error else {
                panic!("{name}: {error:?}")
            };
            assert!(fault.is_panic(), "{name}: {fault:?}");
            assert_eq!(fault.message, said, "{name}");
            assert!(error.to_string().contains("panicked"), "{error}");
            assert_eq!(ends.client.rpc::<u64, _>("good", (5,)).await.unwrap(), 5);
        }
        // The outcome was there before.
        for turns in 0..3u64 {
            let ended = ends.client.rpc::<u64, _>("drop", (turns,)).await;
            match ended {
                Ok(7) => {}
                Err(Error::Fault(fault)) => assert!(fault.is_panic()),
                other => panic!("{other:?}"),
            }
        }
        probe.let_go(1);
        assert_eq!(other.await.unwrap(), 1);
    });
}

#[test]
fn a_panic_while_a_cancelled_handler_is_dropped_frees_its_place() {
    everywhere(async |over| {
        let side = |side| functions(side).max_calls(1);
        let ends = connect(over, side, plain).await;
        for _ in 0..10 {
            let call: InProgress<u64> = ends.client.rpc("drop", (1_000_000_000u64,)).start();
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            drop(call);
        }
        assert_eq!(ends.client.rpc::<u64, _>("good", (5,)).await.unwrap(), 5);
    });
}

#[test]
fn panics_in_oneway_and_serial_functions_hurt_nobody() {
    everywhere(async |over| {
        let side = |side| {
            functions(side)
                .max_calls(4)
                .service(Exposing(|functions: &mut Functions| {
                    functions
                        .add("step", &Arc::new(()), |_, _cx: Context, arguments| {
                            let fail = arguments.required::<bool>("fail")?;
                            Ok(async move {
                                assert!(!fail, "stumbled");
                                Outcome::<u64>::Ok(1)
                            })
                        })
                        .serial();
                }))
        };
        let ends = connect(over, side, plain).await;
        for _ in 0..20 {
            ends.client.rpc("later", ()).oneway().await.unwrap();
            ends.client.rpc("now", ()).oneway().await.unwrap();
            let error = ends
                .client
                .rpc::<u64, _>("step", (true,))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("stumbled"), "{error}");
        }
        assert_eq!(
            ends.client.rpc::<u64, _>("step", (false,)).await.unwrap(),
            1
        );
        // A call of its own whole window.
        let calls: [InProgress<u64>; 4] =
            std::array::from_fn(|_| ends.client.rpc("good", (5,)).start());
        for call in calls {
            assert_eq!(call.await.unwrap(), 5);
        }
    });
}

#[test]
fn a_panic_is_not_met_by_other_channels() {
    multi_threaded().block_on(async {
        let Ends { client, host, .. } = connect(Over::Unix, functions, plain).await;
        let (server, _folder) = host.as_ref().unwrap();
        let other = Channel::connect(&server.address().to_string(), &secret())
            .await
            .unwrap();
        for name in ["now", "later", "worse", "result"] {
            assert!(client.rpc::<u64, _>(name, ()).await.is_err());
            assert_eq!(other.rpc::<u64, _>("good", (1,)).await.unwrap(), 1);
            assert_eq!(client.rpc::<u64, _>("good", (2,)).await.unwrap(), 2);
        }
    });
}

#[test]
fn a_panic_in_on_connect_closes_that_channel_and_leaves_the_server_whole() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let server = Server::builder(secret())
            .register_fn("good", params(["n"], async |n: u64| Ok(n)))
            .on_connect({
                let first = AtomicBool::new(true);
                move |_| assert!(!first.swap(false, Ordering::Relaxed), "no")
            })
            .on_rejected(|_| panic!("no"))
            .bind(&address)
            .await
            .unwrap();
        let client = Channel::connect(&address, &secret()).await.unwrap();
        let reason = client.closed().await;
        assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason:?}");
        for n in 0..3u64 {
            let stranger = kaa_rpc_runtime::Secret::from_bytes(&[8; 32]).unwrap();
            assert!(Channel::connect(&address, &stranger).await.is_err());
            let client = Channel::connect(&address, &secret()).await.unwrap();
            assert_eq!(client.rpc::<u64, _>("good", (n,)).await.unwrap(), n);
            client.close().await;
        }
        server.close().await;
    });
}
