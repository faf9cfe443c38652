//! The ways to call and to wait.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use kaa_rpc_runtime::{
    Bytes, Channel, Error, InProgress, Kwargs, Outcome, Timestamp, Value, kwargs, params,
};
use tokio::sync::mpsc;

use crate::common::{Over, Side, Was, connect, everywhere, multi_threaded, plain, probe};

fn functions(side: Side) -> Side {
    side.function(
        "sub",
        params(["a", "b?"], async |a: i64, b: Option<i64>| {
            Ok(a - b.unwrap_or(1))
        }),
    )
    .function("echo", params(["value"], async |value: Value| Ok(value)))
    .function(
        "optional",
        params(["value?"], async |value: Option<Value>| Ok(value.is_some())),
    )
    .function(
        "all",
        params(
            ["a", "b", "c", "d", "e", "f", "g", "h"],
            async |a: u8, b: i16, c: bool, d: String, e: f64, f: Bytes, g: Vec<u32>, h: Value| {
                Outcome::<String>::Ok(format!("{a} {b} {c} {d} {e} {f:?} {g:?} {h:?}"))
            },
        ),
    )
    .function("nothing", params([], async || Ok(())))
}

#[test]
fn arguments_go_by_position_by_name_or_both() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let sub = "sub";
        let channel = &ends.client;
        for call in [
            channel.rpc::<i64, _>(sub, (44, 2)).start(),
            channel.rpc::<i64, _>(sub, (44, kwargs! { b: 2 })).start(),
            channel.rpc::<i64, _>(sub, kwargs! { a: 44, b: 2 }).start(),
            channel.rpc::<i64, _>(sub, kwargs! { b: 2, a: 44 }).start(),
            channel.rpc::<i64, _>(sub, (43,)).start(),
            channel.rpc::<i64, _>(sub, (43, kwargs! {})).start(),
            channel.rpc::<i64, _>(sub, (43, None::<i64>)).start(),
            channel
                .rpc::<i64, _>(sub, kwargs! { a: 43, b: None::<i64> })
                .start(),
            channel.rpc::<i64, _>(sub, &(43,)).start(),
        ] {
            assert_eq!(call.await.unwrap(), 42);
        }
        let named: Kwargs = BTreeMap::from([("a", 44), ("b", 2)]).into_iter().collect();
        assert_eq!(channel.rpc::<i64, _>(sub, named).await.unwrap(), 42);
        let all: String = channel
            .rpc(
                "all",
                (
                    1u8,
                    -2i16,
                    true,
                    "four",
                    5.5,
                    Bytes::from_static(b"six"),
                    [7u32],
                    (),
                ),
            )
            .await
            .unwrap();
        assert_eq!(all, "1 -2 true four 5.5 b\"six\" [7] null");
    });
}

#[test]
fn anything_can_be_had_as_a_value() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let list = vec![
            Value::Null,
            Value::from(true),
            Value::from(u64::MAX),
            Value::from(i64::MIN),
            Value::from(1.5),
            Value::from("text"),
            Value::List(vec![Value::Map(vec![(Value::from("key"), Value::from(1))])]),
        ];
        let sent = Value::List(list);
        let got: Value = ends.client.rpc("echo", (&sent,)).await.unwrap();
        assert_eq!(got, sent);
        let now = Timestamp::now();
        let got: Timestamp = ends.client.rpc("echo", (now,)).await.unwrap();
        assert_eq!(got, now);
        let nothing: Value = ends.client.rpc("nothing", ()).await.unwrap();
        assert_eq!(nothing, Value::Null);
        let (): () = ends.client.rpc("nothing", ()).await.unwrap();
        let nothing: Option<u64> = ends.client.rpc("nothing", ()).await.unwrap();
        assert_eq!(nothing, None);
        assert!(!ends.client.rpc::<bool, _>("optional", ((),)).await.unwrap());
    });
}

#[test]
fn a_result_of_no_interest_can_be_ignored() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        ends.client.rpc("echo", ("text",)).ignore().await.unwrap();
        ends.client.rpc("nothing", ()).ignore().await.unwrap();
        let error = ends.client.rpc("missing", ()).ignore().await.unwrap_err();
        assert!(matches!(error, Error::UnknownFunction(_)));
    });
}

