//! Secrets that come and go while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kaa_rpc_runtime::{
    AddSecretError, Channel, CloseReason, ConnectError, Context, Error, Rejected, Secret, Server,
    ServerBuilder, params,
};
use tokio::sync::mpsc;

use crate::common::{Was, multi_threaded, private_address, probe, secret};

fn numbered(byte: u8) -> Secret {
    Secret::from_bytes(&[byte; 32]).unwrap()
}

fn builder() -> (ServerBuilder, mpsc::UnboundedReceiver<Rejected>) {
    let (told, telling) = mpsc::unbounded_channel();
    let builder = Server::builder(secret())
        .register_fn(
            "name",
            params([], async |cx: Context| Ok(cx.peer().name().to_owned())),
        )
        .on_rejected(move |rejected| told.send(rejected).unwrap());
    (builder, telling)
}

async fn connect(address: &str, id: &str, byte: u8) -> Result<Channel, ConnectError> {
    Channel::builder(&numbered(byte))
        .key_id(id)
        .connect(address)
        .await
}

async fn name(channel: &Channel) -> String {
    channel.rpc("name", ()).await.unwrap()
}

/// As docs/security.md says how: the new secret is added, the clients move over, the old one is revoked.
async fn rotates(address: &str) {
    let (builder, mut rejected) = builder();
    let (probe, mut told) = probe();
    let server = builder
        .register_fn("wait", probe.handler())
        .secret("alice.1", numbered(1))
        .secret("bob", numbered(2))
        .bind(address)
        .await
        .unwrap();
    let address = server.address().to_string();
    let mut connected = server.client_connected();
    let old = connect(&address, "alice.1", 1).await.unwrap();
    let at_server = connected.next().await.unwrap();
    let bob = connect(&address, "bob", 2).await.unwrap();
    assert_eq!(name(&old).await, "alice");
    assert_eq!(name(&bob).await, "bob");

    // Not known yet.
    connect(&address, "alice.2", 3).await.unwrap_err();
    assert!(
        rejected
            .recv()
            .await
            .unwrap()
            .error
            .to_string()
            .contains("alice.2")
    );
    server.add_secret("alice.2", &numbered(3)).unwrap();
    let new = connect(&address, "alice.2", 3).await.unwrap();
    assert_eq!(name(&new).await, "alice");
    // Both are accepted until the old one is revoked.
    assert_eq!(name(&old).await, "alice");

    let waiting = old.rpc::<u64, _>("wait", (1,)).start();
    assert_eq!(told.next().await, Was::Started(1));
    assert!(server.revoke("alice.1"));
    // At once at this end, and it says why.
    assert!(at_server.is_closed());
    let reason = at_server.closed().await;
    let CloseReason::Revoked { key_id } = &*reason else {
        panic!("{reason:?}")
    };
    assert_eq!(key_id, "alice.1");
    assert!(!reason.is_orderly());
    assert_eq!(
        reason.to_string(),
        "the secret `alice.1` was revoked at this end"
    );
    assert_eq!(told.next().await, Was::Dropped(1));
    // The other end is cut off, and its call ends.
    assert!(matches!(*old.closed().await, CloseReason::Ended));
    assert!(matches!(waiting.await, Err(Error::ConnectionLost(_))));
    connect(&address, "alice.1", 1).await.unwrap_err();
    assert!(
        rejected
            .recv()
            .await
            .unwrap()
            .error
            .to_string()
            .contains("alice.1")
    );

    // Nobody else is concerned.
    assert_eq!(name(&new).await, "alice");
    assert_eq!(name(&bob).await, "bob");
    assert_eq!(server.channels().len(), 2);
    assert!(!server.revoke("alice.1"));
}

#[test]
fn a_secret_is_rotated_while_the_server_runs() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        rotates(&address).await;
        #[cfg(feature = "tcp")]
        rotates("tcp:127.0.0.1:0").await;
    });
}

#[test]
fn an_id_may_come_again_after_it_was_revoked_with_another_secret() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (builder, mut rejected) = builder();
        let server = builder.secret("alice", numbered(1)).bind(&address).await;
        let server = server.unwrap();
        let taken = server.add_secret("alice", &numbered(2)).unwrap_err();
        assert!(matches!(taken, AddSecretError::Taken { .. }), "{taken}");
        let long = server
            .add_secret(&"x".repeat(33), &numbered(2))
            .unwrap_err();
        assert!(matches!(long, AddSecretError::Id { .. }), "{long}");

        assert!(server.revoke("alice"));
        server.add_secret("alice", &numbered(2)).unwrap();
        let alice = connect(&address, "alice", 2).await.unwrap();
        assert_eq!(name(&alice).await, "alice");
        connect(&address, "alice", 1).await.unwrap_err();
        rejected.recv().await.unwrap();
        // Nor is the default secret a special one.
        assert!(server.revoke(""));
        connect(&address, "", 7).await.unwrap_err();
        assert_eq!(name(&alice).await, "alice");
    });
}

/// Clients that connect at the moment of the revocation, again and again: when it has returned, none of
/// their channels is open, and none opens later.
#[test]
fn no_channel_is_open_after_its_secret_was_revoked() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let revoked = Arc::new(AtomicBool::new(false));
        // A panic in the hook would be caught.
        let opened = Arc::new(AtomicBool::new(false));
        let (builder, _rejected) = builder();
        let server = builder
            .on_connect({
                let (revoked, opened) = (Arc::clone(&revoked), Arc::clone(&opened));
                move |channel: Channel| {
                    let after = revoked.load(Ordering::SeqCst);
                    let ours = channel.peer().unwrap().name() == "alice";
                    if after && ours && !channel.is_closed() {
                        opened.store(true, Ordering::SeqCst);
                    }
                }
            })
            .bind(&address)
            .await
            .unwrap();
        for round in 0..100_u32 {
            revoked.store(false, Ordering::SeqCst);
            server.add_secret("alice.x", &numbered(1)).unwrap();
            let clients: Vec<_> = (0..4)
                .map(|_| {
                    let address = address.clone();
                    tokio::spawn(async move { connect(&address, "alice.x", 1).await })
                })
                .collect();
            for _ in 0..round % 25 {
                tokio::task::yield_now().await;
            }
            assert!(server.revoke("alice.x"));
            revoked.store(true, Ordering::SeqCst);
            assert_eq!(server.channels().len(), 0, "{round}");
            for client in clients {
                // Whoever got the proof before is told of the end.
                if let Ok(channel) = client.await.unwrap() {
                    channel.closed().await;
                }
            }
            assert_eq!(server.channels().len(), 0, "{round}");
            assert!(!opened.load(Ordering::SeqCst), "{round}");
        }
    });
}

#[test]
fn channels_beyond_the_limit_are_refused_and_told_of() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let (builder, mut rejected) = builder();
        let server = builder.max_channels(2).bind(&address).await.unwrap();
        let one = connect(&address, "", 7).await.unwrap();
        let two = connect(&address, "", 7).await.unwrap();
        connect(&address, "", 7).await.unwrap_err();
        let told = rejected.recv().await.unwrap().error;
        assert!(
            matches!(told, ConnectError::TooManyChannels { limit: 2 }),
            "{told}"
        );
        assert!(told.to_string().contains("max_channels"), "{told}");
        assert_eq!((name(&one).await, name(&two).await), Default::default());
        // One that is gone makes room.
        one.close().await;
        while server.channels().len() == 2 {
            tokio::task::yield_now().await;
        }
        let three = loop {
            match connect(&address, "", 7).await {
                Ok(three) => break three,
                // Its place on the list is given back a moment after it closed.
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(name(&three).await, "");
    });
}
