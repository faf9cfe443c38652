//! Handlers that compute or block long, and run in tasks or on threads of their own.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use kaa_rpc_runtime::codegen::Functions;
use kaa_rpc_runtime::{Context, Error, Handler, Outcome, Server, Service, blocking_params, params};
use tokio::runtime::Builder;

use crate::common::{
    Exposing, Over, PATIENCE, Side, connect, everywhere, multi_threaded, plain, probe, secret,
    single_threaded,
};

/// Blocks its thread until it is told to go on.
#[derive(Clone)]
struct Gate(Arc<Mutex<mpsc::Receiver<()>>>);

fn gate() -> (mpsc::Sender<()>, Gate) {
    let (go_on, told) = mpsc::channel();
    (go_on, Gate(Arc::new(Mutex::new(told))))
}

impl Gate {
    fn block(&self) {
        self.0.lock().unwrap().recv_timeout(PATIENCE).unwrap();
    }

    fn blocking(&self) -> impl Handler + use<> {
        let gate = self.clone();
        blocking_params(["number"], move |number: u64| {
            gate.block();
            Ok(number)
        })
    }

    fn spawned(&self) -> impl Handler + use<> {
        let gate = self.clone();
        params(["number"], move |number: u64| {
            let gate = gate.clone();
            async move {
                gate.block();
                Ok(number)
            }
        })
        .spawned()
    }

    /// As the generator makes one of an interface: nothing in it says that it blocks.
    fn service(&self) -> impl Service + use<> {
        let object = Arc::new(self.clone());
        Exposing(move |functions: &mut Functions| {
            functions.add("block", &object, |gate, _, arguments| {
                let number: u64 = arguments.required("number")?;
                Ok(async move {
                    tokio::task::yield_now().await;
                    gate.block();
                    Outcome::<u64>::Ok(number)
                })
            });
        })
    }
}

/// The other calls of a channel are served while one blocks: the one that lets it go on is among them.
async fn passes(expose: impl FnOnce(Side, &Gate) -> Side) {
    let (go_on, gate) = gate();
    let release = move || {
        go_on.send(()).unwrap();
        async { Ok(()) }
    };
    let expose = |side| expose(side, &gate).function("release", params([], release));
    let ends = connect(Over::Unix, expose, plain).await;
    let blocked = ends.client.rpc::<u64, _>("block", (7,)).start();
    ends.client.rpc::<(), _>("release", ()).await.unwrap();
    assert_eq!(blocked.await.unwrap(), 7);
}

#[test]
fn the_channel_goes_on_while_a_handler_blocks() {
    multi_threaded().block_on(async {
        passes(|side, gate| side.function("block", gate.spawned())).await;
        passes(|side, gate| side.service(gate.service().spawned("block"))).await;
    });
    // Where there is one thread for tasks, only another one helps.
    for runtime in [single_threaded(), multi_threaded()] {
        runtime.block_on(async {
            passes(|side, gate| side.function("block", gate.blocking())).await;
            passes(|side, gate| side.service(gate.service().blocking("block"))).await;
        });
    }
}

#[test]
fn they_are_handed_over_in_the_order_of_the_calls() {
    // With one thread of each kind, they begin in that order, too.
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let began = Arc::new(Mutex::new(Vec::new()));
        let spawned = {
            let began = Arc::clone(&began);
            let note = move |number: u64| {
                let began = Arc::clone(&began);
                async move {
                    began.lock().unwrap().push(("spawned", number));
                    tokio::task::yield_now().await;
                    Ok(())
                }
            };
            params(["number"], note).spawned()
        };
        let blocked = {
            let began = Arc::clone(&began);
            blocking_params(["number"], move |number: u64| {
                began.lock().unwrap().push(("blocking", number));
                Ok(())
            })
        };
        let expose = |side: Side| {
            side.function("spawned", spawned)
                .function("blocking", blocked)
        };
        let ends = connect(Over::Memory, expose, plain).await;
        for name in ["spawned", "blocking"] {
            let calls: Vec<_> = (0..300_u64)
                .map(|number| ends.client.rpc::<(), _>(name, (number,)).start())
                .collect();
            for call in calls {
                call.await.unwrap();
            }
            let began = std::mem::take(&mut *began.lock().unwrap());
            let expected: Vec<_> = (0..300).map(|number| (name, number)).collect();
            assert_eq!(began, expected);
        }
    });
}

