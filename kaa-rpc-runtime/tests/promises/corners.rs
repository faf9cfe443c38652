//! Corners that a review found: each was a bug once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use kaa_rpc_runtime::{Channel, CloseReason, Error, Limits, Outcome, Server, kwargs, params};

use crate::common::{multi_threaded, private_address, secret, single_threaded};

fn counting(count: &Arc<AtomicU64>) -> impl kaa_rpc_runtime::Handler {
    let count = Arc::clone(count);
    params(["n"], move |n: u64| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { Ok(n) }
    })
}

#[test]
fn a_runtime_that_ends_before_the_driver_ran_closes_the_channel() {
    let serving = multi_threaded();
    let (_folder, address) = private_address();
    let _server = serving
        .block_on(Server::builder(secret()).bind(&address))
        .unwrap();
    for lazy in [false, true] {
        let runtime = single_threaded();
        let channel = runtime.block_on(async {
            if lazy {
                Channel::builder(&secret()).connect_lazy(&address).unwrap()
            } else {
                Channel::connect(&address, &secret()).await.unwrap()
            }
        });
        let call = channel.rpc::<u64, _>("anything", ()).start();
        drop(runtime);
        let other = single_threaded();
        let reason = other.block_on(channel.closed());
        assert!(matches!(*reason, CloseReason::RuntimeGone), "{reason:?}");
        assert!(other.block_on(call).is_err());
    }
}

#[test]
fn a_program_that_lets_go_and_ends_has_said_goodbye() {
    let serving = multi_threaded();
    let (_folder, address) = private_address();
    let (told, mut channels) = tokio::sync::mpsc::unbounded_channel();
    let _server = serving
        .block_on(
            Server::builder(secret())
                .register_fn("good", params([], async || Ok(1)))
                .on_connect(move |channel: Channel| told.send(channel).unwrap())
                .bind(&address),
        )
        .unwrap();
    let runtime = single_threaded();
    runtime.block_on(async {
        let channel = Channel::connect(&address, &secret()).await.unwrap();
        channel.rpc::<u64, _>("good", ()).await.unwrap();
    });
    drop(runtime);
    let reason = serving.block_on(async { channels.recv().await.unwrap().closed().await });
    assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason:?}");
}

#[test]
fn nothing_of_a_closure_runs_if_an_argument_is_left_over() {
    multi_threaded().block_on(async {
        let count = Arc::new(AtomicU64::new(0));
        let fire = counting(&count);
        let (_left, right) = Channel::pair(|left| left.register_fn("fire", fire), |right| right)
            .await
            .unwrap();
        let refused = right.rpc::<u64, _>("fire", (1, kwargs! { dry_run: true }));
        let refused = refused.await.unwrap_err();
        assert!(matches!(refused, Error::BadArguments(_)), "{refused:?}");
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert_eq!(right.rpc::<u64, _>("fire", (1,)).await.unwrap(), 1);
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn what_was_never_sent_is_told_from_what_may_have_run() {
    multi_threaded().block_on(async {
        let limits = Limits {
            max_calls: 1,
            max_frame: 64 << 10,
            max_request_bytes: 64 << 10,
            ..Limits::default()
        };
        let (_left, right) = Channel::pair(
            |left| {
                let wait = params([], async || std::future::pending::<Outcome<u64>>().await);
                left.limits(limits)
                    .register_fn("wait", wait)
                    .register_fn("good", params([], async || Ok(1)))
            },
            |right| right,
        )
        .await
        .unwrap();
        let large = right.rpc::<u64, _>("wait", ("x".repeat(70_000),)).await;
        let large = large.unwrap_err();
        assert!(
            matches!(large, Error::TooLarge { sent: false, .. }),
            "{large:?}"
        );
        assert!(large.never_ran());

        let short = Duration::from_millis(20);
        let sent = right.rpc::<u64, _>("wait", ()).start();
        let parked = right
            .rpc::<u64, _>("wait", ())
            .timeout(short)
            .await
            .unwrap_err();
        assert!(parked.never_ran(), "{parked:?}");
        drop(sent);
        // Its place is free when this one was answered.
        assert_eq!(right.rpc::<u64, _>("good", ()).await.unwrap(), 1);
        let late = right
            .rpc::<u64, _>("wait", ())
            .timeout(short)
            .await
            .unwrap_err();
        assert!(!late.never_ran(), "{late:?}");
        assert!(late.to_string().contains("20ms"), "{late}");
    });
}

#[test]
fn a_secret_that_is_given_twice_is_an_error() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        for id in ["", "screen"] {
            let builder = Server::builder(secret()).secret("screen", secret());
            let error = builder
                .secret(id, secret())
                .bind(&address)
                .await
                .unwrap_err();
            assert!(error.to_string().contains("given twice"), "{error}");
        }
    });
}

/// A waker that owns a handle of the channel on which it waits.
struct Owner {
    _channel: Channel,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_may_own_the_last_handle() {
    multi_threaded().block_on(async {
        let (_left, right) = Channel::pair(|left| left, |right| right).await.unwrap();
        let mut call = right.rpc::<u64, _>("anything", ()).start();
        let waker = Waker::from(Arc::new(Owner { _channel: right }));
        let first = std::pin::Pin::new(&mut call).poll(&mut TaskContext::from_waker(&waker));
        drop(waker);
        if first.is_pending() {
            // Replaces the owner, which closes the channel.
            let second =
                std::pin::Pin::new(&mut call).poll(&mut TaskContext::from_waker(Waker::noop()));
            match second {
                Poll::Pending => assert!(call.await.is_err()),
                Poll::Ready(outcome) => assert!(outcome.is_err()),
            }
        }
    });
}
