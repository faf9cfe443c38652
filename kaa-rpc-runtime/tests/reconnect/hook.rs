//! The hook that greets each new connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kaa_rpc_runtime::{Channel, CloseReason, InProgress, Limits, params};

use crate::world::World;
use crate::{Log, connected, in_time, lost};

#[tokio::test(start_paused = true)]
async fn its_calls_go_before_all_others_on_each_connection() {
    let log = Log::new();
    let limits = Limits {
        max_calls: 2,
        ..Limits::default()
    };
    let world = World::with(log.server().limits(limits));
    let times = Arc::new(AtomicU64::new(0));
    let channel = connected(&world, |builder| {
        builder.on_connect(move |channel: Channel| {
            // More than the window holds, and another thread has calls to make meanwhile.
            let time = times.fetch_add(100, Ordering::Relaxed);
            for token in 0..5 {
                channel
                    .rpc::<u64, _>("note", (time + token,))
                    .start()
                    .detach();
            }
            let other = channel.clone();
            let rival = std::thread::spawn(move || {
                other.rpc::<u64, _>("note", (time + 50,)).start().detach();
            });
            rival.join().unwrap();
            for token in 5..8 {
                channel
                    .rpc::<u64, _>("note", (time + token,))
                    .start()
                    .detach();
            }
        })
    })
    .await;
    log.reaches(9).await;
    let mut watch = channel.watch_status();
    world.kill();
    lost(&mut watch).await;
    let waiting: Vec<InProgress<u64>> = (1000..1003)
        .map(|token| channel.rpc("note", (token,)).start())
        .collect();
    world.serve(log.server().limits(limits));
    for (call, token) in waiting.into_iter().zip(1000..) {
        assert_eq!(in_time(call).await.unwrap(), token);
    }
    log.reaches(21).await;
    let expected: Vec<u64> = (0..8)
        .chain([50])
        .chain(100..108)
        .chain([1000, 1001, 1002, 150])
        .collect();
    assert_eq!(log.tokens(), expected);
}

#[tokio::test(start_paused = true)]
async fn it_runs_before_any_call_of_the_other_end() {
    let log = Log::new();
    let seen = Arc::new(AtomicU64::new(0));
    let server = || {
        log.server().on_connect(|channel: Channel| {
            channel.rpc::<(), _>("hello", ()).start().detach();
        })
    };
    let world = World::with(server());
    let (told, mut hellos) = tokio::sync::mpsc::unbounded_channel();
    let channel = connected(&world, |builder| {
        let (hooked, handled) = (Arc::clone(&seen), Arc::clone(&seen));
        builder
            .on_connect(move |_| {
                hooked.fetch_add(1, Ordering::Relaxed);
            })
            .register_fn(
                "hello",
                params([], move || {
                    let _ = told.send(handled.load(Ordering::Relaxed));
                    async { Ok(()) }
                }),
            )
    })
    .await;
    for connection in 1..4 {
        assert_eq!(in_time(hellos.recv()).await, Some(connection));
        world.cut();
    }
    drop(channel);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_it_closes_the_channel() {
    let world = World::with(Log::new().server());
    let channel = connected(&world, |builder| {
        builder.on_connect(|_| panic!("the subscription is missing"))
    })
    .await;
    let reason = in_time(channel.closed()).await;
    assert!(matches!(*reason, CloseReason::Closed), "{reason:?}");
    assert_eq!(world.attempts().len(), 1);
}
