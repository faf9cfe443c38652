//! The player and its screens: typed calls in both directions.

use std::sync::Mutex;
use std::time::Duration;

use kaa_rpc_runtime::{CallError, Channel, Context, Outcome, Value};
use kaa_tests::player::{
    MediaCenterClient, MediaCenterPeer, PlayError, Player, PlayerService, Screen, ScreenClient,
    ScreenService, Side, State,
};
use kaa_tests::types::{Source, Tags, Track};

#[derive(Default)]
struct Deck {
    tracks: Mutex<Vec<Track>>,
}

impl Player for Deck {
    async fn add(&self, _: &Context, title: String, source: Source, tags: Tags) -> Outcome<u64> {
        let mut tracks = self.tracks.lock().map_err(|error| error.to_string())?;
        let id = tracks.len() as u64 + 1;
        tracks.push(Track {
            tags,
            ..Track::new(id, title, source)
        });
        Ok(id)
    }

    async fn tracks(&self, _: &Context) -> Outcome<Vec<Track>> {
        Ok(self
            .tracks
            .lock()
            .map_err(|error| error.to_string())?
            .clone())
    }

    async fn play(&self, cx: &Context, id: u64, _at: Duration) -> Outcome<State, PlayError> {
        let track = {
            let tracks = self.tracks.lock().map_err(|error| error.to_string())?;
            let track = tracks.iter().find(|track| track.id == id);
            track.ok_or(PlayError::NotFound { id })?.clone()
        };
        ScreenClient::new(&cx.channel())
            .changed()
            .track(&track)
            .await?;
        Ok(State::Playing)
    }

    async fn volume(&self, _: &Context, level: u8, side: Option<Side>) -> Outcome<u8> {
        Ok(if side.is_some() { level / 2 } else { level })
    }

    async fn remove(&self, cx: &Context, id: u64) -> Outcome<bool, PlayError> {
        let question = format!("remove {id}?");
        Ok(ScreenClient::new(&cx.channel()).confirm(&question).await?)
    }

    async fn my_function(&self, _: &Context, number: i64) -> Outcome<i64> {
        Ok(number * 7)
    }

    async fn log(
        &self,
        _: &Context,
        _message: String,
        _args: Vec<Value>,
        _fields: std::collections::BTreeMap<String, Value>,
    ) -> Outcome<()> {
        Ok(())
    }

    async fn start(&self, _: &Context, _id: u64) -> Outcome<(), PlayError> {
        Err(PlayError::Busy.into())
    }
}

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
