//! A media player, for a process of its own or for that of a test.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Context, Items, Outcome, Value, Yielder};

use crate::player::{PlayError, Player, ScanError, ScreenClient, Side, State};
use crate::types::{Source, Tags, Track};

/// The player. Uploads become files of its folder.
#[derive(Debug, Default)]
pub struct Deck {
    tracks: Mutex<Vec<Track>>,
    log: Mutex<Vec<String>>,
    uploads: PathBuf,
}

impl Deck {
    /// Keeps what is uploaded in the folder `uploads`.
    #[must_use]
    pub fn new(uploads: PathBuf) -> Self {
        Self {
            uploads,
            ..Self::default()
        }
    }

    /// What was logged so far.
    #[must_use]
    pub fn logged(&self) -> Vec<String> {
        lock(&self.log).clone()
    }

    fn push(&self, title: String, source: Source, tags: Tags) -> Track {
        let mut tracks = lock(&self.tracks);
        let id = tracks.len() as u64 + 1;
        let track = Track {
            tags,
            ..Track::new(id, title, source)
        };
        tracks.push(track.clone());
        track
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that goes again unless it is kept.
struct Partial<'a>(Option<&'a Path>);

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Player for Deck {
    async fn add(&self, _: &Context, title: String, source: Source, tags: Tags) -> Outcome<u64> {
        Ok(self.push(title, source, tags).id)
    }

    async fn tracks(&self, _: &Context) -> Outcome<Vec<Track>> {
        Ok(lock(&self.tracks).clone())
    }

    async fn play(&self, cx: &Context, id: u64, _at: Duration) -> Outcome<State, PlayError> {
        let track = {
            let tracks = lock(&self.tracks);
            let track = tracks.iter().find(|track| track.id == id);
            track.ok_or(PlayError::NotFound { id })?.clone()
        };
        ScreenClient::new(&cx.channel())
            .changed()
            .track(&track)
            .await?;
        Ok(State::Playing)
    }

    async fn scan(
        &self,
        _: &Context,
        folder: String,
        items: &Yielder<Track>,
    ) -> Outcome<u64, ScanError> {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            return Err(ScanError::NoFolder { folder }.into());
        };
        let mut found = 0;
        for entry in entries {
            let path = entry?.path();
            let title = path.file_stem().unwrap_or_default();
            let title = title.to_string_lossy().into_owned();
            let source = Source::File {
                path: path.to_string_lossy().into_owned(),
            };
            let track = self.push(title, source, Tags::new());
            items.give(&track).await?;
            found += 1;
        }
        Ok(found)
    }

    async fn upload(&self, _: &Context, title: String, mut data: Items<Bytes>) -> Outcome<u64> {
        let path = self.uploads.join(&title);
        let mut file = File::create_new(&path)?;
        let mut partial = Partial(Some(&path));
        while let Some(piece) = data.next().await? {
            file.write_all(&piece)?;
        }
        partial.0 = None;
        let source = Source::File {
            path: path.to_string_lossy().into_owned(),
        };
        Ok(self.push(title, source, Tags::new()).id)
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
        message: String,
        args: Vec<Value>,
        fields: BTreeMap<String, Value>,
    ) -> Outcome<()> {
        lock(&self.log).push(format!("{message} {args:?} {fields:?}"));
        Ok(())
    }

    async fn start(&self, _: &Context, _id: u64) -> Outcome<(), PlayError> {
        Err(PlayError::Busy.into())
    }
}
