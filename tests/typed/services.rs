//! Objects and the interfaces that they serve.

use std::sync::Arc;

use kaa_rpc_runtime::{Channel, Context, Error, Outcome, Secret, Server};
use kaa_tests::beacon::{DevicesClient, DevicesService};
use kaa_tests::player::{MediaCenter, Screen, ScreenClient, ScreenService};
use kaa_tests::typed::{EchoClient, Mirror, MirrorClient, MirrorService, RunsClient, RunsService};
use kaa_tests::types::Track;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::objects::{Glass, Runner, TestResult, lab};

#[tokio::test]
async fn one_interface_is_served_by_several_objects_under_prefixes() -> TestResult {
    let glass = |mark| {
        MirrorService::new(Glass {
            mark,
            asks_back: false,
        })
    };
    let (left, _) = Runner::new();
    let (_server, client) = Channel::pair(
        |server| {
            server
                .register(glass(0))
                .register_at("left.", glass(1))
                .register_at("right.", glass(2))
                .register_at("left.", RunsService::new(left))
        },
        |client| client,
    )
    .await?;
    assert_eq!(MirrorClient::new(&client).token(8).await?, 8);
    assert_eq!(MirrorClient::at(&client, "left.").token(8).await?, 9);
    assert_eq!(MirrorClient::at(&client, "right.").token(8).await?, 10);
    let by_name: u64 = client.rpc("right.token", (8,)).await?;
    assert_eq!(by_name, 10);
    // Before the interface's own prefix.
    assert_eq!(RunsClient::at(&client, "left.").renamed().await?, "renamed");
    let by_name: String = client.rpc("left.run.other.name", ()).await?;
    assert_eq!(by_name, "renamed");
    let absent = MirrorClient::at(&client, "middle.").token(8).await;
    assert!(
        matches!(absent, Err(Error::UnknownFunction(_))),
        "{absent:?}"
    );
    Ok(())
}

#[tokio::test]
async fn two_functions_of_one_name_are_an_error_before_anything_is_served() -> TestResult {
    let folder = tempfile::Builder::new().tempdir()?;
    let glass = || {
        MirrorService::new(Glass {
            mark: 0,
            asks_back: false,
        })
    };
    let refused = Server::builder(Secret::generate()?)
        .register(glass())
        .register(glass())
        .bind(&format!("unix:{}/twice", folder.path().display()))
        .await;
    let error = refused.map(drop).err().ok_or("it was served")?;
    assert!(error.to_string().contains("`token`"), "{error}");
    Ok(())
}

/// Serves interfaces of two schemas, and keeps what it was told.
struct Wall {
    told: UnboundedSender<String>,
}

impl Screen for Wall {
    async fn changed(&self, _: &Context, track: Option<Track>) -> Outcome<()> {
        Ok(self.told.send(format!("track {track:?}"))?)
    }

    async fn confirm(&self, _: &Context, question: String) -> Outcome<bool> {
        self.told.send(question)?;
        Ok(true)
    }
}

impl kaa_tests::beacon::Devices for Wall {
    async fn changed(
        &self,
        _: &Context,
        id: String,
        _: kaa_tests::beacon::Attributes,
    ) -> Outcome<()> {
        Ok(self.told.send(format!("device {id}"))?)
    }

    async fn removed(&self, _: &Context, id: String) -> Outcome<()> {
        Ok(self.told.send(format!("no device {id}"))?)
    }
}

impl Mirror for Wall {
    async fn token(&self, _: &Context, token: u64) -> Outcome<u64> {
        Ok(token)
    }
}

#[tokio::test]
async fn one_object_serves_several_interfaces() -> TestResult {
    let (told, mut news) = unbounded_channel();
    let wall = Arc::new(Wall { told });
    let (server, _client) = Channel::pair(
        |server| server,
        |client| {
            client
                .register(ScreenService::from_arc(Arc::clone(&wall)))
                .register(DevicesService::from_arc(Arc::clone(&wall)))
                .register(MirrorService::new(Arc::clone(&wall)))
        },
    )
    .await?;
    assert!(ScreenClient::new(&server).confirm("sure?").await?);
    ScreenClient::new(&server).changed().await?;
    DevicesClient::new(&server).removed("disc").await?;
    assert_eq!(MirrorClient::new(&server).token(4).await?, 4);
    for expected in ["sure?", "track None", "no device disc"] {
        assert_eq!(news.recv().await.as_deref(), Some(expected));
    }
    Ok(())
}

#[tokio::test]
async fn proxies_of_one_channel_are_cheap_copies_for_any_thread() -> TestResult {
    let (runner, _) = Runner::new();
    let (peer, client) = lab(runner).await?;
    let channel = client.channel.clone();
    let elsewhere = tokio::spawn(async move {
        let echo = EchoClient::new(&channel);
        echo.maybe().value("x").await
    });
    assert_eq!(elsewhere.await??.as_deref(), Some("x"));
    assert_eq!(peer.mirror.token(4).await?, 4 ^ 2);
    drop(client);
    assert!(peer.channel.closed().await.is_orderly());
    Ok(())
}

#[tokio::test]
async fn a_lazy_typed_channel_is_usable_at_once() -> TestResult {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()?;
    let address = format!("unix:{}/lab", folder.path().display());
    let secret = Secret::generate()?;
    let (told, _news) = unbounded_channel();
    let absent = MediaCenter::connect_lazy(&address, &secret, Wall { told })?;
    let failed = absent.player.tracks().await;
    assert!(matches!(failed, Err(Error::NotConnected(_))), "{failed:?}");

    let (runner, _events) = Runner::new();
    let glass = |mark, asks_back| Glass { mark, asks_back };
    let server =
        kaa_tests::typed::Lab::server(secret.clone(), crate::objects::Lab, runner, glass(1, true))
            .bind(&address)
            .await?;
    let client = kaa_tests::typed::Lab::connect_lazy(&address, &secret, glass(2, false))?;
    assert_eq!(client.mirror.token(4).await?, 4 ^ 2);
    server.close().await;
    Ok(())
}