#[test]
fn a_oneway_call_asks_for_nothing() {
    everywhere(async |over| {
        let (told, mut telling) = mpsc::unbounded_channel();
        let note = params(["n"], move |n: u64| {
            let told = told.clone();
            async move {
                told.send(n)?;
                tokio::task::yield_now().await;
                // Nobody is told.
                Outcome::<u64>::Err("no".into())
            }
        });
        let ends = connect(over, |side| functions(side).function("note", note), plain).await;
        ends.client.rpc("note", (1,)).oneway().await.unwrap();
        ends.client.rpc("note", (2,)).oneway().start().detach();
        // It was sent; a handle that is let go takes nothing back.
        drop(ends.client.rpc("note", (3,)).oneway().start());
        ends.client.rpc("missing", ()).oneway().await.unwrap();
        ends.client.rpc("note", ("bad",)).oneway().await.unwrap();
        for n in 1..=3 {
            assert_eq!(telling.recv().await.unwrap(), n);
        }
        assert_eq!(ends.client.rpc::<i64, _>("sub", (1, 1)).await.unwrap(), 0);
    });
}

#[test]
fn a_call_that_was_not_started_does_nothing() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let ends = connect(
            over,
            |side| functions(side).function("wait", probe.handler()),
            plain,
        )
        .await;
        let call = ends.client.rpc::<u64, _>("wait", (1,));
        assert_eq!(ends.client.rpc::<i64, _>("sub", (1, 1)).await.unwrap(), 0);
        assert_eq!(told.so_far(), []);
        probe.let_go(1);
        assert_eq!(call.await.unwrap(), 1);
    });
}

#[test]
fn a_handle_can_be_awaited_later_and_elsewhere() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let early: InProgress<i64> = ends.client.rpc("sub", (3, 1)).start();
        let sent: InProgress<i64> = ends.client.rpc("sub", (4, 1)).start();
        let elsewhere = tokio::spawn(sent);
        assert_eq!(ends.client.rpc::<i64, _>("sub", (9, 1)).await.unwrap(), 8);
        assert_eq!(elsewhere.await.unwrap().unwrap(), 3);
        assert_eq!(early.await.unwrap(), 2);
    });
}

/// The waker of the last poll counts.
#[test]
fn a_handle_may_be_polled_by_several_tasks_in_turn() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let ends = connect(over, |side| side.function("wait", probe.handler()), plain).await;
        let mut call: InProgress<u64> = ends.client.rpc("wait", (1,)).start();
        let pending = poll_fn(|cx| Poll::Ready(pin!(&mut call).poll(cx).is_pending()));
        assert!(pending.await);
        assert_eq!(told.next().await, Was::Started(1));
        let task = tokio::spawn(call);
        tokio::task::yield_now().await;
        probe.let_go(1);
        assert_eq!(task.await.unwrap().unwrap(), 1);
    });
}

#[test]
fn calls_can_be_started_outside_of_a_runtime() {
    for over in [Over::Memory, Over::Unix] {
        let runtime = multi_threaded();
        let ends = runtime.block_on(connect(over, functions, plain));
        let client = ends.client.clone();
        let handles: Vec<InProgress<i64>> = std::thread::spawn(move || {
            let calls = (0..100)
                .map(|n| client.rpc("sub", (n, 0)).start())
                .collect();
            client
                .rpc::<i64, _>("sub", (1, 0))
                .timeout(std::time::Duration::from_secs(5))
                .start()
                .detach();
            client.rpc("nothing", ()).oneway().start().detach();
            drop(client.rpc::<i64, _>("sub", (1, 0)).start());
            calls
        })
        .join()
        .unwrap();
        // A thread without a runtime waits with any executor.
        for (n, handle) in (0..).zip(handles) {
            assert_eq!(block_on(handle).unwrap(), n);
        }
        let error = block_on(
            ends.client
                .rpc::<i64, _>("missing", ())
                .timeout(std::time::Duration::from_secs(5))
                .start(),
        );
        assert!(matches!(error, Err(Error::UnknownFunction(_))));
    }
}

/// The least executor that there is.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_channel_is_used_by_many_threads() {
    for over in [Over::Memory, Over::Unix] {
        let runtime = multi_threaded();
        let ends = runtime.block_on(connect(over, |side| functions(side).max_calls(7), plain));
        let threads: Vec<_> = (0..4i64)
            .map(|thread| {
                let client: Channel = ends.client.clone();
                std::thread::spawn(move || {
                    for n in 0..300 {
                        let sum = block_on(client.rpc::<i64, _>("sub", (n, thread)).start());
                        assert_eq!(sum.unwrap(), n - thread);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
