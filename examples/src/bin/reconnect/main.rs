//! A client that outlives its server: the server is killed and started again.
//!
//! ```text
//! cargo run -p kaa-examples --bin reconnect
//! ```
//!
//! The reader (`reader.rs`) goes on with the same channel, and is told what became of each of its calls.
//! Each process can be started by hand in a terminal of its own, in the same folder: `reconnect office`,
//! `reconnect reader`; kill the office and start it again.

mod office;
mod reader;

use std::error::Error;

use kaa_examples::stage::Stage;

const ADDRESS: &str = "unix:newspaper";
const SECRET: &str = "newspaper.secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => everything().await,
        Some("office") => office::run(false).await,
        Some("slow-office") => office::run(true).await,
        Some("reader") => reader::run().await,
        Some(role) => Err(format!("no role `{role}`: office, reader or none").into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut office = stage.start("office", &["slow-office"])?;
    office.says("open").await?;
    let mut reader = stage.start("reader", &["reader"])?;

    // In the middle of two calls.
    office.says("proofreads: all the news that's fit").await?;
    office.says("prints 500").await?;
    office.kill().await?;

    // The reader has made another call meanwhile.
    reader.says("it waits").await?;
    let mut office = stage.start("new office", &["office"])?;
    office.says("open").await?;
    reader.ends().await?;
    office.stop().await?;
    println!("all have ended");
    Ok(())
}
