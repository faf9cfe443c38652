//! Folders are scanned and files uploaded, by a player in a process of its own.

use std::error::Error as StdError;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use kaa_rpc_runtime::{Bytes, CallError, Error, Limits, Secret, item_channel, item_iter};
use kaa_tests::player::{MediaCenter, MediaCenterClient, ScanError};
use kaa_tests::types::Source;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::Lcd;

type TestResult = Result<(), Box<dyn StdError>>;

/// A player's process and a client of it.
struct World {
    folder: TempDir,
    daemon: Child,
    client: MediaCenterClient,
}

impl World {
    async fn new() -> Result<Self, Box<dyn StdError>> {
        let only_ours = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(only_ours).tempdir()?;
        for name in ["music", "uploads"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        let secret_file = folder.path().join("secret");
        let secret = Secret::create_file(&secret_file)?;
        let address = format!("unix:{}", folder.path().join("player").display());
        let mut daemon = Command::new(env!("CARGO_BIN_EXE_playerd"))
            .arg(&address)
            .arg(&secret_file)
            .arg(folder.path().join("uploads"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = daemon.stdout.take().ok_or("the output is not piped")?;
        let ready = BufReader::new(stdout).lines().next_line().await?;
        assert_eq!(ready.as_deref(), Some("ready"));
        let (shown, _) = mpsc::unbounded_channel();
        let client = MediaCenter::connect(&address, &secret, Lcd { shown }).await?;
        Ok(Self {
            folder,
            daemon,
            client,
        })
    }

    fn music(&self) -> String {
        self.folder.path().join("music").display().to_string()
    }

    /// Puts so many files there.
    fn fill(&self, count: usize) -> std::io::Result<()> {
        for number in 0..count {
            std::fs::write(self.folder.path().join(format!("music/{number}.ogg")), "")?;
        }
        Ok(())
    }

    fn upload(&self, title: &str) -> PathBuf {
        self.folder.path().join("uploads").join(title)
    }
}

#[tokio::test]
async fn a_folder_is_scanned_and_each_track_comes_as_it_is_found() -> TestResult {
    let world = World::new().await?;
    world.fill(1000)?;
    let player = &world.client.player;
    let mut found = player.scan(&world.music()).start();
    let mut count = 0;
    while let Some(track) = found.next().await? {
        count += 1;
        assert_eq!(track.id, count);
        let path = format!("{}/{}.ogg", world.music(), track.title);
        assert_eq!(track.source, Source::File { path });
    }
    assert_eq!((count, found.finish().await?), (1000, 1000));
    assert_eq!(player.tracks().await?.len(), 1000);
    let nowhere = player.scan("/nowhere").start().next().await;
    assert!(
        matches!(
            &nowhere,
            Err(CallError::Declared(ScanError::NoFolder { folder })) if folder == "/nowhere"
        ),
        "{nowhere:?}"
    );
    Ok(())
}

#[tokio::test]
async fn who_has_seen_enough_stops_the_scan() -> TestResult {
    let world = World::new().await?;
    world.fill(2000)?;
    let player = &world.client.player;
    let mut found = player.scan(&world.music()).start();
    assert!(found.next().await?.is_some());
    found.cancel();
    // It was never further ahead than this end has room for.
    let added = player.tracks().await?.len();
    let window = usize::try_from(Limits::default().max_stream_items)?;
    assert!((1..=window + 2).contains(&added), "{added}");
    Ok(())
}

#[tokio::test]
async fn what_a_player_gave_before_it_was_killed_is_not_lost() -> TestResult {
    let mut world = World::new().await?;
    world.fill(2000)?;
    let player = &world.client.player;
    let mut found = player.scan(&world.music()).start();
    assert!(found.next().await?.is_some());
    world.daemon.kill().await?;
    let mut count = 1;
    let error = loop {
        match found.next().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => panic!("the player gave all of them"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, CallError::Failed(Error::ConnectionLost(_))),
        "{error:?}"
    );
    assert!(count < 2000, "{count}");
    Ok(())
}

#[tokio::test]
async fn a_file_is_uploaded_whole_or_not_at_all() -> TestResult {
    let world = World::new().await?;
    let player = &world.client.player;
    // More than the player holds at once.
    let pieces: Vec<Bytes> = (0..200_u8).map(|n| vec![n; 50_000].into()).collect();
    let id = player.upload("whole", item_iter(pieces.clone())).await?;
    assert_eq!(id, 1);
    assert_eq!(std::fs::read(world.upload("whole"))?, pieces.concat());

    let (mut sender, data) = item_channel();
    let half = player.upload("half", data).start();
    sender.give(&pieces[0]).await?;
    // As if reading the file had failed here.
    drop(sender);
    let Err(Error::Fault(fault)) = half.await else {
        panic!("a fault was due");
    };
    assert!(fault.message.contains("not complete"), "{fault}");
    assert!(!world.upload("half").exists());

    // What the player does not want is not sent on and on.
    let refused = player.upload("whole", item_iter(std::iter::repeat(Bytes::from("x"))));
    let Err(Error::Fault(fault)) = refused.await else {
        panic!("a fault was due");
    };
    assert!(fault.message.contains("exists"), "{fault}");
    assert_eq!(player.tracks().await?.len(), 1);
    Ok(())
}
