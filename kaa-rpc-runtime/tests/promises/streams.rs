//! Streams that callers send along: at the pace of the handler, and ended at both ends together.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_core::Stream;
use kaa_rpc_runtime::codegen::{Functions, Service, items};
use kaa_rpc_runtime::{
    Bytes, Context, Error, GiveError, Items, Limits, Outcome, StreamArgument, TakeError, Value,
    item_channel, params,
};
use tokio::sync::mpsc;

use crate::common::{
    Exposing, Over, Side, Was, connect, everywhere, plain, private_address, probe, secret,
};

/// The numbers from 0 on. Tells how many were asked for, and when it is dropped.
struct Numbers {
    next: u64,
    end: u64,
    asked: Arc<AtomicU64>,
    /// Closed with it.
    _alive: mpsc::Sender<()>,
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        if self.next == self.end {
            return Poll::Ready(None);
        }
        self.next += 1;
        self.asked.store(self.next, Ordering::Relaxed);
        Poll::Ready(Some(self.next - 1))
    }
}

/// The source, how many were asked of it, and what is closed when it is dropped.
fn numbers(end: u64) -> (Numbers, Arc<AtomicU64>, mpsc::Receiver<()>) {
    let asked = Arc::new(AtomicU64::new(0));
    let (alive, dropped) = mpsc::channel(1);
    let numbers = Numbers {
        next: 0,
        end,
        asked: Arc::clone(&asked),
        _alive: alive,
    };
    (numbers, asked, dropped)
}

/// `sum(numbers)`, `first(numbers)`, `none(numbers)`, `double(numbers)`, `all(numbers)`, `ping()`.
fn summing(side: Side) -> Side {
    let sum = async |mut numbers: Items<u64>| {
        let (mut sum, mut count) = (0_u64, 0_u64);
        while let Some(number) = numbers.next().await? {
            sum += number;
            count += 1;
        }
        Ok((sum, count))
    };
    let first = async |mut numbers: Items<u64>| Ok(numbers.next().await?);
    let none = async |_numbers: Items<u64>| Ok(());
    let double = async |cx: Context, mut numbers: Items<u64>| {
        let items = cx.yielder();
        let mut count = 0_u64;
        while let Some(number) = numbers.next().await? {
            items.give(&(2 * number)).await?;
            count += 1;
        }
        Ok(count)
    };
    let all = async |mut numbers: Items<u64>| {
        let mut all = Vec::new();
        loop {
            match numbers.next().await {
                Ok(Some(number)) => all.push(number),
                Ok(None) => return Ok((all, "complete".to_owned())),
                Err(error) => return Ok((all, error.to_string())),
            }
        }
    };
    side.function("sum", params(["numbers"], sum))
        .function("first", params(["numbers"], first))
        .function("none", params(["numbers"], none))
        .function("double", params(["numbers"], double))
        .function("all", params(["numbers"], all))
        .function("ping", params([], async || Ok(())))
}

const FIRST: (StreamArgument,) = (StreamArgument(0),);

#[test]
fn any_stream_goes_along_from_both_ends() {
    everywhere(async |over| {
        let ends = connect(over, summing, summing).await;
        for caller in [&ends.client, &ends.server] {
            for end in [0, 1, 5000] {
                let (source, ..) = numbers(end);
                let sum: (u64, u64) = caller.rpc("sum", FIRST).stream(source).await.unwrap();
                assert_eq!(sum, (end * end.saturating_sub(1) / 2, end));
            }
        }
    });
}

#[test]
fn items_can_come_back_while_others_go() {
    everywhere(async |over| {
        let limits = Limits {
            max_stream_items: 7,
            ..Limits::default()
        };
        let ends = connect(
            over,
            |side| summing(side).limits(limits),
            |side| side.limits(limits),
        )
        .await;
        let (source, ..) = numbers(2000);
        let mut doubled = ends
            .client
            .rpc::<u64, _>("double", FIRST)
            .items::<u64>()
            .stream(source)
            .start();
        for n in 0..2000 {
            assert_eq!(doubled.next().await.unwrap(), Some(2 * n));
        }
        assert_eq!(doubled.finish().await.unwrap(), 2000);
    });
}

