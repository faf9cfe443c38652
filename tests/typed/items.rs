//! Items: what functions yield and the streams that they take, with generated code at both ends.

mod kinds;
mod plant;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kaa_rpc_runtime::{
    Bytes, CallError, Channel, Error, Limits, Secret, Value, item_channel, item_iter, kwargs,
};
use kaa_tests::flow::{
    FlowService, PipesClient, PipesService, Plant, PlantClient, PlantPeer, Trouble,
};
use kaa_tests::typed::Mood;

use crate::objects::TestResult;
use plant::{Echoes, Pump};

/// Both ends of the channel, in memory.
async fn plant() -> Result<(PlantPeer, PlantClient), kaa_rpc_runtime::ConnectError> {
    let (server, client) = Channel::pair(
        |side| {
            side.register(FlowService::new(Echoes))
                .register(PipesService::new(Pump::default()))
        },
        |side| side.register(PipesService::new(Pump::default())),
    )
    .await?;
    Ok((server.into(), client.into()))
}

/// All items of a call, and its outcome.
macro_rules! take {
    ($call:expr) => {{
        let mut call = $call.start();
        let mut items = Vec::new();
        let error = loop {
            match call.next().await {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        match error {
            None => (items, call.finish().await),
            Some(error) => (items, Err(error)),
        }
    }};
}
use take;

#[tokio::test]
async fn setters_of_a_function_that_yields_act_and_its_items_come_before_the_result() -> TestResult
{
    let (server, client) = plant().await?;
    // Both ends have the same proxy.
    for pipes in [&client.pipes, &server.pipes] {
        let (items, result) = take!(pipes.count(1));
        assert_eq!((items, result?.as_str()), (vec![1, 2], "2 items"));
        let call = pipes.count(0).step(10).end(30);
        let (items, result) = take!(call.timeout(Duration::from_secs(60)));
        assert_eq!((items, result?.as_str()), (vec![0, 10, 20], "3 items"));
        // Who awaits it gets the result alone.
        assert_eq!(pipes.count(0).end(100_000).await?, "100000 items");
        let (items, result) = take!(pipes.count(5));
        assert_eq!((items, result?.as_str()), (vec![], "0 items"));
    }
    Ok(())
}

#[tokio::test]
async fn an_error_comes_after_the_items_that_were_given_before_it() -> TestResult {
    let (_server, client) = plant().await?;
    let (items, result) = take!(client.pipes.count(0).end(9).fails_at(3));
    assert_eq!(items, [0, 1, 2]);
    assert!(
        matches!(
            result,
            Err(CallError::Declared(Trouble::After { given: 3 }))
        ),
        "{result:?}"
    );
    // So it does for who awaits the result, and by name.
    let result = client.pipes.count(0).fails_at(1).await;
    assert!(matches!(result, Err(CallError::Declared(_))), "{result:?}");
    let arguments = kwargs! { fails_at: 1, first: 0 };
    let channel = &client.channel;
    let call = channel.rpc::<String, _>("count", arguments).items::<u64>();
    let (items, result) = take!(call);
    assert_eq!(items, [0]);
    let Err(Error::Raised(raised)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(raised.to_string(), "after 1 items (typed.flow.Trouble)");
    Ok(())
}

#[tokio::test]
async fn who_drops_the_handle_stops_the_function() -> TestResult {
    let pump = Arc::new(Pump::default());
    let (_server, client) = Channel::pair(
        |side| side.register(PipesService::from_arc(Arc::clone(&pump))),
        |side| side,
    )
    .await?;
    let mut numbers = PipesClient::new(&client).forever().start();
    for expected in 0..5000 {
        assert_eq!(numbers.next().await?, Some(expected));
    }
    drop(numbers);
    pump.stopped.notified().await;
    // It was never further ahead than what this end holds.
    let window = u64::from(Limits::default().max_stream_items);
    let given = pump.given.load(Ordering::Relaxed);
    assert!((5000..=5000 + 2 * window).contains(&given), "{given}");
    Ok(())
}

#[tokio::test]
async fn several_streams_go_with_one_call_and_end_each_for_itself() -> TestResult {
    let (_server, client) = plant().await?;
    let (mut sender, right) = item_channel::<Bytes>();
    let left = item_iter(1..=4_u64);
    let middle = item_iter([Mood::Good, Mood::Bad, Mood::Good]);
    let mut zipped = client.pipes.zip(left, middle, right).start();
    // The items of one stream may follow those of others, and what came back.
    for (at, mood) in [(1, Mood::Good), (2, Mood::Bad)] {
        let blob = Bytes::from(vec![0xff; usize::try_from(at)?]);
        sender.give(&blob).await?;
        assert_eq!(zipped.next().await?, Some((at, mood, blob)));
    }
    sender.finish().await?;
    assert_eq!(zipped.next().await?, None);
    // One of `left` and one of `middle` was asked for with the end of `right`; 4 is left.
    assert_eq!(zipped.finish().await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_stream_may_be_given_up_at_either_end() -> TestResult {
    let (_server, client) = plant().await?;
    // The function has enough.
    let sum = client.pipes.sum(item_iter(1..)).at_most(4).offset(100);
    assert_eq!(sum.await?, 110);
    // The caller cannot go on.
    let (mut sender, numbers) = item_channel();
    let call = client.pipes.sum(numbers).start();
    sender.give(&1).await?;
    drop(sender);
    let Err(Error::Fault(fault)) = call.await else {
        panic!("a fault was due");
    };
    assert!(fault.message.contains("broke the stream off"), "{fault}");
    Ok(())
}

#[tokio::test]
async fn what_comes_with_a_call_is_handed_on_at_the_pace_of_who_takes_it() -> TestResult {
    let (_server, client) = plant().await?;
    // From here to there, and back to here; and what comes of it all the way back.
    let (items, result) = take!(client.pipes.relay(item_iter(0..10_000)));
    assert!(items.into_iter().eq(0..10_000));
    assert_eq!(result?, 10_000);
    Ok(())
}

#[tokio::test]
async fn one_interface_yields_under_several_prefixes_over_a_socket() -> TestResult {
    let folder = private_folder()?;
    let address = format!("unix:{}", folder.path().join("plant").display());
    let secret = Secret::generate()?;
    // The objects may be shared: `Arc<T>` is what `T` is.
    let pump = Arc::new(Pump::default());
    let _server = Plant::server(secret.clone(), Echoes, Arc::clone(&pump))
        .register_at("left.", PipesService::new(Arc::clone(&pump)))
        .register_at("right.", PipesService::from_arc(pump))
        .bind(&address)
        .await?;
    let client = Plant::connect(&address, &secret, Arc::new(Pump::default())).await?;
    for prefix in ["", "left.", "right."] {
        let pipes = PipesClient::at(&client.channel, prefix);
        let (items, result) = take!(pipes.count(0).end(1000));
        assert_eq!(items.len(), 1000, "{prefix}");
        assert_eq!(result?, "1000 items");
        assert_eq!(pipes.sum(item_iter(0..1000)).await?, 499_500);
    }
    let absent = PipesClient::at(&client.channel, "middle.").count(0).await;
    assert!(
        matches!(absent, Err(CallError::Failed(Error::UnknownFunction(_)))),
        "{absent:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_none_is_told_like_any_wrong_argument() -> TestResult {
    let (_server, client) = plant().await?;
    for (numbers, got) in [
        (Some(Value::from("x")), "expected a stream, got a string"),
        (Some(0.into()), "no stream of this call"),
        (None, "expected an argument, got none"),
    ] {
        let call = match &numbers {
            Some(numbers) => client.channel.rpc::<u64, _>("sum", (numbers,)).await,
            None => client.channel.rpc::<u64, _>("sum", ()).await,
        };
        let Err(Error::BadArguments(bad)) = call else {
            panic!("{numbers:?} is accepted");
        };
        assert_eq!(bad.parameter, "numbers");
        assert!(bad.to_string().contains(got), "{bad}");
    }
    Ok(())
}

fn private_folder() -> std::io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let only_ours = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().permissions(only_ours).tempdir()
}
