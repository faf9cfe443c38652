//! Dropping a call drops its handler at the next await, and what that called in turn.

use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_runtime::codegen::{Functions, Service};
use kaa_rpc_runtime::{Context, Error, InProgress, Limits, Outcome, params};

use crate::common::{Exposing, Probe, Side, Was, call_back, connect, everywhere, plain, probe};

/// `stubborn(number)` runs to its end, whatever its caller does.
fn stubborn(probe: &Probe) -> impl Service + use<> {
    let object = Arc::new(probe.clone());
    Exposing(move |functions: &mut Functions| {
        functions
            .add("stubborn", &object, |probe, _cx, arguments| {
                let run = probe.run(arguments.required("number")?);
                Ok(async move { Outcome::<u64>::Ok(run.await) })
            })
            .uncancelled();
    })
}

#[test]
fn dropping_a_call_drops_its_handler() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let ends = connect(over, |side| side.function("wait", probe.handler()), plain).await;
        for n in 0..50 {
            let call: InProgress<u64> = ends.client.rpc("wait", (n,)).start();
            assert_eq!(told.next().await, Was::Started(n));
            if n % 2 == 0 {
                drop(call);
            } else {
                call.cancel();
            }
            assert_eq!(told.next().await, Was::Dropped(n));
        }
    });
}

#[test]
fn a_select_that_goes_elsewhere_cancels() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let ends = connect(over, |side| side.function("wait", probe.handler()), plain).await;
        tokio::select! {
            ended = ends.client.rpc::<u64, _>("wait", (1,)) => panic!("{ended:?}"),
            started = told.next() => assert_eq!(started, Was::Started(1)),
        }
        assert_eq!(told.next().await, Was::Dropped(1));
    });
}

/// client → server → client → server, and the first one lets go.
#[test]
fn it_cascades_to_the_calls_that_the_handler_made() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let relay = |side: Side| {
            side.function(
                "relay",
                params(["n"], async |cx: Context, n: u64| {
                    let name = if n == 0 { "wait" } else { "relay" };
                    call_back(&cx, name, n.saturating_sub(1)).await
                }),
            )
        };
        let wait = (probe.handler(), probe.handler());
        let ends = connect(
            over,
            |side| relay(side).function("wait", wait.0),
            |side| relay(side).function("wait", wait.1),
        )
        .await;
        for n in [0, 1, 2, 9] {
            for channel in [&ends.client, &ends.server] {
                let call: InProgress<u64> = channel.rpc("relay", (n,)).start();
                assert_eq!(told.next().await, Was::Started(0));
                drop(call);
                assert_eq!(told.next().await, Was::Dropped(0));
            }
        }
    });
}

#[test]
fn an_uncancelled_function_runs_to_its_end() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let ends = connect(over, |side| side.service(stubborn(&probe)), plain).await;
        let call: InProgress<u64> = ends.client.rpc("stubborn", (1,)).start();
        assert_eq!(told.next().await, Was::Started(1));
        drop(call);
        // Comes after the cancel.
        let _ = ends.client.rpc::<u64, _>("nothing", ()).await;
        probe.let_go(1);
        assert_eq!(told.next().await, Was::Ended(1));
    });
}

#[test]
fn an_uncancelled_function_survives_its_channel() {
    everywhere(async |over| {
        let (stubborn_probe, mut stubborn_told) = probe();
        let (probe, mut told) = probe();
        let side = |side: Side| {
            side.service(stubborn(&stubborn_probe))
                .function("wait", probe.handler())
                .close_timeout(Duration::ZERO)
        };
        let ends = connect(over, side, plain).await;
        let _calls: [InProgress<u64>; 2] = [
            ends.client.rpc("stubborn", (1,)).start(),
            ends.client.rpc("wait", (2,)).start(),
        ];
        assert_eq!(stubborn_told.next().await, Was::Started(1));
        assert_eq!(told.next().await, Was::Started(2));
        ends.server.close().await;
        assert_eq!(told.next().await, Was::Dropped(2));
        stubborn_probe.let_go(1);
        assert_eq!(stubborn_told.next().await, Was::Ended(1));
    });
}

#[test]
fn a_detached_call_runs_to_its_end() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let side = |side: Side| side.function("wait", probe.handler()).max_calls(1);
        let ends = connect(over, side, plain).await;
        let first: InProgress<u64> = ends.client.rpc("wait", (1,)).start();
        // This one waits for the window.
        let second: InProgress<u64> = ends.client.rpc("wait", (2,)).start();
        assert_eq!(told.next().await, Was::Started(1));
        first.detach();
        second.detach();
        probe.let_go(2);
        let rest = [told.next().await, told.next().await, told.next().await];
        assert_eq!(rest, [Was::Ended(1), Was::Started(2), Was::Ended(2)]);
        // Both places are free again.
        probe.let_go(1);
        assert_eq!(ends.client.rpc::<u64, _>("wait", (3,)).await.unwrap(), 3);
    });
}

#[test]
fn a_call_that_is_cancelled_while_it_waits_for_the_window_is_never_sent() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let side = |side: Side| side.function("wait", probe.handler()).max_calls(1);
        let ends = connect(over, side, plain).await;
        let call = |n: u64| -> InProgress<u64> { ends.client.rpc("wait", (n,)).start() };
        let (first, second, third) = (call(1), call(2), call(3));
        drop(second);
        probe.let_go(2);
        assert_eq!((first.await.unwrap(), third.await.unwrap()), (1, 3));
        assert_eq!(
            told.so_far(),
            [
                Was::Started(1),
                Was::Ended(1),
                Was::Started(3),
                Was::Ended(3)
            ]
        );
    });
}