#[test]
fn a_sender_gives_from_anywhere_and_must_say_that_it_is_done() {
    everywhere(async |over| {
        let ends = connect(over, summing, plain).await;
        for finishes in [true, false] {
            let (mut sender, items) = item_channel::<u64>();
            let call = ends
                .client
                .rpc::<(Vec<u64>, String), _>("all", FIRST)
                .stream(items)
                .start();
            for number in 0..500 {
                sender.give(&number).await.unwrap();
            }
            if finishes {
                sender.finish().await.unwrap();
            } else {
                drop(sender);
            }
            let (all, end) = call.await.unwrap();
            assert_eq!(all, (0..500).collect::<Vec<_>>(), "all that was given came");
            let expected = if finishes {
                "complete".to_owned()
            } else {
                TakeError::Broken.to_string()
            };
            assert_eq!(end, expected);
        }
    });
}

#[test]
fn a_source_that_panics_is_a_stream_that_is_not_complete() {
    struct Panics(u64);
    impl Stream for Panics {
        type Item = u64;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
            assert!(self.0 < 3, "the source's own fault");
            self.0 += 1;
            Poll::Ready(Some(self.0))
        }
    }
    everywhere(async |over| {
        let ends = connect(over, summing, plain).await;
        let all = ends
            .client
            .rpc::<(Vec<u64>, String), _>("all", FIRST)
            .stream(Panics(0))
            .await;
        assert_eq!(all.unwrap(), (vec![1, 2, 3], TakeError::Broken.to_string()));
    });
}

#[test]
fn who_wants_no_more_stops_the_source() {
    everywhere(async |over| {
        let ends = connect(over, summing, plain).await;
        for function in ["first", "none"] {
            let (source, _, mut dropped) = numbers(u64::MAX);
            ends.client
                .rpc(function, FIRST)
                .stream(source)
                .ignore()
                .await
                .unwrap();
            assert_eq!(dropped.recv().await, None, "{function}");
            let (mut sender, items) = item_channel::<u64>();
            ends.client
                .rpc(function, FIRST)
                .stream(items)
                .ignore()
                .start()
                .detach();
            let stopped = loop {
                if let Err(error) = sender.give(&1).await {
                    break error;
                }
            };
            assert_eq!(stopped, GiveError::Stopped);
        }
    });
}

/// What is kept of a stream that was stopped is used for the next one, while its call goes on.
#[test]
fn a_stream_that_was_stopped_does_not_end_the_next_one_with_its_call() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let gate = probe.clone();
        let stop = move |numbers: Items<u64>| {
            let run = probe.run(0);
            async move {
                drop(numbers);
                Ok(run.await)
            }
        };
        let ends = connect(
            over,
            |side| summing(side).function("stop", params(["numbers"], stop)),
            plain,
        )
        .await;
        let (source, _, mut dropped) = numbers(u64::MAX);
        let stopped = ends
            .client
            .rpc::<u64, _>("stop", FIRST)
            .stream(source)
            .start();
        assert_eq!(told.next().await, Was::Started(0));
        assert_eq!(dropped.recv().await, None);

        let (mut sender, items) = item_channel::<u64>();
        let next = ends
            .client
            .rpc::<(u64, u64), _>("sum", FIRST)
            .stream(items)
            .start();
        sender.give(&1).await.unwrap();
        gate.let_go(1);
        assert_eq!(stopped.await.unwrap(), 0);
        sender.give(&2).await.unwrap();
        sender.finish().await.unwrap();
        assert_eq!(next.await.unwrap(), (3, 2));
    });
}

#[test]
fn a_call_that_is_cancelled_or_over_lets_its_source_go() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let hold = move |numbers: Items<u64>| {
            let run = probe.run(0);
            async move {
                let _numbers = numbers;
                Ok(run.await)
            }
        };
        let ends = connect(
            over,
            |side| side.function("hold", params(["numbers"], hold)),
            plain,
        )
        .await;
        let hold = || {
            let (source, _, dropped) = numbers(u64::MAX);
            (
                ends.client.rpc::<u64, _>("hold", FIRST).stream(source),
                dropped,
            )
        };
        let (call, mut dropped) = hold();
        let call = call.start();
        assert_eq!(told.next().await, Was::Started(0));
        drop(call);
        assert_eq!(dropped.recv().await, None);
        assert_eq!(told.next().await, Was::Dropped(0));

        let (call, mut dropped) = hold();
        let timed_out = call.timeout(Duration::from_millis(20)).await;
        assert!(
            matches!(timed_out, Err(Error::TimedOut { .. })),
            "{timed_out:?}"
        );
        assert_eq!(dropped.recv().await, None);

        let (call, mut dropped) = hold();
        let call = call.start();
        ends.server.close().await;
        assert_eq!(dropped.recv().await, None);
        assert!(call.await.is_err());
    });
}

