//! Ends that do not fit each other, and say why.

use std::sync::mpsc;
use std::time::Duration;

use kaa_rpc_runtime::{Channel, ConnectError, HandshakeError, Secret, ServerBuilder};
use tokio::net::TcpListener;

use crate::{LOOPBACK, PATIENCE, ask, builder, in_time, is_served, secret};

/// What client and server say of an opening that fails.
async fn both_say(
    server: ServerBuilder,
    client: kaa_rpc_runtime::ChannelBuilder,
) -> (HandshakeError, HandshakeError) {
    let (tell, told) = mpsc::channel();
    let server = server
        .on_rejected(move |rejected| {
            assert!(rejected.address.unwrap().ip().is_loopback());
            drop(tell.send(rejected.error));
        })
        .bind(LOOPBACK)
        .await
        .unwrap();
    let address = server.address().to_string();
    let client = in_time(client.connect(&address)).await.unwrap_err();
    let server = tokio::task::block_in_place(|| told.recv_timeout(PATIENCE)).unwrap();
    match (client, server) {
        (ConnectError::Handshake(client), ConnectError::Handshake(server)) => (client, server),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_told_at_both_ends_of_a_tcp_connection() {
    let wrong = Secret::from_bytes(&[8; 32]).unwrap();
    for (client, plaintext) in [
        (Channel::builder(&wrong), false),
        (Channel::builder(&secret()).key_id("nobody"), false),
        (Channel::builder(&wrong).dangerous_plaintext(), true),
    ] {
        let mut server = builder();
        if plaintext {
            server = server.dangerous_plaintext();
        }
        let (at_client, at_server) = both_say(server, client).await;
        assert_eq!(at_client, HandshakeError::Refused);
        assert!(
            at_client.to_string().contains("the secret differs"),
            "{at_client}"
        );
        assert!(
            matches!(at_server, HandshakeError::WrongSecret { .. }),
            "{at_server:?}"
        );
        assert!(
            at_server.to_string().starts_with("wrong secret"),
            "{at_server}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_10_one_end_alone_cannot_make_a_connection_plain() {
    for plain_client in [false, true] {
        let (server, client) = if plain_client {
            (builder(), Channel::builder(&secret()).dangerous_plaintext())
        } else {
            (builder().dangerous_plaintext(), Channel::builder(&secret()))
        };
        let (at_client, at_server) = both_say(server, client).await;
        assert!(
            matches!(at_server, HandshakeError::TransportMismatch { .. }),
            "{at_server:?}"
        );
        let (ours, theirs) = if plain_client {
            ("encrypted TCP", "plain TCP")
        } else {
            ("plain TCP", "encrypted TCP")
        };
        let text = at_server.to_string();
        assert!(
            text.contains(&format!("expected {ours}, got {theirs}")),
            "{text}"
        );
        assert!(
            matches!(at_client, HandshakeError::Closed { got: 0, .. }),
            "{at_client:?}"
        );
        let text = at_client.to_string();
        assert!(text.contains("plain TCP instead of encrypted"), "{text}");
    }
}

#[tokio::test]
async fn a_plain_connection_serves_calls_if_both_ends_want_it() {
    let server = builder()
        .dangerous_plaintext()
        .bind(LOOPBACK)
        .await
        .unwrap();
    let client = Channel::builder(&secret())
        .dangerous_plaintext()
        .connect(&server.address().to_string())
        .await
        .unwrap();
    assert_eq!(ask(&client).await, 42);
    assert!(in_time(client.close()).await.is_orderly());
}

#[tokio::test]
async fn several_secrets_are_told_apart_over_tcp() {
    let other = Secret::from_bytes(&[9; 32]).unwrap();
    let server = builder()
        .secret("other", other.clone())
        .bind(LOOPBACK)
        .await
        .unwrap();
    let mut connected = server.client_connected();
    let client = Channel::builder(&other)
        .key_id("other")
        .connect(&server.address().to_string())
        .await
        .unwrap();
    assert_eq!(ask(&client).await, 42);
    assert_eq!(
        connected.next().await.unwrap().peer().unwrap().key_id(),
        "other"
    );
    is_served(&server).await;
}

#[tokio::test]
async fn hostile_01_a_silent_server_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let limit = Duration::from_millis(200);
    let error = in_time(
        Channel::builder(&secret())
            .open_timeout(limit)
            .connect(&address),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(error, ConnectError::TimedOut(by) if by == limit),
        "{error}"
    );
}
