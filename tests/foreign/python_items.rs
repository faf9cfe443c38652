//! Items between Python and Rust: what calls yield, and the streams that come with them, in both directions.

use std::time::Duration;

use kaa_rpc_runtime::{
    Bytes, Channel, CloseReason, Context, Error, ItemReceiver, Items, Limits, Server,
    StreamArgument, Value, item_channel, params,
};
use tokio::time::timeout;

use crate::program::{LONG, Place, TestResult};

/// Windows that are full all the time.
fn limits() -> Limits {
    Limits {
        max_stream_items: 3,
        max_stream_bytes: 64 << 10,
        ..Limits::default()
    }
}

/// A stream of what `numbers` gives, and then an end or none.
fn stream(numbers: impl Iterator<Item = u64> + Send + 'static, ends: bool) -> ItemReceiver<u64> {
    let (mut sender, receiver) = item_channel();
    tokio::spawn(async move {
        for number in numbers {
            if sender.give(&number).await.is_err() {
                return;
            }
        }
        if ends {
            // Whoever stopped it does not want to know.
            let _ = sender.finish().await;
        }
    });
    receiver
}

async fn server(place: &Place) -> Result<Server, Box<dyn std::error::Error>> {
    let scan = async |cx: Context, to: u64, fails: bool| {
        let items = cx.yielder();
        for number in 0..to {
            items.give(&number).await?;
        }
        if fails {
            return Err(std::io::Error::other("in the end").into());
        }
        Ok(to)
    };
    let total = async |mut numbers: Items<u64>| {
        let mut total = 0;
        while let Some(number) = numbers.next().await? {
            total += number;
        }
        Ok(total)
    };
    let sizes = async |cx: Context, mut blobs: Items<Bytes>| {
        let items = cx.yielder();
        let mut total = 0;
        while let Some(blob) = blobs.next().await? {
            total += blob.len();
            items.give(&blob).await?;
        }
        Ok(total)
    };
    let add = async |cx: Context, mut left: Items<u64>, mut right: Items<u64>| {
        let items = cx.yielder();
        while let (Some(left), Some(right)) = (left.next().await?, right.next().await?) {
            items.give(&(left + right)).await?;
        }
        Ok("added")
    };
    let first = async |mut numbers: Items<u64>| Ok(numbers.next().await?);
    let none = async |_numbers: Value| Ok(());
    let server = Server::builder(place.secret.clone())
        .limits(limits())
        .register_fn("scan", params(["to", "fails"], scan))
        .register_fn("total", params(["numbers"], total))
        .register_fn("sizes", params(["blobs"], sizes))
        .register_fn("add", params(["left", "right"], add))
        .register_fn("first", params(["numbers"], first))
        .register_fn("none", params(["numbers"], none));
    Ok(server.bind(&place.address).await?)
}

#[tokio::test]
async fn python_takes_what_rust_yields_and_sends_it_streams() -> TestResult {
    let place = Place::new()?;
    let server = server(&place).await?;
    let mut clients = server.client_connected();
    let Some(python) = place.start("client.py", &["items"]).await? else {
        return Ok(());
    };
    let client = timeout(LONG, clients.next()).await?;
    let client = client.ok_or("the server is closed")?;
    let reason = timeout(LONG, client.closed()).await?;
    assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason}");
    python.finish().await
}

#[tokio::test]
async fn rust_takes_what_python_yields_and_sends_it_streams() -> TestResult {
    let place = Place::new()?;
    let Some(mut python) = place.start("server.py", &[]).await? else {
        return Ok(());
    };
    assert_eq!(python.line().await?, "ready");
    let channel = Channel::builder(&place.secret)
        .limits(limits())
        .connect(&place.address)
        .await?;
    assert!(python.line().await?.starts_with("opened "));
    timeout(LONG, yields(&channel)).await??;
    timeout(LONG, streams(&channel)).await??;
    timeout(LONG, strays(&channel)).await??;
    let reason = timeout(LONG, channel.close()).await?;
    assert!(matches!(*reason, CloseReason::Closed), "{reason}");
    assert_eq!(python.line().await?, "ended orderly");
    Ok(())
}

