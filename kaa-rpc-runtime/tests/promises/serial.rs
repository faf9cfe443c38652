//! Serial functions start only when the channel's previous call of them has ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::codegen::{Functions, Service};
use kaa_rpc_runtime::{Channel, Error, InProgress, Outcome, params};

use crate::common::{
    Ends, Exposing, Over, Probe, Side, Told, Was, connect, everywhere, plain, probe,
};

const UNLUCKY: u64 = 1_000_000;

/// `step(number)` is serial; [`UNLUCKY`] panics after its leave.
fn serial(probe: &Probe) -> impl Service + use<> {
    let object = Arc::new(probe.clone());
    Exposing(move |functions: &mut Functions| {
        functions
            .add("step", &object, |probe, _cx, arguments| {
                let run = probe.run(arguments.required("number")?);
                Ok(async move {
                    let number = run.await;
                    assert_ne!(number, UNLUCKY, "unlucky");
                    Outcome::<u64>::Ok(number)
                })
            })
            .serial();
    })
}

async fn ends(over: Over) -> (Ends, Probe, Told) {
    let (probe, told) = probe();
    let side = |side: Side| {
        side.service(serial(&probe))
            .function("other", params([], async || Ok(0u64)))
            .close_timeout(Duration::from_millis(50))
    };
    let ends = connect(over, side, plain).await;
    (ends, probe, told)
}

fn step(channel: &Channel, number: u64) -> InProgress<u64> {
    channel.rpc("step", (number,)).start()
}

/// Comes after all calls that were started before it.
async fn let_arrive(ends: &Ends) {
    assert_eq!(ends.client.rpc::<u64, _>("other", ()).await.unwrap(), 0);
}

#[test]
fn one_runs_at_a_time_and_in_order() {
    everywhere(async |over| {
        let (ends, probe, mut told) = ends(over).await;
        let calls: Vec<_> = (0..100).map(|n| step(&ends.client, n)).collect();
        let_arrive(&ends).await;
        assert_eq!(told.so_far(), [Was::Started(0)]);
        probe.let_go(100);
        for (n, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap(), n);
            if n > 0 {
                assert_eq!(told.next().await, Was::Started(n));
            }
            assert_eq!(told.next().await, Was::Ended(n));
        }
    });
}

#[test]
fn one_that_is_ready_at_once_lets_the_next_run() {
    everywhere(async |over| {
        let (ends, probe, _told) = ends(over).await;
        probe.let_go(2000);
        for n in 0..1000 {
            assert_eq!(step(&ends.client, n).await.unwrap(), n);
        }
        let calls: Vec<_> = (0..1000).map(|n| step(&ends.client, n)).collect();
        for (n, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap(), n);
        }
    });
}

#[test]
fn a_queued_call_that_is_cancelled_never_starts() {
    everywhere(async |over| {
        let (ends, probe, mut told) = ends(over).await;
        let first = step(&ends.client, 1);
        let second = step(&ends.client, 2);
        let third = step(&ends.client, 3);
        let_arrive(&ends).await;
        second.cancel();
        let_arrive(&ends).await;
        probe.let_go(2);
        assert_eq!(first.await.unwrap(), 1);
        assert_eq!(third.await.unwrap(), 3);
        assert_eq!(
            told.so_far(),
            [
                Was::Started(1),
                // Without having started.
                Was::Dropped(2),
                Was::Ended(1),
                Was::Started(3),
                Was::Ended(3)
            ]
        );
    });
}

#[test]
fn the_running_call_may_be_cancelled_or_panic() {
    everywhere(async |over| {
        let (ends, probe, mut told) = ends(over).await;
        let first = step(&ends.client, 1);
        let second = step(&ends.client, UNLUCKY);
        let third = step(&ends.client, 3);
        assert_eq!(told.next().await, Was::Started(1));
        first.cancel();
        assert_eq!(told.next().await, Was::Dropped(1));
        assert_eq!(told.next().await, Was::Started(UNLUCKY));
        probe.let_go(2);
        let error = second.await.unwrap_err();
        assert!(
            matches!(&error, Error::Fault(fault) if fault.is_panic()),
            "{error}"
        );
        assert_eq!(third.await.unwrap(), 3);
    });
}

#[test]
fn other_channels_do_not_wait() {
    let runtime = crate::common::multi_threaded();
    runtime.block_on(async {
        let (ends, probe, mut told) = ends(Over::Unix).await;
        let (server, _) = ends.host.as_ref().unwrap();
        let other = Channel::connect(&server.address().to_string(), &crate::common::secret())
            .await
            .unwrap();
        let first = step(&ends.client, 1);
        assert_eq!(told.next().await, Was::Started(1));
        let second = step(&other, 2);
        assert_eq!(told.next().await, Was::Started(2));
        probe.let_go(2);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
    });
}

