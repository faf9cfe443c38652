//! Threads that wait drive their channel, and the channel's thread when none does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kaa_rpc_runtime::blocking::wait;
use kaa_rpc_runtime::{Channel, Context, Error, Server, blocking_params, params};

use crate::common::{multi_threaded, private_address, probe, secret};
use crate::world::{World, client, in_time, serving};

/// So many calls, one after the other, that the channel's thread steps aside.
fn many(channel: &Channel) {
    for n in 0..500 {
        assert_eq!(channel.rpc::<u64, _>("add", (n, 1)).wait().unwrap(), n + 1);
    }
}

#[test]
fn calls_of_the_other_end_are_served_after_many_calls_of_this_one() {
    in_time(|| {
        let world = World::new(serving);
        let (channel, other) = world.connect_doubling();
        for n in 0..20 {
            many(&channel);
            assert_eq!(other.rpc::<u64, _>("double", (n,)).wait().unwrap(), 2 * n);
        }
    });
}

#[test]
fn what_was_only_started_goes_on_after_many_calls() {
    in_time(|| {
        let (probe, mut told) = probe();
        let world = World::new(|side| serving(side).function("stay", probe.handler()));
        let channel = world.connect();
        for number in 0..10 {
            many(&channel);
            // Only the first is written by who makes it.
            let first = channel.rpc::<u64, _>("stay", (2 * number,)).start();
            let second = channel.rpc::<u64, _>("stay", (2 * number + 1,)).start();
            for _ in 0..2 {
                world.told(&mut told);
            }
            probe.let_go(2);
            for _ in 0..2 {
                world.told(&mut told);
            }
            assert_eq!(second.wait().unwrap(), 2 * number + 1);
            assert_eq!(first.wait().unwrap(), 2 * number);
        }
    });
}

#[test]
fn a_channel_that_is_silent_after_many_calls_lives() {
    in_time(|| {
        let runtime = multi_threaded();
        let (_folder, address) = private_address();
        let server = Server::builder(secret())
            .register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)))
            .keepalive(Duration::from_millis(20), Duration::from_millis(200))
            .bind(&address);
        let _server = runtime.block_on(server).unwrap();
        let channel = client().connect_blocking(&address).unwrap();
        for _ in 0..2 {
            many(&channel);
            std::thread::sleep(Duration::from_millis(500));
            assert!(!channel.is_closed(), "{:?}", channel.status());
        }
    });
}

#[test]
fn threads_hand_the_channel_over_to_each_other() {
    in_time(|| {
        let world = World::new(|side| {
            let late = async |pause: u64| {
                tokio::time::sleep(Duration::from_micros(pause)).await;
                Ok(pause)
            };
            serving(side).function("late", params(["pause"], late))
        });
        let channel = world.connect();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..6_u64)
                .map(|thread| {
                    let channel = &channel;
                    scope.spawn(move || {
                        for n in 0..300 {
                            let sum = channel.rpc::<u64, _>("add", (thread, n)).wait();
                            assert_eq!(sum.unwrap(), thread + n);
                            if n % 16 == thread {
                                let pause = 700 * thread;
                                let late = channel.rpc::<u64, _>("late", (pause,)).wait();
                                assert_eq!(late.unwrap(), pause);
                            }
                            if n % 50 == 7 * thread {
                                std::thread::sleep(Duration::from_millis(thread));
                            }
                        }
                    })
                })
                .collect();
            // One that starts calls and lets go of them.
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop(channel.rpc::<u64, _>("late", (1000,)).start());
                    channel.rpc::<u64, _>("add", (1, 2)).start().detach();
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
            for caller in callers {
                caller.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_call_ends_at_its_time_whoever_drives() {
    in_time(|| {
        let (probe, _told) = probe();
        let world = World::new(|side| serving(side).function("stay", probe.handler()));
        let channel = world.connect();
        let stay = |number: u64, time: u64| {
            let call = channel.rpc::<u64, _>("stay", (number,));
            let error = call.timeout(Duration::from_millis(time)).wait();
            assert!(matches!(error, Err(Error::TimedOut { .. })), "{error:?}");
        };
        for _ in 0..3 {
            many(&channel);
            let began = Instant::now();
            // The one that waits longest drives first, and then each of the others leaves.
            std::thread::scope(|scope| {
                for number in 0..5 {
                    scope.spawn(move || stay(number, 150 - 30 * number));
                }
            });
            assert!(began.elapsed() >= Duration::from_millis(150));
            stay(9, 20);
        }
    });
}

#[test]
fn a_handler_calls_while_the_thread_that_waits_drives() {
    in_time(|| {
        let world = World::new(serving);
        let asked = std::sync::Arc::new(AtomicU64::new(0));
        let counted = std::sync::Arc::clone(&asked);
        // It blocks for a call of its own, on another thread.
        let answer = move |cx: Context, number: u64| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(cx.channel().rpc::<u64, _>("add", (number, 1)).wait()?)
        };
        let channel = client()
            .register_fn("answer", blocking_params(["number"], answer))
            .connect_blocking(&world.address)
            .unwrap();
        std::thread::scope(|scope| {
            for thread in 0..3_u64 {
                let channel = &channel;
                scope.spawn(move || {
                    for n in 0..5 {
                        many(channel);
                        let number = 100 * thread + n;
                        let answer: u64 = channel.rpc("ask", (number,)).wait().unwrap();
                        assert_eq!(answer, number + 1);
                        // Time enough for the thread to step aside again.
                        std::thread::sleep(Duration::from_millis(120));
                    }
                });
            }
        });
        assert_eq!(asked.load(Ordering::Relaxed), 15);
    });
}

#[test]
fn a_channel_is_closed_while_threads_wait_and_one_of_them_drives() {
    in_time(|| {
        let (probe, mut told) = probe();
        for _ in 0..5 {
            let world = World::new(|side| serving(side).function("stay", probe.handler()));
            let channel = client()
                .close_timeout(Duration::from_millis(20))
                .connect_blocking(&world.address)
                .unwrap();
            many(&channel);
            std::thread::scope(|scope| {
                for number in 0..4_u64 {
                    let call = channel.rpc::<u64, _>("stay", (number,));
                    let call = call.start();
                    scope.spawn(move || assert!(call.wait().is_err()));
                }
                for _ in 0..4 {
                    world.told(&mut told);
                }
                wait(channel.close());
            });
            // They stop when they are told.
            for _ in 0..4 {
                world.told(&mut told);
            }
        }
    });
}
