//! `playerd ADDRESS SECRET-FILE FOLDER`: the media player, which keeps uploads in the folder. It says `ready`
//! once it listens, and ends with its standard input.

use std::error::Error;
use std::process::ExitCode;

use kaa_rpc_runtime::Secret;
use kaa_tests::media_player::Deck;
use kaa_tests::player::MediaCenter;
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("playerd: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(secret), Some(folder)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: playerd ADDRESS SECRET-FILE FOLDER".into());
    };
    let deck = Deck::new(folder.into());
    let server = MediaCenter::server(Secret::from_file(secret)?, deck)
        .bind(&address)
        .await?;
    println!("ready");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    server.close().await;
    Ok(())
}
