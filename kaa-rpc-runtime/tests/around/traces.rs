//! Traces go on with the calls that handlers make.

use kaa_rpc_runtime::{Channel, Context, Outcome, TraceContext, params};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// What the innermost function sees of the trace, and of its state.
async fn seen(cx: Context) -> Outcome<(Option<String>, Option<String>)> {
    let metadata = cx.metadata()?;
    let get = |key| metadata.get(key).map(str::to_owned);
    Ok((get("traceparent"), get("tracestate")))
}

/// Calls back whoever called, from here or from a task.
async fn ask(cx: Context, spawned: bool) -> Outcome<(Option<String>, Option<String>)> {
    tokio::task::yield_now().await;
    let channel = cx.channel();
    let call = async move { channel.rpc("seen", ()).await };
    Ok(if spawned {
        tokio::spawn(cx.scope(call)).await??
    } else {
        call.await?
    })
}

async fn pair() -> Result<(Channel, Channel), Box<dyn std::error::Error>> {
    let pair = Channel::pair(
        |side| side.register_fn("ask", params(["spawned"], ask)),
        |side| side.register_fn("seen", params([], seen)),
    );
    Ok(pair.await?)
}

#[tokio::test]
async fn calls_of_a_handler_belong_to_the_trace_that_came_in() -> Tested {
    let (_server, client) = pair().await?;
    let trace = TraceContext::root();
    for spawned in [false, true] {
        let call = client
            .rpc::<(Option<String>, Option<String>), _>("ask", (spawned,))
            .metadata("traceparent", trace.to_string())
            .metadata("tracestate", "kaa=1");
        let (parent, state) = call.await?;
        let inner: TraceContext = parent.unwrap().parse()?;
        assert_eq!(inner.trace_id(), trace.trace_id());
        assert_ne!(inner.span_id(), trace.span_id());
        assert!(inner.is_sampled());
        assert_eq!(state.as_deref(), Some("kaa=1"));
    }
    Ok(())
}

#[tokio::test]
async fn no_trace_begins_by_itself_and_a_bad_one_ends() -> Tested {
    let (_server, client) = pair().await?;
    let nothing: (Option<String>, Option<String>) = (None, None);
    for spawned in [false, true] {
        let seen: (Option<String>, Option<String>) = client.rpc("ask", (spawned,)).await?;
        assert_eq!(seen, nothing);
    }
    let bad = client
        .rpc::<(Option<String>, Option<String>), _>("ask", (false,))
        .metadata("traceparent", "00-nonsense")
        .metadata("tracestate", "kaa=1");
    assert_eq!(bad.await?, nothing);
    Ok(())
}
