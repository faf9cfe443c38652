//! Who may call what: an interceptor looks at each call before anything of it is decoded.
//!
//! ```text
//! cargo run -p kaa-examples --bin access
//! ```
//!
//! or, each in a terminal of its own, in the same folder:
//!
//! ```text
//! cargo run -p kaa-examples --bin access bank
//! cargo run -p kaa-examples --bin access teller
//! cargo run -p kaa-examples --bin access guest
//! ```
//!
//! Each client has a secret of its own, and its id says who it is. Where all clients are programs of users
//! on one machine, the user will do as well: both are in the rules.

mod bank;
mod client;

use std::error::Error;

use kaa_examples::stage::Stage;

const ADDRESS: &str = "unix:bank";

/// The file with the secret of somebody.
fn secret_file(who: &str) -> String {
    format!("{who}.secret")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => everything().await,
        Some("bank") => bank::run().await,
        Some(who @ ("teller" | "guest")) => client::run(who).await,
        Some(role) => Err(format!("no role `{role}`: bank, teller, guest or none").into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut bank = stage.start("bank", &["bank"])?;
    bank.says("ready").await?;
    for who in ["teller", "guest"] {
        stage.start(who, &[who])?.ends().await?;
    }
    bank.stop().await?;
    println!("all have ended");
    Ok(())
}
