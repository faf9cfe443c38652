//! Items and streams, from threads that block.

use kaa_rpc_runtime::blocking::wait;
use kaa_rpc_runtime::{
    Context, Error, GiveError, Items, Limits, StreamArgument, TakeError, item_channel, params,
};

use crate::common::{Side, Was, probe};
use crate::world::{World, client, in_time};

/// `count(to)` gives 1 to `to`, then fails if that is odd, else gives `to`. `sum(numbers)`, `first(numbers)`.
fn serving(side: Side) -> Side {
    let count = async |cx: Context, to: u64| {
        let items = cx.yielder();
        for number in 1..=to {
            items.give(&number).await?;
        }
        match to % 2 {
            0 => Ok(to),
            _ => Err("odd".into()),
        }
    };
    let sum = async |mut numbers: Items<u64>| {
        let mut sum = 0;
        loop {
            match numbers.next().await {
                Ok(Some(number)) => sum += number,
                Ok(None) => return Ok((sum, String::new())),
                Err(error) => return Ok((sum, error.to_string())),
            }
        }
    };
    let first = async |mut numbers: Items<u64>| Ok(numbers.next().await?);
    side.function("count", params(["to"], count))
        .function("sum", params(["numbers"], sum))
        .function("first", params(["numbers"], first))
}

const FIRST: (StreamArgument,) = (StreamArgument(0),);

#[test]
fn items_are_iterated_over_and_then_there_is_the_result() {
    in_time(|| {
        let world = World::new(serving);
        let few = Limits {
            max_stream_items: 5,
            ..Limits::default()
        };
        for limits in [Limits::default(), few] {
            let channel = client()
                .limits(limits)
                .connect_blocking(&world.address)
                .unwrap();
            let mut numbers = channel
                .rpc::<u64, _>("count", (1000,))
                .items::<u64>()
                .start();
            assert_eq!(numbers.next_blocking().unwrap(), Some(1));
            let some: Result<Vec<u64>, Error> = numbers.iter().take(9).collect();
            assert_eq!(some.unwrap(), (2..=10).collect::<Vec<_>>());
            let rest: Result<Vec<u64>, Error> = numbers.iter().collect();
            assert_eq!(rest.unwrap(), (11..=1000).collect::<Vec<_>>());
            assert_eq!(numbers.next_blocking().unwrap(), None);
            assert_eq!(numbers.wait().unwrap(), 1000);
            let alone = channel.rpc::<u64, _>("count", (1000,)).items::<u64>();
            assert_eq!(alone.wait().unwrap(), 1000);
        }
    });
}

#[test]
fn an_error_ends_the_iteration() {
    in_time(|| {
        let world = World::new(serving);
        let channel = world.connect();
        let mut numbers = channel.rpc::<u64, _>("count", (3,)).items::<u64>().start();
        // Who skips errors does not skip the same one for ever.
        let whole: Vec<Result<u64, Error>> = numbers.iter().collect();
        assert_eq!(whole.len(), 4, "{whole:?}");
        assert!(matches!(whole[3], Err(Error::Fault(_))), "{whole:?}");
        assert!(matches!(numbers.wait(), Err(Error::Fault(_))));
    });
}

#[test]
fn letting_go_of_the_items_stops_the_function() {
    in_time(|| {
        let (probe, mut told) = probe();
        let world = World::new(|side| {
            let forever = move |cx: Context| {
                let run = probe.run(0);
                async move {
                    cx.yielder().give(&1_u64).await?;
                    Ok(run.await)
                }
            };
            side.function("forever", params([], forever))
        });
        let channel = world.connect();
        let mut items = channel.rpc::<u64, _>("forever", ()).items::<u64>().start();
        assert!(matches!(items.iter().next(), Some(Ok(1))));
        assert_eq!(world.told(&mut told), Was::Started(0));
        drop(items);
        assert_eq!(world.told(&mut told), Was::Dropped(0));
    });
}

#[test]
fn a_thread_sends_a_stream_along() {
    in_time(|| {
        let world = World::new(serving);
        let channel = world.connect();
        for finishes in [true, false] {
            let (mut sender, numbers) = item_channel::<u64>();
            let call = channel
                .rpc::<(u64, String), _>("sum", FIRST)
                .stream(numbers)
                .start();
            let giving = std::thread::spawn(move || {
                for number in 1..=2000 {
                    wait(sender.give(&number)).unwrap();
                }
                if finishes {
                    wait(sender.finish()).unwrap();
                }
            });
            let expected = if finishes {
                String::new()
            } else {
                TakeError::Broken.to_string()
            };
            assert_eq!(call.wait().unwrap(), (2_001_000, expected));
            giving.join().unwrap();
        }
    });
}

#[test]
fn a_thread_learns_that_nobody_wants_more() {
    in_time(|| {
        let world = World::new(serving);
        let channel = world.connect();
        let (mut sender, numbers) = item_channel::<u64>();
        let call = channel
            .rpc::<Option<u64>, _>("first", FIRST)
            .stream(numbers)
            .start();
        // It blocks as long as there is no room, and ends all the same.
        let stopped = (0..).find_map(|number| wait(sender.give(&number)).err());
        assert_eq!(stopped, Some(GiveError::Stopped));
        assert_eq!(call.wait().unwrap(), Some(0));
    });
}
