//! Handlers start in the order in which the calls were sent; results go as they are ready.

use std::sync::{Arc, Mutex};

use kaa_rpc_runtime::{Channel, InProgress, Outcome, params};
use tokio::sync::Notify;

use crate::common::{Was, connect, everywhere, plain, probe};

const CALLS: u64 = 5000;

type Order = Arc<Mutex<Vec<u64>>>;

/// `ready(n)` ends at once, `late(n)` after a few turns, `spawned(n)` in a task of its own.
fn functions(side: crate::common::Side, order: &Order) -> crate::common::Side {
    let note = |n: u64, order: &Order| order.lock().unwrap().push(n);
    let (ready, late, spawned) = (Arc::clone(order), Arc::clone(order), Arc::clone(order));
    side.function(
        "ready",
        params(["n"], move |n: u64| {
            let order = Arc::clone(&ready);
            async move {
                note(n, &order);
                Ok(n)
            }
        }),
    )
    .function(
        "late",
        params(["n"], move |n: u64| {
            let order = Arc::clone(&late);
            async move {
                note(n, &order);
                for _ in 0..n % 7 {
                    tokio::task::yield_now().await;
                }
                Ok(n)
            }
        }),
    )
    .function(
        "spawned",
        params(["n"], move |n: u64| {
            let order = Arc::clone(&spawned);
            async move {
                note(n, &order);
                let task = tokio::spawn(async move { n });
                Outcome::<u64>::Ok(task.await?)
            }
        }),
    )
}

async fn call_all(channel: &Channel, order: &Order) {
    let calls: Vec<InProgress<u64>> = (0..CALLS)
        .map(|n| {
            let name = ["ready", "late", "spawned", "ready"][(n % 4) as usize];
            channel.rpc(name, (n,)).start()
        })
        .collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap(), n);
    }
    assert!(order.lock().unwrap().iter().copied().eq(0..CALLS));
}

#[test]
fn handlers_start_in_the_order_of_the_calls() {
    everywhere(async |over| {
        let order = Order::default();
        let ends = connect(over, |side| functions(side, &order), plain).await;
        call_all(&ends.client, &order).await;
    });
}

#[test]
fn both_directions_keep_their_orders() {
    everywhere(async |over| {
        let (at_server, at_client) = (Order::default(), Order::default());
        let ends = connect(
            over,
            |side| functions(side, &at_server).max_calls(50),
            |side| functions(side, &at_client).max_calls(3),
        )
        .await;
        tokio::join!(
            call_all(&ends.client, &at_server),
            call_all(&ends.server, &at_client)
        );
    });
}

#[test]
fn oneway_calls_stand_in_the_same_order() {
    everywhere(async |over| {
        let order = Order::default();
        let noted = Arc::clone(&order);
        let event = params(["n"], move |n: u64| {
            noted.lock().unwrap().push(n);
            async { Ok(()) }
        });
        let side = |side| {
            functions(side, &order)
                .function("event", event)
                .max_calls(16)
        };
        let ends = connect(over, side, plain).await;
        let mut calls: Vec<InProgress<()>> = Vec::new();
        let mut results: Vec<InProgress<u64>> = Vec::new();
        for n in 0..CALLS {
            if n % 3 == 0 {
                results.push(ends.client.rpc("late", (n,)).start());
            } else {
                calls.push(ends.client.rpc("event", (n,)).oneway().start());
            }
        }
        for call in calls {
            call.await.unwrap();
        }
        for call in results {
            call.await.unwrap();
        }
        // A last call comes after all events.
        let _: u64 = ends.client.rpc("ready", (CALLS,)).await.unwrap();
        assert!(order.lock().unwrap().iter().copied().eq(0..=CALLS));
    });
}

#[test]
fn results_go_as_they_are_ready() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let side = |side: crate::common::Side| {
            side.function("wait", probe.handler())
                .function("now", params([], async || Ok(1u64)))
        };
        let ends = connect(over, side, plain).await;
        let waiting: InProgress<u64> = ends.client.rpc("wait", (9,)).start();
        for _ in 0..100 {
            assert_eq!(ends.client.rpc::<u64, _>("now", ()).await.unwrap(), 1);
        }
        assert_eq!(told.next().await, Was::Started(9));
        assert_eq!(told.so_far(), []);
        probe.let_go(1);
        assert_eq!(waiting.await.unwrap(), 9);
    });
}

/// Calls of one thread keep their order also among those of other threads.
#[test]
fn each_thread_has_its_order() {
    let order: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let noted = Arc::clone(&order);
    everywhere(async |over| {
        order.lock().unwrap().clear();
        let noted = Arc::clone(&noted);
        let note = params(["thread", "n"], move |thread: u64, n: u64| {
            noted.lock().unwrap().push((thread, n));
            async { Ok(()) }
        });
        let ends = connect(over, |side| side.function("note", note), plain).await;
        let done = Arc::new(Notify::new());
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let client = ends.client.clone();
                let done = Arc::clone(&done);
                std::thread::spawn(move || {
                    let calls: Vec<InProgress<()>> = (0..500)
                        .map(|n| client.rpc("note", (thread, n)).start())
                        .collect();
                    done.notify_one();
                    calls
                })
            })
            .collect();
        for thread in threads {
            let calls = tokio::task::spawn_blocking(|| thread.join().unwrap())
                .await
                .unwrap();
            for call in calls {
                call.await.unwrap();
            }
        }
        let order = order.lock().unwrap();
        for thread in 0..4 {
            let of_one = order.iter().filter(|(other, _)| *other == thread);
            assert!(of_one.map(|(_, n)| *n).eq(0..500), "thread {thread}");
        }
    });
}