#[test]
fn hostile_44_a_slow_handler_stops_its_own_source_and_nobody_else() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let limits = Limits {
            max_stream_items: 8,
            ..Limits::default()
        };
        let leave = probe.clone();
        let slow = move |mut numbers: Items<u64>| {
            let run = probe.run(0);
            async move {
                run.await;
                let mut count = 0_u64;
                while numbers.next().await?.is_some() {
                    count += 1;
                }
                Ok(count)
            }
        };
        let ends = connect(
            over,
            |side| {
                summing(side)
                    .limits(limits)
                    .function("slow", params(["numbers"], slow))
            },
            plain,
        )
        .await;
        let (source, asked, mut dropped) = numbers(100);
        let call = ends
            .client
            .rpc::<u64, _>("slow", FIRST)
            .stream(source)
            .start();
        assert_eq!(told.next().await, Was::Started(0));
        for _ in 0..20 {
            let (other, ..) = numbers(100);
            let sum: (u64, u64) = ends.client.rpc("sum", FIRST).stream(other).await.unwrap();
            assert_eq!(sum.1, 100);
        }
        // The window, and the one that has no room.
        assert!(asked.load(Ordering::Relaxed) <= 9, "{asked:?}");
        leave.let_go(1);
        assert_eq!(call.await.unwrap(), 100);
        assert_eq!(dropped.recv().await, None);
    });
}

#[test]
fn an_item_that_the_other_end_would_not_take_fails_the_call_by_name() {
    everywhere(async |over| {
        let limits = Limits {
            max_stream_bytes: 64 << 10,
            max_items: 1024,
            ..Limits::default()
        };
        let all = async |mut items: Items<Value>| {
            while items.next().await?.is_some() {}
            Ok(())
        };
        let ends = connect(
            over,
            |side| side.limits(limits).function("all", params(["items"], all)),
            plain,
        )
        .await;
        let large = Value::from(Bytes::from(vec![0_u8; 40_000]));
        let many = Value::List(vec![Value::Null; 2000]);
        for (item, limit) in [(large, "max_stream_bytes"), (many, "max_items")] {
            let (mut sender, items) = item_channel();
            let call = ends.client.rpc::<(), _>("all", FIRST).stream(items).start();
            sender.give(&Value::Null).await.unwrap();
            sender.give(&item).await.unwrap();
            let Err(Error::TooLarge { message, .. }) = call.await else {
                panic!("too large for {limit}")
            };
            assert!(message.contains(limit), "{message}");
        }
    });
}

#[test]
fn an_item_of_another_type_is_told_to_the_handler() {
    everywhere(async |over| {
        let ends = connect(over, summing, plain).await;
        let (mut sender, items) = item_channel();
        let call = ends
            .client
            .rpc::<(Vec<u64>, String), _>("all", FIRST)
            .stream(items)
            .start();
        sender.give(&Value::from(1_u64)).await.unwrap();
        sender.give(&Value::from("two")).await.unwrap();
        let (all, end) = call.await.unwrap();
        assert_eq!(all, [1]);
        assert!(end.starts_with("item 1 of the stream: expected"), "{end}");
    });
}

