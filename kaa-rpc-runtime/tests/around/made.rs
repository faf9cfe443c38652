//! Interceptors around the calls that one makes.

use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_runtime::{
    CallEnd, Channel, ChannelBuilder, Context, Error, MadeCall, MadeNext, Outcome, Yielder, params,
};
use tokio::sync::Notify;

use crate::served::{Log, Tested};

fn logging(side: ChannelBuilder, log: &Log, mark: &'static str) -> ChannelBuilder {
    let log = log.clone();
    side.intercept_calls(move |mut call: MadeCall, next: MadeNext| {
        let log = log.clone();
        async move {
            let name = call.name().to_owned();
            log.add(format!("{mark} {name}"));
            call.insert_metadata(mark, "was here").unwrap();
            let end = next.run(call).await;
            log.add(format!("{mark} {name}: {}", end.code()));
            end
        }
    })
}

async fn seen(cx: Context) -> Outcome<Vec<String>> {
    cx.answer_metadata("version", "1")?;
    Ok(cx
        .metadata()?
        .iter()
        .map(|(key, _)| key.to_owned())
        .collect())
}

async fn count(cx: Context, to: u32) -> Outcome<u32> {
    let items: Yielder<u32> = cx.yielder();
    for number in 0..to {
        items.give(&number).await?;
    }
    Ok(to)
}

fn functions(side: ChannelBuilder) -> ChannelBuilder {
    side.register_fn("seen", params([], seen))
        .register_fn("count", params(["to"], count))
        .register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b)))
        .register_fn(
            "forever",
            params([], async || -> Outcome<()> { std::future::pending().await }),
        )
}

#[tokio::test]
async fn they_nest_and_send_metadata_along() -> Tested {
    let log = Log::default();
    let (server, client) = Channel::pair(functions, |side| {
        logging(logging(side, &log, "outer"), &log, "inner")
    })
    .await?;
    let call = client.rpc::<Vec<String>, _>("seen", ()).metadata("own", "");
    let (keys, metadata) = call.start().with_metadata().await;
    assert_eq!(keys?, ["own", "outer", "inner"]);
    assert_eq!(metadata.get("version"), Some("1"));
    assert_eq!(
        log.take(),
        [
            "outer seen",
            "inner seen",
            "inner seen: ok",
            "outer seen: ok"
        ]
    );
    client.rpc::<(), _>("what", ()).await.unwrap_err();
    assert!(
        log.take()
            .contains(&"outer what: unknown_function".to_owned())
    );
    client.rpc::<(), _>("add", (1, 2)).oneway().await?;
    assert!(log.take().contains(&"outer add: ok".to_owned()));
    server.close().await;
    client.closed().await;
    client.rpc::<(), _>("add", (1, 2)).await.unwrap_err();
    assert!(log.take().contains(&"outer add: not_connected".to_owned()));
    Ok(())
}

#[tokio::test]
async fn calls_are_sent_by_start_and_in_order() -> Tested {
    let log = Log::default();
    let order = log.clone();
    let note = move |number: u32| {
        order.add(number.to_string());
        async { Ok(()) }
    };
    let (_server, client) = Channel::pair(
        |side| side.register_fn("note", params(["number"], note)),
        |side| logging(side, &Log::default(), "outer"),
    )
    .await?;
    let calls: Vec<_> = (0..20_u32)
        .map(|number| client.rpc::<(), _>("note", (number,)).start())
        .collect();
    for call in calls.into_iter().rev() {
        call.await?;
    }
    let expected: Vec<String> = (0..20).map(|number: u32| number.to_string()).collect();
    assert_eq!(log.take(), expected);
    Ok(())
}

#[tokio::test]
async fn one_may_wait_or_let_the_call_fail() -> Tested {
    let gate = Arc::new(Notify::new());
    let waits = Arc::clone(&gate);
    let (_server, client) = Channel::pair(functions, |side| {
        side.intercept_calls(move |call: MadeCall, next: MadeNext| {
            let gate = Arc::clone(&waits);
            async move {
                if call.name() == "forever" {
                    return CallEnd::failed(Error::Refused {
                        message: "not that".to_owned(),
                    });
                }
                gate.notified().await;
                next.run(call).await
            }
        })
    })
    .await?;
    let refused = client.rpc::<(), _>("forever", ()).await;
    assert!(matches!(refused, Err(Error::Refused { message }) if message == "not that"));
    let call = client.rpc::<i64, _>("add", (1, 2)).start();
    gate.notify_one();
    assert_eq!(call.await?, 3);
    // Its time runs meanwhile.
    let late = client
        .rpc::<i64, _>("add", (1, 2))
        .timeout(Duration::from_millis(1))
        .start();
    tokio::time::sleep(Duration::from_millis(5)).await;
    gate.notify_one();
    assert!(matches!(
        late.await,
        Err(Error::TimedOut { sent: false, .. })
    ));
    // And it goes on if nobody waits.
    client.rpc::<i64, _>("add", (1, 2)).start().detach();
    gate.notify_one();
    let call = client.rpc::<i64, _>("add", (3, 2)).start();
    gate.notify_one();
    assert_eq!(call.await?, 5);
    Ok(())
}

#[tokio::test]
async fn items_are_taken_as_without() -> Tested {
    for waits in [false, true] {
        let log = Log::default();
        let (_server, client) = Channel::pair(functions, |side| {
            let side = logging(side, &log, "outer");
            side.intercept_calls(move |call: MadeCall, next: MadeNext| async move {
                if waits {
                    tokio::task::yield_now().await;
                }
                next.run(call).await
            })
        })
        .await?;
        let mut call = client
            .rpc::<u32, _>("count", (1000_u32,))
            .items::<u32>()
            .start();
        let mut numbers = Vec::new();
        while let Some(number) = call.next().await? {
            numbers.push(number);
        }
        assert_eq!(numbers, (0..1000).collect::<Vec<u32>>());
        assert_eq!(call.finish().await?, 1000);
        assert!(log.take().contains(&"outer count: ok".to_owned()));
        // Whoever does not want them keeps nobody waiting.
        let call = client.rpc::<u32, _>("count", (1000_u32,)).items::<u32>();
        assert_eq!(call.await?, 1000);
        let mut call = client
            .rpc::<u32, _>("count", (1000_u32,))
            .items::<u32>()
            .start();
        assert_eq!(call.next().await?, Some(0));
        assert_eq!(call.finish().await?, 1000);
    }
    Ok(())
}

#[tokio::test]
async fn dropping_a_call_cancels_it() -> Tested {
    let dropped = Arc::new(Notify::new());
    struct Tells(Arc<Notify>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (tells, started) = (Arc::clone(&dropped), Arc::new(Notify::new()));
    let starts = Arc::clone(&started);
    let forever = move || {
        let guard = Tells(Arc::clone(&tells));
        starts.notify_one();
        async move {
            let _guard = guard;
            std::future::pending::<Outcome<()>>().await
        }
    };
    let (_server, client) = Channel::pair(
        |side| side.register_fn("forever", params([], forever)),
        |side| logging(side, &Log::default(), "outer"),
    )
    .await?;
    let call = client.rpc::<(), _>("forever", ()).start();
    started.notified().await;
    drop(call);
    dropped.notified().await;
    Ok(())
}
