//! Both ends call, also from inside handlers, and nothing waits for itself.

use std::sync::{Arc, Mutex};

use kaa_rpc_runtime::{
    Channel, Context, Error, InProgress, Limits, Outcome, Server, kwargs, params,
};
use tokio::sync::mpsc;

use crate::common::{
    Over, Side, Was, call_back, connect, everywhere, multi_threaded, plain, private_address, probe,
    secret,
};

/// `bounce(n)` calls the other end's `bounce(n - 1)`, down to 0; gives how often.
fn bouncing(side: Side) -> Side {
    side.function(
        "bounce",
        params(["n"], async |cx: Context, n: u64| {
            if n == 0 {
                return Ok(0);
            }
            Outcome::<u64>::Ok(1 + call_back(&cx, "bounce", n - 1).await?)
        }),
    )
}

/// As [`bouncing`], but tells how the innermost call failed.
fn telling(side: Side) -> Side {
    side.function(
        "tell",
        params(["n"], async |cx: Context, n: u64| {
            let channel = cx.channel();
            let inner = channel.rpc::<String, _>("tell", (n + 1,)).await;
            Ok(match inner {
                Ok(told) => told,
                Err(error) => format!("at {n} (depth {}): {error:?}", cx.depth()),
            })
        }),
    )
}

#[test]
fn a_callback_may_call_back() {
    everywhere(async |over| {
        let ends = connect(over, bouncing, bouncing).await;
        for n in [0, 1, 2, 32] {
            let from_client: u64 = ends.client.rpc("bounce", (n,)).await.unwrap();
            let from_server: u64 = ends.server.rpc("bounce", (n,)).await.unwrap();
            assert_eq!((from_client, from_server), (n, n));
        }
    });
}

#[test]
fn hostile_38_calls_that_call_back_without_end_meet_the_depth_limit() {
    everywhere(async |over| {
        let ends = connect(over, telling, telling).await;
        for channel in [&ends.client, &ends.server] {
            // Calls of depth 0 to 32 are taken.
            let told: String = channel.rpc("tell", (0,)).await.unwrap();
            assert!(told.starts_with("at 32 (depth 32): TooDeep"), "{told}");
            assert!(told.contains("max_depth") && told.contains("32"), "{told}");
        }
        // As an error of the one who began, it is a fault of the handlers between.
        let ends = connect(over, bouncing, bouncing).await;
        let error = ends
            .client
            .rpc::<u64, _>("bounce", (1000,))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("max_depth"), "{error}");
        // And the channel lives.
        assert_eq!(ends.client.rpc::<u64, _>("bounce", (3,)).await.unwrap(), 3);
    });
}

#[test]
fn each_end_has_its_own_depth_limit() {
    everywhere(async |over| {
        let shallow = |side| {
            telling(side).limits(Limits {
                max_depth: 4,
                ..Limits::default()
            })
        };
        let ends = connect(over, shallow, telling).await;
        for (channel, last) in [(&ends.client, 5), (&ends.server, 4)] {
            // Calls at the server have an even depth if the client began, an odd one otherwise.
            let told: String = channel.rpc("tell", (0,)).await.unwrap();
            assert!(told.starts_with(&format!("at {last} ")), "{told}");
        }
    });
}

#[test]
fn a_call_inside_a_handler_fails_at_once_if_the_window_is_full() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let nested = params([], async |cx: Context| {
            let channel = cx.channel();
            let first: InProgress<u64> = channel.rpc("wait", (1,)).start();
            let second: InProgress<u64> = channel.rpc("wait", (2,)).start();
            let error = second.await.unwrap_err();
            assert!(
                matches!(error, Error::WindowFull { window: 1 }),
                "{error:?}"
            );
            assert!(error.never_ran());
            // The handler itself decides what to do: here, wait for its own call.
            channel.rpc::<(), _>("let_go", ()).oneway().start().detach();
            drop(first);
            Ok(error.to_string())
        });
        let wait = probe.handler();
        let ends = connect(
            over,
            |side| side.function("nested", nested),
            |side| side.function("wait", wait).max_calls(1),
        )
        .await;
        let error: String = ends.client.rpc("nested", ()).await.unwrap();
        assert!(error.contains("max_calls"), "{error}");
        assert_eq!(told.next().await, Was::Started(1));
        assert_eq!(told.next().await, Was::Dropped(1));
    });
}

