//! The daemon: it has the playlist, and tells its screens what plays.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kaa_examples::player::{
    MediaCenter, MediaCenterPeer, PlayError, Player, ScanError, ScreenClient, Side, State,
};
use kaa_examples::stage;
use kaa_examples::types::{Source, Tags, Track};
use kaa_rpc_runtime::{Bytes, Context, Items, Outcome, Secret, Value, Yielder};
use tokio::sync::watch;

/// The object whose functions are exposed. Calls run side by side, so it guards its state itself.
#[derive(Default)]
struct Deck {
    tracks: Mutex<Vec<Track>>,
    playing: watch::Sender<Option<Track>>,
}

/// `Player` was generated from the schema: one function for each of the interface. The context says
/// who calls; the errors that the schema declares, and all others, go to the caller with `?`.
impl Player for Deck {
    async fn add(&self, _: &Context, title: String, source: Source, tags: Tags) -> Outcome<u64> {
        Ok(self.push(title, source, tags).id)
    }

    async fn tracks(&self, _: &Context) -> Outcome<Vec<Track>> {
        Ok(self.tracks().clone())
    }

    async fn play(&self, _: &Context, id: u64, at: Duration) -> Outcome<State, PlayError> {
        let track = self.find(id)?;
        println!("plays {id} from {at:?}");
        self.playing.send_replace(Some(track));
        Ok(State::Playing)
    }

    /// What is given to `items` reaches the caller at once; if it does not keep up, this waits for it.
    async fn scan(
        &self,
        _: &Context,
        folder: String,
        items: &Yielder<Track>,
    ) -> Outcome<u64, ScanError> {
        let Ok(files) = std::fs::read_dir(&folder) else {
            return Err(ScanError::NoFolder { folder }.into());
        };
        let mut found = 0;
        for file in files {
            let path = file?.path().to_string_lossy().into_owned();
            let track = self.push(path.clone(), Source::File { path }, Tags::new());
            items.give(&track).await?;
            found += 1;
        }
        Ok(found)
    }

    /// The caller may still be making what is taken here. If it breaks off, that is an error: half a
    /// track is none.
    async fn upload(&self, _: &Context, title: String, mut data: Items<Bytes>) -> Outcome<u64> {
        let mut length = 0;
        while let Some(piece) = data.next().await? {
            length += piece.len();
        }
        println!("{length} bytes of \"{title}\"");
        Ok(self.push(title, Source::Silence, Tags::new()).id)
    }

    async fn volume(&self, _: &Context, level: u8, side: Option<Side>) -> Outcome<u8> {
        println!("volume {level} ({side:?})");
        Ok(level.min(100))
    }

    async fn remove(&self, cx: &Context, id: u64) -> Outcome<bool, PlayError> {
        let track = self.find(id)?;
        // A call back to whoever called, before it gets its result.
        let screen = ScreenClient::new(&cx.channel());
        let question = format!("Remove \"{}\"?", track.title);
        if !screen.confirm(&question).await? {
            return Ok(false);
        }
        self.tracks().retain(|track| track.id != id);
        Ok(true)
    }

    async fn my_function(&self, _: &Context, number: i64) -> Outcome<i64> {
        Ok(number * 7)
    }

    async fn log(
        &self,
        _: &Context,
        message: String,
        args: Vec<Value>,
        fields: BTreeMap<String, Value>,
    ) -> Outcome<()> {
        println!("log: {message} {args:?} {fields:?}");
        Ok(())
    }

    async fn start(&self, cx: &Context, id: u64) -> Outcome<(), PlayError> {
        self.play(cx, id, Duration::ZERO).await?;
        Ok(())
    }
}

impl Deck {
    fn tracks(&self) -> MutexGuard<'_, Vec<Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, title: String, source: Source, tags: Tags) -> Track {
        let mut tracks = self.tracks();
        let id = tracks.iter().map(|track| track.id).max().unwrap_or(0) + 1;
        let track = Track {
            tags,
            ..Track::new(id, title, source)
        };
        tracks.push(track.clone());
        track
    }

    fn find(&self, id: u64) -> Result<Track, PlayError> {
        let tracks = self.tracks();
        let track = tracks.iter().find(|track| track.id == id);
        track.cloned().ok_or(PlayError::NotFound { id })
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let deck = Arc::new(Deck::default());
    let mut playing = deck.playing.subscribe();

    // What a new screen should know is said before any of its calls is looked at.
    let now = playing.clone();
    let greet = move |new: MediaCenterPeer| show(&new.screen, now.borrow().as_ref());

    let secret = Secret::load_or_create(crate::SECRET)?;
    let server = MediaCenter::server(secret, deck)
        .on_connect(greet)
        .bind(crate::ADDRESS)
        .await?;
    println!("listening");

    let mut clients = server.client_connected();
    let stopped = stage::stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            Some(_) = clients.next() => println!("somebody has connected"),
            // If two tracks follow each other fast, screens may be told of the second one only.
            Ok(()) = playing.changed() => {
                for peer in server.channels() {
                    show(&peer.screen, playing.borrow_and_update().as_ref());
                }
            }
            () = &mut stopped => break,
        }
    }
    // Lets calls that run come to their end, and says goodbye.
    server.close().await;
    Ok(())
}

/// Sends an event. Nobody waits for it: a screen that is slow, or gone, holds up no other.
fn show(screen: &ScreenClient, track: Option<&Track>) {
    let mut event = screen.changed();
    if let Some(track) = track {
        event = event.track(track);
    }
    event.start().detach();
}