#[test]
fn a_number_that_is_no_stream_is_a_bad_argument() {
    everywhere(async |over| {
        let pair = async |_a: Items<u64>, _b: Items<u64>| Ok(());
        let ends = connect(
            over,
            |side| summing(side).function("pair", params(["a", "b"], pair)),
            plain,
        )
        .await;
        let bad = |error: Error| match error {
            Error::BadArguments(bad) => bad.parameter,
            other => panic!("{other:?}"),
        };
        let none = ends.client.rpc::<Value, _>("sum", (0,)).await.unwrap_err();
        assert!(none.to_string().contains("a stream"), "{none}");
        assert_eq!(bad(none), "numbers");
        let text = ends
            .client
            .rpc::<Value, _>("sum", ("x",))
            .await
            .unwrap_err();
        assert_eq!(bad(text), "numbers");
        let (source, _, mut dropped) = numbers(u64::MAX);
        let twice = (StreamArgument(0), StreamArgument(0));
        let twice = ends.client.rpc::<(), _>("pair", twice).stream(source).await;
        assert_eq!(bad(twice.unwrap_err()), "b");
        assert_eq!(dropped.recv().await, None, "the source is let go");
        // The other way round: a stream that no parameter takes.
        let (source, _, mut dropped) = numbers(u64::MAX);
        ends.client
            .rpc::<(), _>("ping", ())
            .stream(source)
            .await
            .unwrap();
        assert_eq!(dropped.recv().await, None);
        let (source, ..) = numbers(1);
        let oneway = ends
            .client
            .rpc::<(), _>("ping", ())
            .stream(source)
            .oneway()
            .await;
        assert!(matches!(oneway, Err(Error::Unencodable(_))), "{oneway:?}");
    });
}

#[test]
fn streams_count_against_the_bytes_that_the_other_end_holds() {
    everywhere(async |over| {
        let limits = Limits {
            max_frame: 64 << 10,
            max_stream_bytes: 64 << 10,
            max_request_bytes: 200 << 10,
            ..Limits::default()
        };
        let (probe, mut told) = probe();
        let leave = probe.clone();
        let hold = move |numbers: Items<u64>, number: u64| {
            let run = probe.run(number);
            async move {
                let _numbers = numbers;
                Ok(run.await)
            }
        };
        let ends = connect(
            over,
            |side| {
                side.limits(limits)
                    .function("hold", params(["numbers", "n"], hold))
            },
            plain,
        )
        .await;
        let hold = |n: u64| {
            let (source, ..) = numbers(3);
            ends.client
                .rpc::<u64, _>("hold", (StreamArgument(0), n))
                .stream(source)
                .start()
        };
        let calls: Vec<_> = (0..4).map(hold).collect();
        for n in 0..3 {
            assert_eq!(told.next().await, Was::Started(n));
        }
        // Three streams of 64 KiB fit, the fourth call waits.
        assert_eq!(told.so_far(), []);
        leave.let_go(4);
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), n as u64);
        }
        // And one with four streams never fits.
        let mut call = ends.client.rpc::<Value, _>("hold", (StreamArgument(0), 9));
        for _ in 0..4 {
            call = call.stream(numbers(1).0);
        }
        let Err(Error::TooLarge { message, .. }) = call.await else {
            panic!("it never fits")
        };
        assert!(message.contains("max_request_bytes"), "{message}");
    });
}

#[test]
fn a_detached_call_sends_its_stream_to_the_end() {
    everywhere(async |over| {
        let (sums, mut told) = mpsc::unbounded_channel();
        let sum = move |mut numbers: Items<u64>| {
            let sums = sums.clone();
            async move {
                let mut count = 0;
                while numbers.next().await?.is_some() {
                    count += 1;
                }
                let _ = sums.send(count);
                Ok(())
            }
        };
        let ends = connect(
            over,
            |side| side.function("sum", params(["numbers"], sum)),
            plain,
        )
        .await;
        let (source, _, mut dropped) = numbers(3000);
        ends.client
            .rpc::<(), _>("sum", FIRST)
            .stream(source)
            .start()
            .detach();
        assert_eq!(told.recv().await, Some(3000));
        assert_eq!(dropped.recv().await, None);
    });
}

#[test]
fn a_stream_waits_with_its_call() {
    everywhere(async |over| {
        if over == Over::Memory {
            return;
        }
        let (folder, address) = private_address();
        let early = kaa_rpc_runtime::Server::builder(secret());
        let lazy = kaa_rpc_runtime::Channel::builder(&secret())
            .retry(kaa_rpc_runtime::Retry::default())
            .connect_lazy(&address)
            .unwrap();
        let (source, ..) = numbers(1000);
        let call = lazy
            .rpc::<(u64, u64), _>("sum", FIRST)
            .stream(source)
            .start();
        let Side::Server(builder) = summing(Side::Server(early)) else {
            unreachable!("a server's builder stays one")
        };
        let server = builder.bind(&address).await.unwrap();
        assert_eq!(call.await.unwrap().1, 1000);
        drop((server, folder));
    });
}