/// A large call waits for room in bytes. When it is let go, a small one behind it fits.
#[test]
fn what_waited_behind_a_cancelled_call_goes() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let run = probe.clone();
        let wait = params(
            ["number", "more?"],
            move |number: u64, _: Option<String>| {
                let run = run.run(number);
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
            |side| side.function("wait", wait).limits(limits),
            plain,
        )
        .await;
        let big = "x".repeat(40 << 10);
        for how in ["dropped", "timed out"] {
            let first: InProgress<u64> = ends.client.rpc("wait", (1, &big)).start();
            let mut second = ends.client.rpc("wait", (2, &big));
            if how == "timed out" {
                second = second.timeout(Duration::from_millis(20));
            }
            let second: InProgress<u64> = second.start();
            let third: InProgress<u64> = ends.client.rpc("wait", (3, "small")).start();
            assert_eq!(told.next().await, Was::Started(1));
            if how == "timed out" {
                let error = second.await.unwrap_err();
                assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
            } else {
                drop(second);
            }
            // Although the first is still in flight.
            assert_eq!(told.next().await, Was::Started(3), "{how}");
            probe.let_go(2);
            assert_eq!((first.await.unwrap(), third.await.unwrap()), (1, 3));
            told.so_far();
        }
    });
}

#[test]
fn cancelling_at_any_moment_loses_no_place() {
    everywhere(async |over| {
        let side = |side: Side| {
            side.function(
                "work",
                params(["turns"], async |turns: u64| {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                    Ok(turns)
                }),
            )
            .max_calls(2)
        };
        let ends = connect(over, side, plain).await;
        for round in 0..1000u64 {
            let call: InProgress<u64> = ends.client.rpc("work", (round % 5,)).start();
            for _ in 0..round % 7 {
                tokio::task::yield_now().await;
            }
            drop(call);
        }
        let last: [InProgress<u64>; 4] =
            std::array::from_fn(|_| ends.client.rpc("work", (3,)).start());
        for call in last {
            assert_eq!(call.await.unwrap(), 3);
        }
    });
}

/// Bytes of a call that is being written are not torn apart by its end.
#[test]
fn hostile_49_dropping_a_call_that_is_half_written_leaves_the_stream_whole() {
    everywhere(async |over| {
        let length = params(["text"], async |text: String| Ok(text.len()));
        let ends = connect(over, |side| side.function("length", length), plain).await;
        let big = "x".repeat(3 << 20);
        for round in 0..8 {
            let large: InProgress<usize> = ends.client.rpc("length", (&big,)).start();
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let small: InProgress<usize> = ends.client.rpc("length", ("small",)).start();
            drop(large);
            assert_eq!(small.await.unwrap(), 5);
        }
    });
}

/// Nobody holds their handles, so that the channel must bound them.
#[test]
fn detached_calls_that_wait_are_bounded() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let side = |side: Side| side.function("wait", probe.handler()).max_calls(4);
        let ends = connect(over, side, plain).await;
        let call = |n: u64| -> InProgress<u64> { ends.client.rpc("wait", (n,)).start() };
        let most = 4 + 1024;
        for n in 0..most {
            call(n).try_detach().unwrap();
        }
        let kept = call(most);
        let error = call(9999).try_detach().unwrap_err();
        assert!(matches!(error, Error::TooManyDetached { .. }), "{error:?}");
        assert!(error.to_string().contains("max_calls"), "{error}");
        assert!(error.never_ran());
        // What is sent makes room.
        let mut ran: Vec<u64> = (0..=most + 1).collect();
        probe.let_go(1);
        let mut was = told.next().await;
        while was != Was::Started(4) {
            ran.retain(|n| was != Was::Ended(*n));
            was = told.next().await;
        }
        call(most + 1).try_detach().unwrap();
        call(9999).detach();
        probe.let_go(most as usize + 1);
        assert_eq!(kept.await.unwrap(), most);
        while !ran.is_empty() {
            was = told.next().await;
            assert!(was != Was::Started(9999));
            ran.retain(|n| was != Was::Ended(*n));
        }
    });
}

#[test]
fn detached_calls_that_wait_are_bounded_in_bytes() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let side = |side: Side| side.function("wait", probe.handler()).max_calls(1);
        let ends = connect(over, side, plain).await;
        let held: InProgress<u64> = ends.client.rpc("wait", (1,)).start();
        assert_eq!(told.next().await, Was::Started(1));
        let text = "x".repeat(100 << 10);
        let mut waiting = 0;
        let error = loop {
            let call = ends.client.rpc::<u64, _>("nothing", (&text,)).start();
            match call.try_detach() {
                Ok(()) => waiting += text.len(),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("max_request_bytes"), "{error}");
        assert!((63 << 20..=64 << 20).contains(&waiting), "{waiting}");
        probe.let_go(1);
        assert_eq!(held.await.unwrap(), 1);
    });
}

/// As many as there are, in any order, and each at once.
#[test]
fn cancelling_a_crowd_that_waits_takes_no_time() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let side = |side: Side| side.function("wait", probe.handler()).max_calls(1);
        let ends = connect(over, side, plain).await;
        let call = |n: u64| -> InProgress<u64> { ends.client.rpc("wait", (n,)).start() };
        let first = call(0);
        assert_eq!(told.next().await, Was::Started(0));
        let mut crowd: Vec<InProgress<u64>> = (1..=100_000).map(call).collect();
        let began = std::time::Instant::now();
        // The newest first is the worst for whoever searches from the oldest on.
        while crowd.len() > 1 {
            drop(crowd.pop());
        }
        let elapsed = began.elapsed();
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
        probe.let_go(2);
        assert_eq!(first.await.unwrap(), 0);
        assert_eq!(crowd.pop().unwrap().await.unwrap(), 1);
    });
}
