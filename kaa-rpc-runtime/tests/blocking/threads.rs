//! The threads that drive channels end with them.

use std::process::Command;
use std::sync::Arc;

use kaa_rpc_runtime::blocking::wait;
use kaa_rpc_runtime::codegen::Functions;
use kaa_rpc_runtime::{Channel, Outcome, params};
use tokio::sync::Semaphore;

use crate::common::{Exposing, Side, Was, plain, probe};
use crate::world::{World, client, in_time, until};

/// In a process of its own, because other tests have such threads, too.
#[test]
#[cfg(target_os = "linux")]
fn no_thread_and_no_descriptor_is_left_of_a_channel() {
    let alone = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "threads::alone", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(alone.status.success(), "{alone:?}");
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "is run by the test above"]
fn alone() {
    in_time(|| {
        let serving = |side: Side| side.function("add", params([], async || Ok(3_u64)));
        let world = World::new(serving);
        let channels = || {
            world
                .runtime
                .block_on(async { world.server.channels().len() })
        };
        // What the server and the libraries keep is there after the first time.
        drop(world.connect());
        until("the first one stays", || threads() == 0 && channels() == 0);
        let before = descriptors();

        let open: Vec<Channel> = (0..8).map(|_| world.connect()).collect();
        assert_eq!(threads(), 8, "each has its own");
        let handle = open[0].rpc::<u64, _>("add", ()).start();
        let clone = open[1].clone();
        for (n, channel) in open.into_iter().enumerate() {
            assert_eq!(channel.rpc::<u64, _>("add", ()).wait().unwrap(), 3);
            if n % 2 == 0 {
                wait(channel.close());
            }
        }
        until("one has a handle, and no more", || threads() == 1);
        assert_eq!(clone.rpc::<u64, _>("add", ()).wait().unwrap(), 3);
        drop(clone);
        until("a thread stays", || threads() == 0);
        assert_eq!(handle.wait().unwrap(), 3, "it was answered before");

        let refused = client().connect_blocking("unix:/nowhere/at/all");
        assert!(refused.is_err());
        until("a thread of nobody stays", || threads() == 0);

        let cut = world.connect();
        until("it has no other end", || channels() == 1);
        wait(world.server.channels().remove(0).close());
        wait(cut.closed());
        until("a thread of a closed channel stays", || threads() == 0);
        drop(cut);

        until("a descriptor stays", || {
            descriptors() == before && channels() == 0
        });
    });
}

/// How many threads of this process drive channels.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "kaa-rpc").count()
}

#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn functions_that_run_to_their_end_do_so_after_the_channel_is_gone() {
    in_time(|| {
        let (probe, mut told) = probe();
        let running = probe.clone();
        let stubborn = Exposing(move |functions: &mut Functions| {
            functions
                .add("stubborn", &Arc::new(running), |probe, _, _| {
                    Ok(async move { Outcome::<u64>::Ok(probe.run(0).await) })
                })
                .uncancelled();
        });
        let world = World::new(plain);
        let mut connected = world.server.client_connected();
        let channel = client()
            .register(stubborn)
            .close_timeout(std::time::Duration::from_millis(10))
            .connect_blocking(&world.address)
            .unwrap();
        let other = wait(connected.next()).unwrap();
        let call = other.rpc::<u64, _>("stubborn", ()).start();
        assert_eq!(world.told(&mut told), Was::Started(0));
        wait(channel.close());
        assert!(call.wait().is_err());
        probe.let_go(1);
        assert_eq!(world.told(&mut told), Was::Ended(0));
    });
}

#[test]
fn what_a_handler_owns_is_dropped_with_the_channel() {
    in_time(|| {
        let owned = Arc::new(Semaphore::new(0));
        let world = World::new(plain);
        let kept = Arc::clone(&owned);
        let channel = client()
            .register_fn(
                "keep",
                params([], move || {
                    let kept = Arc::clone(&kept);
                    async move { Ok(kept.available_permits() as u64) }
                }),
            )
            .connect_blocking(&world.address)
            .unwrap();
        assert_eq!(Arc::strong_count(&owned), 2);
        drop(channel);
        until("the function stays", || Arc::strong_count(&owned) == 1);
    });
}