#[test]
fn items_that_outlive_their_call_say_so() {
    everywhere(async |over| {
        let (kept, mut streams) = mpsc::unbounded_channel();
        let keep = move |numbers: Items<u64>| {
            let _ = kept.send(numbers);
            async { Outcome::<()>::Ok(()) }
        };
        let ends = connect(
            over,
            |side| side.function("keep", params(["numbers"], keep)),
            plain,
        )
        .await;
        let (source, _, mut dropped) = numbers(u64::MAX);
        ends.client
            .rpc::<(), _>("keep", FIRST)
            .stream(source)
            .await
            .unwrap();
        let mut late = streams.recv().await.unwrap();
        let error = loop {
            match late.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it is not complete"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, TakeError::Over);
        assert_eq!(dropped.recv().await, None);
    });
}

/// `drain(numbers)` takes all that come, says why there are no more, and runs to its end.
fn draining(reasons: mpsc::UnboundedSender<TakeError>) -> impl Service {
    Exposing(move |functions: &mut Functions| {
        functions
            .add("drain", &Arc::new(reasons), |reasons, cx, arguments| {
                let mut numbers: Items<u64> = items(&cx, arguments, "numbers")?;
                Ok(async move {
                    let reason = loop {
                        match numbers.next().await {
                            Ok(Some(_)) => {}
                            Ok(None) => panic!("it is not complete"),
                            Err(error) => break error,
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
fn a_function_that_runs_to_its_end_finds_the_stream_of_a_cancelled_call_broken_off() {
    everywhere(async |over| {
        let (reasons, mut told) = mpsc::unbounded_channel();
        let ends = connect(over, |side| side.service(draining(reasons)), plain).await;
        let (mut sender, source) = item_channel::<u64>();
        let call = ends.client.rpc::<(), _>("drain", FIRST).stream(source);
        let call = call.start();
        sender.give(&1).await.unwrap();
        drop(call);
        assert_eq!(told.recv().await, Some(TakeError::Broken));
    });
}

/// A source is asked while its call waits for room, and may be at its end before the call is sent.
#[test]
fn a_stream_that_ends_while_its_call_waits_ends_with_it() {
    everywhere(async |over| {
        let (probe, mut told) = probe();
        let limits = Limits {
            max_calls: 1,
            ..Limits::default()
        };
        let ends = connect(
            over,
            |side| {
                summing(side)
                    .limits(limits)
                    .function("hold", probe.handler())
            },
            plain,
        )
        .await;
        let all = || ends.client.rpc::<(Vec<u64>, String), _>("all", FIRST);
        for breaks in [false, true] {
            let hold = ends.client.rpc::<u64, _>("hold", (1,)).start();
            assert_eq!(told.next().await, Was::Started(1));
            let (call, mut dropped);
            if breaks {
                let (sender, items) = item_channel::<u64>();
                let (alive, gone) = mpsc::channel::<()>(1);
                call = all().stream(items).start();
                drop((sender, alive));
                dropped = gone;
            } else {
                let (source, _, gone) = numbers(0);
                call = all().stream(source).start();
                dropped = gone;
            }
            // The source is let go, and the call waits.
            assert_eq!(dropped.recv().await, None);
            tokio::task::yield_now().await;
            probe.let_go(1);
            assert_eq!(hold.await.unwrap(), 1);
            assert_eq!(told.next().await, Was::Ended(1));
            let expected = if breaks {
                TakeError::Broken.to_string()
            } else {
                "complete".to_owned()
            };
            assert_eq!(call.await.unwrap(), (vec![], expected));
        }
        // And one whose call is given up meanwhile leaves nothing behind.
        let hold = ends.client.rpc::<u64, _>("hold", (1,)).start();
        let (source, _, mut dropped) = numbers(0);
        let call = all().stream(source).start();
        assert_eq!(dropped.recv().await, None);
        drop(call);
        probe.let_go(1);
        assert_eq!(hold.await.unwrap(), 1);
    });
}
