//! How connections end that nobody changed.

use kaa_rpc_runtime::{Channel, CloseReason, Error};

use crate::proxy::{Deed, Way, before};
use crate::{LOOPBACK, builder, in_time, is_served, secret};

#[tokio::test]
async fn hostile_20_an_end_without_goodbye_leaves_the_outcome_unknown() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    // What the first call brings gets through; then the connection ends, in order as far as TCP knows.
    let at = Way::ToServer.first_frames();
    let proxy = before(&server, move |way, number, bytes| {
        if (way, number) == (Way::ToServer, at) {
            Deed::Cut(bytes)
        } else {
            Deed::Pass(bytes)
        }
    })
    .await;
    let client = Channel::connect(&proxy.address, &secret()).await.unwrap();
    let call = client.rpc::<(), _>("wait", ()).start();
    let error = in_time(call).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost(_)), "{error:?}");
    assert!(matches!(
        *in_time(client.closed()).await,
        CloseReason::Ended
    ));
    is_served(&server).await;
}

#[tokio::test]
async fn a_call_that_runs_ends_before_an_orderly_close() {
    let server = builder()
        .register_fn(
            "slow",
            kaa_rpc_runtime::params([], async || {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                Ok(7)
            }),
        )
        .bind(LOOPBACK)
        .await
        .unwrap();
    let client = Channel::connect(&server.address().to_string(), &secret())
        .await
        .unwrap();
    let call = client.rpc::<i64, _>("slow", ()).start();
    let reason = in_time(client.close()).await;
    assert!(reason.is_orderly(), "{reason}");
    assert_eq!(in_time(call).await.unwrap(), 7);
}
