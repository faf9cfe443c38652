//! Bytes that somebody else owns, too: when the last of them goes, code of theirs runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Channel, Context, Error, InProgress, Limits, params};
use tokio::sync::Notify;

use crate::common::{Side, connect, everywhere, plain};

const LENGTH: usize = 100_000;

/// Uses its channel when it goes, which must not be locked then.
struct Owner {
    bytes: Vec<u8>,
    channel: Channel,
    gone: Arc<Gone>,
}

#[derive(Default)]
struct Gone {
    count: AtomicUsize,
    changed: Notify,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let call: InProgress<()> = self.channel.rpc("nothing", ()).start();
        drop(call);
        self.gone.count.fetch_add(1, Ordering::SeqCst);
        self.gone.changed.notify_one();
    }
}

impl Gone {
    fn owned(self: &Arc<Self>, channel: &Channel) -> Bytes {
        let owner = Owner {
            bytes: vec![7; LENGTH],
            channel: channel.clone(),
            gone: Arc::clone(self),
        };
        bytes::Bytes::from_owner(owner).into()
    }

    /// Waits until so many have gone.
    async fn are(&self, count: usize) {
        while self.count.load(Ordering::SeqCst) < count {
            self.changed.notified().await;
        }
    }
}

fn server(side: Side) -> Side {
    side.function(
        "length",
        params(["data"], async |data: Bytes| Ok(data.len())),
    )
    .function("nothing", params([], async || Ok(())))
    .function(
        "hold",
        params(["data"], async |_: Bytes| {
            std::future::pending::<()>().await;
            Ok(())
        }),
    )
}

#[test]
fn a_call_that_was_sent_lets_them_go() {
    everywhere(async |over| {
        let ends = connect(over, server, plain).await;
        let gone = Arc::new(Gone::default());
        for count in 1..4 {
            let data = gone.owned(&ends.client);
            let length: usize = ends.client.rpc("length", (data,)).await.unwrap();
            assert_eq!(length, LENGTH);
            gone.are(count).await;
        }
        // Several at once, which the driver writes.
        let calls: Vec<InProgress<usize>> = (0..20)
            .map(|_| {
                let data = gone.owned(&ends.client);
                ends.client.rpc("length", (data,)).resend(1).start()
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), LENGTH);
        }
        gone.are(23).await;
    });
}

#[test]
fn a_call_that_is_not_sent_lets_them_go() {
    everywhere(async |over| {
        let narrow = |side: Side| {
            server(side).limits(Limits {
                max_calls: 1,
                ..Limits::default()
            })
        };
        let quick = |side: Side| side.close_timeout(Duration::from_millis(10));
        let ends = connect(over, narrow, quick).await;
        let gone = Arc::new(Gone::default());
        let start = || {
            let data = gone.owned(&ends.client);
            ends.client.rpc::<(), _>("hold", (data,))
        };
        let held = start().start();
        drop(start().start());
        gone.are(1).await;
        let timed_out = start().timeout(Duration::from_millis(1)).await;
        assert!(matches!(timed_out, Err(Error::TimedOut { .. })));
        gone.are(2).await;
        let (parked, detached) = (start().start(), start().start());
        detached.detach();
        ends.client.close().await;
        for call in [held, parked] {
            assert!(call.await.is_err());
        }
        gone.are(5).await;
    });
}

#[test]
fn an_answer_lets_them_go_whether_it_is_sent_or_not() {
    everywhere(async |over| {
        let gone = Arc::new(Gone::default());
        let make = {
            let gone = Arc::clone(&gone);
            move |cx: Context, count: usize| {
                let data = gone.owned(&cx.channel());
                async move { Ok(vec![data; count]) }
            }
        };
        let make = |side: Side| server(side).function("make", params(["count"], make));
        let client = |side: Side| {
            plain(side).limits(Limits {
                max_frame: 65_536 + LENGTH as u32,
                ..Limits::default()
            })
        };
        let ends = connect(over, make, client).await;
        let back: Vec<Bytes> = ends.client.rpc("make", (1,)).await.unwrap();
        assert_eq!(back[0].len(), LENGTH);
        gone.are(1).await;
        let too_large = ends.client.rpc::<Vec<Bytes>, _>("make", (2,)).await;
        assert!(matches!(too_large, Err(Error::TooLarge { .. })));
        gone.are(2).await;
    });
}
