//! A daemon and its screens, from a schema: typed calls in both directions, between processes.
//!
//! ```text
//! cargo run -p kaa-examples --bin quickstart
//! ```
//!
//! starts all of them. Or give each a terminal of its own, in the same folder, and call the daemon
//! from a shell as well:
//!
//! ```text
//! cargo run -p kaa-examples --bin quickstart daemon
//! cargo run -p kaa-examples --bin quickstart screen
//! cargo run -p kaa-examples --bin quickstart remote
//! cargo run -p kaa-cli -- call unix:quickstart tracks --secret-file quickstart.secret
//! ```
//!
//! `schemas/player.kidl` says what each side exposes: read it first. Then `daemon.rs`, which is the
//! server's side, `remote.rs`, which calls it, and `screen.rs`, which is called.

mod daemon;
mod remote;
mod screen;

use std::error::Error;

use kaa_examples::stage::Stage;

/// Where the daemon listens: a plain name is a socket in a folder that only this user can enter.
const ADDRESS: &str = "unix:quickstart";

/// What the two sides know and nobody else. The first one who comes makes the file.
const SECRET: &str = "quickstart.secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => everything().await,
        Some("daemon") => daemon::run().await,
        Some("screen") => screen::run().await,
        Some("remote") => remote::run().await,
        Some(role) => Err(format!("no role `{role}`: daemon, screen, remote or none").into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut daemon = stage.start("daemon", &["daemon"])?;
    daemon.says("listening").await?;
    let mut hall = stage.start("hall", &["screen"])?;
    hall.says("connected").await?;

    stage.start("remote", &["remote"])?.ends().await?;

    // One that comes late is told what plays, too.
    let mut kitchen = stage.start("kitchen", &["screen"])?;
    kitchen.says("now").await?;

    daemon.stop().await?;
    hall.ends().await?;
    kitchen.ends().await?;
    println!("all have ended");
    Ok(())
}