fn fail(number: u64) -> Outcome<u64> {
    assert_ne!(number, 7, "a seven");
    Err("not a seven".into())
}

#[test]
fn a_panic_in_them_is_a_fault_and_errors_are_what_they_are_elsewhere() {
    everywhere(async |over| {
        let spawned = params(["number"], async |number: u64| fail(number));
        let blocked = blocking_params(["number"], fail);
        let expose = |side: Side| {
            side.function("spawned", spawned.spawned())
                .function("blocking", blocked)
        };
        let ends = connect(over, expose, plain).await;
        for name in ["spawned", "blocking"] {
            let panicked = ends.client.rpc::<u64, _>(name, (7_u64,)).await;
            assert!(
                matches!(&panicked, Err(Error::Fault(fault)) if fault.is_panic() && fault.message.contains("a seven")),
                "{panicked:?}"
            );
            let failed = ends.client.rpc::<u64, _>(name, (8_u64,)).await;
            assert!(
                matches!(&failed, Err(Error::Fault(fault)) if fault.message == "not a seven"),
                "{failed:?}"
            );
            let bad = ends.client.rpc::<u64, _>(name, ("seven",)).await;
            assert!(
                matches!(&bad, Err(Error::BadArguments(bad)) if bad.parameter == "number"),
                "{bad:?}"
            );
            let bad = ends.client.rpc::<u64, _>(name, (7_u64, 8)).await;
            assert!(matches!(&bad, Err(Error::BadArguments(_))), "{bad:?}");
        }
    });
}

#[test]
fn a_spawned_handler_is_dropped_when_its_call_is_cancelled() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let run = probe.clone();
        let handler = params(["number"], move |number: u64| {
            let run = run.run(number);
            async move { Ok(run.await) }
        });
        let ends = connect(over, |side| side.function("wait", handler.spawned()), plain).await;
        let call = ends.client.rpc::<u64, _>("wait", (1,)).start();
        assert_eq!(told.next().await, crate::common::Was::Started(1));
        call.cancel();
        assert_eq!(told.next().await, crate::common::Was::Dropped(1));
    });
}

/// Whoever cancels and calls again has no more threads than places in the window.
#[test]
fn hostile_41_a_blocking_call_keeps_its_place_until_it_has_ended() {
    everywhere(async |over| {
        let (go_on, gate) = gate();
        let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let handler = {
            blocking_params(["number"], move |cx: Context, number: u64| {
                begins.send((number, cx))?;
                gate.block();
                Ok(number)
            })
        };
        let expose = |side: Side| side.function("block", handler).max_calls(1);
        let ends = connect(over, expose, plain).await;
        let first = ends.client.rpc::<u64, _>("block", (1,)).start();
        let (number, cx) = begun.recv().await.unwrap();
        assert_eq!(number, 1);
        first.cancel();
        // It can learn of that, too.
        tokio::time::timeout(PATIENCE, cx.cancelled())
            .await
            .unwrap();
        let second = ends.client.rpc::<u64, _>("block", (2,));
        let refused = second.timeout(Duration::from_millis(50)).await;
        assert!(
            matches!(refused, Err(Error::TimedOut { sent: false, .. })),
            "{refused:?}"
        );
        assert!(begun.try_recv().is_err());
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        let third = ends.client.rpc::<u64, _>("block", (3,)).await;
        assert_eq!(third.unwrap(), 3);
        assert_eq!(begun.recv().await.unwrap().0, 3);
    });
}

