//! Deadlines hold at both ends and are inherited.

use std::time::Duration;

use kaa_rpc_runtime::{Channel, Context, Error, InProgress, params};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::common::{Ends, Over, Probe, Side, Told, Was, connect, plain, probe};

const SECOND: Duration = Duration::from_secs(1);

async fn ends(client: impl FnOnce(Side) -> Side) -> (Ends, Probe, Told) {
    let (probe, told) = probe();
    let side = |side: Side| {
        side.function("wait", probe.handler())
            .function("left", params([], async |cx: Context| Ok(left(&cx))))
            .max_calls(2)
    };
    let ends = connect(Over::Memory, side, client).await;
    (ends, probe, told)
}

/// What a handler has left, in milliseconds.
fn left(cx: &Context) -> Option<u128> {
    let deadline = cx.deadline()?;
    Some(deadline.duration_since(Instant::now()).as_millis())
}

fn is_timeout(error: &Error, of: &str) -> bool {
    matches!(error, Error::TimedOut { function, .. } if function == of)
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline_and_so_does_its_handler() {
    let (ends, _probe, mut told) = ends(plain).await;
    let began = Instant::now();
    let call = ends.client.rpc::<u64, _>("wait", (1,)).timeout(5 * SECOND);
    let error = call.await.unwrap_err();
    assert!(is_timeout(&error, "wait"), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("5s") && text.contains("`wait`"), "{text}");
    assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()));
    assert_eq!(told.next().await, Was::Started(1));
    assert_eq!(told.next().await, Was::Dropped(1));
    assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()));
}

