//! Items that a function gives before its result: in order, at the pace of who takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kaa_rpc_runtime::codegen::{Functions, Service, yielder};
use kaa_rpc_runtime::{
    CloseReason, Context, Error, GiveError, Ignored, InProgress, Limits, Outcome, Value, Yielder,
    params,
};
use tokio::sync::mpsc;

use crate::common::{Exposing, Probe, Side, Was, connect, everywhere, plain, probe};

/// `count(to)` gives 1 to `to`, then `to`.
fn counting(side: Side) -> Side {
    let count = async |cx: Context, to: u64| {
        let items = cx.yielder();
        for number in 1..=to {
            items.give(&number).await?;
        }
        Ok(to)
    };
    side.function("count", params(["to"], count))
}

fn window(max_stream_items: u32) -> Limits {
    Limits {
        max_stream_items,
        ..Limits::default()
    }
}

/// `flood()` gives numbers for ever, and tells how many it has given so far.
fn flooding(side: Side, given: &Arc<AtomicU64>, probe: &Probe) -> Side {
    let (given, probe) = (Arc::clone(given), probe.clone());
    let flood = move |cx: Context| {
        let (given, run) = (Arc::clone(&given), probe.run(0));
        async move {
            let items: Yielder<u64> = cx.yielder();
            let flood = async {
                loop {
                    let next = given.load(Ordering::Relaxed);
                    items.give(&next).await?;
                    given.store(next + 1, Ordering::Relaxed);
                }
            };
            tokio::select! {
                stopped = flood => stopped,
                _ = run => Outcome::<()>::Ok(()),
            }
        }
    };
    side.function("flood", params([], flood))
}

#[test]
fn items_come_in_order_and_then_the_result() {
    everywhere(async |over| {
        let ends = connect(over, counting, counting).await;
        for (caller, to) in [
            (&ends.client, 1000),
            (&ends.server, 1000),
            (&ends.client, 0),
        ] {
            let mut numbers = caller.rpc::<u64, _>("count", (to,)).items::<u64>().start();
            for number in 1..=to {
                assert_eq!(numbers.next().await.unwrap(), Some(number));
            }
            for _ in 0..2 {
                assert_eq!(numbers.next().await.unwrap(), None);
            }
            assert_eq!(numbers.finish().await.unwrap(), to);
        }
    });
}