/// What is full is named: here, the bytes.
#[test]
fn a_call_inside_a_handler_names_the_limit_of_bytes() {
    everywhere(async |over| {
        let (probe, _told) = probe();
        let nested = params([], async |cx: Context| {
            let channel = cx.channel();
            let big = "x".repeat(60 << 10);
            let _first: InProgress<u64> = channel
                .rpc("wait", kwargs! { number: 1, more: &big })
                .start();
            let second = channel.rpc::<u64, _>("wait", (2, &big)).await;
            Ok(second.unwrap_err().to_string())
        });
        let wait = params(
            ["number", "more?"],
            move |number: u64, _: Option<String>| {
                let run = probe.run(number);
                async move { Ok(run.await) }
            },
        );
        let limits = Limits {
            max_frame: 64 << 10,
            max_request_bytes: 64 << 10,
            ..Limits::default()
        };
        let ends = connect(
            over,
            |side| side.function("nested", nested),
            |side| side.function("wait", wait).limits(limits),
        )
        .await;
        let error: String = ends.client.rpc("nested", ()).await.unwrap();
        assert!(error.contains("max_request_bytes"), "{error}");
    });
}

#[test]
fn callers_outside_of_handlers_wait_in_order() {
    everywhere(async |over| {
        let order: Arc<Mutex<Vec<u64>>> = Arc::default();
        let noted = Arc::clone(&order);
        let note = params(["n"], move |n: u64| {
            let order = Arc::clone(&noted);
            async move {
                order.lock().unwrap().push(n);
                tokio::task::yield_now().await;
                Ok(n)
            }
        });
        let ends = connect(over, |side| side.function("note", note).max_calls(1), plain).await;
        let calls: Vec<InProgress<u64>> = (0..300)
            .map(|n| ends.client.rpc("note", (n,)).start())
            .collect();
        // Whoever awaits first does not go first.
        for (n, call) in calls.into_iter().enumerate().rev() {
            assert_eq!(call.await.unwrap(), n as u64);
        }
        assert!(order.lock().unwrap().iter().copied().eq(0..300));
    });
}

/// Each end's window is full of calls whose handlers call back.
#[test]
fn full_windows_at_both_ends_are_no_deadlock() {
    everywhere(async |over| {
        let side = |side: Side| {
            side.function("noop", params([], async || Ok(0u64)))
                .function(
                    "bounce",
                    params(["n"], async |cx: Context, n: u64| {
                        tokio::task::yield_now().await;
                        let channel = cx.channel();
                        match channel.rpc::<u64, _>("noop", ()).await {
                            Ok(_) => Ok(n),
                            Err(Error::WindowFull { window: 4 }) => Ok(n + 1000),
                            Err(error) => Err(error.into()),
                        }
                    }),
                )
                .max_calls(4)
        };
        let ends = connect(over, side, side).await;
        let flood = async |channel: &Channel| {
            let calls: Vec<InProgress<u64>> = (0..500)
                .map(|n| channel.rpc("bounce", (n,)).start())
                .collect();
            for (n, call) in (0..).zip(calls) {
                let got = call.await.unwrap();
                assert!(got == n || got == n + 1000);
            }
        };
        tokio::join!(flood(&ends.server), flood(&ends.client));
        // Nothing leaked: each end can use its whole window again.
        for channel in [&ends.server, &ends.client] {
            let calls: [InProgress<u64>; 4] =
                std::array::from_fn(|_| channel.rpc("noop", ()).start());
            for call in calls {
                assert_eq!(call.await.unwrap(), 0);
            }
        }
    });
}

#[test]
fn both_ends_may_call_from_the_very_beginning() {
    for _ in 0..20 {
        multi_threaded().block_on(async {
            let (folder, address) = private_address();
            let (told, mut telling) = mpsc::unbounded_channel();
            let _server = Server::builder(secret())
                .register_fn("name", params([], async || Ok("server")))
                .on_connect(move |channel| {
                    let told = told.clone();
                    // Started here, before anything of the client's is looked at.
                    let call: InProgress<String> = channel.rpc("name", ()).start();
                    tokio::spawn(async move { told.send(call.await) });
                })
                .bind(&address)
                .await
                .unwrap();
            let client = Channel::builder(&secret())
                .register_fn("name", params([], async || Ok("client")))
                .connect(&address)
                .await
                .unwrap();
            let name: String = client.rpc("name", ()).await.unwrap();
            assert_eq!(name, "server");
            assert_eq!(telling.recv().await.unwrap().unwrap(), "client");
            drop(folder);
        });
    }
}

