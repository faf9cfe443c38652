//! Blocking where a thread must not block, and where it may.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kaa_rpc_runtime::blocking::wait;
use kaa_rpc_runtime::{Channel, Context, Error, params};
use tokio::runtime::Runtime;

use crate::common::{multi_threaded, secret, single_threaded};
use crate::world::{World, client, in_time, serving};

fn runtimes() -> [Runtime; 2] {
    [single_threaded(), multi_threaded()]
}

/// What a panic says.
fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body))
        .err()
        .expect("it blocks");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn async_code_is_told_instead_of_being_blocked() {
    in_time(|| {
        let world = World::new(serving);
        // By a thread of its own.
        let driven = world.connect();
        for runtime in runtimes() {
            runtime.block_on(async {
                let channel = Channel::connect(&world.address, &secret()).await.unwrap();
                let calls = || channel.rpc::<u64, _>("add", (1, 2));
                let messages = [
                    panic_of(|| driven.rpc::<u64, _>("add", (1, 2)).wait()),
                    panic_of(|| calls().wait()),
                    panic_of(|| calls().start().wait()),
                    panic_of(|| calls().items::<u64>().start().next_blocking()),
                    panic_of(|| calls().items::<u64>().start().iter().next()),
                    panic_of(|| wait(channel.close())),
                    panic_of(|| client().connect_blocking(&world.address)),
                ];
                for message in messages {
                    assert!(message.contains("within a runtime"), "{message}");
                    assert!(message.contains("`.await`"), "{message}");
                }
                assert_eq!(calls().await.unwrap(), 3, "all goes on");
            });
        }
    });
}

#[test]
fn threads_of_a_runtime_that_may_block_do() {
    in_time(|| {
        let world = World::new(serving);
        for runtime in runtimes() {
            runtime.block_on(async {
                let channel = Channel::connect(&world.address, &secret()).await.unwrap();
                let call = channel.rpc::<u64, _>("add", (1, 2)).start();
                let address = world.address.clone();
                let sums = tokio::task::spawn_blocking(move || {
                    let own = client().connect_blocking(&address).unwrap();
                    let sum = own.rpc::<u64, _>("add", (3, 4)).wait();
                    (call.wait().unwrap(), sum.unwrap())
                });
                assert_eq!(sums.await.unwrap(), (3, 7));
            });
        }
        multi_threaded().block_on(async {
            let channel = Channel::connect(&world.address, &secret()).await.unwrap();
            let task = async move {
                tokio::task::block_in_place(|| channel.rpc::<u64, _>("add", (1, 2)).wait())
            };
            assert_eq!(tokio::spawn(task).await.unwrap().unwrap(), 3);
        });
    });
}

#[test]
fn a_thread_blocks_for_a_channel_of_async_code() {
    in_time(|| {
        let world = World::new(serving);
        let secret = secret();
        let connecting = Channel::connect(&world.address, &secret);
        let channel = world.runtime.block_on(connecting).unwrap();
        assert_eq!(channel.rpc::<u64, _>("add", (1, 2)).wait().unwrap(), 3);
        // And the other way round.
        let channel = world.connect();
        let sum = world
            .runtime
            .block_on(async { channel.rpc::<u64, _>("add", (3, 4)).await });
        assert_eq!(sum.unwrap(), 7);
        drop(channel);
    });
}

#[test]
fn a_handler_that_blocks_for_a_call_fails_and_the_channel_goes_on() {
    in_time(|| {
        let world = World::new(serving);
        let answer = async |cx: Context, number: u64| {
            Ok(cx.channel().rpc::<u64, _>("add", (number, 1)).wait()?)
        };
        let channel = client()
            .register_fn("answer", params(["number"], answer))
            .connect_blocking(&world.address)
            .unwrap();
        let error = channel.rpc::<u64, _>("ask", (1,)).wait().unwrap_err();
        let Error::Fault(fault) = &error else {
            panic!("{error}")
        };
        assert!(error.to_string().contains("within a runtime"), "{fault:?}");
        assert_eq!(channel.rpc::<u64, _>("add", (1, 2)).wait().unwrap(), 3);
    });
}

#[test]
fn a_channel_whose_runtime_is_gone_blocks_nobody() {
    in_time(|| {
        let world = World::new(serving);
        let runtime = single_threaded();
        let secret = secret();
        let connecting = Channel::connect(&world.address, &secret);
        let channel = runtime.block_on(connecting).unwrap();
        drop(runtime);
        let error = channel.rpc::<u64, _>("add", (1, 2)).wait().unwrap_err();
        assert!(matches!(error, Error::NotConnected(_)), "{error}");
    });
}