#[test]
fn two_serial_functions_do_not_wait_for_each_other() {
    everywhere(async |over| {
        let (left, mut left_told) = probe();
        let (right, mut right_told) = probe();
        let (one, two) = (serial(&left), serial(&right));
        let (server, client) = match over {
            // The same interface twice.
            Over::Memory => Channel::pair(
                |side| side.register_at("left.", one).register_at("right.", two),
                |side| side,
            )
            .await
            .unwrap(),
            Over::Unix => return,
        };
        let first: InProgress<u64> = client.rpc("left.step", (1,)).start();
        assert_eq!(left_told.next().await, Was::Started(1));
        let second: InProgress<u64> = client.rpc("right.step", (2,)).start();
        assert_eq!(right_told.next().await, Was::Started(2));
        left.let_go(1);
        right.let_go(1);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
        drop(server);
    });
}

#[test]
fn queued_calls_do_not_start_when_the_channel_has_closed() {
    everywhere(async |over| {
        let (ends, _probe, mut told) = ends(over).await;
        let calls: Vec<_> = (1..=3).map(|n| step(&ends.client, n)).collect();
        let_arrive(&ends).await;
        assert_eq!(told.next().await, Was::Started(1));
        ends.server.close().await;
        for call in calls {
            let error = call.await.unwrap_err();
            assert!(
                matches!(error, Error::ConnectionLost(_) | Error::Cancelled),
                "{error:?}"
            );
        }
        let mut rest = [told.next().await, told.next().await, told.next().await];
        rest.sort_unstable();
        assert_eq!(rest, [Was::Dropped(1), Was::Dropped(2), Was::Dropped(3)]);
    });
}

/// The callee keeps the deadline of a call that waits for its turn, also if the caller is silent.
#[tokio::test(start_paused = true)]
async fn a_queued_call_has_its_deadline() {
    let (ends, probe, mut told) = ends(Over::Memory).await;
    let first = step(&ends.client, 1);
    let second: InProgress<u64> = ends
        .client
        .rpc("step", (2,))
        .timeout(Duration::from_secs(5))
        .start();
    // A caller that has let go does not cancel at the deadline.
    second.detach();
    let_arrive(&ends).await;
    assert_eq!(told.next().await, Was::Started(1));
    assert_eq!(told.next().await, Was::Dropped(2));
    probe.let_go(1);
    assert_eq!(first.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_queued_has_its_deadline_when_it_runs() {
    let (ends, probe, mut told) = ends(Over::Memory).await;
    let first = step(&ends.client, 1);
    let second: InProgress<u64> = ends
        .client
        .rpc("step", (2,))
        .timeout(Duration::from_secs(5))
        .start();
    second.detach();
    let_arrive(&ends).await;
    probe.let_go(1);
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(told.next().await, Was::Started(1));
    assert_eq!(told.next().await, Was::Ended(1));
    assert_eq!(told.next().await, Was::Started(2));
    assert_eq!(told.next().await, Was::Dropped(2));
}

/// Wherever they run, one runs at a time, and in order.
#[test]
fn serial_functions_stay_so_in_tasks_and_on_threads() {
    everywhere(async |over| {
        let running = Arc::new(AtomicBool::new(false));
        let order = Arc::new(Mutex::new(Vec::new()));
        let object = Arc::new((running, Arc::clone(&order)));
        let service = Exposing(move |functions: &mut Functions| {
            for name in ["spawned", "blocking"] {
                functions
                    .add(name, &object, |object, _, arguments| {
                        let number: u64 = arguments.required("number")?;
                        Ok(async move {
                            assert!(!object.0.swap(true, Ordering::SeqCst), "two run");
                            object.1.lock().unwrap().push(number);
                            tokio::task::yield_now().await;
                            object.0.store(false, Ordering::SeqCst);
                            Outcome::<u64>::Ok(number)
                        })
                    })
                    .serial();
            }
        });
        let service = service.spawned("spawned").blocking("blocking");
        let ends = connect(over, |side| side.service(service), plain).await;
        for name in ["spawned", "blocking"] {
            let calls: Vec<_> = (0..100_u64)
                .map(|number| ends.client.rpc::<u64, _>(name, (number,)).start())
                .collect();
            for (number, call) in (0_u64..).zip(calls) {
                assert_eq!(call.await.unwrap(), number);
            }
            let order = std::mem::take(&mut *order.lock().unwrap());
            assert!(order.into_iter().eq(0..100));
        }
    });
}
