//! The plugins.

use std::error::Error;
use std::time::Duration;

use kaa_examples::studio::{Filter, Plugins, StudioClient};
use kaa_rpc_runtime::{Context, Inherited, Outcome};

use crate::say;

/// All of a plugin's `main`.
pub(crate) async fn run(filter: impl Filter) -> Result<(), Box<dyn Error>> {
    // First of all, so that nothing else gets hold of it.
    let host = Inherited::take()?;
    let plugins = Plugins::client(host.secret(), filter)
        .connect_inherited(host)
        .await?;
    // The host decides how long this runs.
    plugins.channel.closed().await;
    Ok(())
}

/// Works by itself.
pub(crate) struct Shout;

impl Filter for Shout {
    async fn apply(&self, _: &Context, text: String) -> Outcome<String> {
        Ok(text.to_uppercase())
    }
}

/// Calls its host for each word.
pub(crate) struct Translate;

impl Filter for Translate {
    async fn apply(&self, cx: &Context, text: String) -> Outcome<String> {
        let host = StudioClient::new(&cx.channel());
        let mut translated = Vec::new();
        for word in text.trim_end_matches('!').split(' ') {
            say("translate", &format!("asks for {word}"));
            let found = host.translate(word).await?;
            translated.push(found.unwrap_or_else(|| word.to_owned()));
        }
        Ok(translated.join(" "))
    }
}

/// Crashes, as a plugin with a bug in C code does. (A panic would be an error of the call only.)
pub(crate) struct Fragile;

impl Filter for Fragile {
    async fn apply(&self, _: &Context, _: String) -> Outcome<String> {
        std::process::abort()
    }
}

/// Never ends its work, and listens to nobody meanwhile.
pub(crate) struct Stuck;

impl Filter for Stuck {
    async fn apply(&self, _: &Context, _: String) -> Outcome<String> {
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
}
