//! Interceptors around served calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::{
    Answer, Channel, ChannelBuilder, CloseReason, Context, Error, FailureKind, Items, Outcome,
    ServedCall, ServedNext, StreamArgument, item_channel, params,
};

pub(crate) type Tested = Result<(), Box<dyn std::error::Error>>;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Logs each call before and after.
fn logging(side: ChannelBuilder, log: &Log, mark: &'static str) -> ChannelBuilder {
    let log = log.clone();
    side.intercept_served(move |call: ServedCall, next: ServedNext| {
        let log = log.clone();
        async move {
            let name = call.name().to_owned();
            log.add(format!("{mark} {name}"));
            let answer = next.run(call).await;
            log.add(format!("{mark} {name}: {}", answer.code()));
            answer
        }
    })
}

/// A side with functions of every kind of end.
fn functions(side: ChannelBuilder) -> ChannelBuilder {
    side.register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b)))
        .register_fn(
            "fail",
            params([], async || -> Outcome<()> { Err("no".into()) }),
        )
        .register_fn(
            "panic",
            params([], async || -> Outcome<()> { panic!("oh") }),
        )
}

#[tokio::test]
async fn they_nest_in_the_order_in_which_they_were_added() -> Tested {
    let log = Log::default();
    let (_server, client) = Channel::pair(
        |side| logging(logging(functions(side), &log, "outer"), &log, "inner"),
        |side| side,
    )
    .await?;
    assert_eq!(client.rpc::<i64, _>("add", (1, 2)).await?, 3);
    let around = ["outer add", "inner add", "inner add: ok", "outer add: ok"];
    assert_eq!(log.take(), around);
    // They see how every call ends, and change nothing.
    assert!(
        matches!(client.rpc::<(), _>("fail", ()).await, Err(Error::Fault(fault)) if !fault.is_panic())
    );
    assert!(
        matches!(client.rpc::<(), _>("panic", ()).await, Err(Error::Fault(fault)) if fault.is_panic())
    );
    assert!(matches!(
        client.rpc::<i64, _>("add", (1,)).await,
        Err(Error::BadArguments(_))
    ));
    let unknown = client.rpc::<i64, _>("ad", (1,)).await;
    assert!(matches!(unknown, Err(Error::UnknownFunction(unknown)) if unknown.closest == "add"));
    let ends: Vec<String> = log
        .take()
        .into_iter()
        .filter(|line| line.starts_with("outer") && line.contains(':'))
        .collect();
    let expected = [
        "fail: fault",
        "panic: panic",
        "add: bad_arguments",
        "ad: unknown_function",
    ];
    assert_eq!(ends, expected.map(|end| format!("outer {end}")));
    Ok(())
}

#[tokio::test]
async fn what_is_refused_is_not_even_decoded() -> Tested {
    let log = Log::default();
    let ran = log.clone();
    let (_server, client) = Channel::pair(
        |side| {
            side.register_fn(
                "open",
                // A closure that does something before it gives its future.
                params(["what"], move |what: String| {
                    ran.add(what);
                    async { Ok(()) }
                }),
            )
            .intercept_served(async |call: ServedCall, next: ServedNext| {
                let key = call
                    .context()
                    .metadata()
                    .ok()
                    .and_then(|all| all.get("key"));
                if key != Some("right") {
                    return Answer::refused(format!("`{}` wants a key", call.name()));
                }
                next.run(call).await
            })
        },
        |side| side,
    )
    .await?;
    // Also an unknown function and bad arguments tell nothing to who is refused.
    for name in ["open", "opne"] {
        let error = client.rpc::<(), _>(name, (1, 2, 3)).await.unwrap_err();
        let Error::Refused { message } = &error else {
            panic!("{error}");
        };
        assert_eq!(*message, format!("`{name}` wants a key"));
        assert!(error.never_ran());
    }
    assert!(log.take().is_empty());
    client
        .rpc::<(), _>("open", ("door",))
        .metadata("key", "right")
        .await?;
    assert_eq!(log.take(), ["door"]);
    Ok(())
}

