//! `beacond ADDRESS SECRET-FILE`: the media database daemon. It says `ready` once it listens, and ends
//! when a client calls `shutdown`.

use std::error::Error;
use std::process::ExitCode;

use kaa_rpc_runtime::Secret;
use kaa_tests::media_database::serve;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("beacond: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(secret)) = (arguments.next(), arguments.next()) else {
        return Err("usage: beacond ADDRESS SECRET-FILE".into());
    };
    let (server, ended) = serve(&address, Secret::from_file(secret)?).await?;
    println!("ready");
    ended.await;
    server.close().await;
    println!("bye");
    Ok(())
}
