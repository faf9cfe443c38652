//! Calls in both directions.

use std::time::Duration;

use kaa_rpc_runtime::blocking::wait;
use kaa_rpc_runtime::{
    Channel, CloseReason, ConnectError, Context, Error, Outcome, Secret, kwargs, params,
};

use crate::common::{Was, plain, probe};
use crate::world::{World, client, in_time, serving};

#[test]
fn a_call_is_sent_and_its_outcome_waited_for() {
    in_time(|| {
        let world = World::new(serving);
        let channel = world.connect();
        let sum: u64 = channel.rpc("add", (40, 2)).wait().unwrap();
        assert_eq!(sum, 42);
        let call = channel.rpc::<u64, _>("add", kwargs! { a: 1, b: 2 }).start();
        assert_eq!(call.wait().unwrap(), 3);
        channel.rpc("add", (1, 2)).ignore().wait().unwrap();
        channel.rpc::<(), _>("add", (1, 2)).oneway().wait().unwrap();
        let error = channel.rpc::<u64, _>("ad", (1, 2)).wait().unwrap_err();
        assert!(matches!(error, Error::UnknownFunction(_)), "{error}");
        assert!(matches!(*wait(channel.close()), CloseReason::Closed));
        let error = channel.rpc::<u64, _>("add", (1, 2)).wait().unwrap_err();
        assert!(matches!(error, Error::NotConnected(_)), "{error}");
    });
}

#[test]
fn many_threads_call_at_once() {
    in_time(|| {
        let world = World::new(serving);
        let shared = world.connect();
        std::thread::scope(|scope| {
            for thread in 0..16_u64 {
                let own;
                let channel = if thread % 2 == 0 {
                    own = shared.clone();
                    own
                } else {
                    world.connect()
                };
                scope.spawn(move || {
                    for n in 0..100_u64 {
                        let sum: u64 = channel.rpc("add", (thread, n)).wait().unwrap();
                        assert_eq!(sum, thread + n);
                    }
                    let calls = (0..50_u64).map(|n| channel.rpc::<u64, _>("add", (n, n)).start());
                    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
                        assert_eq!(call.wait().unwrap(), 2 * n as u64);
                    }
                });
            }
        });
    });
}

#[test]
fn the_other_end_calls_back_while_the_thread_waits() {
    in_time(|| {
        let world = World::new(serving);
        // A handler may block no thread, but it may call: `answer` calls `add` at the server.
        let answer = async |cx: Context, number: u64| {
            Outcome::<u64>::Ok(cx.channel().rpc("add", (number, 1)).await?)
        };
        let channel = client()
            .register_fn("answer", params(["number"], answer))
            .connect_blocking(&world.address)
            .unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let channel = &channel;
                scope.spawn(move || {
                    for n in 0..50 {
                        let number = 1000 * thread + n;
                        let answer: u64 = channel.rpc("ask", (number,)).wait().unwrap();
                        assert_eq!(answer, number + 1);
                    }
                });
            }
        });
    });
}

#[test]
fn the_other_end_calls_while_nobody_waits() {
    in_time(|| {
        let world = World::new(plain);
        let (channel, other) = world.connect_doubling();
        for n in 0..10 {
            assert_eq!(other.rpc::<u64, _>("double", (n,)).wait().unwrap(), 2 * n);
        }
        drop(channel);
        assert!(wait(other.closed()).is_orderly());
    });
}

#[test]
fn a_call_whose_handle_is_dropped_is_cancelled() {
    in_time(|| {
        let (probe, mut told) = probe();
        let world = World::new(|side| side.function("stay", probe.handler()));
        let channel = world.connect();
        let call = channel.rpc::<u64, _>("stay", (7,)).start();
        assert_eq!(world.told(&mut told), Was::Started(7));
        drop(call);
        assert_eq!(world.told(&mut told), Was::Dropped(7));
    });
}

#[test]
fn a_call_ends_at_its_time() {
    in_time(|| {
        let (probe, mut told) = probe();
        let world = World::new(|side| side.function("stay", probe.handler()));
        let channel = client()
            .timeout(Duration::from_millis(60))
            .connect_blocking(&world.address)
            .unwrap();
        for number in 0..2 {
            let call = channel.rpc::<u64, _>("stay", (number,));
            let call = if number == 0 {
                call
            } else {
                call.timeout(Duration::from_millis(30))
            };
            let error = call.wait().unwrap_err();
            assert!(matches!(error, Error::TimedOut { .. }), "{error}");
            assert_eq!(world.told(&mut told), Was::Started(number));
            assert_eq!(world.told(&mut told), Was::Dropped(number));
        }
    });
}

#[test]
fn a_channel_that_cannot_be_opened_says_why() {
    in_time(|| {
        let world = World::new(plain);
        let nobody = client().connect_blocking("unix:/nowhere/at/all");
        assert!(matches!(nobody, Err(ConnectError::Unix(_))), "{nobody:?}");
        let stranger = Channel::builder(&Secret::generate().unwrap());
        let refused = stranger.connect_blocking(&world.address);
        assert!(
            matches!(refused, Err(ConnectError::Handshake(_))),
            "{refused:?}"
        );
        let unreadable = client().connect_blocking("tcp:");
        assert!(
            matches!(unreadable, Err(ConnectError::Address(_))),
            "{unreadable:?}"
        );
    });
}

#[test]
fn a_way_of_opening_that_panics_is_an_error() {
    in_time(|| {
        let opened = client().open_blocking(|_| async { panic!("no way") });
        assert!(matches!(opened, Err(ConnectError::Io(_))), "{opened:?}");
    });
}
