//! Who may open a channel, and what the two ends know of each other.

use kaa_rpc_runtime::{
    BindError, Channel, ConnectError, Context, HandshakeError, Peer, Rejected, Secret, Server,
    ServerBuilder, params,
};
use tokio::sync::mpsc;

use crate::common::{multi_threaded, private_address, secret};

fn other(byte: u8) -> Secret {
    Secret::from_bytes(&[byte; 32]).unwrap()
}

/// A server that says who called, and tells whom it rejected.
fn builder() -> (ServerBuilder, mpsc::UnboundedReceiver<Rejected>) {
    let (told, telling) = mpsc::unbounded_channel();
    let builder = Server::builder(secret())
        .register_fn(
            "key",
            params([], async |cx: Context| Ok(cx.peer().key_id().to_owned())),
        )
        .on_rejected(move |rejected| told.send(rejected).unwrap());
    (builder, telling)
}

async fn key(channel: &Channel) -> String {
    channel.rpc("key", ()).await.unwrap()
}

fn handshake(error: &ConnectError) -> &HandshakeError {
    match error {
        ConnectError::Handshake(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_secret_is_told_at_both_ends() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (builder, mut rejected) = builder();
        let server = builder.bind(&address).await.unwrap();
        for round in 0..3 {
            let error = Channel::connect(&address, &other(8)).await.unwrap_err();
            assert!(
                matches!(handshake(&error), HandshakeError::Refused),
                "{error:?}"
            );
            let text = error.to_string();
            assert!(text.contains("secret"), "{text}");

            let rejected = rejected.recv().await.unwrap();
            let text = rejected.error.to_string();
            assert!(text.contains("secret"), "{text}");
            let credentials = rejected.credentials.unwrap();
            assert_eq!(credentials.pid(), Some(std::process::id()));
            assert!(round > 0 || server.channels().is_empty());
            let honest = Channel::connect(&address, &secret()).await.unwrap();
            assert_eq!(key(&honest).await, "");
            honest.close().await;
        }
    });
}

#[test]
fn a_lazy_channel_tells_of_a_wrong_secret_too() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (builder, _rejected) = builder();
        let _server = builder.bind(&address).await.unwrap();
        let channel = Channel::builder(&other(8)).connect_lazy(&address).unwrap();
        let error = channel.rpc::<String, _>("key", ()).await.unwrap_err();
        assert!(error.never_ran());
        assert!(error.to_string().contains("secret"), "{error}");
        let reason = channel.opened().await.unwrap_err();
        assert!(reason.to_string().contains("secret"), "{reason}");
    });
}

#[test]
fn a_server_may_have_several_secrets() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (builder, mut rejected) = builder();
        let _server = builder
            .secret("alice", other(1))
            .secret("bob", other(2))
            .bind(&address)
            .await
            .unwrap();
        for (id, byte) in [("", 7), ("alice", 1), ("bob", 2)] {
            let channel = Channel::builder(&other(byte))
                .key_id(id)
                .connect(&address)
                .await
                .unwrap();
            assert_eq!(key(&channel).await, id);
            assert_eq!(channel.peer().unwrap().key_id(), id);
        }
        // An unknown id looks to the client like a wrong secret: it learns nothing else.
        for (id, byte) in [("alice", 2), ("bob", 7), ("", 1), ("carol", 1)] {
            let error = Channel::builder(&other(byte))
                .key_id(id)
                .connect(&address)
                .await
                .unwrap_err();
            assert!(
                matches!(handshake(&error), HandshakeError::Refused),
                "{id}: {error:?}"
            );
            let error = rejected.recv().await.unwrap().error.to_string();
            assert!(
                error.contains("secret") || error.contains("key id"),
                "{error}"
            );
            if id == "carol" {
                assert!(error.contains("carol"), "{error}");
            }
        }
    });
}

#[test]
fn a_key_id_that_is_too_long_is_an_error_here() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let long = "x".repeat(33);
        let (builder, _rejected) = builder();
        let error = builder.secret(&long, other(1)).bind(&address).await;
        assert!(matches!(
            error,
            Err(BindError::Side(ConnectError::Settings(_)))
        ));
        let error = Channel::builder(&secret())
            .key_id(&long)
            .connect(&address)
            .await;
        assert!(matches!(error, Err(ConnectError::Settings(_))));
    });
}

#[test]
fn a_call_for_one_service_never_reaches_another() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (builder, mut rejected) = builder();
        let _server = builder.service("media").bind(&address).await.unwrap();
        let connect = async |name: &str| {
            Channel::builder(&secret())
                .service(name)
                .connect(&address)
                .await
        };
        for name in ["", "media"] {
            let channel = connect(name).await.unwrap();
            assert_eq!(channel.peer().unwrap().service(), "media");
            assert_eq!(key(&channel).await, "");
        }
        let error = connect("music").await.unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(handshake(&error), HandshakeError::ServiceMismatch { .. }),
            "{error:?}"
        );
        assert!(text.contains("media") && text.contains("music"), "{text}");
        // The client notices first and goes; the server is told of that.
        rejected.recv().await.unwrap();
    });
}

#[test]
fn both_ends_know_each_other() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (builder, _rejected) = builder();
        let server = builder.service("media").bind(&address).await.unwrap();
        let mut connected = server.client_connected();
        let mut peers: Vec<(Peer, Peer)> = Vec::new();
        for _ in 0..2 {
            let client = Channel::builder(&secret())
                .service("media")
                .connect(&address)
                .await
                .unwrap();
            let at_server = connected.next().await.unwrap();
            let (of_server, of_client) = (client.peer().unwrap(), at_server.peer().unwrap());
            assert_eq!(of_server.session(), of_client.session());
            assert_ne!(of_server.instance(), of_client.instance());
            for peer in [&of_server, &of_client] {
                assert_eq!(peer.service(), "media");
                let pid = peer.credentials().unwrap().pid();
                assert_eq!(pid, Some(std::process::id()));
            }
            peers.push((of_server, of_client));
        }
        assert_eq!(peers[0].0.instance(), peers[1].0.instance());
        assert_ne!(peers[0].0.session(), peers[1].0.session());
    });
}
