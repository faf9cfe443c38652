//! What is measured.

use std::collections::BTreeMap;

use kaa_rpc_runtime::{Channel, ChannelBuilder, Context, Error, Outcome, Secret, Server, params};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::served::Tested;

/// What the recorder has, by name and labels.
fn measured(snapshotter: &metrics_util::debugging::Snapshotter) -> BTreeMap<String, DebugValue> {
    let all = snapshotter.snapshot().into_vec();
    all.into_iter()
        .map(|(key, _, _, value)| {
            let key = key.key();
            let labels = key
                .labels()
                .map(|label| format!(" {}={}", label.key(), label.value()));
            (
                format!("{}{}", key.name(), labels.collect::<String>()),
                value,
            )
        })
        .collect()
}

#[tokio::test]
async fn calls_are_measured_at_both_ends() -> Tested {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // Of this thread, on which the runtime of this test runs.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let fail = async |_: Context| -> Outcome<()> { Err("no".into()) };
    let (_server, client) = Channel::pair(
        |side| {
            side.register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b)))
                .register_fn("fail", params([], fail))
                .register_fn(
                    "forever",
                    params([], async || -> Outcome<()> { std::future::pending().await }),
                )
                .measure_calls()
        },
        ChannelBuilder::measure_calls,
    )
    .await?;
    for _ in 0..3 {
        assert_eq!(client.rpc::<i64, _>("add", (1, 2)).await?, 3);
    }
    assert!(matches!(
        client.rpc::<(), _>("fail", ()).await,
        Err(Error::Fault(_))
    ));
    for number in 0..5 {
        client
            .rpc::<(), _>(&format!("made_up_{number}"), ())
            .await
            .unwrap_err();
    }
    drop(client.rpc::<(), _>("forever", ()).start());
    // The answer to a later call comes after the end of that one.
    assert_eq!(client.rpc::<i64, _>("add", (1, 2)).await?, 3);
    let seen = measured(&snapshotter);
    let counter = |name: &str| match seen.get(name) {
        Some(DebugValue::Counter(count)) => *count,
        other => panic!("{name}: {other:?} in {seen:#?}"),
    };
    let label = |function: &str, code: &str| {
        format!("kaa.server.calls rpc.method={function} rpc.response.status_code={code}")
    };
    assert_eq!(counter(&label("add", "ok")), 4);
    assert_eq!(counter(&label("fail", "fault")), 1);
    assert_eq!(counter(&label("_OTHER", "unknown_function")), 5);
    assert_eq!(counter(&label("forever", "cancelled")), 1);
    // The arguments are an array of two, and a map of none.
    assert_eq!(counter("kaa.server.received_bytes rpc.method=add"), 4 * 4);
    assert_eq!(counter("kaa.server.sent_bytes rpc.method=add"), 4);
    // Names that come from no schema are nobody's label at the client.
    let made = "kaa.client.calls rpc.method=_OTHER rpc.response.status_code=ok";
    assert_eq!(counter(made), 4);
    let Some(DebugValue::Histogram(durations)) =
        seen.get("rpc.server.call.duration rpc.method=add rpc.response.status_code=ok")
    else {
        panic!("{seen:#?}");
    };
    assert_eq!(durations.len(), 4);
    for gauge in ["kaa.server.calls_in_flight", "kaa.client.calls_in_flight"] {
        assert!(
            matches!(seen.get(gauge), Some(DebugValue::Gauge(count)) if count.0 == 0.0),
            "{seen:#?}"
        );
    }
    assert!(
        matches!(seen.get("kaa.channels"), Some(DebugValue::Gauge(count)) if count.0 == 2.0),
        "{seen:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn peers_that_are_rejected_are_counted_by_reason() -> Tested {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let folder = tempfile::tempdir()?;
    let mine = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(folder.path(), mine)?;
    let address = format!("unix:{}", folder.path().join("s").display());
    let _server = Server::builder(Secret::generate()?).bind(&address).await?;
    Channel::connect(&address, &Secret::generate()?)
        .await
        .unwrap_err();
    let counted = async {
        loop {
            match measured(&snapshotter).get("kaa.rejected reason=handshake") {
                Some(DebugValue::Counter(1)) => return,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), counted).await?;
    Ok(())
}
