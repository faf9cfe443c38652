//! The archive: it keeps what was sent to it in a folder of its own.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use kaa_examples::archive::{Archive, ArchiveError, Part, Recordings};
use kaa_examples::stage;
use kaa_rpc_runtime::{Bytes, Context, Items, Outcome, Secret, Yielder};
use tempfile::{NamedTempFile, TempDir};

/// So many bytes are a part.
const PART: u64 = 1 << 20;

struct Shelf {
    folder: TempDir,
}

impl Archive for Shelf {
    /// `data` gives what the visitor sends, and slows it down if this is slower: no more than a window of
    /// it is ever in memory.
    async fn upload(&self, _: &Context, name: String, mut data: Items<Bytes>) -> Outcome<u64> {
        // Goes away by itself if this returns early, or is dropped because the visitor is gone.
        let mut file = NamedTempFile::new_in(&self.folder)?;
        let mut size = 0;
        // `None` comes only if the visitor said that this is all. If it breaks off, that is an error.
        while let Some(piece) = data.next().await? {
            file.write_all(&piece)?;
            size += piece.len() as u64;
        }
        file.persist(self.folder.path().join(file_name(&name)?))?;
        println!("keeps {name}");
        Ok(size)
    }

    /// What is given to `parts` reaches the visitor at once; if that does not keep up, this waits. If it
    /// wants no more, this is dropped at its next `await`.
    async fn scan(
        &self,
        _: &Context,
        name: String,
        parts: &Yielder<Part>,
    ) -> Outcome<u8, ArchiveError> {
        let path = self.folder.path().join(file_name(&name)?);
        let Ok(file) = File::open(path) else {
            return Err(ArchiveError::NotFound { name }.into());
        };
        let (mut end, mut loudest) = (0, 0);
        let mut samples = Vec::new();
        loop {
            samples.clear();
            end += (&file).take(PART).read_to_end(&mut samples)? as u64;
            let Some(&peak) = samples.iter().max() else {
                return Ok(loudest);
            };
            loudest = loudest.max(peak);
            parts.give(&Part { end, peak }).await?;
        }
    }

    async fn list(&self, _: &Context) -> Outcome<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.folder.path().read_dir()? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

/// A name that comes from elsewhere must not lead out of the folder.
fn file_name(name: &str) -> Result<&Path, String> {
    let path = Path::new(name);
    match path.file_name() {
        Some(only) if only == path.as_os_str() => Ok(path),
        _ => Err(format!("{name:?} is no name of a file")),
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let shelf = Shelf {
        folder: tempfile::Builder::new().prefix("shelf-").tempdir_in(".")?,
    };
    let server = Recordings::server(secret, shelf)
        .bind(crate::ADDRESS)
        .await?;
    println!("open");
    stage::stopped().await;
    server.close().await;
    Ok(())
}