/// A caller that has let go says nothing at the deadline.
#[tokio::test(start_paused = true)]
async fn the_callee_keeps_the_deadline_by_itself() {
    let (ends, _probe, mut told) = ends(plain).await;
    let began = Instant::now();
    let call: InProgress<u64> = ends.client.rpc("wait", (1,)).timeout(5 * SECOND).start();
    call.detach();
    assert_eq!(told.next().await, Was::Started(1));
    assert_eq!(told.next().await, Was::Dropped(1));
    assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_the_window_has_its_deadline() {
    let (ends, probe, mut told) = ends(plain).await;
    let running: [InProgress<u64>; 2] = [1, 2].map(|n| ends.client.rpc("wait", (n,)).start());
    let detached: InProgress<u64> = ends.client.rpc("wait", (3,)).timeout(SECOND).start();
    detached.detach();
    let error = ends.client.rpc::<u64, _>("wait", (4,)).timeout(2 * SECOND);
    assert!(is_timeout(&error.await.unwrap_err(), "wait"));
    probe.let_go(2);
    for (n, call) in (1..).zip(running) {
        assert_eq!(call.await.unwrap(), n);
    }
    let left: Option<u64> = ends.client.rpc("left", ()).await.unwrap();
    assert_eq!(left, None);
    let seen = told.so_far();
    assert!(!seen.contains(&Was::Started(3)) && !seen.contains(&Was::Started(4)));
}

#[tokio::test(start_paused = true)]
async fn earlier_and_later_deadlines_each_hold() {
    let (ends, _probe, _told) = ends(plain).await;
    let began = Instant::now();
    let late: InProgress<u64> = ends.client.rpc("wait", (1,)).timeout(60 * SECOND).start();
    let early: InProgress<u64> = ends.client.rpc("wait", (2,)).timeout(SECOND).start();
    assert!(early.await.is_err());
    assert!(began.elapsed() < 2 * SECOND);
    let middle: InProgress<u64> = ends.client.rpc("wait", (3,)).timeout(10 * SECOND).start();
    assert!(middle.await.is_err());
    assert!((11 * SECOND..12 * SECOND).contains(&began.elapsed()));
    assert!(late.await.is_err());
    assert!((60 * SECOND..61 * SECOND).contains(&began.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn what_the_call_says_replaces_what_the_builder_says() {
    let (ends, _probe, _told) = ends(|side| side.timeout(2 * SECOND)).await;
    let left = async |channel: &Channel| -> Option<u64> { channel.rpc("left", ()).await.unwrap() };
    assert_eq!(left(&ends.client).await, Some(2000));
    let longer = ends.client.rpc::<Option<u64>, _>("left", ());
    assert_eq!(longer.timeout(60 * SECOND).await.unwrap(), Some(60_000));
    let shorter = ends.client.rpc::<Option<u64>, _>("left", ());
    assert_eq!(shorter.timeout(SECOND).await.unwrap(), Some(1000));
    // The default holds.
    let began = Instant::now();
    let error = ends.client.rpc::<u64, _>("wait", (1,)).await.unwrap_err();
    assert!(is_timeout(&error, "wait"));
    assert!((2 * SECOND..3 * SECOND).contains(&began.elapsed()));
}

/// `nested(timeout)` asks back how much time is left for a call with that timeout.
fn nested(side: Side) -> Side {
    side.function(
        "nested",
        params(["millis?"], async |cx: Context, millis: Option<u64>| {
            tokio::time::sleep(SECOND).await;
            let channel = cx.channel();
            let mut call = channel.rpc::<Option<u64>, _>("left", ());
            if let Some(millis) = millis {
                call = call.timeout(Duration::from_millis(millis));
            }
            Ok(call.await?)
        }),
    )
}

#[tokio::test(start_paused = true)]
async fn calls_inside_a_handler_inherit_its_deadline() {
    let left_here =
        |side: Side| side.function("left", params([], async |cx: Context| Ok(left(&cx))));
    let ends = connect(Over::Memory, nested, left_here).await;
    for (outer, inner, expected) in [
        (None, None, None),
        (Some(10_000), None, Some(9000)),
        // It can only be shortened.
        (Some(10_000), Some(60_000), Some(9000)),
        (Some(10_000), Some(3000), Some(3000)),
        (None, Some(3000), Some(3000)),
    ] {
        let mut call = ends.client.rpc::<Option<u64>, _>("nested", (inner,));
        if let Some(millis) = outer {
            call = call.timeout(Duration::from_millis(millis));
        }
        let left = call.await.unwrap();
        assert_eq!(left, expected, "{outer:?} {inner:?}");
    }
}

/// The time that is told is the one that was over.
#[tokio::test(start_paused = true)]
async fn a_call_that_inherited_its_deadline_says_how_long_it_had() {
    let (probe, _told) = probe();
    let (noted, mut errors) = mpsc::unbounded_channel();
    let outer = params([], move |cx: Context| {
        let noted = noted.clone();
        async move {
            tokio::time::sleep(SECOND).await;
            let channel = cx.channel();
            // Ends by itself, not with the handler.
            tokio::spawn(cx.scope(async move {
                let call = channel.rpc::<u64, _>("wait", (1,)).timeout(60 * SECOND);
                noted.send(call.await.unwrap_err().to_string())
            }));
            Ok(())
        }
    });
    let ends = connect(
        Over::Memory,
        |side| side.function("outer", outer),
        |side| side.function("wait", probe.handler()),
    )
    .await;
    let call = ends.client.rpc::<(), _>("outer", ()).timeout(5 * SECOND);
    call.await.unwrap();
    let error = errors.recv().await.unwrap();
    assert!(
        error.starts_with("timed out after 3.99") || error.starts_with("timed out after 4s"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn hostile_39_no_time_at_all_is_told_at_once() {
    let (ends, _probe, mut told) = ends(plain).await;
    for timeout in [Duration::ZERO, Duration::from_nanos(1)] {
        let call = ends.client.rpc::<u64, _>("wait", (1,)).timeout(timeout);
        assert!(is_timeout(&call.await.unwrap_err(), "wait"));
    }
    let call = ends
        .client
        .rpc::<u64, _>("wait", (1,))
        .timeout(Duration::ZERO);
    drop(call);
    let left: Option<u64> = ends.client.rpc("left", ()).await.unwrap();
    assert_eq!(left, None);
    assert!(!told.so_far().contains(&Was::Ended(1)));
}

#[tokio::test(start_paused = true)]
async fn hostile_39_more_time_than_there_is_is_no_deadline() {
    let (ends, probe, mut told) = ends(plain).await;
    for timeout in [
        Duration::MAX,
        Duration::from_micros(u64::MAX),
        Duration::from_secs(u64::MAX / 4),
        Duration::from_secs(100 * 365 * 86_400),
    ] {
        let call: InProgress<u64> = ends.client.rpc("wait", (1,)).timeout(timeout).start();
        assert_eq!(told.next().await, Was::Started(1));
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        assert_eq!(told.so_far(), [], "{timeout:?}");
        probe.let_go(1);
        assert_eq!(call.await.unwrap(), 1, "{timeout:?}");
        assert_eq!(told.next().await, Was::Ended(1));
    }
}
