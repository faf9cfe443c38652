//! Items on their way to a function and back: an upload, and a scan that tells how far it is.
//!
//! ```text
//! cargo run -p kaa-examples --bin streaming
//! ```
//!
//! The visitor (`visitor.rs`) shows progress by bars if it runs in a terminal. Each process can be started by
//! hand in a terminal of its own, in the same folder: `streaming archive`, `streaming visitor`.

mod archive;
mod progress;
mod visitor;

use std::error::Error;

use kaa_examples::stage::Stage;

const ADDRESS: &str = "unix:archive";
const SECRET: &str = "archive.secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => everything().await,
        Some("archive") => archive::run().await,
        Some("visitor") => visitor::run().await,
        Some(role) => Err(format!("no role `{role}`: archive, visitor or none").into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut archive = stage.start("archive", &["archive"])?;
    archive.says("open").await?;
    stage.start("visitor", &["visitor"])?.ends().await?;
    archive.stop().await?;
    println!("all have ended");
    Ok(())
}