#[test]
fn many_at_once_do_not_mix() {
    everywhere(async |over| {
        let ends = connect(over, counting, plain).await;
        let calls = (0..50_u64).map(|n| {
            let mut numbers = ends
                .client
                .rpc::<u64, _>("count", (n * 37,))
                .items::<u64>()
                .start();
            tokio::spawn(async move {
                let mut expected = 1;
                while let Some(number) = numbers.next().await.unwrap() {
                    assert_eq!(number, expected);
                    expected += 1;
                }
                assert_eq!(numbers.finish().await.unwrap(), n * 37);
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    });
}

#[test]
fn the_error_comes_after_the_items_that_were_given_before() {
    everywhere(async |over| {
        let fails = async |cx: Context| {
            let items = cx.yielder();
            items.give(&1).await?;
            items.give(&2).await?;
            Outcome::<()>::Err("no more".into())
        };
        let ends = connect(over, |side| side.function("fail", params([], fails)), plain).await;
        let mut items = ends.client.rpc::<(), _>("fail", ()).items::<u64>().start();
        assert_eq!(items.next().await.unwrap(), Some(1));
        assert_eq!(items.next().await.unwrap(), Some(2));
        for _ in 0..2 {
            let Err(Error::Fault(fault)) = items.next().await else {
                panic!("an error was due")
            };
            assert_eq!(fault.message, "no more");
        }
        assert!(matches!(items.finish().await, Err(Error::Fault(_))));
    });
}

#[test]
fn who_wants_the_result_alone_gets_it() {
    everywhere(async |over| {
        let ends = connect(over, counting, |side| side.limits(window(3))).await;
        // Without asking for items, by awaiting the call, by taking a few, and by one that yields nothing.
        let count = || ends.client.rpc::<u64, _>("count", (5000,));
        assert_eq!(count().await.unwrap(), 5000);
        assert_eq!(count().items::<u64>().await.unwrap(), 5000);
        let mut some = count().items::<u64>().start();
        assert_eq!(some.next().await.unwrap(), Some(1));
        assert_eq!(some.next().await.unwrap(), Some(2));
        assert_eq!(some.finish().await.unwrap(), 5000);
        // Nobody looks at items of another type, either.
        assert_eq!(count().items::<String>().await.unwrap(), 5000);
    });
}

#[test]
fn a_detached_or_oneway_call_runs_on_without_its_items() {
    everywhere(async |over| {
        let (done, mut all_given) = mpsc::unbounded_channel();
        let count = move |cx: Context, to: u64| {
            let done = done.clone();
            async move {
                let items = cx.yielder();
                for number in 0..to {
                    items.give(&number).await?;
                }
                let _ = done.send(to);
                Ok(())
            }
        };
        let ends = connect(
            over,
            |side| side.function("count", params(["to"], count)),
            |side| side.limits(window(2)),
        )
        .await;
        ends.client
            .rpc::<(), _>("count", (3000,))
            .items::<u64>()
            .start()
            .detach();
        assert_eq!(all_given.recv().await, Some(3000));
        let mut begun = ends
            .client
            .rpc::<(), _>("count", (3001,))
            .items::<u64>()
            .start();
        assert_eq!(begun.next().await.unwrap(), Some(0));
        begun.detach();
        assert_eq!(all_given.recv().await, Some(3001));
        ends.client
            .rpc::<(), _>("count", (3002,))
            .oneway()
            .await
            .unwrap();
        assert_eq!(all_given.recv().await, Some(3002));
    });
}

#[test]
fn hostile_44_a_slow_taker_stops_its_own_function_and_nobody_else() {
    everywhere(async |over| {
        let given = Arc::new(AtomicU64::new(0));
        let (probe, mut told) = probe();
        let ends = connect(
            over,
            |side| flooding(counting(side), &given, &probe),
            |side| side.limits(window(8)),
        )
        .await;
        let mut slow = ends.client.rpc::<(), _>("flood", ()).items::<u64>().start();
        assert_eq!(told.next().await, Was::Started(0));
        // Others go on meanwhile: their items, and calls as such.
        for _ in 0..20 {
            assert_eq!(
                ends.client
                    .rpc::<u64, _>("count", (100,))
                    .items::<u64>()
                    .await
                    .unwrap(),
                100
            );
        }
        assert_eq!(
            given.load(Ordering::Relaxed),
            8,
            "as many as the client announced"
        );
        // It goes on as far as it is taken.
        for n in 0..100 {
            assert_eq!(slow.next().await.unwrap(), Some(n));
        }
        assert_eq!(ends.client.rpc::<u64, _>("count", (1,)).await.unwrap(), 1);
        assert!(given.load(Ordering::Relaxed) <= 108);
        drop(slow);
        assert_eq!(told.next().await, Was::Dropped(0));
    });
}

#[test]
fn several_tasks_of_a_function_may_give_at_once() {
    everywhere(async |over| {
        let together = async |cx: Context, each: u64| {
            let items: Arc<Yielder<u64>> = Arc::new(cx.yielder());
            let tasks: Vec<_> = (0..3)
                .map(|_| {
                    let items = Arc::clone(&items);
                    tokio::spawn(async move {
                        for number in 0..each {
                            items.give(&number).await?;
                        }
                        Ok::<_, GiveError>(())
                    })
                })
                .collect();
            for task in tasks {
                task.await??;
            }
            Ok(3 * each)
        };
        let ends = connect(
            over,
            |side| side.function("together", params(["each"], together)),
            |side| side.limits(window(2)),
        )
        .await;
        let mut numbers = ends
            .client
            .rpc::<u64, _>("together", (100,))
            .items::<u64>()
            .start();
        let mut count = 0;
        while numbers.next().await.unwrap().is_some() {
            count += 1;
        }
        assert_eq!(numbers.finish().await.unwrap(), count);
    });
}

#[test]
fn dropping_the_handle_drops_the_function_at_its_next_item() {
    everywhere(async |over| {
        let given = Arc::new(AtomicU64::new(0));
        let (probe, mut told) = probe();
        let ends = connect(over, |side| flooding(side, &given, &probe), plain).await;
        for taken in 0..20 {
            let mut numbers = ends.client.rpc::<(), _>("flood", ()).items::<u64>().start();
            assert_eq!(told.next().await, Was::Started(0));
            for _ in 0..taken {
                assert!(numbers.next().await.unwrap().is_some());
            }
            drop(numbers);
            assert_eq!(told.next().await, Was::Dropped(0));
        }
    });
}

/// `stubborn()` gives until nobody wants it any more, says why, and runs on to its end.
fn stubborn(reasons: mpsc::UnboundedSender<GiveError>) -> impl Service {
    Exposing(move |functions: &mut Functions| {
        functions
            .add("stubborn", &Arc::new(reasons), |reasons, cx, _| {
                let items: Yielder<u64> = yielder(&cx);
                Ok(async move {
                    let reason = loop {
                        if let Err(error) = items.give(&1).await {
                            break error;
                        }
                    };
                    let _ = reasons.send(reason);
                    Outcome::<()>::Ok(())
                })
            })
            .uncancelled();
    })
}

#[test]
fn a_function_that_runs_to_its_end_is_told_that_nobody_wants_more() {
    everywhere(async |over| {
        let (reasons, mut told) = mpsc::unbounded_channel();
        let ends = connect(
            over,
            |side| side.service(stubborn(reasons)),
            |side| side.limits(window(4)),
        )
        .await;
        let mut items = ends
            .client
            .rpc::<(), _>("stubborn", ())
            .items::<u64>()
            .start();
        assert_eq!(items.next().await.unwrap(), Some(1));
        drop(items);
        assert_eq!(told.recv().await, Some(GiveError::Stopped));
        // The same when the whole channel goes.
        let mut items = ends
            .client
            .rpc::<(), _>("stubborn", ())
            .items::<u64>()
            .start();
        assert_eq!(items.next().await.unwrap(), Some(1));
        drop(ends.client);
        drop(items);
        assert_eq!(told.recv().await, Some(GiveError::Stopped));
    });
}

#[test]
fn an_item_of_another_type_ends_the_call() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let wrong = move |cx: Context| {
            let run = probe.run(0);
            async move {
                let items = cx.yielder();
                items.give(&Value::from(1_u64)).await?;
                items.give(&Value::from("two")).await?;
                run.await;
                Ok(())
            }
        };
        let ends = connect(
            over,
            |side| side.function("wrong", params([], wrong)),
            plain,
        )
        .await;
        let mut items = ends.client.rpc::<(), _>("wrong", ()).items::<u64>().start();
        assert_eq!(items.next().await.unwrap(), Some(1));
        let Err(Error::BadResult(bad)) = items.next().await else {
            panic!("a string is no number")
        };
        assert!(
            bad.message.contains("u64") && bad.message.contains("string"),
            "{}",
            bad.message
        );
        assert_eq!(told.next().await, Was::Started(0));
        assert_eq!(told.next().await, Was::Dropped(0));
        assert!(matches!(items.finish().await, Err(Error::BadResult(_))));
    });
}

#[test]
fn an_item_that_the_caller_would_not_take_is_refused_by_name_and_others_go() {
    everywhere(async |over| {
        let sizes = async |cx: Context| {
            let items = cx.yielder();
            let mut refused = Vec::new();
            for size in [10, 40_000, 20] {
                let item = vec![0_u8; size];
                match items.give(&Value::from(item)).await {
                    Ok(()) => {}
                    Err(GiveError::TooLarge(message)) => refused.push(message),
                    Err(other) => return Err(other.into()),
                }
            }
            let deep = (0..20).fold(Value::Null, |inner, _| Value::List(vec![inner]));
            match items.give(&deep).await {
                Err(GiveError::TooLarge(message)) => refused.push(message),
                other => return Err(format!("{other:?}").into()),
            }
            Ok(refused)
        };
        let limits = Limits {
            max_stream_bytes: 64 << 10,
            max_nesting: 10,
            ..Limits::default()
        };
        let ends = connect(
            over,
            |side| side.function("sizes", params([], sizes)),
            |side| side.limits(limits),
        )
        .await;
        let mut items = ends
            .client
            .rpc::<Vec<String>, _>("sizes", ())
            .items::<Value>()
            .start();
        let mut came = 0;
        while items.next().await.unwrap().is_some() {
            came += 1;
        }
        let refused = items.finish().await.unwrap();
        assert_eq!(came, 2);
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(refused[0].contains("max_stream_bytes"), "{refused:?}");
        assert!(refused[1].contains("max_nesting"), "{refused:?}");
    });
}

#[test]
fn the_time_of_the_call_is_that_of_its_items_too() {
    everywhere(async |over| {
        let given = Arc::new(AtomicU64::new(0));
        let (probe, mut told) = probe();
        let ends = connect(over, |side| flooding(side, &given, &probe), plain).await;
        let mut numbers = ends
            .client
            .rpc::<(), _>("flood", ())
            .timeout(Duration::from_millis(100))
            .items::<u64>()
            .start();
        let ended = loop {
            match numbers.next().await {
                Ok(Some(_)) => {}
                ended => break ended,
            }
        };
        assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
        assert_eq!(told.next().await, Was::Started(0));
        assert_eq!(told.next().await, Was::Dropped(0));
    });
}

#[test]
fn what_came_before_the_connection_broke_is_not_lost() {
    everywhere(async |over| {
        let given = Arc::new(AtomicU64::new(0));
        let (probe, mut told) = probe();
        let ends = connect(
            over,
            |side| {
                flooding(counting(side), &given, &probe).close_timeout(Duration::from_millis(10))
            },
            |side| side.limits(window(5)),
        )
        .await;
        let mut numbers = ends.client.rpc::<(), _>("flood", ()).items::<u64>().start();
        assert_eq!(told.next().await, Was::Started(0));
        // All that the window takes has come when the answer to a later call has.
        assert_eq!(ends.client.rpc::<u64, _>("count", (0,)).await.unwrap(), 0);
        ends.server.close().await;
        for n in 0..5 {
            assert_eq!(numbers.next().await.unwrap(), Some(n));
        }
        let Err(error) = numbers.next().await else {
            panic!("the end is an error")
        };
        assert!(
            matches!(error, Error::ConnectionLost(_) | Error::Cancelled),
            "{error:?}"
        );
        assert!(!matches!(
            *ends.client.closed().await,
            CloseReason::Violation(_)
        ));
    });
}

#[test]
fn a_yielder_that_outlives_its_call_gives_to_nobody() {
    everywhere(async |over| {
        let (kept, mut yielders) = mpsc::unbounded_channel();
        let keep = move |cx: Context| {
            let _ = kept.send(cx.yielder::<u64>());
            async { Ok(()) }
        };
        let ends = connect(
            over,
            |side| counting(side).function("keep", params([], keep)),
            plain,
        )
        .await;
        ends.client.rpc::<(), _>("keep", ()).await.unwrap();
        let late = yielders.recv().await.unwrap();
        // Another call has the same id now.
        let mut numbers = ends
            .client
            .rpc::<u64, _>("count", (300,))
            .items::<u64>()
            .start();
        assert_eq!(numbers.next().await.unwrap(), Some(1));
        assert_eq!(late.give(&99).await, Err(GiveError::Stopped));
        for number in 2..=300 {
            assert_eq!(numbers.next().await.unwrap(), Some(number));
        }
    });
}

#[test]
fn dynamic_callers_take_values() {
    everywhere(async |over| {
        let ends = connect(over, counting, plain).await;
        let mut numbers: InProgress<Ignored, Error, Value> =
            ends.client.rpc("count", (2,)).items().start();
        assert_eq!(numbers.next().await.unwrap(), Some(Value::from(1_u64)));
        assert_eq!(numbers.next().await.unwrap(), Some(Value::from(2_u64)));
        assert_eq!(numbers.next().await.unwrap(), None);
    });
}
