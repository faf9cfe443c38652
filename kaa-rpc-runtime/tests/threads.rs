//! Threads that know no runtime and share one channel: none of their calls may miss its wake-up.
//! `KAA_CALLS` says how many each thread makes, over each kind of connection.

#[path = "common/mod.rs"]
mod common;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use kaa_rpc_runtime::{Channel, Error, params};

use common::{Over, PATIENCE, connect, multi_threaded, single_threaded};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls again only after a wake-up. One that is missed fails.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let begun = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park_timeout(PATIENCE);
        assert!(begun.elapsed() < PATIENCE, "a call was not woken");
    }
}

/// Makes calls of which some are dropped and some let go. Says how many must have run.
fn keep_calling(channel: &Channel, thread: u64, calls: u64) -> u64 {
    let mut random = thread + 1;
    let mut must_run = 0;
    for number in 0..calls {
        // Xorshift: which of them does not matter, but that they differ.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let token = thread << 32 | number;
        let function = if random.is_multiple_of(5) {
            "later"
        } else {
            "now"
        };
        let call = channel.rpc::<u64, _>(function, (token,)).start();
        match random >> 8 & 15 {
            0 | 1 => drop(call),
            2 => match call.try_detach() {
                Ok(()) => must_run += 1,
                Err(Error::TooManyDetached { .. }) => {}
                Err(error) => panic!("{error}"),
            },
            _ => {
                assert_eq!(block_on(call).unwrap(), token);
                must_run += 1;
            }
        }
    }
    must_run
}

#[test]
fn threads_without_a_runtime_miss_no_wake_up() {
    const THREADS: u64 = 4;
    let calls = std::env::var("KAA_CALLS").map_or(3_000, |calls| calls.parse().unwrap());
    for over in [Over::Memory, Over::Unix] {
        for (window, runtime) in [(4, single_threaded()), (1024, multi_threaded())] {
            let ran = Arc::new(AtomicU64::new(0));
            let [now, later] = [(); 2].map(|()| Arc::clone(&ran));
            let now = move |token: u64| {
                now.fetch_add(1, Ordering::Relaxed);
                async move { Ok(token) }
            };
            let later = move |token: u64| {
                later.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::task::yield_now().await;
                    Ok(token)
                }
            };
            runtime.block_on(async {
                let expose = |side: common::Side| {
                    side.max_calls(window)
                        .function("now", params(["token"], now))
                        .function("later", params(["token"], later))
                };
                let ends = connect(over, expose, common::plain).await;
                let threads = (0..THREADS).map(|number| {
                    let channel = ends.client.clone();
                    let (tell, told) = tokio::sync::oneshot::channel();
                    let thread = thread::spawn(move || {
                        let _ = tell.send(keep_calling(&channel, number, calls));
                    });
                    (thread, told)
                });
                let mut must_run = 0;
                for (thread, told) in threads.collect::<Vec<_>>() {
                    must_run += told.await.expect("a thread failed");
                    thread.join().unwrap();
                }
                let reason = ends.client.close().await;
                assert!(reason.is_orderly(), "{reason}");
                let ran = ran.load(Ordering::Relaxed);
                let all = must_run..=THREADS * calls;
                assert!(all.contains(&ran), "{ran} calls ran, of {all:?}");
            });
        }
    }
}
