//! What the clients expose, called by name by a daemon without a schema; and a client without one.

use std::sync::Arc;

use kaa_rpc_runtime::{Channel, Error, Server, Value, kwargs, params};
use kaa_tests::beacon::Attributes;
use kaa_tests::media_database::{News, Viewer};
use tokio::sync::mpsc;

use crate::setup::{Place, TestResult, info};

#[tokio::test]
async fn a_daemon_without_a_schema_calls_typed_clients() -> TestResult {
    let place = Place::new()?;
    let server = Server::builder(place.secret.clone())
        .bind(&place.address)
        .await?;
    let mut connected = server.client_connected();
    let (_client, mut news) = Viewer::connect(&place.address, &place.secret).await?;
    let peer = connected.next().await.ok_or("the server is gone")?;
    let mut told = async || news.recv().await;

    let media = || Value::from([Value::List(vec!["disc".into(), Value::Map(vec![])])]);
    let connection = News::Connected(3, "db".into(), vec![("disc".into(), Attributes::new())]);
    peer.rpc::<(), _>("connect", (3, "db", media())).await?;
    assert_eq!(told().await.as_ref(), Some(&connection));
    let named = kwargs! { media: media(), database: "db", id: 3 };
    peer.rpc::<(), _>("connect", named).await?;
    assert_eq!(told().await.as_ref(), Some(&connection));
    let both = (3, kwargs! { media: media(), database: "db" });
    peer.rpc::<(), _>("connect", both).await?;
    assert_eq!(told().await.as_ref(), Some(&connection));

    peer.rpc::<(), _>("notify", (1, "progress", 5, 10, "%"))
        .oneway()
        .await?;
    let args = vec![5.into(), 10.into(), "%".into()];
    assert_eq!(told().await, Some(News::Notice(1, "progress".into(), args)));
    peer.rpc::<(), _>("notify", kwargs! { msg: "changed", id: 1 })
        .await?;
    let notice = News::Notice(1, "changed".into(), vec![]);
    assert_eq!(told().await.as_ref(), Some(&notice));
    peer.rpc::<(), _>("notify", (1, kwargs! { msg: "changed" }))
        .await?;
    assert_eq!(told().await, Some(notice));

    let properties = || Value::Map(vec![("label".into(), "DISC".into())]);
    let changed = || {
        let properties = Attributes::from([("label".to_owned(), "DISC".into())]);
        Some(News::Changed("disc".into(), properties))
    };
    peer.rpc::<(), _>("device.changed", ("disc", properties()))
        .await?;
    assert_eq!(told().await, changed());
    let named = kwargs! { prop: properties(), id: "disc" };
    peer.rpc::<(), _>("device.changed", named).oneway().await?;
    assert_eq!(told().await, changed());
    let both = ("disc", kwargs! { prop: properties() });
    peer.rpc::<(), _>("device.changed", both).await?;
    assert_eq!(told().await, changed());

    peer.rpc::<(), _>("device.removed", ("disc",)).await?;
    peer.rpc::<(), _>("device.removed", kwargs! { id: "disc" })
        .await?;
    assert_eq!(told().await, Some(News::Removed("disc".into())));
    assert_eq!(told().await, Some(News::Removed("disc".into())));
    peer.rpc::<(), _>("log.info", ("a", 1, [2.5])).await?;
    assert_eq!(
        told().await,
        Some(info(["a".into(), 1.into(), [2.5].into()]))
    );
    peer.rpc::<(), _>("log.info", ()).oneway().await?;
    assert_eq!(told().await, Some(info([])));

    // The prefix is part of the name.
    let unknown = peer.rpc::<(), _>("removed", ("disc",)).await;
    assert!(
        matches!(unknown, Err(Error::UnknownFunction(_))),
        "{unknown:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_client_without_a_schema_is_told_by_the_typed_daemon() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let (news, mut told) = mpsc::unbounded_channel();
    let (connected, changed, removed) = (news.clone(), news.clone(), news);
    let channel = Channel::builder(&place.secret)
        .register_fn(
            "connect",
            params(
                ["id", "database", "media"],
                move |id: i64, _: String, _: Value| {
                    let sent = connected.send(format!("connect {id}"));
                    async move { Ok(sent?) }
                },
            ),
        )
        .register_fn(
            "device.changed",
            params(["id", "prop"], move |id: String, prop: Value| {
                let sent = changed.send(format!("changed {id} {prop}"));
                async move { Ok(sent?) }
            }),
        )
        .register_fn(
            "device.removed",
            params(["id"], move |id: String| {
                let sent = removed.send(format!("removed {id}"));
                async move { Ok(sent?) }
            }),
        )
        .connect(&place.address)
        .await?;
    assert_eq!(told.recv().await.as_deref(), Some("connect 1"));
    channel.rpc::<(), _>("eject", ("disc",)).await?;
    assert_eq!(
        told.recv().await.as_deref(),
        Some(r#"changed disc {"label": "DISC"}"#)
    );
    channel.rpc::<(), _>("delete_media", ("disc",)).await?;
    assert_eq!(told.recv().await.as_deref(), Some("removed disc"));
    Ok(())
}

#[tokio::test]
async fn an_object_that_serves_three_interfaces_is_one_object() -> TestResult {
    let (viewer, news) = Viewer::new();
    drop(news);
    let (server, client) = Channel::pair(
        |server| server,
        |client| {
            client
                .register(kaa_tests::beacon::BeaconClientService::from_arc(
                    Arc::clone(&viewer),
                ))
                .register(kaa_tests::beacon::DevicesService::from_arc(Arc::clone(
                    &viewer,
                )))
                .register(kaa_tests::beacon::LogService::new(Arc::clone(&viewer)))
        },
    )
    .await?;
    assert!(Arc::strong_count(&viewer) > 3);
    let failed = server.rpc::<(), _>("log.info", ()).await;
    let Err(Error::Fault(fault)) = failed else {
        panic!("{failed:?}");
    };
    assert!(fault.kind.contains("SendError"), "{}", fault.kind);
    drop(client);
    server.closed().await;
    Ok(())
}
