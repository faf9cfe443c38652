//! The player and its screens: typed calls in both directions.

mod files;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_runtime::{CallError, Channel, Context, Error, Outcome, Secret, Value, kwargs};
use kaa_tests::media_player::Deck;
use kaa_tests::player::{
    MAX_TITLE, MediaCenter, MediaCenterClient, MediaCenterPeer, PlayError, PlayerService, Screen,
    ScreenService, Side, State,
};
use kaa_tests::types::{Source, Track};

struct Lcd {
    shown: tokio::sync::mpsc::UnboundedSender<Option<Track>>,
}

impl Screen for Lcd {
    async fn changed(&self, _: &Context, track: Option<Track>) -> Outcome<()> {
        self.shown.send(track)?;
        Ok(())
    }

    async fn confirm(&self, _: &Context, question: String) -> Outcome<bool> {
        Ok(question == "remove 1?")
    }
}

#[tokio::test]
async fn both_ends_call_each_other_through_their_proxies() -> Result<(), Box<dyn std::error::Error>>
{
    let (shown, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let (server, client) = Channel::pair(
        |side| side.register(PlayerService::new(Deck::default())),
        |side| side.register(ScreenService::new(Lcd { shown })),
    )
    .await?;
    let peer = MediaCenterPeer::from(server);
    let player = MediaCenterClient::from(client).player;

    let source = Source::File {
        path: "/music/a.ogg".into(),
    };
    assert_eq!(player.add("A", &source).await?, 1);
    assert_eq!(
        player
            .add("B", &Source::Silence)
            .tags(&["quiet".to_owned()])
            .await?,
        2
    );
    assert_eq!(
        player.play(1).at(Duration::from_secs(3)).await?,
        State::Playing
    );
    assert_eq!(
        seen.recv()
            .await
            .flatten()
            .map(|track| track.title)
            .as_deref(),
        Some("A")
    );
    assert_eq!(player.my_function(6).await?, 42);
    assert_eq!(player.volume(80).side(Side::Left).await?, 40);
    assert!(player.remove(1).await?);
    let error = player.play(9).await;
    assert!(
        matches!(
            error,
            Err(CallError::Declared(PlayError::NotFound { id: 9 }))
        ),
        "{error:?}"
    );
    assert!(!peer.screen.confirm("no?").await?);
    Ok(())
}

#[tokio::test]
async fn scripts_call_the_same_functions_by_name() -> Result<(), Box<dyn std::error::Error>> {
    let deck = Arc::new(Deck::default());
    let (_server, channel) = Channel::pair(
        |side| side.register(PlayerService::from_arc(Arc::clone(&deck))),
        |side| side,
    )
    .await?;
    // As a script writes a `Source`: a name, or a map from the name to the fields.
    let file = Value::Map(vec![("path".into(), "/a.ogg".into())]);
    let file = Value::Map(vec![("file".into(), file)]);
    let id: u64 = channel.rpc("add", ("A", file)).await?;
    assert_eq!(id, 1);
    let named = kwargs! { tags: ["quiet"], source: "silence", title: "B" };
    let id: u64 = channel.rpc("add", named).await?;
    assert_eq!(id, 2);

    let tracks = MediaCenterClient::from(channel.clone())
        .player
        .tracks()
        .await?;
    let expected = [
        Track::new(
            1,
            "A",
            Source::File {
                path: "/a.ogg".into(),
            },
        ),
        Track {
            tags: vec!["quiet".into()],
            ..Track::new(2, "B", Source::Silence)
        },
    ];
    assert_eq!(tracks, expected);
    assert_eq!((tracks[0].rating, MAX_TITLE), (3, 200));

    let product: i64 = channel.rpc("do_something", (6,)).await?;
    assert_eq!(product, 42);
    let by_its_rust_name = channel.rpc::<i64, _>("my_function", (6,)).await;
    assert!(
        matches!(by_its_rust_name, Err(Error::UnknownFunction(_))),
        "{by_its_rust_name:?}"
    );
    let wait = Value::from(Duration::from_millis(1500));
    let missing = channel.rpc::<State, _>("play", (9, wait)).await;
    let Err(Error::Raised(raised)) = missing else {
        panic!("{missing:?}");
    };
    assert_eq!(raised.to_string(), "no track 9 (media.player.PlayError)");
    Ok(())
}

#[tokio::test]
async fn logs_take_anything_and_old_functions_still_answer()
-> Result<(), Box<dyn std::error::Error>> {
    let deck = Arc::new(Deck::default());
    let (_server, channel) = Channel::pair(
        |side| side.register(PlayerService::from_arc(Arc::clone(&deck))),
        |side| side,
    )
    .await?;
    let player = MediaCenterClient::from(channel.clone()).player;
    let call = player.log("typed").args([1.into(), "two".into()]);
    call.fields(kwargs! { three: 3.5 })
        .fields(kwargs! { four: 4 })
        .await?;
    let by_name = ("by name", Value::Null, kwargs! { ok: true });
    channel.rpc("log", by_name).oneway().await?;
    #[expect(deprecated, reason = "it is called all the same")]
    let busy = player.start(1).await;
    assert!(
        matches!(busy, Err(CallError::Declared(PlayError::Busy))),
        "{busy:?}"
    );
    // `start` was answered, so what was sent before it has started, and did not wait.
    assert_eq!(
        deck.logged(),
        [
            r#"typed [1, "two"] {"four": 4, "three": 3.5}"#,
            r#"by name [null] {"ok": true}"#
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_typed_end_can_be_adjusted_before_it_connects() -> Result<(), Box<dyn std::error::Error>>
{
    let only_ours = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().permissions(only_ours).tempdir()?;
    let address = format!("unix:{}", folder.path().join("player").display());
    let (secret, other) = (Secret::generate()?, Secret::generate()?);
    let _server = MediaCenter::server(secret, Deck::default())
        .secret("screens", other.clone())
        .bind(&address)
        .await?;
    let (shown, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let client: MediaCenterClient = MediaCenter::client(&other, Lcd { shown })
        .key_id("screens")
        .timeout(Duration::from_secs(5))
        .connect(&address)
        .await?;
    client.player.add("A", &Source::Silence).await?;
    client.player.play(1).await?;
    assert_eq!(seen.recv().await.flatten().map(|track| track.id), Some(1));
    Ok(())
}