#[tokio::test]
async fn one_that_waits_keeps_no_other_call_waiting() -> Tested {
    let gate = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&gate);
    let (_server, client) = Channel::pair(
        |side| {
            functions(side).intercept_served(move |call: ServedCall, next: ServedNext| {
                let gate = Arc::clone(&waits);
                async move {
                    if call
                        .context()
                        .metadata()
                        .is_ok_and(|all| all.get("slow").is_some())
                    {
                        gate.notified().await;
                    }
                    next.run(call).await
                }
            })
        },
        |side| side,
    )
    .await?;
    let slow = client
        .rpc::<i64, _>("add", (1, 1))
        .metadata("slow", "")
        .start();
    assert_eq!(client.rpc::<i64, _>("add", (2, 2)).await?, 4);
    gate.notify_one();
    assert_eq!(slow.await?, 2);
    // It is dropped with its call, and late calls end on time.
    let dropped = client
        .rpc::<i64, _>("add", (1, 1))
        .metadata("slow", "")
        .timeout(Duration::from_millis(20));
    assert!(matches!(dropped.await, Err(Error::TimedOut { .. })));
    assert_eq!(client.rpc::<i64, _>("add", (3, 3)).await?, 6);
    Ok(())
}

#[tokio::test]
async fn a_panic_in_one_is_a_fault_of_its_call_alone() -> Tested {
    let (_server, client) = Channel::pair(
        |side| {
            functions(side).intercept_served(async |call: ServedCall, next: ServedNext| {
                assert_ne!(call.name(), "fail", "this one");
                next.run(call).await
            })
        },
        |side| side,
    )
    .await?;
    let panicked = client.rpc::<(), _>("fail", ()).await;
    assert!(
        matches!(panicked, Err(Error::Fault(fault)) if fault.is_panic() && fault.message.contains("this one"))
    );
    assert_eq!(client.rpc::<i64, _>("add", (1, 2)).await?, 3);
    Ok(())
}

/// Sums what comes.
async fn total(mut numbers: Items<u32>) -> Outcome<u32> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await? {
        sum += number;
    }
    Ok(sum)
}

#[tokio::test]
async fn streams_wait_for_a_handler_that_is_yet_to_come() -> Tested {
    let gate = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&gate);
    let (_server, client) = Channel::pair(
        |side| {
            side.register_fn("total", params(["numbers"], total))
                .register_fn("none", params(["numbers"], async |_: u8| Ok(7_u32)))
                .intercept_served(move |call: ServedCall, next: ServedNext| {
                    let gate = Arc::clone(&waits);
                    async move {
                        gate.notified().await;
                        next.run(call).await
                    }
                })
        },
        |side| side,
    )
    .await?;
    for (name, expected) in [("total", 6), ("none", 7)] {
        let (mut sender, numbers) = item_channel::<u32>();
        let call = client
            .rpc::<u32, _>(name, (StreamArgument(0),))
            .stream(numbers)
            .start();
        for number in 1..=3 {
            sender.give(&number).await?;
        }
        sender.finish().await?;
        // The items have arrived before the handler is there.
        client
            .rpc::<(), _>("nobody", ())
            .timeout(Duration::from_millis(30))
            .await
            .unwrap_err();
        gate.notify_one();
        gate.notify_one();
        let sum = tokio::time::timeout(Duration::from_secs(10), async {
            tokio::pin!(call);
            loop {
                gate.notify_one();
                tokio::select! {
                    sum = &mut call => break sum,
                    () = tokio::task::yield_now() => {}
                }
            }
        });
        assert_eq!(sum.await??, expected, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn hostile_35_refused_calls_have_a_budget() -> Tested {
    let (server, client) = Channel::pair(
        |side| {
            side.bad_calls(10, 0)
                .intercept_served(async |_: ServedCall, _: ServedNext| Answer::refused("no"))
        },
        |side| side,
    )
    .await?;
    for _ in 0..50 {
        let _ = client.rpc::<(), _>("what", ()).await;
    }
    assert!(matches!(
        *server.closed().await,
        CloseReason::TooManyBadCalls
    ));
    Ok(())
}

#[tokio::test]
async fn handlers_behind_them_call_back_within_depth_and_time() -> Tested {
    let ask =
        async |cx: Context| -> Outcome<(u16, bool)> { Ok(cx.channel().rpc("seen", ()).await?) };
    let seen =
        async |cx: Context| -> Outcome<(u16, bool)> { Ok((cx.depth(), cx.deadline().is_some())) };
    let pass = async |call: ServedCall, next: ServedNext| {
        let answer = next.run(call).await;
        assert_eq!(answer.failure(), None::<FailureKind>);
        assert!(answer.size() > 0);
        answer
    };
    let (_server, client) = Channel::pair(
        |side| {
            side.register_fn("ask", params([], ask))
                .intercept_served(pass)
        },
        |side| {
            side.register_fn("seen", params([], seen))
                .intercept_served(pass)
        },
    )
    .await?;
    let seen = client
        .rpc::<(u16, bool), _>("ask", ())
        .timeout(Duration::from_secs(10))
        .await?;
    assert_eq!(seen, (1, true));
    Ok(())
}
