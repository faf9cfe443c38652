//! A screen: it shows what the daemon says until that ends.

use std::error::Error;

use kaa_examples::player::{MediaCenter, Screen};
use kaa_examples::types::Track;
use kaa_rpc_runtime::{Context, Outcome, Secret};

/// What the daemon calls here.
struct Display;

impl Screen for Display {
    async fn changed(&self, _: &Context, track: Option<Track>) -> Outcome<()> {
        match track {
            Some(track) => println!("now: {} {:?}", track.title, track.tags),
            None => println!("nothing plays"),
        }
        Ok(())
    }

    async fn confirm(&self, _: &Context, _question: String) -> Outcome<bool> {
        // Only who asks for something to be removed is asked, and a screen does not.
        Ok(false)
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    // A client must say what it exposes before it connects, so that no call of the daemon comes too
    // early. Without a `Screen`, this does not compile.
    let home = MediaCenter::connect(crate::ADDRESS, &secret, Display).await?;
    println!("connected");
    let reason = home.channel.closed().await;
    println!("{reason}");
    Ok(())
}
