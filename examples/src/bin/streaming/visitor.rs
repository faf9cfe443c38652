//! A visitor: it brings a recording, and has it looked through.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use kaa_examples::archive::{ArchiveClient, ArchiveError, Recordings};
use kaa_rpc_runtime::{Bytes, CallError, Error as RpcError, Secret, item_channel};

use crate::progress::Progress;

/// So many bytes of a file are sent at once.
const PIECE: u64 = 64 << 10;
/// So many bytes has the recording.
const SIZE: u64 = 8 << 20;

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let home = Recordings::connect(crate::ADDRESS, &secret).await?;
    let archive = &home.archive;
    let path = Path::new("lucia.wav");
    record(path)?;

    let size = upload(archive, path).await?;
    println!("uploaded {size} bytes");
    scan(archive, "lucia.wav", size).await?;
    enough(archive).await?;
    break_off(archive).await?;
    println!("the archive has {:?}", archive.list().await?);

    home.channel.close().await;
    Ok(())
}

/// Sends a file along with a call, piece by piece. Nobody ever has all of it in memory.
async fn upload(archive: &ArchiveClient, path: &Path) -> Result<u64, Box<dyn Error>> {
    let mut file = BufReader::new(File::open(path)?);
    let progress = Progress::new("upload", path.metadata()?.len());
    // What is given to `sender` comes out of `pieces`, which goes along with the call.
    let (mut sender, pieces) = item_channel();
    let call = archive.upload("lucia.wav", pieces).start();
    let mut sent = 0;
    loop {
        let mut piece = Vec::new();
        file.by_ref().take(PIECE).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        sent += piece.len() as u64;
        // Waits while the archive has enough to do. It fails if that wants no more: then the call says why.
        if sender.give(&Bytes::from(piece)).await.is_err() {
            break;
        }
        progress.at(sent);
    }
    // Without this, the archive is told that it has not got all. An error is that of the call, too.
    let _ = sender.finish().await;
    progress.done();
    Ok(call.await?)
}

/// Takes what the archive finds while it looks.
async fn scan(archive: &ArchiveClient, name: &str, size: u64) -> Result<(), Box<dyn Error>> {
    let progress = Progress::new("scan", size);
    let mut parts = archive.scan(name).start();
    let mut peaks = Vec::new();
    while let Some(part) = parts.next().await? {
        peaks.push(part.peak);
        progress.at(part.end);
    }
    progress.done();
    // After the last item, the result.
    println!("peaks {peaks:?}, the loudest {}", parts.finish().await?);

    match archive.scan("norma.wav").await {
        Err(CallError::Declared(ArchiveError::NotFound { name })) => println!("there is no {name}"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}

/// Takes only as many items as it wants. Dropping the handle stops the function.
async fn enough(archive: &ArchiveClient) -> Result<(), Box<dyn Error>> {
    let mut parts = archive.scan("lucia.wav").start();
    while let Some(part) = parts.next().await? {
        if part.peak > 100 {
            println!("loud before byte {}", part.end);
            break;
        }
    }
    Ok(())
}

/// Whatever keeps the rest from being sent: half an upload is none.
async fn break_off(archive: &ArchiveClient) -> Result<(), Box<dyn Error>> {
    let (mut sender, pieces) = item_channel();
    let call = archive.upload("norma.wav", pieces).start();
    sender.give(&Bytes::from_static(b"half of it")).await?;
    drop(sender);
    match call.await {
        Err(RpcError::Fault(fault)) => println!("upload: {}", fault.message),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}

/// Makes a recording that becomes louder, then less loud.
fn record(path: &Path) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    for at in 0..SIZE {
        let loudness = (at.min(SIZE - at) >> 14).min(255) as u8;
        file.write_all(&[loudness.saturating_sub((at % 7) as u8)])?;
    }
    file.flush()
}
