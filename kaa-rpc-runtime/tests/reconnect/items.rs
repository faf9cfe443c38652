//! Items of calls whose connection is lost.

use std::sync::Arc;

use kaa_rpc_runtime::{
    Context, Error, Items, Limits, Retry, StreamArgument, TakeError, item_channel, item_iter,
    params,
};
use tokio::sync::mpsc;

use crate::world::World;
use crate::{Log, connected, in_time, lost};

/// `count(token, items)` gives so many numbers, then waits for leave.
fn counting(log: &Log) -> kaa_rpc_runtime::ServerBuilder {
    let counted = log.clone();
    let count = move |cx: Context, token: u64, to: u64| {
        counted.note(token);
        let leave = Arc::clone(&counted.leave);
        async move {
            let items = cx.yielder();
            for number in 0..to {
                items.give(&number).await?;
            }
            leave.acquire().await?.forget();
            Ok(to)
        }
    };
    log.server()
        .register_fn("count", params(["token", "to"], count))
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_yielded_is_not_sent_again_and_one_that_has_not_is() {
    let log = Log::new();
    let world = World::with(counting(&log));
    let channel = connected(&world, |builder| builder.retry(Retry::default().resend(1))).await;
    let count = |token: u64, to: u64| {
        let call = channel.rpc::<u64, _>("count", (token, to)).idempotent();
        call.items::<u64>().start()
    };
    let (mut some, mut none) = (count(1, 2), count(2, 0));
    assert_eq!(in_time(some.next()).await.unwrap(), Some(0));
    assert_eq!(in_time(some.next()).await.unwrap(), Some(1));
    log.reaches(2).await;
    world.cut();
    let lost = in_time(some.next()).await.unwrap_err();
    assert!(matches!(lost, Error::ConnectionLost(_)), "{lost:?}");
    log.reaches(3).await;
    log.leave.add_permits(1);
    assert_eq!(in_time(none.next()).await.unwrap(), None);
    assert_eq!(in_time(none.finish()).await.unwrap(), 0);
    assert_eq!(log.tokens(), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_stream_is_never_sent_again_and_both_ends_of_the_stream_learn_of_the_loss() {
    let (ends, mut told) = mpsc::unbounded_channel();
    let take = move |mut numbers: Items<u64>| {
        let ends = ends.clone();
        // On a task of its own, which outlives the call.
        tokio::spawn(async move {
            let error = loop {
                match numbers.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it is not complete"),
                    Err(error) => break error,
                }
            };
            let _ = ends.send(error);
        });
        std::future::pending::<kaa_rpc_runtime::Outcome<()>>()
    };
    let log = Log::new();
    let world = World::with(log.server().register_fn("take", params(["numbers"], take)));
    let channel = connected(&world, |builder| builder.retry(Retry::default().resend(9))).await;
    let (mut sender, numbers) = item_channel::<u64>();
    let call = channel
        .rpc::<(), _>("take", (StreamArgument(0),))
        .idempotent()
        .stream(numbers)
        .start();
    for number in 0..100 {
        in_time(sender.give(&number)).await.unwrap();
    }
    world.cut();
    let lost = in_time(call).await.unwrap_err();
    assert!(matches!(lost, Error::ConnectionLost(_)), "{lost:?}");
    assert_eq!(in_time(told.recv()).await, Some(TakeError::Over));
    let stopped = loop {
        if let Err(error) = in_time(sender.give(&0)).await {
            break error;
        }
    };
    assert_eq!(stopped, kaa_rpc_runtime::GiveError::Stopped);
    // The next connection has streams of its own.
    let note: u64 = in_time(channel.rpc("note", (1,))).await.unwrap();
    assert_eq!(note, 1);
}

/// Nothing is left of a call that nobody holds and that is not sent any more, so the next call in its place
/// has no streams.
#[tokio::test(start_paused = true)]
async fn a_detached_call_that_is_not_sent_leaves_nothing_of_its_stream() {
    let log = Log::new();
    let sum = async |mut numbers: Items<u64>| {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    };
    let limits = Limits {
        max_calls: 2,
        ..Limits::default()
    };
    let server = || {
        let server = log.server().limits(limits);
        server.register_fn("sum", params(["numbers"], sum))
    };
    let world = World::with(server());
    let channel = connected(&world, |builder| builder).await;
    let mut watch = channel.watch_status();
    let waiting = [1, 2].map(|token| channel.rpc::<u64, _>("wait", (token,)).start());
    log.reaches(2).await;
    // There is no room for it, and it waits for no other connection.
    channel
        .rpc::<u64, _>("sum", (StreamArgument(0),))
        .stream(item_iter([1_u64, 2]))
        .fail_fast()
        .start()
        .detach();
    world.kill();
    lost(&mut watch).await;
    for call in waiting {
        in_time(call).await.unwrap_err();
    }
    world.serve(server());
    in_time(channel.opened()).await.unwrap();

    let (mut sender, numbers) = item_channel::<u64>();
    let summing = channel
        .rpc::<u64, _>("sum", (StreamArgument(0),))
        .stream(numbers)
        .start();
    in_time(sender.give(&1)).await.unwrap();
    // The second one waits for room.
    let notes = [3, 4].map(|token| channel.rpc::<u64, _>("note", (token,)).start());
    for note in notes {
        in_time(note).await.unwrap();
    }
    in_time(sender.give(&2)).await.unwrap();
    in_time(sender.finish()).await.unwrap();
    assert_eq!(in_time(summing).await.unwrap(), 3);
}