/// A closure may call before it gives its future; that is inside its handler, too.
#[test]
fn what_a_closure_does_before_its_future_is_inside_its_handler() {
    everywhere(async |over| {
        let eager = params([], |cx: Context| {
            let channel = cx.channel();
            let depth: InProgress<u64> = channel.rpc("depth", ()).start();
            async move { Ok(depth.await?) }
        });
        let depth = params([], async |cx: Context| Ok(u64::from(cx.depth())));
        let ends = connect(
            over,
            |side| side.function("eager", eager),
            |side| side.function("depth", depth),
        )
        .await;
        assert_eq!(ends.client.rpc::<u64, _>("eager", ()).await.unwrap(), 1);
    });
}

#[test]
fn a_spawned_task_is_inside_its_handler_if_it_is_said() {
    everywhere(async |over| {
        let spawning = params(["scoped"], async |cx: Context, scoped: bool| {
            let channel = cx.channel();
            let call = async move { channel.rpc::<u64, _>("depth", ()).await };
            let task = if scoped {
                tokio::spawn(cx.scope(call))
            } else {
                tokio::spawn(call)
            };
            Ok(task.await??)
        });
        let depth = params([], async |cx: Context| Ok(u64::from(cx.depth())));
        let ends = connect(
            over,
            |side| side.function("spawning", spawning),
            |side| side.function("depth", depth),
        )
        .await;
        assert_eq!(
            ends.client
                .rpc::<u64, _>("spawning", (true,))
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            ends.client
                .rpc::<u64, _>("spawning", (false,))
                .await
                .unwrap(),
            0
        );
    });
}

/// While one handler waits, all others go on, and so does the connection.
#[test]
fn a_handler_that_waits_keeps_nobody_waiting() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let wait = probe.handler();
        let ends = connect(over, |side| bouncing(side).function("wait", wait), bouncing).await;
        let waiting: InProgress<u64> = ends.client.rpc("wait", (1,)).start();
        assert_eq!(told.next().await, Was::Started(1));
        for n in 0..20 {
            assert_eq!(ends.client.rpc::<u64, _>("bounce", (n,)).await.unwrap(), n);
        }
        probe.let_go(1);
        assert_eq!(waiting.await.unwrap(), 1);
        if over == Over::Memory {
            drop(ends);
        }
    });
}

/// Each end calls the other in its hook for the new connection, and what is called calls back.
#[test]
fn both_ends_may_call_back_while_they_greet_each_other() {
    for _ in 0..20 {
        multi_threaded().block_on(async {
            let (_folder, address) = private_address();
            let (told, mut telling) = mpsc::unbounded_channel();
            let greet = move |channel: Channel| {
                let told = told.clone();
                let call: InProgress<u64> = channel.rpc("bounce", (5,)).start();
                tokio::spawn(async move { told.send(call.await) });
            };
            let bounce = || {
                params(["n"], async |cx: Context, n: u64| match n {
                    0 => Outcome::<u64>::Ok(0),
                    _ => Ok(1 + call_back(&cx, "bounce", n - 1).await?),
                })
            };
            let _server = Server::builder(secret())
                .register_fn("bounce", bounce())
                .on_connect(greet.clone())
                .bind(&address)
                .await
                .unwrap();
            let _client = Channel::builder(&secret())
                .register_fn("bounce", bounce())
                .on_connect(greet)
                .connect(&address)
                .await
                .unwrap();
            for _ in 0..2 {
                assert_eq!(telling.recv().await.unwrap().unwrap(), 5);
            }
        });
    }
}

/// A oneway call has no answer, but what it brings about can be waited for, in the handler that made it.
#[test]
fn a_handler_may_wait_for_what_its_oneway_call_brings_about() {
    everywhere(async |over| {
        let came = Arc::new(tokio::sync::Semaphore::new(0));
        let comes = Arc::clone(&came);
        let ask = move |cx: Context| {
            let came = Arc::clone(&came);
            async move {
                let channel = cx.channel();
                channel.rpc::<(), _>("please", ()).oneway().await?;
                came.acquire().await?.forget();
                Ok("it came")
            }
        };
        let answer = move || {
            comes.add_permits(1);
            async { Ok(()) }
        };
        let please = async |cx: Context| {
            let channel = cx.channel();
            channel.rpc::<(), _>("answer", ()).oneway().await?;
            Ok(())
        };
        let ends = connect(
            over,
            |side| {
                side.function("ask", params([], ask))
                    .function("answer", params([], answer))
            },
            |side| side.function("please", params([], please)),
        )
        .await;
        for _ in 0..100 {
            let told: String = ends.client.rpc("ask", ()).await.unwrap();
            assert_eq!(told, "it came");
        }
    });
}
