//! What a call and its answer bring along.

use std::sync::Arc;

use kaa_rpc_runtime::{Channel, Context, Error, Limits, Metadata, Outcome, params};
use tokio::sync::Notify;

type Tested = Result<(), Box<dyn std::error::Error>>;

async fn greet(cx: Context, fails: bool) -> Outcome<String> {
    cx.answer_metadata("version", "1")?;
    cx.answer_metadata("version", "2")?;
    if fails {
        return Err("no".into());
    }
    Ok(cx.metadata()?.get("language").unwrap_or("none").to_owned())
}

/// A server's channel, and a client's.
async fn pair() -> Result<(Channel, Channel), Box<dyn std::error::Error>> {
    let pair = Channel::pair(
        |side| side.register_fn("greet", params(["fails"], greet)),
        |side| side,
    );
    Ok(pair.await?)
}

#[tokio::test]
async fn they_travel_with_calls_and_with_answers() -> Tested {
    let (_server, client) = pair().await?;
    let call = client
        .rpc::<String, _>("greet", (false,))
        .metadata("language", "en")
        .metadata("language", "de")
        .metadata("more", "x".repeat(5000));
    let (result, metadata) = call.start().with_metadata().await;
    assert_eq!(result?, "de");
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [("version", "2")]);
    // An error has them, too.
    let mut call = client.rpc::<String, _>("greet", (true,)).start();
    assert!(call.metadata().is_empty());
    assert!(matches!((&mut call).await, Err(Error::Fault(_))));
    assert_eq!(call.metadata(), metadata);
    // Who sends none sends none.
    let plain: String = client.rpc("greet", (false,)).await?;
    assert_eq!(plain, "none");
    Ok(())
}

#[tokio::test]
async fn those_of_one_call_are_never_another_ones() -> Tested {
    let tell = async |cx: Context, value: Option<String>| -> Outcome<()> {
        tokio::task::yield_now().await;
        if let Some(value) = value {
            cx.answer_metadata("value", value)?;
        }
        Ok(())
    };
    let (_server, client) = Channel::pair(
        |side| side.register_fn("tell", params(["value"], tell)),
        |side| side,
    )
    .await?;
    for round in 0..50_u32 {
        let calls: Vec<_> = (0..8_u32)
            .map(|number| {
                let value = number
                    .is_multiple_of(2)
                    .then(|| format!("{round}.{number}"));
                let call = client.rpc::<(), _>("tell", (value.clone(),)).start();
                (call, value)
            })
            .collect();
        for (number, (call, value)) in calls.into_iter().enumerate() {
            // Some lose interest, and others get their places.
            if number == 2 {
                drop(call);
                continue;
            }
            let (result, metadata) = call.with_metadata().await;
            result?;
            assert_eq!(metadata.get("value"), value.as_deref());
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_too_much_is_refused_by_name_where_it_is_sent() -> Tested {
    let (_server, client) = pair().await?;
    let call = client.rpc::<String, _>("greet", (false,));
    let error = call.metadata("long", "x".repeat(9000)).await.unwrap_err();
    assert!(error.never_ran());
    assert!(error.to_string().contains("`long`") && error.to_string().contains("8192"));
    let many = (0..65).fold(
        client.rpc::<String, _>("greet", (false,)),
        |call, number| call.metadata(number.to_string(), ""),
    );
    assert!(many.await.unwrap_err().to_string().contains("`64`"));
    // Of an answer, the handler hears it.
    let tell = async |cx: Context| -> Outcome<String> {
        Ok(cx.answer_metadata("", "x").unwrap_err().to_string())
    };
    let (_server, client) = Channel::pair(
        |side| side.register_fn("tell", params([], tell)),
        |side| side,
    )
    .await?;
    let told: String = client.rpc("tell", ()).await?;
    assert!(told.contains("empty"), "{told}");
    Ok(())
}

#[tokio::test]
async fn what_is_told_after_the_end_of_a_call_is_nobodys() -> Tested {
    let (kept, keeps) = std::sync::mpsc::channel();
    let keep = move |cx: Context| {
        kept.send(cx).unwrap();
        std::future::ready(Outcome::<(), kaa_rpc_runtime::NoError>::Ok(()))
    };
    let (_server, client) = Channel::pair(
        |side| side.register_fn("keep", params([], keep)),
        |side| side,
    )
    .await?;
    client.rpc::<(), _>("keep", ()).await?;
    let cx = keeps.recv()?;
    cx.answer_metadata("late", "x")?;
    let (result, metadata) = client
        .rpc::<(), _>("keep", ())
        .start()
        .with_metadata()
        .await;
    result?;
    assert_eq!(metadata, Metadata::new());
    Ok(())
}

#[tokio::test]
async fn a_call_that_waits_for_room_keeps_its_own() -> Tested {
    let gate = Arc::new(Notify::new());
    let opens = Arc::clone(&gate);
    let who = move |cx: Context| {
        let gate = Arc::clone(&opens);
        async move {
            gate.notified().await;
            let who = cx.metadata()?.get("who").unwrap_or("nobody").to_owned();
            cx.answer_metadata("seen", who.clone())?;
            Outcome::<String>::Ok(who)
        }
    };
    let narrow = Limits {
        max_calls: 1,
        ..Limits::default()
    };
    let (_server, client) = Channel::pair(
        |side| side.register_fn("who", params([], who)).limits(narrow),
        |side| side,
    )
    .await?;
    let start = |who: &str| {
        let call = client.rpc::<String, _>("who", ());
        call.metadata("who", who).start()
    };
    let calls: Vec<_> = ["a", "b", "c"].map(start).into();
    let last = client.rpc::<String, _>("who", ()).start();
    for (call, expected) in calls.into_iter().zip(["a", "b", "c"]) {
        gate.notify_one();
        let (who, metadata) = call.with_metadata().await;
        assert_eq!(who?, expected);
        assert_eq!(metadata.get("seen"), Some(expected));
    }
    gate.notify_one();
    assert_eq!(last.await?, "nobody");
    Ok(())
}