#[test]
fn a_blocking_call_that_is_cancelled_before_it_begins_never_does() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (go_on, gate) = gate();
        let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let handler = blocking_params(["number"], move |number: u64| {
            begins.send(number)?;
            gate.block();
            Ok(number)
        });
        let ends = connect(
            Over::Unix,
            |side| {
                side.function("block", handler)
                    .function("noop", params([], async || Ok(())))
            },
            plain,
        )
        .await;
        let block = |number: u64| ends.client.rpc::<u64, _>("block", (number,)).start();
        let (first, second, third) = (block(1), block(2), block(3));
        assert_eq!(begun.recv().await, Some(1));
        second.cancel();
        // The cancel is there before the thread is free.
        ends.client.rpc::<(), _>("noop", ()).await.unwrap();
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        assert_eq!((first.await.unwrap(), third.await.unwrap()), (1, 3));
        assert_eq!(begun.recv().await, Some(3));
    });
}

/// An async function that also blocks stops at its next await.
#[test]
fn a_service_that_blocks_stops_at_its_next_await() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let object = Arc::new(probe);
        let service = Exposing(move |functions: &mut Functions| {
            functions.add("wait", &object, |probe, _, arguments| {
                let number: u64 = arguments.required("number")?;
                Ok(async move { Outcome::<u64>::Ok(probe.run(number).await) })
            });
        });
        let ends = connect(over, |side| side.service(service.blocking("wait")), plain).await;
        let call = ends.client.rpc::<u64, _>("wait", (1,)).start();
        assert_eq!(told.next().await, crate::common::Was::Started(1));
        call.cancel();
        assert_eq!(told.next().await, crate::common::Was::Dropped(1));
        let late = ends.client.rpc::<u64, _>("wait", (2,));
        let late = late.timeout(Duration::from_millis(20)).await;
        assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
        assert_eq!(told.next().await, crate::common::Was::Started(2));
        assert_eq!(told.next().await, crate::common::Was::Dropped(2));
    });
}

#[test]
fn a_runtime_that_is_dropped_ends_those_that_wait() {
    let runtime = multi_threaded();
    let (probe, mut told) = probe();
    let object = Arc::new(probe);
    let service = Exposing(move |functions: &mut Functions| {
        functions.add("wait", &object, |probe, _, arguments| {
            let number: u64 = arguments.required("number")?;
            Ok(async move { Outcome::<u64>::Ok(probe.run(number).await) })
        });
    });
    let mut call = None;
    runtime.block_on(async {
        let ends = connect(
            Over::Unix,
            |side| side.service(service.blocking("wait")),
            plain,
        )
        .await;
        call = Some(ends.client.rpc::<u64, _>("wait", (1,)).start());
        assert_eq!(told.next().await, crate::common::Was::Started(1));
    });
    drop(runtime);
    assert_eq!(told.so_far(), [crate::common::Was::Dropped(1)]);
    let lost = single_threaded().block_on(call.unwrap());
    assert!(matches!(lost, Err(Error::ConnectionLost(_))), "{lost:?}");
}

#[test]
fn a_name_that_the_service_does_not_have_is_refused() {
    let (_go_on, gate) = gate();
    for (service, name) in [
        (
            Server::builder(secret()).register(gate.service().spawned("blok")),
            "blok",
        ),
        (
            Server::builder(secret()).register_at("left.", gate.service().blocking("left.block")),
            "left.left.block",
        ),
    ] {
        let refused = service.unbound().expect_err("it was taken").to_string();
        assert!(refused.contains(&format!("`{name}`")), "{refused}");
        assert!(refused.contains("`spawned` or `blocking`"), "{refused}");
    }
    let twice = gate.service().spawned("block").blocking("block");
    Server::builder(secret())
        .register_at("left.", twice)
        .unbound()
        .unwrap();
}

/// A function that blocks may wait for a call back, which inherits what all calls of handlers do.
#[test]
fn a_blocking_function_calls_back_without_async() {
    everywhere(async |over| {
        let ask = |cx: Context, number: u64| {
            let call = cx.channel().rpc::<u64, _>("depth", (number,)).wait();
            Ok(call?)
        };
        let depth = async |cx: Context, number: u64| Ok(number + u64::from(cx.depth()));
        let ends = connect(
            over,
            |side| side.function("ask", blocking_params(["number"], ask)),
            |side| side.function("depth", params(["number"], depth)),
        )
        .await;
        let told: u64 = ends.client.rpc("ask", (40,)).await.unwrap();
        assert_eq!(told, 41);
    });
}