async fn yields(channel: &Channel) -> TestResult {
    let mut numbers = channel
        .rpc::<u64, _>("items.scan", (500, false))
        .items::<u64>()
        .start();
    for number in 0..500 {
        assert_eq!(numbers.next().await?, Some(number));
    }
    assert_eq!(numbers.next().await?, None);
    assert_eq!(numbers.finish().await?, 500);
    // Nobody takes them, and the function goes on.
    assert_eq!(
        channel.rpc::<u64, _>("items.scan", (500, false)).await?,
        500
    );
    let mut numbers = channel
        .rpc::<u64, _>("items.scan", (2, true))
        .items::<u64>()
        .start();
    assert_eq!(numbers.next().await?, Some(0));
    assert_eq!(numbers.next().await?, Some(1));
    let failed = numbers.next().await;
    assert!(matches!(&failed, Err(Error::Fault(_))), "{failed:?}");
    let mut texts = channel
        .rpc::<u64, _>("items.scan", (2, false))
        .items::<String>()
        .start();
    let failed = texts.next().await;
    assert!(matches!(&failed, Err(Error::BadResult(_))), "{failed:?}");
    Ok(())
}

async fn streams(channel: &Channel) -> TestResult {
    let total = |source| {
        let call = channel.rpc::<u64, _>("items.total", (StreamArgument(0),));
        call.stream::<u64>(source).start()
    };
    assert_eq!(total(stream(0..1000, true)).await?, 499_500);
    assert_eq!(total(stream(0..0, true)).await?, 0);
    let broken = total(stream(0..5, false)).await;
    let Err(Error::Fault(fault)) = &broken else {
        panic!("{broken:?}");
    };
    assert!(fault.message.contains("broke off"), "{fault:?}");
    let mut sums = channel
        .rpc::<String, _>("items.add", (StreamArgument(1), StreamArgument(0)))
        .stream::<u64>(stream(0..300, true))
        .stream::<u64>(stream((0..300).map(|number| 2 * number), true))
        .items::<u64>()
        .start();
    for number in 0..300 {
        assert_eq!(sums.next().await?, Some(3 * number));
    }
    assert_eq!(sums.finish().await?, "added");
    // Items of all that fits, and back again.
    let (mut sender, blobs) = item_channel();
    let mut sizes = channel
        .rpc::<u64, _>("items.sizes", (StreamArgument(0),))
        .stream::<Bytes>(blobs)
        .items::<Bytes>()
        .start();
    let blob = Bytes::from(vec![7; (32 << 10) - 9]);
    for _ in 0..20 {
        sender.give(&blob).await?;
        assert_eq!(sizes.next().await?.as_ref(), Some(&blob));
    }
    sender.finish().await?;
    assert_eq!(sizes.finish().await?, 20 * blob.len() as u64);
    Ok(())
}

/// What crosses final frames, stops and cancels, again and again.
async fn strays(channel: &Channel) -> TestResult {
    for _ in 0..50 {
        for name in ["items.first", "items.none"] {
            let call = channel.rpc::<Option<u64>, _>(name, (StreamArgument(0),));
            let first = call.stream::<u64>(stream(7.., true)).await?;
            assert!(first.is_none_or(|first| first == 7));
        }
        let mut numbers = channel
            .rpc::<u64, _>("items.scan", (u64::MAX, false))
            .items::<u64>()
            .start();
        assert_eq!(numbers.next().await?, Some(0));
        drop(numbers);
    }
    let refused = channel.rpc::<u64, _>("items.total", (StreamArgument(0),));
    let refused = refused.timeout(Duration::from_secs(30)).await;
    assert!(
        matches!(&refused, Err(Error::BadArguments(bad)) if bad.parameter == "numbers"),
        "{refused:?}"
    );
    Ok(())
}
